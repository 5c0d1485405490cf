//! The image tier: the finished retail image, not booted, and what the builder
//! says to bad input.

mod artefacts;
mod flashed;
mod inspecting;
mod interrupted;
mod refused;
mod reproducible;
