//! Clusters of machines made from one image, on this host.
//!
//! A [`Cluster`] is a few nodes on one private segment. Two back ends run it:
//! [`Backend::Vm`] boots the finished image in QEMU, [`Backend::Lab`] boots the
//! image's root tree in systemd-nspawn. Both know the same verbs: power a node
//! on, cut its power, pull its cable, run a command in it.
//!
//! ```text
//! Spec ─ check ─ Cluster::up ─┬─ vm:  QEMU, one disk over a shared base, a virtual cable
//!  image, site, hardware      └─ lab: nspawn, the same root tree, a network namespace each
//!                 │
//!                 ├─ start, stop, kill, cut, restore   what happens to boxes
//!                 ├─ exec                              a command in a node, as root
//!                 ├─ Watch                             until all of them are ready
//!                 └─ down                              nothing is left
//! ```
//!
//! Power and cables are cut as in a shop: at once, and without a word to the node.
//! Every wait has a [`Deadline`]; when it passes, [`last_words`] are what the node
//! said last. Programs for VMs come from a tools root, so that every host runs the
//! same QEMU and firmware, or else from the host ([`Tools`]).
//!
//! A cluster outlives the process that started it. All that is known about it
//! lies in its directory (see [`Store`]), so that any later process can go on
//! with it, and notices what died meanwhile.

mod backend;
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

pub use backend::{Accelerator, Backend, NoSuchWord};
pub use cluster::{Cluster, ClusterView, NodeView};
pub use deadline::Deadline;
pub use error::{Error, Result};
pub use exec::{Exec, Finished};
pub use spec::Spec;
pub use store::Store;
pub use tools::Tools;
pub use vm::{EMULATED, console};
pub use watch::{NodeReport, NodeTimes, Watch, last_words};
