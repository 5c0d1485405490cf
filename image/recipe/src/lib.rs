//! Edge profiles: recipes, their composition, their lock files; sites; and the
//! settings that a recipe hands to the agent.

mod settings;
mod site;

pub use settings::{AgentSettings, RingSettings, StorageSettings, SwarmSettings};
pub use site::{NetworkPlan, RingKey, Site, SiteNode};
