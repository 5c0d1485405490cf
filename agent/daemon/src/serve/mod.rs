//! The agent's two listeners: one for this node's own tools, one for other
//! agents.

mod cluster;
mod doors;
mod handlers;
mod local;
mod network;
mod node;
mod power;
mod reset;
mod site_reset;

pub(crate) use cluster::{ClusterApi, serve_cluster};
pub(crate) use local::{LocalApi, bind, serve_local};
pub(crate) use node::Decider;
