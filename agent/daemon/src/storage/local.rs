//! [`Storage`] of a profile for one box: a directory of the data partition, which
//! the mount of the volume binds to where applications look for it.

use super::Storage;
use crate::identity;
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result, bail};
use ashlar_cluster::{Brick, Volume};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

/// The directory.
#[derive(Debug)]
pub(crate) struct Local {
    paths: Paths,
    volume: String,
}

impl Local {
    pub(crate) fn new(paths: &Paths, volume: &str) -> Self {
        Self { paths: paths.clone(), volume: volume.to_owned() }
    }

    /// Where the only copy lies: as a brick does, so that what sets one aside sets
    /// this aside.
    fn copy(&self) -> PathBuf {
        self.paths.bricks().join(&self.volume).join("brick")
    }

    fn own(&self) -> Result<IpAddr> {
        let identity = identity::load(&self.paths)?.context("this node has no identity yet")?;
        Ok(identity.address)
    }
}

fn alone<T>(what: IpAddr) -> Result<T> {
    bail!("the storage of this profile is for one box: {what} takes no part in it")
}

impl Storage for Local {
    fn unit(&self) -> Option<&'static str> {
        None
    }

    async fn observe(&self) -> Result<ashlar_cluster::Storage> {
        let address = self.own()?;
        // Nothing goes over the network that would want TLS, and nothing has copies.
        let volume = self.copy().is_dir().then(|| Volume {
            started: true,
            replicas: 1,
            tls: true,
            tuned: true,
            bricks: vec![Brick { address, online: true, arbiter: false }],
            pending_heals: Some(0),
            ..Volume::default()
        });
        Ok(ashlar_cluster::Storage { peers: Vec::new(), volume })
    }

    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn bricks_answer(&self) -> Result<()> {
        Ok(())
    }

    async fn kill_hung_bricks(&self) -> Result<()> {
        Ok(())
    }

    async fn clients_hear(&self) -> Result<()> {
        Ok(())
    }

    async fn connect_anew(&self) -> Result<bool> {
        Ok(false)
    }

    async fn settle_directory(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn torn(&self) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::new())
    }

    fn writes_at(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn has_long_logs(&self) -> bool {
        false
    }

    async fn trim_logs(&self) -> Result<()> {
        Ok(())
    }

    async fn probe(&self, address: IpAddr) -> Result<()> {
        alone(address)
    }

    async fn create(&self, bricks: &[IpAddr]) -> Result<()> {
        let own = self.own()?;
        if let Some(other) = bricks.iter().find(|brick| **brick != own) {
            return alone(*other);
        }
        state::make_public_dir(&self.copy())
    }

    async fn add_bricks(&self, _: u8, bricks: &[IpAddr]) -> Result<()> {
        bricks.first().map_or(Ok(()), |brick| alone(*brick))
    }

    async fn add_set(&self, bricks: &[IpAddr]) -> Result<()> {
        bricks.first().map_or(Ok(()), |brick| alone(*brick))
    }

    async fn rebalance(&self) -> Result<()> {
        bail!("the storage of this profile has one set")
    }

    async fn note_spread(&self, _: u8) -> Result<()> {
        self.rebalance().await
    }

    async fn add_arbiter(&self, brick: IpAddr) -> Result<()> {
        alone(brick)
    }

    async fn replace(&self, _: IpAddr, to: IpAddr) -> Result<()> {
        alone(to)
    }

    async fn renew(&self) -> Result<()> {
        bail!("one box by itself has no other copy to fill its own from")
    }

    async fn drop_brick(&self, brick: IpAddr, _: u8) -> Result<()> {
        alone(brick)
    }

    async fn admit(&self, _: Option<&BTreeSet<String>>) -> Result<()> {
        bail!("one box by itself has nobody to let in")
    }

    async fn detach(&self, address: IpAddr) -> Result<()> {
        alone(address)
    }

    async fn lacking(&self) -> Result<BTreeSet<IpAddr>> {
        Ok(BTreeSet::new())
    }

    async fn is_whole(&self) -> Result<()> {
        Ok(())
    }

    async fn hand_over(&self, _: u32) -> Result<()> {
        bail!("the storage of this profile has one copy")
    }

    async fn go_on_alone(&self, _: &str, _: IpAddr, _: IpAddr) -> Result<()> {
        bail!("there is no other copy")
    }

    async fn hand_back(&self, turn: u32) -> Result<()> {
        self.hand_over(turn).await
    }

    async fn tune(&self) -> Result<()> {
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::{Identity, NodeId};

    #[tokio::test]
    async fn the_only_copy_is_a_directory_that_is_made_once_and_shared_with_nobody() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let local = Local::new(&paths, "clusterfs");
        assert!(local.observe().await.is_err(), "without an identity nothing is known");
        let (own, other) = (IpAddr::from([10, 83, 0, 1]), IpAddr::from([10, 83, 0, 2]));
        let identity = Identity { id: NodeId("ab".into()), name: "ashlar-ab".into(), address: own };
        std::fs::create_dir_all(paths.state()).unwrap();
        state::write_json(&paths.identity(), &identity, 0o600).unwrap();
        assert_eq!(local.observe().await.unwrap().volume, None);
        assert!(local.create(&[own, other]).await.is_err());
        for _ in 0..2 {
            local.create(&[own]).await.unwrap();
            std::fs::write(paths.bricks().join("clusterfs/brick/till"), "takings").unwrap();
        }
        let volume = local.observe().await.unwrap().volume.unwrap();
        assert!(volume.writable() && volume.started && volume.tls && volume.tuned);
        assert_eq!(volume.bricks, [Brick { address: own, online: true, arbiter: false }]);
        assert!(local.probe(other).await.is_err());
    }
}
