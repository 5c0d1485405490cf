//! [`Storage`] by GlusterFS.

use super::Storage;
use super::cli::{CHANGE, READ, must, run};
use super::copies;
use super::logs;
use super::spread::{self, Noted};
use super::xml::Processes;
use crate::node::STORAGE_UNIT;
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result};
use ashlar_cluster::{COMMON, Options, Rebalance, TLS, Volume, copies};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
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

/// What moves between sets is asked of every box; files take their time anyway.
const MOVING_AGE: Duration = Duration::from_secs(10);

/// The local storage daemon.
#[derive(Debug)]
pub(crate) struct Gluster {
    paths: Paths,
    volume: String,
    processes: Mutex<Kept<Processes>>,
    heals: Mutex<Kept<Option<u64>>>,
    moving: Mutex<Kept<Option<Rebalance>>>,
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
            processes: Mutex::default(),
            heals: Mutex::default(),
            moving: Mutex::default(),
        }
    }

    fn brick(&self) -> String {
        self.paths.bricks().join(&self.volume).join("brick").display().to_string()
    }

    fn bricks(&self, addresses: &[IpAddr]) -> Vec<String> {
        addresses.iter().map(|address| format!("{address}:{}", self.brick())).collect()
    }

    /// What runs of the volume, of so many bricks in all. If that cannot be
    /// asked for long, nobody can tell: an error, and not "nothing runs".
    async fn processes(&self, bricks: usize) -> Result<Processes> {
        if let Ok(kept) = self.processes.lock()
            && kept.younger_than(STATUS_AGE)
            && kept.value.bricks.len() == bricks
            && kept.value.healers_down.is_empty()
        {
            return Ok(kept.value.clone());
        }
        // Another node's question may be in the way. What was true a moment ago
        // will do; an agent that has just started knows nothing, and asks again.
        let mut tries = if self.known().is_some() { 0 } else { 5 };
        let mut last = self.ask_processes().await;
        while last.is_err() && tries > 0 {
            tokio::time::sleep(pause()).await;
            last = self.ask_processes().await;
            tries -= 1;
        }
        match last {
            Ok(processes) => {
                let before = self.processes.lock().map(|mut kept| {
                    let value = processes.clone();
                    std::mem::replace(&mut *kept, Kept { at: Some(Instant::now()), value }).value
                });
                // What heals is another question when other bricks run.
                if before.is_ok_and(|before| before.bricks != processes.bricks) {
                    self.forget_heals();
                }
                Ok(processes)
            }
            Err(error) => self.known().ok_or(error),
        }
    }

    fn known(&self) -> Option<Processes> {
        let kept = self.processes.lock().ok()?;
        kept.younger_than(STATUS_GONE).then(|| kept.value.clone())
    }

    async fn ask_processes(&self) -> Result<Processes> {
        Ok(must(&["volume", "status", &self.volume], READ).await?.processes())
    }

    /// The addresses of all bricks, if those in the set of the one at `gone` run now; if
    /// that one does too, nothing may be left to heal.
    async fn can_spare(&self, gone: IpAddr) -> Result<Vec<IpAddr>> {
        let info = must(&["volume", "info", &self.volume], READ).await?;
        let (volume, _) = info.volume(&self.volume).context("the volume is gone")?;
        let runs = self.ask_processes().await?.bricks;
        let bricks: Vec<_> = volume.bricks.iter().map(|b| b.address).collect();
        let mut others = volume.set_of(gone).iter().map(|b| b.address).filter(|b| *b != gone);
        if let Some(down) = others.find(|b| !runs.contains(b)) {
            anyhow::bail!("the brick on {down} does not run");
        }
        if runs.contains(&gone) && bricks.len() > 1 {
            self.forget_heals();
            let heals = self.pending_heals().await;
            anyhow::ensure!(heals == Some(0), "not every copy is known to be whole");
        }
        Ok(bricks)
    }

    fn forget_heals(&self) {
        if let Ok(mut kept) = self.heals.lock() {
            *kept = Kept::default();
        }
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

    fn forget_moving(&self) {
        if let Ok(mut kept) = self.moving.lock() {
            *kept = Kept::default();
        }
    }

    /// How far files are on their way, of a volume that has sets to which not all are
    /// spread; `None` if that cannot be asked.
    async fn moving(
        &self,
        volume: &Volume,
        noted: &Noted,
        own: Option<IpAddr>,
    ) -> Option<Rebalance> {
        if let Ok(kept) = self.moving.lock()
            && kept.younger_than(MOVING_AGE)
        {
            return kept.value.clone();
        }
        let answer = run(&["volume", "rebalance", &self.volume, "status"], READ).await.ok();
        // Of a volume whose files never moved it says so, as an error without a number
        // of its own.
        let answer = answer.filter(|o| o.op_ret == 0 || o.op_errstr.contains("not started"));
        let hosts: Vec<_> = volume.bricks.iter().map(|b| b.address).collect();
        let value = answer.map(|output| spread::how_far(output.moving(), noted, &hosts, own));
        if let Ok(mut kept) = self.moving.lock() {
            *kept = Kept { at: Some(Instant::now()), value: value.clone() };
        }
        value
    }

    async fn volume(&self, own: Option<IpAddr>) -> Result<Option<Volume>> {
        let info = run(&["volume", "info", &self.volume], READ).await?;
        if info.op_ret != 0 && info.op_errno != NO_SUCH_VOLUME {
            anyhow::bail!("glusterd does not tell of {}: {}", self.volume, info.op_errstr);
        }
        let Some((mut volume, options)) = info.volume(&self.volume) else { return Ok(None) };
        let noted = Noted::of(&options);
        volume.spread = noted.sets;
        volume.tls = has(&options, TLS);
        volume.tuned = has(&options, COMMON) && has(&options, copies(volume.replicas));
        if volume.started {
            let processes = self.processes(volume.bricks.len()).await?;
            for brick in &mut volume.bricks {
                brick.online = processes.bricks.contains(&brick.address);
            }
            if volume.replicas > 1 {
                volume.healers_down = processes.healers_down(own);
            }
            volume.pending_heals =
                if volume.replicas > 1 { self.pending_heals().await } else { Some(0) };
            if !volume.is_spread() {
                volume.rebalance = self.moving(&volume, &noted, own).await;
            }
        }
        Ok(Some(volume))
    }
}

