//! The agent's three listeners: one for this node's own tools, one for other agents,
//! one for people from elsewhere.

mod alone;
mod cluster;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod contract_tests;
mod doors;
mod handlers;
mod listen;
mod local;
mod logs;
mod merging;
mod network;
mod node;
mod people;
mod pki;
mod power;
mod reset;
mod revoked;
mod ring;
mod said;
mod site_reset;
mod socket;
mod support;

pub(crate) use cluster::{ClusterApi, serve_cluster};
pub(crate) use local::{LocalApi, routes};
pub(crate) use node::Decider;
pub(crate) use people::{PeopleApi, serve_people};
pub(crate) use socket::{bind, serve_local};
