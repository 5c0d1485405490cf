//! [`Storage`] by GlusterFS.

use super::Storage;
use super::cli::{CHANGE, READ, must, run};
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result};
use rand::Rng;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// `EG_NOVOL` of glusterd.
const NO_SUCH_VOLUME: i32 = 30806;

/// `volume status` is a transaction over all peers and refuses a second one at
/// the same time; asking seldom keeps out of the way of changes.
const STATUS_AGE: Duration = Duration::from_secs(4);

/// What could not be asked for so long is not known any more.
const STATUS_GONE: Duration = Duration::from_secs(60);

/// `heal info` starts a client of its own: seldom while there is nothing to heal.
const HEALS_AGE: Duration = Duration::from_secs(15);
const HEALED_AGE: Duration = Duration::from_secs(60);

/// The local storage daemon.
#[derive(Debug)]
pub(crate) struct Gluster {
    paths: Paths,
    volume: String,
    online: Mutex<Kept<Vec<IpAddr>>>,
    heals: Mutex<Kept<Option<u64>>>,
}

/// An answer and when it came.
#[derive(Debug, Default)]
struct Kept<T> {
    at: Option<Instant>,
    value: T,
}

impl<T> Kept<T> {
    fn younger_than(&self, age: Duration) -> bool {
        self.at.is_some_and(|at| at.elapsed() < age)
    }
}

impl Gluster {
    pub(crate) fn new(paths: &Paths, volume: &str) -> Self {
        Self {
            paths: paths.clone(),
            volume: volume.to_owned(),
            online: Mutex::default(),
            heals: Mutex::default(),
        }
    }

    fn brick(&self) -> String {
        self.paths.bricks().join(&self.volume).join("brick").display().to_string()
    }

    fn bricks(&self, addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(|address| format!("{address}:{}", self.brick())).collect()
    }

    /// Addresses of the bricks that run, of so many in all.
    async fn online(&self, bricks: usize) -> Vec<IpAddr> {
        if let Ok(kept) = self.online.lock()
            && kept.younger_than(STATUS_AGE)
            && kept.value.len() == bricks
        {
            return kept.value.clone();
        }
        let mut last = self.bricks_online().await;
        // Another node's question may be in the way. What was true a moment ago
        // will do; an agent that has just started knows nothing, and asks again
        // rather than take every brick for dead.
        let mut tries = if self.knows_bricks() { 0 } else { 5 };
        while last.is_err() && tries > 0 {
            tokio::time::sleep(pause()).await;
            last = self.bricks_online().await;
            tries -= 1;
        }
        let Ok(mut kept) = self.online.lock() else { return Vec::new() };
        match last {
            Ok(online) => *kept = Kept { at: Some(Instant::now()), value: online },
            Err(error) => tracing::debug!("{error:#}"),
        }
        if !kept.younger_than(STATUS_GONE) {
            kept.value.clear();
        }
        kept.value.clone()
    }

    fn knows_bricks(&self) -> bool {
        self.online.lock().is_ok_and(|kept| kept.younger_than(STATUS_GONE))
    }

    async fn bricks_online(&self) -> Result<Vec<IpAddr>> {
        Ok(must(&["volume", "status", &self.volume], READ).await?.bricks_online())
    }

    async fn pending_heals(&self) -> Option<u64> {
        if let Ok(kept) = self.heals.lock()
            && kept.younger_than(if kept.value == Some(0) { HEALED_AGE } else { HEALS_AGE })
        {
            return kept.value;
        }
        let answer = must(&["volume", "heal", &self.volume, "info", "summary"], READ).await;
        let value = answer.ok().and_then(|output| output.pending_heals());
        if let Ok(mut kept) = self.heals.lock() {
            *kept = Kept { at: Some(Instant::now()), value };
        }
        value
    }

    async fn volume(&self) -> Result<Option<ashlar_cluster::Volume>> {
        let info = run(&["volume", "info", &self.volume], READ).await?;
        if info.op_ret != 0 && info.op_errno != NO_SUCH_VOLUME {
            anyhow::bail!("glusterd does not tell of {}: {}", self.volume, info.op_errstr);
        }
        let Some((mut volume, options)) = info.volume(&self.volume) else { return Ok(None) };
        volume.tls = has(&options, TLS);
        volume.tuned = has(&options, COMMON) && has(&options, copies(volume.replicas));
        if volume.started {
            let online = self.online(volume.bricks.len()).await;
            for brick in &mut volume.bricks {
                brick.online = online.contains(&brick.address);
            }
            volume.pending_heals =
                if volume.replicas > 1 { self.pending_heals().await } else { Some(0) };
        }
        Ok(Some(volume))
    }
}

/// A pause that differs between nodes, so that they do not meet again.
fn pause() -> Duration {
    Duration::from_millis(rand::rng().random_range(50..400))
}

type Options = &'static [(&'static str, &'static str)];

/// TLS on the data plane, both sides. The management plane has it by the file
/// `secure-access`.
const TLS: Options = &[("client.ssl", "on"), ("server.ssl", "on")];

