//! The harness that the image, lab and vm tiers share.
//!
//! [`command`] runs the `ashlar` command as a person would and checks what it
//! says. [`image`] has the retail image that one build leaves for all tiers.
//! [`fleet`] runs nodes of it, in VMs or in the lab, and waits for what they
//! do; [`console`] looks through what they said while booting. [`site`] makes
//! secrets for them and [`workload`] something to run on them; an [`office`] is where
//! their keys are kept, and a [`desk`] a machine beside them. A [`machine`] is one VM of a
//! test's own, and a [`till`] one that a stick installs; what is on disks and sticks is read
//! and written by [`medium`]. [`ring`] runs
//! rings of our Serf agent and HashiCorp's, without any image. A test that can
//! prove nothing on this host says so with [`skipped`].
//!
//! Nothing here sleeps for its own sake: every wait looks for a condition, has
//! a deadline, and shows the last journal lines of its nodes when it passes.

#[cfg(test)]
mod book;
pub mod claims;
pub mod command;
pub mod console;
pub mod desk;
mod docs;
pub mod fleet;
pub mod image;
pub mod loop_device;
pub mod machine;
pub mod medium;
mod node;
pub mod office;
pub mod person;
pub mod project;
pub mod ring;
pub mod session;
pub mod shared;
pub mod site;
mod skip;
#[cfg(test)]
mod structure;
pub mod till;
pub mod workload;

pub use skip::skipped;
