//! `ashlar flash`, and the repair of a data partition, on real block devices: loop
//! devices, so it needs root. What a flashed disk holds afterwards and how failing media are told apart is proved byte by
//! byte in `image/disk`; here it is the kernel's and the command's turn.

mod flashing;
mod held;
mod installing;
mod loop_device;
mod mending;
mod refused;
mod seen;
mod stopped;

/// The image that all of this is done with.
#[path = "../../image/disk/tests/it/small_image.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "it belongs to the tests of image/disk")]
mod small_image;
