//! The typed API of the agent, shared by daemon, ctl and console.
//!
//! Two listeners speak it: HTTP over the Unix socket [`LOCAL_SOCKET`] for this
//! node's own tools (file permissions authenticate), and HTTP over mutual
//! TLS 1.3 on [`CLUSTER_PORT`] between agents.

mod status;

pub use status::*;

/// Where the daemon listens for this node's own tools.
pub const LOCAL_SOCKET: &str = "/run/ashlar/agent.sock";

/// TCP port of the cluster API, on the cluster address.
pub const CLUSTER_PORT: u16 = 7944;

/// UDP and TCP port of the ring.
pub const RING_PORT: u16 = 7945;
