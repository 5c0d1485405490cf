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
//! sandbox whose programs come from the [`tools`] root, and [`publish`] puts
//! the results into `out/<profile>/<version>/`.

mod agents;
mod archive;
pub mod cpio;
mod digest;
mod elf;
mod error;
mod events;
mod execute;
pub mod export;
mod identity;
mod initrd;
mod inputs;
mod layer;
mod locking;
mod modules;
mod outline;
mod pipeline;
mod plan;
mod project;
mod publish;
pub mod sbom;
mod space;
mod steps;
mod store;
mod tools;

pub use agents::ready as programs;
pub use error::BuildError;
pub use events::{Activity, Events, Silent};
pub use layer::PROGRAMS;
pub use locking::current as current_lock;
pub use locking::{Locked, Locking, lock_profile};
pub use outline::{Outline, outline};
pub use pipeline::{Built, Report, Request, StepReport, build, explain};
pub use plan::StepId;
pub use project::{Project, ProjectError};
pub use store::{Entry, Store, size_of};
pub use tools::Toolbox;