/// A pause that differs between nodes, so that they do not meet again.
fn pause() -> Duration {
    Duration::from_millis(rand::rng().random_range(50..400))
}

fn has(options: &BTreeMap<String, String>, wanted: Options) -> bool {
    wanted.iter().all(|(name, value)| options.get(*name).is_some_and(|v| v == value))
}

impl Storage for Gluster {
    fn unit(&self) -> Option<&'static str> {
        Some(STORAGE_UNIT)
    }

    async fn observe(&self) -> Result<ashlar_cluster::Storage> {
        let peers = must(&["peer", "status"], READ).await?.peers();
        let own = crate::identity::load(&self.paths)?.map(|me| me.address);
        Ok(ashlar_cluster::Storage { peers, volume: self.volume(own).await? })
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

    async fn trim_logs(&self) -> Result<()> {
        let dir = self.paths.storage_logs();
        tokio::task::spawn_blocking(move || logs::trim(&dir)).await?
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
        self.forget_heals();
        // glusterd marks what the new brick lacks; this only makes the copying
        // start now instead of within ten minutes.
        if let Err(error) = must(&["volume", "heal", &self.volume, "full"], CHANGE).await {
            tracing::debug!("healing starts by itself, later: {error:#}");
        }
        Ok(())
    }

    async fn add_set(&self, bricks: &[IpAddr]) -> Result<()> {
        let info = must(&["volume", "info", &self.volume], READ).await?;
        let (volume, _) = info.volume(&self.volume).context("the volume is gone")?;
        if bricks.iter().all(|new| volume.bricks.iter().any(|b| b.address == *new)) {
            return Ok(());
        }
        let bricks = self.bricks(bricks);
        let mut args = vec!["volume", "add-brick", self.volume.as_str()];
        args.extend(bricks.iter().map(String::as_str));
        must(&args, CHANGE).await?;
        self.forget_heals();
        self.forget_moving();
        Ok(())
    }

    async fn rebalance(&self) -> Result<()> {
        self.forget_moving();
        let output = run(&["volume", "rebalance", &self.volume, "start"], CHANGE).await?;
        // Another leader may have begun it, and died before it saw that.
        if output.op_ret == 0 || output.op_errstr.contains("already started") {
            return Ok(());
        }
        anyhow::bail!("glusterd moves no files: {}", output.op_errstr)
    }

    async fn note_spread(&self, sets: u8) -> Result<()> {
        let info = must(&["volume", "info", &self.volume], READ).await?;
        let (volume, options) = info.volume(&self.volume).context("the volume is gone")?;
        let output = must(&["volume", "rebalance", &self.volume, "status"], READ).await?;
        let hosts: Vec<_> = volume.bricks.iter().map(|b| b.address).collect();
        let own = crate::identity::load(&self.paths)?.map(|me| me.address);
        let now = spread::how_far(output.moving(), &Noted::of(&options), &hosts, own);
        anyhow::ensure!(now == Rebalance::Done, "not every box has moved its part");
        let by = output.moving().context("no file was ever moved")?.id.clone();
        let value = Noted { sets, by }.value();
        must(&["volume", "set", &self.volume, spread::OPTION, &value], CHANGE).await.map(drop)
    }

    async fn replace(&self, from: IpAddr, to: IpAddr) -> Result<()> {
        let now = self.can_spare(from).await?;
        if now.contains(&to) {
            return Ok(());
        }
        let (old, new) = (self.bricks(&[from]), self.bricks(&[to]));
        let args = ["volume", "replace-brick", &self.volume, &old[0], &new[0], "commit", "force"];
        must(&args, CHANGE).await?;
        self.forget_heals();
        if let Err(error) = must(&["volume", "heal", &self.volume, "full"], CHANGE).await {
            tracing::debug!("healing starts by itself, later: {error:#}");
        }
        Ok(())
    }

    async fn drop_brick(&self, brick: IpAddr, replicas: u8) -> Result<()> {
        if !self.can_spare(brick).await?.contains(&brick) {
            return Ok(());
        }
        let (count, old) = (replicas.to_string(), self.bricks(&[brick]));
        let args = ["volume", "remove-brick", &self.volume, "replica", &count, &old[0], "force"];
        must(&args, CHANGE).await?;
        self.forget_heals();
        Ok(())
    }

    async fn detach(&self, address: IpAddr) -> Result<()> {
        let peers = must(&["peer", "status"], READ).await?.peers();
        if peers.iter().all(|p| p.address != address) {
            return Ok(());
        }
        must(&["peer", "detach", &address.to_string(), "force"], CHANGE).await.map(drop)
    }

    async fn lacking(&self) -> Result<BTreeSet<IpAddr>> {
        let paths = self.paths.clone();
        tokio::task::spawn_blocking(move || copies::lacking(&paths)).await?
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
        // `force` also starts what does not run of a started volume, on every
        // node of the pool: bricks and self-heal daemons.
        must(&["volume", "start", &self.volume, "force"], CHANGE).await?;
        if let Ok(mut kept) = self.processes.lock() {
            kept.at = None;
        }
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
    fn a_volume_is_tuned_only_when_every_option_is_as_wanted() {
        let mut options: BTreeMap<String, String> =
            COMMON.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(has(&options, COMMON));
        options.insert("network.ping-timeout".into(), "42".into());
        assert!(!has(&options, COMMON));
    }
}
