//! Flashing and stamping, on media that misbehave as disks do.

mod flashing;
mod medium;
mod misbehaving;
mod small_image;
mod stamping;
