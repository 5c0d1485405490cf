//! [`Storage`] by GlusterFS.

mod look;

use super::Storage;
use super::cli::{self, CHANGE, READ, must, run};
use super::clients::{self, Client};
use super::copies;
use super::directory::{self, Tried};
use super::heals::Heals;
use super::hung;
use super::kept::Kept;
use super::logs;
use super::reach::{Heard, Reach};
use super::spread::{self, Noted};
use super::torn;
use super::xml::{Output, Processes};
use crate::data;
use crate::node::STORAGE_UNIT;
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result, ensure};
use ashlar_cluster::{Brick, COMMON, HANDED_OVER, Identity, Rebalance, TLS, Volume, copies};
use look::{has, turn};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// The option that names whom bricks let in, by the common names of their certificates.
/// GlusterFS ends the sessions of others as soon as it is set.
const ADMITS: &str = "auth.ssl-allow";
/// The option that notes how often the right of two copies to go on alone changed hands.
const TURN: &str = "user.ashlar-turn";

/// The local storage daemon.
#[derive(Debug)]
pub(crate) struct Gluster {
    paths: Paths,
    volume: String,
    processes: Kept<Processes>,
    heals: Heals,
    moving: Kept<Option<Rebalance>>,
    tried: Mutex<Tried>,
    reach: Reach,
    heard: Kept<Heard>,
    /// Since when the volume has been seen started.
    started_since: OnceLock<Instant>,
}

impl Gluster {
    pub(crate) fn new(paths: &Paths, volume: &str) -> Self {
        Self {
            paths: paths.clone(),
            volume: volume.to_owned(),
            processes: Kept::default(),
            heals: Heals::default(),
            moving: Kept::default(),
            tried: Mutex::default(),
            reach: Reach::default(),
            heard: Kept::default(),
            started_since: OnceLock::new(),
        }
    }

    /// Where the volume's bricks lie.
    fn directory(&self) -> PathBuf {
        self.paths.bricks().join(&self.volume)
    }

    /// What GlusterFS calls a brick on each of these boxes, in the directory `name`.
    fn bricks(&self, addresses: &[IpAddr], name: &str) -> Vec<String> {
        let path = self.directory().join(name);
        addresses.iter().map(|address| format!("{address}:{}", path.display())).collect()
    }

    /// Makes a change that ends in new bricks on these boxes, passing by directories that
    /// one which was cut has marked.
    async fn with_bricks(&self, change: &[&str], bricks: &[IpAddr]) -> Result<()> {
        let with = async |name: &str| {
            let named = self.bricks(bricks, name);
            let args: Vec<_> =
                change.iter().copied().chain(named.iter().map(String::as_str)).collect();
            must(&args, CHANGE).await.map(drop)
        };
        let there = async || {
            let info = run(&["volume", "info", &self.volume], READ).await?;
            let Some((volume, _)) = info.volume(&self.volume) else { return Ok(false) };
            Ok(has_all(&volume, bricks))
        };
        directory::pass_by_marks(&self.tried, bricks, with, there).await
    }

    /// Where this box's own brick lies, if its storage daemon knows of one; clears away
    /// what lies beside it.
    fn settle(&self) -> Result<Option<PathBuf>> {
        let Some(own) = crate::identity::load(&self.paths)? else { return Ok(None) };
        let volume = self.directory();
        if let Some(brick) = directory::renewed(&volume) {
            directory::restore_listed(&volume, &self.listed(own.address, &brick))?;
        }
        let brick = copies::own_brick(&self.paths, &self.volume, own.address)?;
        if let Some(brick) = brick.as_deref().filter(|brick| brick.is_dir()) {
            directory::clear_beside(&volume, Some(brick), &own.id)?;
            // Before glusterd starts it for one that is whole.
            if directory::is_renewing(&volume) {
                directory::make_empty(&volume, brick, &own.id)?;
            }
        }
        Ok(brick)
    }

    /// The file in which the storage daemon has the brick of this box.
    fn listed(&self, own: IpAddr, brick: &Path) -> PathBuf {
        let volume = self.paths.glusterd().join("vols").join(&self.volume);
        volume.join("bricks").join(directory::listed_as(own, brick))
    }

    /// Who this box is, and where its own brick lies.
    fn own_brick(&self) -> Result<(Identity, PathBuf)> {
        let own = crate::identity::load(&self.paths)?.context("this node is nobody")?;
        let brick = copies::own_brick(&self.paths, &self.volume, own.address)?;
        Ok((own, brick.context("this node gives no brick")?))
    }

