//! Edge profiles: recipes, their composition, their lock files; sites; and the
//! settings that a recipe hands to the agent.

mod check;
mod compose;
mod document;
mod error;
mod file;
mod finder;
mod lock;
mod modules;
mod recipe;
mod schema;
mod settings;
mod site;
mod size;

pub use compose::{Composed, Origin, StackFile, compose, recipes};
pub use error::{Fault, Place, RecipeError};
pub use lock::{Lock, LockDiff, LockedPackage, Moved};
pub use modules::{ModulePattern, NotAPattern};
pub use recipe::{
    BudgetSettings, Compression, DiskSettings, Extends, HardwareSettings, ImageSettings,
    KernelFlavour, KernelSettings, Recipe,
};
pub use schema::schema;
pub use settings::{AgentSettings, RingSettings, StorageSettings, SwarmSettings};
pub use site::{
    NetworkPlan, NotAnSshKey, RingKey, Site, SiteError, SiteNode, SiteOptions, check_ssh_key,
};
pub use size::{NotASize, Size};
