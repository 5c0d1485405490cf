//! Edge profiles: recipes, their composition and their lock files.
//!
//! A *recipe* is a TOML file, `recipes/<name>.toml`; people call it a profile. It
//! extends others, names a target machine, and gives packages, overlays, stacks,
//! kernel modules and sizes; it can take back what a parent gave ([`RemoveSettings`]).
//! [`compose()`] makes one of all of these:
//!
//! ```text
//! machine ─┐
//! parents ─┼─► Composed: the merged Recipe, where each value was written, and
//! recipe  ─┘   every file that it names, found
//! ```
//!
//! * [`Recipe`] is what can be written, with its defaults; [`schema()`] the same as a
//!   JSON Schema. Every value is checked, and a [`RecipeError`] shows the file, the
//!   line, what was expected, and the cure.
//! * [`Archives`] says where packages come from, mirrors and dated archives among
//!   them, and which key ([`openpgp`]) is believed.
//! * [`Lock`] holds the exact packages that a [`Composed`] recipe became: version,
//!   SHA-256, source, archive and its date. It belongs to what was [`Wanted`], whose
//!   digest it carries; [`Lock::diff`] tells two of them apart.
//! * [`ModulePattern`] chooses kernel modules; [`matching()`] is how, as an input of
//!   the steps that are given their choice.
//!
//! Nothing here asks a network or runs a tool. Of a site nothing enters a recipe but
//! the agent's settings, which are `ashlar-site`'s.

mod archives;
mod check;
mod compose;
mod document;
mod error;
mod finder;
mod lock;
mod lock_diff;
mod modules;
pub mod openpgp;
mod origin;
mod recipe;
mod remove;
mod schema;
mod size;

pub use archives::{Archive, ArchiveKey, ArchiveSettings, Archives, RELEASE};
pub use compose::{Composed, compose, recipes};
pub use error::{Fault, Place, RecipeError};
pub use finder::StackFile;
pub use lock::{Lock, LockedArchive, LockedPackage, Wanted};
pub use lock_diff::{LockDiff, Moved};
pub use modules::{ModulePattern, NotAPattern, matching};
pub use origin::Origin;
pub use recipe::{
    BudgetSettings, Compression, DiskSettings, Extends, FirmwareSettings, HardwareSettings,
    ImageSettings, InitrdSettings, KernelSettings, Recipe,
};
pub use remove::{RemoveFirmware, RemoveHardware, RemoveInitrd, RemoveKernel, RemoveSettings};
pub use schema::{archives_schema, schema};
pub use size::{NotASize, Size};
