//! Edge profiles: recipes, their composition and their lock files.

mod check;
mod compose;
mod document;
mod error;
mod finder;
mod lock;
mod modules;
mod recipe;
mod remove;
mod schema;
mod size;

pub use compose::{Composed, Origin, StackFile, compose, recipes};
pub use error::{Fault, Place, RecipeError};
pub use lock::{Lock, LockDiff, LockedPackage, Moved};
pub use modules::{ModulePattern, NotAPattern};
pub use recipe::{
    BudgetSettings, Compression, DiskSettings, Extends, FirmwareSettings, HardwareSettings,
    ImageSettings, InitrdSettings, KernelSettings, Recipe,
};
pub use remove::{RemoveFirmware, RemoveHardware, RemoveInitrd, RemoveKernel, RemoveSettings};
pub use schema::schema;
pub use size::{NotASize, Size};
