//! The agent's two listeners.

mod local;

pub(crate) use local::{bind, serve_local};