    /// A brick in a directory that there was never before, for what must not take up what
    /// an older one holds: a witness, whose names would be older than those of the copies,
    /// and a copy in the place of another, which glusterd forces.
    fn fresh(&self, address: IpAddr, kind: &str) -> String {
        let name = format!("{kind}-{:08x}", rand::rng().random::<u32>());
        self.bricks(&[address], &name).concat()
    }

    /// All bricks and what GlusterFS calls them, if those in the set of the one at `gone`
    /// run now; if that one does too, nothing may be left to heal.
    async fn can_spare(&self, gone: IpAddr) -> Result<(Vec<Brick>, BTreeMap<IpAddr, String>)> {
        let (info, volume, _) = self.info().await?;
        let runs = self.ask_processes().await?.bricks;
        let names = info.brick_names(&self.volume);
        others_run(&volume, &runs, gone)?;
        if runs.contains(&gone) && volume.bricks.len() > 1 {
            let heals = self.heals.asked_now(&self.volume).await;
            anyhow::ensure!(heals == Some(0), "not every copy is known to be whole");
        }
        Ok((volume.bricks, names))
    }

    /// The names of all bricks, if the others of its set run beside the one at this address.
    async fn names_without(&self, gone: IpAddr) -> Result<BTreeMap<IpAddr, String>> {
        let (info, volume, _) = self.info().await?;
        others_run(&volume, &self.ask_processes().await?.bricks, gone)?;
        Ok(info.brick_names(&self.volume))
    }

    /// Where this node's brick is, or will be.
    fn prepare_brick(&self) -> Result<()> {
        let brick = self.settle().unwrap_or_else(|error| {
            tracing::warn!("what lies beside this node's brick stays there: {error:#}");
            None
        });
        let brick = brick.unwrap_or_else(|| self.directory().join(directory::name(1)));
        std::fs::create_dir_all(&brick)
            .with_context(|| format!("cannot make the brick {}", brick.display()))
    }

    /// The volume as `volume info` tells of it, its options, and all of what was told.
    async fn info(&self) -> Result<(Output, Volume, BTreeMap<String, String>)> {
        let output = must(&["volume", "info", &self.volume], READ).await?;
        let told = output.volume(&self.volume);
        let (mut volume, options) =
            told.with_context(|| format!("the volume {} is gone", self.volume))?;
        volume.turn = turn(&options);
        Ok((output, volume, options))
    }

    /// Sets options of the volume, all of them by one command.
    async fn set<'a>(&self, options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<()> {
        let options: Vec<_> = options.into_iter().flat_map(|(name, value)| [name, value]).collect();
        if options.is_empty() {
            return Ok(());
        }
        must(&[&["volume", "set", &self.volume], &options[..]].concat(), CHANGE).await.map(drop)
    }

    /// glusterd marks what a new brick lacks; this only makes the copying start now
    /// instead of within ten minutes. "Nothing to heal" was true of the old bricks only.
    async fn heal(&self) {
        self.heals.expire();
        if let Err(error) = must(&["volume", "heal", &self.volume, "full"], CHANGE).await {
            tracing::debug!("healing starts by itself, later: {error:#}");
        }
    }
}

/// Whether the volume has a brick on each of these boxes.
fn has_all(volume: &Volume, bricks: &[IpAddr]) -> bool {
    bricks.iter().all(|new| volume.has_brick_of(*new))
}

/// Whether every other brick runs that holds what the one at this address does.
fn others_run(volume: &Volume, runs: &[IpAddr], gone: IpAddr) -> Result<()> {
    let mut others = volume.set_of(gone).iter().filter(|b| b.address != gone);
    match others.find(|b| !runs.contains(&b.address)) {
        Some(down) => anyhow::bail!("the brick on {} does not run", down.address),
        None => Ok(()),
    }
}

