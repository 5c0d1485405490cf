//! The image tier: the finished retail image, not booted, and what the builder
//! says to bad input.

mod artefacts;
mod first_boot;
mod flashed;
mod inspecting;
mod interrupted;
mod menu;
mod refused;
mod reproducible;

/// How a boot partition is read.
#[path = "../../image/disk/tests/it/small_image.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "it belongs to the tests of image/disk")]
mod small_image;
