//! Serf's gossip protocol: joins rings of HashiCorp Serf agents, and forms its
//! own.
//!
//! A *ring* is a group of nodes that know of each other, notice within seconds
//! when one fails, tell each other small *events* and ask each other
//! *queries*, with nobody in charge.
//!
//! [`Node`] is the whole protocol as a state machine: bytes and time in; bytes,
//! timers and events out. It opens no socket, reads no clock, starts no task
//! and draws no random number of its own, so that a thousand of them can be
//! simulated in one test. With the feature `agent`, which is on by default,
//! [`Agent`](agent::Agent) gives it sockets, files, mDNS and the RPC that the
//! stock `serf` command speaks.
//!
//! Two nodes, and a network that is two lines of code:
//!
//! ```
//! use serf_rs::{Config, Node, Output, Status, Time};
//! use std::{net::SocketAddr, time::Duration};
//!
//! let mut now = Time::START;
//! let here: [SocketAddr; 2] = ["10.0.0.1:7946".parse()?, "10.0.0.2:7946".parse()?];
//! let mut nodes = vec![
//!     Node::new(now, Config::new("mason", here[0]), [1; 32])?,
//!     Node::new(now, Config::new("quarry", here[1]), [2; 32])?,
//! ];
//! nodes[1].join(now, &[here[0]], false);
//! while nodes.iter().any(|node| node.members().len() < 2) {
//!     for place in 0..2 {
//!         nodes[place].handle_timeout(now);
//!         while let Some(output) = nodes[place].poll_output() {
//!             match output {
//!                 Output::Packet { bytes, .. } => nodes[1 - place].packet(now, here[place], &bytes),
//!                 Output::StreamOpen { stream, bytes, .. } => {
//!                     let other = &mut nodes[1 - place];
//!                     let theirs = other.stream_accepted(now, here[place]).ok_or("busy")?;
//!                     other.stream_data(now, theirs, &bytes);
//!                     while let Some(output) = nodes[1 - place].poll_output() {
//!                         if let Output::StreamSend { bytes, .. } = output {
//!                             nodes[place].stream_data(now, stream, &bytes);
//!                         }
//!                     }
//!                 }
//!                 _ => {}
//!             }
//!         }
//!     }
//!     now = now + Duration::from_millis(10);
//! }
//! assert!(nodes[0].members().all(|member| member.status == Status::Alive));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every rule names its source, which is the public source of
//! [memberlist](https://github.com/hashicorp/memberlist) and
//! [Serf](https://github.com/hashicorp/serf), or the paper behind it.

#![forbid(unsafe_code)]

#[cfg(feature = "agent")]
pub mod agent;
mod coordinate;
mod event;
#[cfg(all(fuzzing, feature = "agent"))]
#[doc(hidden)]
pub mod fuzzing;
mod keyring;
mod output;
mod ring;
mod snapshot;
mod swim;
mod time;
pub mod wire;

pub use coordinate::Coordinate;
pub use event::{Change, Event, Member, QueryEvent, QueryId, Status, UserEvent};
pub use keyring::{Key, KeyError, Keyring};
pub use output::{Counters, Output};
pub use ring::{
    Clocks, Coalescing, Config, ConfigError, EventError, KeyOperation, KeyResult, Node, QueryKey,
    QueryRequest, SaveId,
};
pub use snapshot::{Snapshot, SnapshotLine};
pub use swim::{JoinId, StreamId};
pub use time::{Profile, Time};
