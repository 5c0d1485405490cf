//! Edge profiles: recipes, their composition and their lock files.

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
