//! Flashing and stamping, on media that misbehave as disks do.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod flashing;
mod installing;
mod medium;
mod misbehaving;
mod small_image;
mod stamping;
