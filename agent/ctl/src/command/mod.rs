//! One module for each verb: its options (`Args`) and what it does (`run`).

pub(crate) mod admin;
pub(crate) mod await_phase;
pub(crate) mod check;
pub(crate) mod cluster;
pub(crate) mod completions;
pub(crate) mod facts;
pub(crate) mod hardware;
pub(crate) mod history;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod members;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod pki;
pub(crate) mod power;
pub(crate) mod reset;
pub(crate) mod ring;
mod rotation;
pub(crate) mod status;
pub(crate) mod support;
pub(crate) mod wait;
pub(crate) mod why;
