//! Storage: a pool of peers and one volume with a brick a node, or the directory
//! of one box.

mod cli;
mod clients;
pub(crate) mod copies;
pub(crate) mod directory;
mod driver;
mod gluster;
mod heals;
mod hung;
mod kept;
mod local;
mod logs;
mod reach;
mod spread;
mod torn;
mod xml;

pub(crate) use driver::Driver;
use gluster::Gluster;
use local::Local;

use anyhow::Result;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// Effects on the storage daemon. Every call is safe to repeat.
pub(crate) trait Storage {
    /// The unit of its daemon, if it has one.
    fn unit(&self) -> Option<&'static str>;
    /// Peers and volume as this node's daemon tells them.
    async fn observe(&self) -> Result<ashlar_cluster::Storage>;
    /// Makes what the daemon must find when it starts: this node's brick
    /// directory, and the order to speak TLS only.
    async fn prepare(&self) -> Result<()>;
    /// Whether every brick and self-heal daemon that runs here answers.
    async fn bricks_answer(&self) -> Result<()>;
    /// Kills those that do not.
    async fn kill_hung_bricks(&self) -> Result<()>;
    /// Whether the mount and the self-heal daemon here are connected to every brick that
    /// answers.
    async fn clients_hear(&self) -> Result<()>;
    /// Lets one that is not connect to all of them anew. Whether the mount must be told to
    /// read its translators again for that.
    async fn connect_anew(&self) -> Result<bool>;
    /// Lets this node's copy of a directory count.
    async fn settle_directory(&self, path: &str) -> Result<()>;
    /// Directories of which the copies differ, and of which this node's counts; an error
    /// says that the answer is still to come.
    async fn torn(&self) -> Result<BTreeSet<String>>;
    /// Directories in which something changes when there is news of the storage.
    fn writes_at(&self) -> Vec<PathBuf>;
    /// Whether one of the daemons' logs is long enough that cutting it gives room.
    fn has_long_logs(&self) -> bool;
    /// Cuts the daemons' logs to their last part.
    async fn trim_logs(&self) -> Result<()>;
    /// Takes a node into the pool.
    async fn probe(&self, address: IpAddr) -> Result<()>;
    /// Creates the volume with a brick on each of these nodes.
    async fn create(&self, bricks: &[IpAddr]) -> Result<()>;
    /// Adds bricks and raises the replica count.
    async fn add_bricks(&self, replicas: u8, bricks: &[IpAddr]) -> Result<()>;
    /// Adds the brick of a witness to two copies.
    async fn add_arbiter(&self, brick: IpAddr) -> Result<()>;
    /// Adds a further set of copies.
    async fn add_set(&self, bricks: &[IpAddr]) -> Result<()>;
    /// Lets every box move the files that belong in another set.
    async fn rebalance(&self) -> Result<()>;
    /// Notes in the volume over how many sets its files are spread, if that is so.
    async fn note_spread(&self, sets: u8) -> Result<()>;
    /// Gives the place of a brick that is gone to another node, and starts to
    /// copy. Looks again first: every other brick must run.
    async fn replace(&self, from: IpAddr, to: IpAddr) -> Result<()>;
    /// Gives this node's own brick back as an empty one, which the others of its set
    /// fill. Looks again first: it must have lost all that it held, and they must run.
    async fn renew(&self) -> Result<()>;
    /// Gives up a brick that is gone, and one copy; with the last copy but one a
    /// witness's brick as well. Looks again first, alike.
    async fn drop_brick(&self, brick: IpAddr, replicas: u8) -> Result<()>;
    /// Lets the bricks serve only these, by the names in their certificates; or everybody
    /// with a certificate of the cluster.
    async fn admit(&self, names: Option<&BTreeSet<String>>) -> Result<()>;
    /// Strikes a node off the pool.
    async fn detach(&self, address: IpAddr) -> Result<()>;
    /// What this node's copy holds against the others: whose lacks something.
    async fn lacking(&self) -> Result<BTreeSet<IpAddr>>;
    /// Looks again whether every brick runs and nothing is to heal: an error otherwise.
    async fn is_whole(&self) -> Result<()>;
    /// Lets the second of two copies go on by itself, from this turn on.
    async fn hand_over(&self, turn: u32) -> Result<()>;
    /// Takes that right from the second of two copies, and then gives the first its turn.
    async fn hand_back(&self, turn: u32) -> Result<()>;
    /// Goes on with the copy at `own` alone, whose box is called `name`: serves nobody else,
    /// gives the copy of the other box up and strikes that off the pool. Looks again first.
    async fn go_on_alone(&self, name: &str, own: IpAddr, without: IpAddr) -> Result<()>;
    /// Sets the volume's options.
    async fn tune(&self) -> Result<()>;
    /// Starts the volume, and any brick of it that does not run.
    async fn start(&self) -> Result<()>;
}