impl Storage for Gluster {
    fn unit(&self) -> Option<&'static str> {
        Some(STORAGE_UNIT)
    }

    async fn observe(&self) -> Result<ashlar_cluster::Storage> {
        let own = crate::identity::load(&self.paths)?.map(|me| me.address);
        let (peers, info) =
            cli::both(["peer status", &format!("volume info {}", self.volume)], READ).await?;
        let peers = cli::granted(peers, "peer status")?.peers();
        Ok(ashlar_cluster::Storage { peers, volume: self.volume(own, info).await? })
    }

    async fn prepare(&self) -> Result<()> {
        // Without it there is no brick, and the others' can be used all the same.
        if data::look(&self.paths)?.unmounted.is_none() {
            self.prepare_brick()?;
        }
        let dir = self.paths.glusterd();
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        // No deeper chain than ours: node certificates are signed by the CA itself.
        let order = "option transport.socket.ssl-cert-depth 1\n";
        state::write_if_changed(&dir.join("secure-access"), order.as_bytes(), 0o600)?;
        Ok(())
    }

    async fn bricks_answer(&self) -> Result<()> {
        let hung = hung::among(&self.paths.storage_sockets(), hung::PATIENCE).await?;
        let Some(process) = hung.first() else { return Ok(()) };
        anyhow::bail!("process {process} answers nobody on its socket")
    }

    async fn kill_hung_bricks(&self) -> Result<()> {
        for process in hung::among(&self.paths.storage_sockets(), hung::PATIENCE).await? {
            tracing::warn!("process {process} of the storage answers nobody, and is killed");
            hung::kill(process)?;
        }
        self.processes.expire();
        Ok(())
    }

    async fn clients_hear(&self) -> Result<()> {
        let Some(processes) = self.known() else { return Ok(()) };
        let deaf = clients::deaf(&processes, &self.heard()).await.unwrap_or_else(|error| {
            tracing::debug!("whether every copy is heard is not known: {error:#}");
            None
        });
        match deaf {
            None => Ok(()),
            Some((Client::Mount, brick)) => {
                anyhow::bail!("the mounted volume is not connected to the one on {brick}")
            }
            Some((Client::Healer(_), brick)) => {
                anyhow::bail!("the self-heal daemon is not connected to the one on {brick}")
            }
        }
    }

    async fn connect_anew(&self) -> Result<bool> {
        let processes = self.ask_processes().await?;
        match clients::deaf(&processes, &self.heard()).await? {
            None => Ok(false),
            // Whoever leads starts it again.
            Some((Client::Healer(process), _)) => {
                hung::kill(process)?;
                self.processes.expire();
                Ok(false)
            }
            Some((Client::Mount, _)) => {
                let name = format!("trusted-{}.tcp-fuse.vol", self.volume);
                let path = self.paths.glusterd().join("vols").join(&self.volume).join(name);
                let old = std::fs::read_to_string(&path);
                let old = old.with_context(|| format!("cannot read {}", path.display()))?;
                let new = clients::renamed(&old, rand::rng().random());
                let new = new.with_context(|| format!("{} is not understood", path.display()))?;
                state::write(&path, new.as_bytes(), 0o600)?;
                Ok(true)
            }
        }
    }

    fn writes_at(&self) -> Vec<PathBuf> {
        let daemon = self.paths.glusterd();
        let volumes = daemon.join("vols");
        let volume = volumes.join(&self.volume);
        let own = self.own_brick().ok();
        // A directory that is torn waits there to heal.
        let waiting = own.map(|(_, brick)| torn::index(&brick));
        [daemon.join("peers"), volumes, volume].into_iter().chain(waiting).collect()
    }

    fn has_long_logs(&self) -> bool {
        logs::any_is_long(&self.paths.storage_logs()).unwrap_or_else(|error| {
            tracing::debug!("whether a log is long is not known: {error:#}");
            false
        })
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
        let count = bricks.len().to_string();
        let mut args = vec!["volume", "create", &self.volume];
        if bricks.len() > 1 {
            args.extend(["replica", &count]);
        }
        self.with_bricks(&args, bricks).await?;
        // Nobody else knows of it yet: one that loses power here is given them later.
        let replicas = u8::try_from(bricks.len()).unwrap_or(u8::MAX);
        self.set([TLS, COMMON, copies(replicas)].concat()).await
    }

    async fn add_bricks(&self, replicas: u8, bricks: &[IpAddr]) -> Result<()> {
        let count = replicas.to_string();
        let args = ["volume", "add-brick", &self.volume, "replica", &count];
        self.with_bricks(&args, bricks).await?;
        self.heal().await;
        Ok(())
    }

    async fn add_set(&self, bricks: &[IpAddr]) -> Result<()> {
        let (_, volume, _) = self.info().await?;
        if has_all(&volume, bricks) {
            return Ok(());
        }
        self.with_bricks(&["volume", "add-brick", &self.volume], bricks).await?;
        self.heals.expire();
        self.moving.expire();
        Ok(())
    }

    async fn rebalance(&self) -> Result<()> {
        self.moving.expire();
        let output = run(&["volume", "rebalance", &self.volume, "start"], CHANGE).await?;
        // Another leader may have begun it, and died before it saw that.
        if output.op_ret == 0 || output.op_errstr.contains("already started") {
            return Ok(());
        }
        anyhow::bail!("glusterd moves no files: {}", output.op_errstr)
    }

    async fn note_spread(&self, sets: u8) -> Result<()> {
        let (_, volume, options) = self.info().await?;
        let output = must(&["volume", "rebalance", &self.volume, "status"], READ).await?;
        let hosts: Vec<_> = volume.bricks.iter().map(|b| b.address).collect();
        let own = crate::identity::load(&self.paths)?.map(|me| me.address);
        let now = spread::how_far(output.moving(), &Noted::of(&options), &hosts, own);
        anyhow::ensure!(now == Rebalance::Done, "not every box has moved its part");
        let by = output.moving().context("no file was ever moved")?.id.clone();
        let value = Noted { sets, by }.value();
        self.set([(spread::OPTION, value.as_str())]).await
    }

    async fn add_arbiter(&self, brick: IpAddr) -> Result<()> {
        let (_, volume, _) = self.info().await?;
        if volume.arbiter().is_some() {
            return Ok(());
        }
        let new = self.fresh(brick, "witness");
        let args = ["volume", "add-brick", &self.volume, "replica", "3", "arbiter", "1", &new];
        must(&args, CHANGE).await?;
        self.heal().await;
        Ok(())
    }

    async fn replace(&self, from: IpAddr, to: IpAddr) -> Result<()> {
        let (now, names) = self.can_spare(from).await?;
        let (Some(old), None) = (names.get(&from), names.get(&to)) else { return Ok(()) };
        let arbiter = now.iter().any(|b| b.arbiter && b.address == from);
        let new = self.fresh(to, if arbiter { "witness" } else { "brick" });
        let args = ["volume", "replace-brick", &self.volume, old, &new, "commit", "force"];
        must(&args, CHANGE).await?;
        self.heal().await;
        Ok(())
    }

    async fn renew(&self) -> Result<()> {
        let (own, brick) = self.own_brick()?;
        let volume = self.directory();
        let emptied = directory::is_emptied(&volume, &brick);
        let doubted = data::look(&self.paths)?.is_doubted();
        ensure!(emptied || doubted, "{} is a brick", brick.display());
        let names = self.names_without(own.address).await?;
        let name = names.get(&own.address).context("glusterd knows no brick of this node")?;
        directory::begin_renewal(&volume, &self.listed(own.address, &brick))?;
        let lost = !directory::is_marked(&brick);
        if lost {
            directory::make_empty(&volume, &brick, &own.id)?;
        }
        must(&["volume", "reset-brick", &self.volume, name, "start"], CHANGE).await?;
        if !lost {
            // It may have run until now, and what a repair or an earlier renewal left of it
            // is no measure of what it lacks.
            directory::make_empty(&volume, &brick, &own.id)?;
        }
        // From here on it is a brick that lost all that it held.
        data::forget_repair(&self.paths)?;
        let args = ["volume", "reset-brick", &self.volume, name, name, "commit", "force"];
        must(&args, CHANGE).await?;
        directory::end_renewal(&volume)?;
        self.processes.expire();
        self.heal().await;
        Ok(())
    }

    async fn settle_directory(&self, path: &str) -> Result<()> {
        let (own, brick) = self.own_brick()?;
        let from = format!("{}:{}", own.address, brick.display());
        let args = ["volume", "heal", &self.volume, "split-brain", "source-brick", &from, path];
        cli::settle_directory(&args).await?;
        copies::settled(&self.paths, path)?;
        self.heals.expire();
        Ok(())
    }

    async fn torn(&self) -> Result<BTreeSet<String>> {
        let Ok((_, brick)) = self.own_brick() else { return Ok(BTreeSet::new()) };
        let paths = self.paths.clone();
        tokio::task::spawn_blocking(move || copies::torn(&paths, &brick)).await?
    }

    async fn drop_brick(&self, brick: IpAddr, replicas: u8) -> Result<()> {
        let (now, names) = self.can_spare(brick).await?;
        if !names.contains_key(&brick) {
            return Ok(());
        }
        let with_it = |b: &&Brick| b.arbiter && b.address != brick && replicas == 1;
        let also = now.iter().filter(with_it).map(|b| b.address);
        let count = replicas.to_string();
        let mut args = vec!["volume", "remove-brick", &self.volume, "replica", &count];
        let gone = std::iter::once(brick).chain(also);
        args.extend(gone.filter_map(|address| names.get(&address)).map(String::as_str));
        args.push("force");
        must(&args, CHANGE).await?;
        self.heals.expire();
        Ok(())
    }

    async fn admit(&self, names: Option<&BTreeSet<String>>) -> Result<()> {
        match names {
            Some(names) => {
                let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
                self.set([(ADMITS, names.as_str())]).await
            }
            None => must(&["volume", "reset", &self.volume, ADMITS], CHANGE).await.map(drop),
        }
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

    async fn is_whole(&self) -> Result<()> {
        let (_, volume, _) = self.info().await?;
        let runs = self.ask_processes().await?.bricks;
        let mut bricks = volume.bricks.iter().map(|b| b.address);
        if let Some(down) = bricks.find(|address| !runs.contains(address)) {
            anyhow::bail!("the brick on {down} does not run");
        }
        let heals = self.heals.asked_now(&self.volume).await;
        anyhow::ensure!(heals == Some(0), "not every copy is whole");
        Ok(())
    }

    async fn hand_over(&self, turn: u32) -> Result<()> {
        let turn = turn.to_string();
        // One command: no storage daemon has the one without the other.
        self.set(HANDED_OVER.iter().copied().chain([(TURN, turn.as_str())])).await
    }

    async fn hand_back(&self, turn: u32) -> Result<()> {
        self.is_whole().await?;
        let (_, volume, options) = self.info().await?;
        let first = copies(volume.replicas);
        if !has(&options, first) {
            self.set(first.iter().copied()).await?;
        }
        self.set([(TURN, turn.to_string().as_str())]).await
    }

    async fn go_on_alone(&self, name: &str, own: IpAddr, without: IpAddr) -> Result<()> {
        let (info, volume, _) = self.info().await?;
        let names = info.brick_names(&self.volume);
        if let Some(gone) = names.get(&without) {
            let peers = must(&["peer", "status"], READ).await?.peers();
            let back = peers.iter().any(|p| p.address == without && p.connected);
            anyhow::ensure!(!back, "the storage of {without} answers");
            let two = volume.bricks.len() == 2 && volume.arbiter().is_none();
            anyhow::ensure!(two && names.contains_key(&own), "there are not two copies");
            let runs = self.ask_processes().await?.bricks;
            anyhow::ensure!(runs.contains(&own), "the copy here does not run");
            // Before this copy is written: an old one must never mix with it.
            self.set([(ADMITS, name)]).await?;
            let args = ["volume", "remove-brick", &self.volume, "replica", "1", gone, "force"];
            must(&args, CHANGE).await?;
            self.heals.expire();
        }
        self.processes.expire();
        self.detach(without).await
    }

    async fn tune(&self) -> Result<()> {
        let (_, volume, options) = self.info().await?;
        let wanted = [TLS, COMMON, volume.who_writes()].concat();
        let changed = wanted
            .into_iter()
            .filter(|(name, value)| options.get(*name).is_none_or(|now| now != value));
        self.set(changed).await
    }

    async fn start(&self) -> Result<()> {
        // `force` also starts what does not run of a started volume, on every
        // node of the pool: bricks and self-heal daemons.
        must(&["volume", "start", &self.volume, "force"], CHANGE).await?;
        self.processes.expire();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::{Identity, NodeId};

    #[test]
    fn a_brick_lies_on_the_data_partition_below_its_volume_s_name() {
        let gluster = Gluster::new(&Paths::system(), "clusterfs");
        assert_eq!(
            gluster.bricks(&[IpAddr::from([10, 83, 0, 1])], &directory::name(1)),
            ["10.83.0.1:/data/bricks/clusterfs/brick"]
        );
    }

    #[tokio::test]
    async fn a_box_clears_beside_its_brick_once_its_storage_daemon_knows_of_one() {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::under(root.path());
        let (id, address) = (NodeId("ab".into()), IpAddr::from([10, 83, 0, 1]));
        let identity = Identity { id, name: "ashlar-ab".into(), address };
        std::fs::create_dir_all(paths.state()).unwrap();
        state::write_json(&paths.identity(), &identity, 0o600).unwrap();
        let volume = paths.bricks().join("clusterfs");
        let (old, new) = (volume.join("brick"), volume.join("brick-2"));
        for dir in [&old, &new] {
            std::fs::create_dir_all(dir).unwrap();
            std::fs::write(dir.join("till"), "takings").unwrap();
        }
        let gluster = Gluster::new(&paths, "clusterfs");
        gluster.prepare().await.unwrap();
        assert!(old.exists() && new.exists(), "either may become one");
        let listed = paths.glusterd().join("vols/clusterfs/bricks");
        std::fs::create_dir_all(&listed).unwrap();
        let text = format!("hostname={address}\npath={}\nbrick-id=x\n", new.display());
        std::fs::write(listed.join("own"), text).unwrap();
        gluster.prepare().await.unwrap();
        assert!(!old.exists() && new.join("till").exists());
        assert!(volume.join("set-aside-ab/till").exists());
    }
}
