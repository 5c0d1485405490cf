//! The storage that a profile asks for.

use super::{Gluster, Local, Storage};
use crate::paths::Paths;
use anyhow::Result;
use ashlar_site::{StorageDriver, StorageSettings};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// One of those that there are.
#[derive(Debug)]
pub(crate) enum Driver {
    Gluster(Box<Gluster>),
    Local(Local),
}

impl Driver {
    /// The one that the recipe names.
    pub(crate) fn new(paths: &Paths, settings: &StorageSettings) -> Self {
        match settings.driver {
            StorageDriver::Gluster => {
                Self::Gluster(Box::new(Gluster::new(paths, &settings.volume)))
            }
            StorageDriver::Local => Self::Local(Local::new(paths, &settings.volume)),
        }
    }
}

/// The same question to whichever it is.
macro_rules! ask {
    ($driver:expr, $call:ident($($argument:expr),*)) => {
        match $driver {
            Driver::Gluster(gluster) => gluster.$call($($argument),*).await,
            Driver::Local(local) => local.$call($($argument),*).await,
        }
    };
}

impl Storage for Driver {
    fn unit(&self) -> Option<&'static str> {
        match self {
            Self::Gluster(gluster) => gluster.unit(),
            Self::Local(local) => local.unit(),
        }
    }

    async fn observe(&self) -> Result<ashlar_cluster::Storage> {
        ask!(self, observe())
    }

    async fn prepare(&self) -> Result<()> {
        ask!(self, prepare())
    }

    async fn go_on_alone(&self, name: &str, own: IpAddr, without: IpAddr) -> Result<()> {
        ask!(self, go_on_alone(name, own, without))
    }

    async fn bricks_answer(&self) -> Result<()> {
        ask!(self, bricks_answer())
    }

    async fn kill_hung_bricks(&self) -> Result<()> {
        ask!(self, kill_hung_bricks())
    }

    async fn clients_hear(&self) -> Result<()> {
        ask!(self, clients_hear())
    }

    async fn connect_anew(&self) -> Result<bool> {
        ask!(self, connect_anew())
    }

    async fn settle_directory(&self, path: &str) -> Result<()> {
        ask!(self, settle_directory(path))
    }

    async fn torn(&self) -> Result<BTreeSet<String>> {
        ask!(self, torn())
    }

    fn writes_at(&self) -> Vec<PathBuf> {
        match self {
            Self::Gluster(gluster) => gluster.writes_at(),
            Self::Local(local) => local.writes_at(),
        }
    }

    fn has_long_logs(&self) -> bool {
        match self {
            Self::Gluster(gluster) => gluster.has_long_logs(),
            Self::Local(local) => local.has_long_logs(),
        }
    }

    async fn trim_logs(&self) -> Result<()> {
        ask!(self, trim_logs())
    }

    async fn probe(&self, address: IpAddr) -> Result<()> {
        ask!(self, probe(address))
    }

    async fn create(&self, bricks: &[IpAddr]) -> Result<()> {
        ask!(self, create(bricks))
    }

    async fn add_bricks(&self, replicas: u8, bricks: &[IpAddr]) -> Result<()> {
        ask!(self, add_bricks(replicas, bricks))
    }

    async fn add_set(&self, bricks: &[IpAddr]) -> Result<()> {
        ask!(self, add_set(bricks))
    }

    async fn rebalance(&self) -> Result<()> {
        ask!(self, rebalance())
    }

    async fn note_spread(&self, sets: u8) -> Result<()> {
        ask!(self, note_spread(sets))
    }

    async fn add_arbiter(&self, brick: IpAddr) -> Result<()> {
        ask!(self, add_arbiter(brick))
    }

    async fn replace(&self, from: IpAddr, to: IpAddr) -> Result<()> {
        ask!(self, replace(from, to))
    }

    async fn renew(&self) -> Result<()> {
        ask!(self, renew())
    }

    async fn drop_brick(&self, brick: IpAddr, replicas: u8) -> Result<()> {
        ask!(self, drop_brick(brick, replicas))
    }

    async fn admit(&self, names: Option<&BTreeSet<String>>) -> Result<()> {
        ask!(self, admit(names))
    }

    async fn detach(&self, address: IpAddr) -> Result<()> {
        ask!(self, detach(address))
    }

    async fn lacking(&self) -> Result<BTreeSet<IpAddr>> {
        ask!(self, lacking())
    }

    async fn is_whole(&self) -> Result<()> {
        ask!(self, is_whole())
    }

    async fn hand_over(&self, turn: u32) -> Result<()> {
        ask!(self, hand_over(turn))
    }

    async fn hand_back(&self, turn: u32) -> Result<()> {
        ask!(self, hand_back(turn))
    }

    async fn tune(&self) -> Result<()> {
        ask!(self, tune())
    }

    async fn start(&self) -> Result<()> {
        ask!(self, start())
    }
}
