//! From a recipe to an image.
//!
//! ```text
//! recipe ─ lock ─ packages ─┬─ base ─ modules ─┬─ initrd ─┐
//!                           │                  │          ├─ uki ─ disk ─ compressed
//! overlays, agent ──────────┴──────────────────┴─ root ───┘
//! ```
//!
//! [`pipeline`] is the whole story. [`plan`] keys each step by its inputs,
//! [`execute`] runs those whose output the [`store`] does not have, each in a
//! [`sandbox`] whose programs come from the [`tools`] root, and [`publish`] puts
//! the results into `out/<profile>/<version>/`.

mod agents;
mod archive;
mod cpio;
mod digest;
mod elf;
mod error;
mod execute;
mod host;
mod identity;
mod initrd;
mod inputs;
pub(crate) mod interrupt;
mod layer;
mod locking;
mod modules;
mod pipeline;
mod plan;
mod publish;
mod sandbox;
mod space;
mod steps;
mod store;
mod tools;

pub(crate) use agents::ready as programs;
pub(crate) use archive::suites;
pub(crate) use error::{BuildError, Bytes};
pub(crate) use identity::Identity;
pub(crate) use inputs::{FINISH, command_line};
pub(crate) use layer::{PROGRAMS, Release, fill_from_recipe, lay, put};
pub(crate) use locking::current as current_lock;
pub(crate) use locking::{Locked, Locking, lock_profile};
pub(crate) use pipeline::{Built, Report, Request, build, explain};
pub(crate) use sandbox::Sandbox;
pub(crate) use store::{Store, size_of};
pub(crate) use tools::Toolbox;

/// `SOURCE_DATE_EPOCH` of every build, 2026-01-01T00:00:00Z: the only time that
/// is ever written into an image.
pub(crate) const EPOCH: u64 = 1_767_225_600;
