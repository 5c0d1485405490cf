//! From a recipe to an image.
//!
//! ```text
//! recipe ─ lock ─ packages ─┬─ base ─ modules ─┬─ initrd ──────┐         ┌─ checksum
//! overlays ─────────────────┴──────────────────┴─ system ─┐    ├─ uki ─ disk ─ compressed
//! our programs ───────────────────────────────────────────┴─ root ──────┘ └─ iso, qcow2, vmdk
//! ```
//!
//! [`build()`] takes a [`Request`] and somebody who listens ([`Events`]), and
//! gives a directory of artefacts. It prints nothing and knows no terminal; who
//! listens also hands in the token that ends the build.
//!
//! ```no_run
//! use ashlar_build::{Locking, Project, Request, Silent, Target, build};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = Request {
//!     project: Project::find(None)?,
//!     profile: "retail".into(),
//!     locking: Locking::Refuse,
//!     version: None,
//!     agent_dir: None,
//!     vendor: None,
//!     cache_dir: None,
//!     targets: Target::USUAL.into(),
//! };
//! println!("{}", build(&request, &Silent)?.image.display());
//! # Ok(())
//! # }
//! ```
//!
//! # How a build goes
//!
//! 1. The recipe is composed, its lock found or renewed ([`Locking`]), the tools
//!    root ([`Toolbox`]) brought up, packages fetched, from wherever
//!    they still are (`fetch`) or from what [`vendor()`] kept, and our own programs
//!    compiled *in* the tools root: against the image's C library, under paths and
//!    with an environment that are everybody's.
//! 2. Each **step** (one file in `step/`) declares what it reads. Files are copied
//!    into a stage and hashed there (`stage`); a step finds nothing else, so that
//!    a missed input is an error of the first run and no wrong image later. Its
//!    own sources are an input: `build.rs` finds them.
//! 3. The **plan** (`plan`) gives every step a key, the hash of its inputs and of
//!    the keys before it. It is pure.
//! 4. What the cache ([`Store`]) does not have is run (`execute`), side by side
//!    where the plan allows it, each step in a sandbox. A finished step is hashed
//!    file by file, synced and only then written down as finished (`contents`);
//!    whenever a step is used, what seems changed is read again, and what is
//!    damaged is made anew.
//! 5. The artefacts of the [`Target`]s are measured against the recipe's budgets
//!    and published (`publish`) with a manifest and bills of materials.
//!
//! [`explain()`] tells what would happen and why, and writes nothing at all.
//!
//! # The same bytes
//!
//! Two builds of one lock and one tree are the same, whoever makes them: umask,
//! home, locale, time and host name are fixed by the sandbox, modes and owners by
//! `layer`, ids by the product line (`identity`), and everything that the firmware
//! or the kernel executes comes from locked packages.

mod bootstrap;
mod cargo;
mod contents;
pub mod cpio;
mod digest;
mod download;
mod draft;
mod elf;
mod entries;
mod error;
mod events;
mod execute;
mod explain;
pub mod export;
mod fetch;
mod files;
mod identity;
mod index;
mod initrd;
mod iso;
mod layer;
mod loader;
mod locking;
mod manifest;
mod modules;
mod outline;
mod pipeline;
mod plan;
mod prepare;
mod programs;
mod project;
mod prune;
mod publish;
mod request;
mod resolve;
pub mod sbom;
mod space;
mod sparse;
mod stage;
mod step;
mod step_id;
mod store;
#[cfg(test)]
mod test_archive;
mod tools;
mod vendor;
mod workspace;

pub use draft::Draft;
pub use entries::Entry;
pub use error::BuildError;
pub use events::{Activity, Events, Silent};
pub use explain::{Report, StepReport, explain};
pub use fetch::Lost;
pub use files::size_of;
pub use layer::PROGRAMS;
pub use locking::current as current_lock;
pub use locking::{Locked, Locking, lock_profile, lock_tools};
pub use outline::{Outline, outline};
pub use pipeline::{Built, build};
pub use programs::programs;
pub use project::{Project, ProjectError};
pub use prune::{Pruned, Rule, prune};
pub use request::Request;
pub use step::{StepId, Target};
pub use store::{BuildLock, Store};
pub use tools::{Toolbox, ToolsLock};
pub use vendor::{Vendored, archive, check_vendored, vendor};