const COMMON: Options = &[
    // The default of 42 s freezes every application when a box loses power.
    ("network.ping-timeout", "10"),
    // Bricks stop by themselves only where clients cannot judge: they do.
    ("cluster.server-quorum-type", "none"),
];

/// Who may write: a majority of the copies, and of two the first one's side.
/// Two copies that both took writes apart could only be settled by losing some,
/// so the loss of the first of two stops writes until it returns.
fn copies(replicas: u8) -> Options {
    match replicas {
        // glusterd refuses these for a volume without copies.
        0..=1 => &[],
        _ => &[("cluster.self-heal-daemon", "on"), ("cluster.quorum-type", "auto")],
    }
}

fn has(options: &BTreeMap<String, String>, wanted: Options) -> bool {
    wanted.iter().all(|(name, value)| options.get(*name).is_some_and(|v| v == value))
}

impl Storage for Gluster {
    async fn observe(&self) -> Result<ashlar_cluster::Storage> {
        let peers = must(&["peer", "status"], READ).await?.peers();
        Ok(ashlar_cluster::Storage { peers, volume: self.volume().await? })
    }

    async fn prepare(&self) -> Result<()> {
        std::fs::create_dir_all(self.brick())
            .with_context(|| format!("cannot make the brick {}", self.brick()))?;
        let dir = self.paths.glusterd();
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        // No deeper chain than ours: node certificates are signed by the CA itself.
        let order = "option transport.socket.ssl-cert-depth 1\n";
        state::write_if_changed(&dir.join("secure-access"), order.as_bytes(), 0o600)?;
        Ok(())
    }

    async fn probe(&self, address: IpAddr) -> Result<()> {
        must(&["peer", "probe", &address.to_string()], CHANGE).await?;
        Ok(())
    }

    async fn create(&self, bricks: &[IpAddr]) -> Result<()> {
        let (count, bricks) = (bricks.len().to_string(), self.bricks(bricks));
        let mut args = vec!["volume", "create", &self.volume];
        if bricks.len() > 1 {
            args.extend(["replica", &count]);
        }
        args.extend(bricks.iter().map(String::as_str));
        let Err(error) = must(&args, CHANGE).await else { return Ok(()) };
        // A creation that lost power leaves its mark on bricks of a volume that
        // does not exist; the planner asks for one only where none exists.
        if !error.to_string().contains("already part of a volume") {
            return Err(error);
        }
        tracing::warn!("a brick carries the mark of a volume that was never finished; taken over");
        args.push("force");
        must(&args, CHANGE).await.map(drop)
    }

    async fn add_bricks(&self, replicas: u8, bricks: &[IpAddr]) -> Result<()> {
        let (count, bricks) = (replicas.to_string(), self.bricks(bricks));
        let mut args = vec!["volume", "add-brick", &self.volume, "replica", &count];
        args.extend(bricks.iter().map(String::as_str));
        must(&args, CHANGE).await?;
        // "Nothing to heal" was true of the old bricks only.
        if let Ok(mut kept) = self.heals.lock() {
            *kept = Kept::default();
        }
        // glusterd marks what the new brick lacks; this only makes the copying
        // start now instead of within ten minutes.
        if let Err(error) = must(&["volume", "heal", &self.volume, "full"], CHANGE).await {
            tracing::debug!("healing starts by itself, later: {error:#}");
        }
        Ok(())
    }

    async fn tune(&self) -> Result<()> {
        let info = must(&["volume", "info", &self.volume], READ).await?;
        let Some((volume, options)) = info.volume(&self.volume) else {
            anyhow::bail!("the volume {} is gone", self.volume);
        };
        let wanted = [TLS, COMMON, copies(volume.replicas)].concat();
        let changed = wanted
            .into_iter()
            .filter(|(name, value)| options.get(*name).is_none_or(|now| now != value));
        let mut args = vec!["volume", "set", self.volume.as_str()];
        args.extend(changed.flat_map(|(name, value)| [name, value]));
        if args.len() > 3 {
            must(&args, CHANGE).await?;
        }
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        // `force` also starts bricks of a started volume that do not run.
        must(&["volume", "start", &self.volume, "force"], CHANGE).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brick_lies_on_the_data_partition_below_its_volume_s_name() {
        let gluster = Gluster::new(&Paths::system(), "clusterfs");
        assert_eq!(
            gluster.bricks(&[IpAddr::from([10, 83, 0, 1])]),
            ["10.83.0.1:/data/bricks/clusterfs/brick"]
        );
    }

    #[test]
    fn copies_are_written_by_a_majority_only() {
        assert!(copies(3).contains(&("cluster.quorum-type", "auto")));
        assert!(copies(2).contains(&("cluster.quorum-type", "auto")));
        assert!(copies(1).is_empty());
    }

    #[test]
    fn a_volume_is_tuned_only_when_every_option_is_as_wanted() {
        let mut options: BTreeMap<String, String> =
            COMMON.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(has(&options, COMMON));
        options.insert("network.ping-timeout".into(), "42".into());
        assert!(!has(&options, COMMON));
    }
}
