//! Clusters of machines made from one image, on this host.
//!
//! A [`Cluster`] is a few nodes on one private segment. Two back ends run it:
//! [`Backend::Vm`] boots the finished image in QEMU, [`Backend::Lab`] boots the
//! image's root tree in systemd-nspawn. Both know the same verbs: power a node
//! on, cut its power, pull its cable, run a command in it.
//!
//! A cluster outlives the process that started it. All that is known about it
//! lies in its directory (see [`Store`]), so that any later process can go on
//! with it, and notices what died meanwhile.

mod cluster;
mod deadline;
mod error;
mod exec;
mod lab;
mod make;
mod process;
mod spec;
mod store;
mod tools;
mod vm;
mod watch;

pub use cluster::{Cluster, ClusterView, NodeView};
pub use deadline::Deadline;
pub use error::{Error, Result};
pub use exec::{Exec, Finished};
pub use spec::{Accelerator, Backend, Spec};
pub use store::Store;
pub use tools::Tools;
pub use vm::console;
pub use watch::{NodeReport, NodeTimes, Watch, last_words};
