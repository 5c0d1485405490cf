//! Where the builder's tools run: in a pinned root tree, away from the host.
//!
//! A [`Sandbox`] is a root with programs in it. [`Sandbox::command`] makes a
//! [`Tool`], which sees the directories that it was given and nothing else:
//!
//! ```no_run
//! use ashlar_sandbox::{Cancel, Sandbox};
//! use std::path::Path;
//!
//! # fn main() -> ashlar_sandbox::Result<()> {
//! let cancel = Cancel::default();
//! let tools = Sandbox::new(Path::new("/cache/tools/root")).until(cancel.clone());
//! tools
//!     .script("packing", "mkfs.erofs /run/out/root.erofs /run/tree")
//!     .read(Path::new("/cache/tree"), "tree")
//!     .write(Path::new("/cache/out"), "out")
//!     .run()?;
//! # Ok(())
//! # }
//! ```
//!
//! What a tool makes does not depend on who runs it: environment, umask, host
//! name, time zone and locale are fixed ([`conditions`] says to what), the
//! network is cut unless [`Tool::network`] asks for it, and root keeps the
//! capabilities that files take and no other, unless packages are installed
//! ([`Tool::mounting`]).
//!
//! Whoever runs tools keeps a [`Cancel`] and ends them with it from any thread.
//! A failed tool is a [`SandboxError`] that has its last lines and the place of
//! its whole log, and a [`Trace`] is told each command in a form that can be
//! repeated by hand. The crate imports nothing else of this project, and prints
//! nothing.

mod argv;
mod cancel;
mod error;
pub mod host;
pub mod interrupt;
mod proxy;
mod run;
mod sandbox;

pub use argv::conditions;
pub use cancel::{Cancel, Running};
pub use error::{At, Result, SandboxError};
pub use proxy::Proxies;
pub use sandbox::{Sandbox, Tool, Trace};

/// `SOURCE_DATE_EPOCH` of every build, 2026-01-01T00:00:00Z: the only time that
/// is ever written into an image.
pub const EPOCH: u64 = 1_767_225_600;
