//! *Observe*: what this node knows. Each part is looked at by itself, within a
//! time of its own, and what the last look brought is kept with its age: a part
//! that hangs holds up no other, and why it is silent is known.

use crate::alone;
use crate::clock::{self, since_boot_ms};
use crate::data;
use crate::host::{Host, Mount, UnitState};
use crate::identity;
use crate::network_change;
use crate::node::{ENGINE_UNIT, Node};
use crate::paths::Paths;
use crate::ring::Ring;
use crate::state;
use crate::storage::Storage;
use crate::swarm::{Swarm, seat};
use crate::yielding;
use anyhow::{Context, Result};
use ashlar_cluster::{
    DataPartition, Disk, Identity, Look, Observed, Part, Place, RingMember, Seen, carries_no_data,
    state_fills, takes_no_more,
};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// How long a look at a part may take: longer than it takes when a peer is dead
/// and every question runs into its time-out.
pub(crate) const fn patience(part: Part) -> Duration {
    match part {
        Part::Ring => Duration::from_secs(8),
        Part::Mount => Duration::from_secs(10),
        Part::Bricks | Part::Clients => Duration::from_secs(20),
        Part::Engine => Duration::from_secs(30),
        Part::Storage => Duration::from_secs(60),
    }
}

/// How long systemd and its kin may take for an answer.
const BUS: Duration = Duration::from_secs(10);

/// What the last look at each part brought.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    ring: Seen<ashlar_cluster::Ring>,
    storage: Seen<ashlar_cluster::Storage>,
    bricks: Seen<()>,
    /// It answers, and whether there is a file in it, if anybody looked.
    mount: Seen<Option<bool>>,
    clients: Seen<()>,
    engine: Seen<ashlar_cluster::Swarm>,
}

/// What a part said, or why it said nothing and whether it runs.
type Answer<T> = Result<T, (String, bool)>;

impl Sight {
    /// When the last look at a part ended; 0 before the first.
    pub(crate) const fn at(&self, part: Part) -> u64 {
        match part {
            Part::Ring => self.ring.at_ms,
            Part::Storage => self.storage.at_ms,
            Part::Bricks => self.bricks.at_ms,
            Part::Mount => self.mount.at_ms,
            Part::Clients => self.clients.at_ms,
            Part::Engine => self.engine.at_ms,
        }
    }

    /// The ring's members as last seen; none if it is silent.
    pub(crate) fn members(&self) -> &[RingMember] {
        self.ring.get().map_or(&[], |ring| &ring.members)
    }

    /// Addresses in the storage pool, as last seen.
    pub(crate) fn peers(&self) -> impl Iterator<Item = std::net::IpAddr> {
        self.storage.get().into_iter().flat_map(|storage| &storage.peers).map(|peer| peer.address)
    }

    /// Whether this node manages the Swarm and sees the others do so.
    pub(crate) fn sees_swarm(&self) -> bool {
        self.engine.get().is_some_and(|swarm| swarm.manager && !swarm.nodes.is_empty())
    }

    fn looks(&self) -> BTreeMap<Part, Look> {
        let looks = [
            (Part::Ring, self.ring.look()),
            (Part::Storage, self.storage.look()),
            (Part::Bricks, self.bricks.look()),
            (Part::Mount, self.mount.look()),
            (Part::Clients, self.clients.look()),
            (Part::Engine, self.engine.look()),
        ];
        looks.into_iter().filter_map(|(part, look)| Some((part, look?))).collect()
    }
}

impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// The parts that this node has by its recipe.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        let wanted = &self.wanted;
        let (ring, storage, swarm) = (wanted.ring, wanted.storage, wanted.swarm);
        Part::ALL.into_iter().filter(move |part| match part {
            Part::Ring => ring,
            Part::Storage | Part::Bricks | Part::Mount | Part::Clients => storage,
            Part::Engine => swarm,
        })
    }

    /// Looks at one part, and keeps what it says.
    pub(crate) async fn look(&self, part: Part) {
        match part {
            Part::Ring => {
                let answer = self.within(part, false, self.observe_ring()).await;
                self.sight.borrow_mut().ring.note(answer, since_boot_ms());
                self.ask_for_place().await;
            }
            Part::Storage => {
                let runs = match self.effects.storage.unit() {
                    Some(unit) => self.runs(unit).await,
                    None => Ok(()),
                };
                let answer = match runs {
                    Ok(()) => self.within(part, true, self.observe_storage()).await,
                    Err(why) => Err((why, false)),
                };
                self.sight.borrow_mut().storage.note(answer, since_boot_ms());
            }
            Part::Bricks => {
                // Those that do not run are no concern of this look.
                let answer = self.within(part, true, self.effects.storage.bricks_answer()).await;
                self.sight.borrow_mut().bricks.note(answer, since_boot_ms());
            }
            Part::Mount => {
                let volume = timeout((self.patience)(part), self.effects.host.volume()).await;
                let answer = match volume.unwrap_or(Mount::Silent) {
                    Mount::Answers => Ok(self.holds_files().await),
                    Mount::Absent => Err(("nothing is mounted".into(), false)),
                    Mount::Dead => Err(("the client of the mount died".into(), false)),
                    Mount::Silent => Err(("it is mounted and silent".into(), true)),
                };
                self.sight.borrow_mut().mount.note(answer, since_boot_ms());
            }
            Part::Clients => {
                let answer = self.within(part, true, self.effects.storage.clients_hear()).await;
                self.sight.borrow_mut().clients.note(answer, since_boot_ms());
            }
            Part::Engine => {
                // Asking the socket of an engine that is stopped would start it.
                let answer = match self.runs(ENGINE_UNIT).await {
                    Ok(()) => self.within(part, true, self.observe_engine()).await,
                    Err(why) => Err((why, false)),
                };
                self.sight.borrow_mut().engine.note(answer, since_boot_ms());
                self.keep_for_alone().await;
            }
        }
    }

    /// Everything that is known now: each part as the last look at it left it,
    /// and this node's own files as they are.
    pub(crate) async fn observed(&self) -> Result<Observed> {
        let (identity, place, named) = timeout(BUS, self.observe_identity())
            .await
            .context("systemd does not say what this machine is called")??;
        let mut pki = match &identity {
            Some(_) if self.wanted.ring => self.trust()?.observe()?,
            _ => ashlar_cluster::Pki::default(),
        };
        let own = identity::load(&self.paths)?.map(|me| me.id);
        let (lost, handed_over, word, both_seen) = match &own {
            Some(id) => (
                self.lost_place(id)?,
                self.gave_away(id)?,
                alone::word(&self.paths, id)?,
                alone::seen(&self.paths, id)?,
            ),
            None => (None, None, None, None),
        };
        // One box by itself carries all there is.
        let partition = data_partition(&self.paths);
        let size = partition.map(|(size, _)| size);
        let witness = self.wanted.storage
            && !self.wanted.solo
            && carries_no_data(named || self.wanted.witness, size);
        let full = self.wanted.storage
            && partition.is_some_and(|(_, free)| takes_no_more(self.wanted.solo, free));
        // A note of a newer release keeps nobody from the rest.
        let data = data::look(&self.paths).unwrap_or_else(|error| {
            tracing::debug!("how the data partition stands is not known: {error:#}");
            DataPartition::default()
        });
        let mut disks = self.disks();
        disks.retain(|disk| disk.name != "data" || data.unmounted.is_none());
        let long_logs = state_fills(&disks) && self.effects.storage.has_long_logs();
        let clock = clock::look(&self.paths, Timestamp::now(), self.effects.ring.clocks());
        if identity.is_some() && self.wanted.ring {
            self.trust()?.believe_clock(!clock.cannot_be_right());
        }
        pki.told_rotation.clone_from(&self.told.borrow().rotation);
        pki.told_succession.clone_from(&self.told.borrow().succession);
        let sight = self.sight.borrow();
        Ok(Observed {
            witness,
            full,
            retired: lost.is_some(),
            removed: lost.is_some_and(|lost| lost.removed),
            out: identity.is_none() && self.is_out()?,
            files: sight.mount.get().copied().flatten(),
            yields: yielding::read(&self.paths)?,
            now_ms: since_boot_ms(),
            site: true,
            membership: state::read_json(&self.paths.membership())?,
            identity,
            ring: sight.ring.get().cloned(),
            pki,
            storage: sight.storage.get().cloned(),
            mounted: sight.mount.get().is_some(),
            swarm: sight.engine.get().cloned(),
            looks: sight.looks(),
            disks,
            data,
            long_logs,
            cpu_pressure: cpu_pressure(&self.paths.cpu_pressure()),
            place,
            clock,
            goes_down: self.goes_down.get(),
            handed_over,
            said_since_boot: word.as_ref().is_some_and(|word| word.said_since_boot),
            left_behind: word.map(|word| word.left),
            both_seen,
            seat: seat::kept_at(&self.paths),
        })
    }

    /// The identity, if the machine goes by it: without its address nothing
    /// else can work. And where the machine's cable is, and whether the site calls it
    /// a witness.
    async fn observe_identity(&self) -> Result<(Option<Identity>, Place, bool)> {
        let change = network_change::stage(&self.paths);
        let Some(identity) = identity::load(&self.paths)? else {
            return Ok((None, Place { change, ..Place::default() }, false));
        };
        let worn = identity::look(&self.paths, &self.effects.host, &self.site, &identity).await?;
        let place = Place {
            carrier_ms: self.carrier.borrow_mut().note(worn.carrier, since_boot_ms()),
            cable_elsewhere: worn.cable_elsewhere,
            moved: worn.moved,
            twin: worn.moved && self.twin.get(),
            in_memory: self.paths.in_memory().exists(),
            tried: false,
            change,
        };
        Ok((worn.holds.then_some(identity), place, worn.witness))
    }

    /// Whether this node waits for another one to make a volume, or to start it.
    pub(crate) fn waits_for_a_volume(&self) -> bool {
        let follows = matches!(self.membership(), Ok(Some(own)) if !own.founder);
        let sight = self.sight.borrow();
        let volume = sight.storage.get().map(|storage| storage.volume.as_ref());
        follows && volume.is_some_and(|volume| volume.is_none_or(|volume| !volume.started))
    }

    /// Whether a cluster besides this node's own is in sight.
    fn sees_another(&self) -> bool {
        let Ok(Some(own)) = self.membership() else { return false };
        let sight = self.sight.borrow();
        sight.members().iter().any(|m| {
            m.status == ashlar_cluster::MemberStatus::Alive
                && m.cluster.as_ref().is_some_and(|cluster| *cluster != own.cluster)
        })
    }

    /// Whether there is anything in the volume: looked at only while another cluster is in
    /// sight. One look at a time: it may hang with the volume.
    async fn holds_files(&self) -> Option<bool> {
        if !self.sees_another() || self.peeking.swap(true, Ordering::AcqRel) {
            return None;
        }
        let (dir, peeking) = (self.paths.volume(), self.peeking.clone());
        let look = tokio::task::spawn_blocking(move || {
            let found = holds_anything(&dir);
            peeking.store(false, Ordering::Release);
            found
        });
        let found = timeout((self.patience)(Part::Mount), look).await.ok()?.ok()?;
        found.inspect_err(|error| tracing::debug!("the volume cannot be listed: {error}")).ok()
    }

    async fn observe_ring(&self) -> Result<ashlar_cluster::Ring> {
        let members = self.effects.ring.members().await?;
        let members = members.context("this node takes no part in it yet")?;
        let members: Vec<_> = members.into_iter().map(RingMember::from).collect();
        let quiet_ms = self.quiet.borrow_mut().note(&members, since_boot_ms());
        let key = self.trust().and_then(|trust| trust.ring_key());
        let outdated = key.is_ok_and(|key| {
            let mark = ashlar_site::RingKey::new(*key).replaced_mark();
            self.effects.ring.is_told_former(&mark)
        });
        Ok(ashlar_cluster::Ring { members, quiet_ms, outdated })
    }

    async fn observe_storage(&self) -> Result<ashlar_cluster::Storage> {
        let mut storage = self.effects.storage.observe().await?;
        self.note_copies(&mut storage).await;
        Ok(storage)
    }

    async fn observe_engine(&self) -> Result<ashlar_cluster::Swarm> {
        let mut swarm = self.effects.swarm.observe().await?;
        self.note_standing(&mut swarm).await;
        self.note_places(&mut swarm);
        if swarm.manager && !swarm.nodes.is_empty() && self.sees_another() {
            swarm.of_people = Some(self.effects.swarm.of_people().await?);
        }
        Ok(swarm)
    }

    async fn runs(&self, unit: &str) -> Result<(), String> {
        match timeout(BUS, self.effects.host.unit(unit)).await {
            Ok(Ok(UnitState::Active)) => Ok(()),
            Ok(Ok(UnitState::Starting)) => Err(format!("{unit} starts")),
            Ok(Ok(UnitState::Inactive)) => Err(format!("{unit} does not run")),
            Ok(Ok(UnitState::Failed)) => Err(format!("{unit} failed")),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err(format!("systemd does not tell of {unit}")),
        }
    }

    async fn within<T>(
        &self,
        part: Part,
        runs: bool,
        look: impl Future<Output = Result<T>>,
    ) -> Answer<T> {
        let patience = (self.patience)(part);
        match timeout(patience, look).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err((format!("{error:#}"), runs)),
            Err(_) => Err((format!("no answer within {} s", patience.as_secs()), runs)),
        }
    }

    fn disks(&self) -> Vec<Disk> {
        let disks = [("state", self.paths.state()), ("data", self.paths.data())];
        disks.into_iter().filter_map(|(name, path)| disk(name, &path)).collect()
    }
}

/// The kernel's measure of a minute; 0 where it keeps none.
fn cpu_pressure(path: &Path) -> u8 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let some = text.lines().find_map(|line| line.strip_prefix("some "));
    let minute = some.and_then(|some| {
        some.split_whitespace().find_map(|word| word.strip_prefix("avg60=")?.parse::<f64>().ok())
    });
    // Between 0 and 100 by its nature.
    minute.map_or(0, |percent| percent.clamp(0.0, 100.0) as u8)
}

/// The size of the data partition and what is free of it, in bytes, if there is one.
fn data_partition(paths: &Paths) -> Option<(u64, u64)> {
    let mounted = data::is_mounted(paths);
    let found = mounted.then(|| nix::sys::statvfs::statvfs(&paths.data()).ok())??;
    let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
    Some((bytes(found.blocks()), bytes(found.blocks_free())))
}

/// Whether a directory holds anything but what GlusterFS makes in every volume.
fn holds_anything(dir: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        if entry?.file_name() != ".trashcan" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn disk(name: &str, path: &Path) -> Option<Disk> {
    let found = nix::sys::statvfs::statvfs(path).ok()?;
    let unit = found.fragment_size();
    let (all, free) = (found.blocks(), found.blocks_available());
    let used = all.saturating_sub(free).saturating_mul(100).checked_div(all)?;
    let used_percent = u8::try_from(used).ok()?;
    Some(Disk { name: name.to_owned(), size: all.saturating_mul(unit), used_percent })
}

#[cfg(test)]
impl<H: Host, R: Ring, S: Storage, W: Swarm> Node<H, R, S, W> {
    /// Looks at every part, and says what is known then.
    pub(crate) async fn observe(&self) -> Result<Observed> {
        for part in self.parts().collect::<Vec<_>>() {
            self.look(part).await;
        }
        self.observed().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, loopback};
    use crate::node::STORAGE_UNIT;
    use ashlar_cluster::{Step, SwarmLocal};

    #[tokio::test]
    async fn a_node_has_no_identity_until_the_machine_goes_by_it() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(21));
        assert_eq!(node.observe().await.unwrap().identity, None);
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        assert!(node.observe().await.unwrap().identity.is_some());
        fake.world().network_reloaded = false;
        assert_eq!(node.observe().await.unwrap().identity, None, "its address is gone");
    }

    #[tokio::test]
    async fn a_box_that_its_site_calls_a_witness_is_one() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let mut node = fake.node(root.path(), loopback(23));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        assert!(!node.observe().await.unwrap().witness);
        node.site.network.node[0].witness = true;
        assert!(node.observe().await.unwrap().witness);
        node.wanted.solo = true;
        assert!(!node.observe().await.unwrap().witness);
    }

    #[tokio::test]
    async fn an_engine_that_is_stopped_is_not_asked() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(22));
        let observed = node.observe().await.unwrap();
        assert_eq!(observed.swarm, None);
        let silent = observed.looks[&Part::Engine].silent.clone().unwrap();
        assert_eq!((silent.why.as_str(), silent.runs), ("docker.service does not run", false));
        assert!(fake.world().calls.is_empty());
        fake.world().active.insert(ENGINE_UNIT.into());
        assert!(node.observe().await.unwrap().swarm.is_some());
    }

    #[tokio::test]
    async fn a_part_that_hangs_is_told_from_one_that_is_stopped_and_holds_up_no_other() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let mut node = fake.node(root.path(), loopback(25));
        node.patience = |_| Duration::from_millis(200);
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        fake.world().active.insert(STORAGE_UNIT.into());
        fake.world().active.insert(ENGINE_UNIT.into());
        fake.world().hung.insert(Part::Storage);
        let looks = [Part::Storage, Part::Engine].map(|part| node.look(part));
        let [storage, engine] = looks;
        tokio::join!(storage, async {
            engine.await;
            let observed = node.observed().await.unwrap();
            assert!(observed.swarm.is_some() && observed.storage.is_none());
            assert!(!observed.looks.contains_key(&Part::Storage), "it is still looked at");
        });
        let observed = node.observed().await.unwrap();
        let silent = observed.looks[&Part::Storage].silent.clone().unwrap();
        assert_eq!((silent.why.as_str(), silent.runs), ("no answer within 0 s", true));
    }

    #[tokio::test]
    async fn a_manager_sees_that_it_is_taken_for_down() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(24));
        node.act(&Step::MakeIdentity, &Observed::default()).await.unwrap();
        node.effects.swarm.init(loopback(24)).await.unwrap();
        fake.world().active.insert(ENGINE_UNIT.into());
        let disowned = async || node.observe().await.unwrap().swarm.unwrap().disowned_ms;
        assert_eq!(disowned().await, 0);
        fake.world().swarm.nodes[0].up = false;
        assert!(disowned().await > 0);
        // Its own restart is not held against it: it gets its time anew.
        node.act(&Step::RestartEngine, &Observed::default()).await.unwrap();
        assert_eq!(disowned().await, 1);
        fake.world().swarm.nodes.clear();
        assert_eq!(disowned().await, 0, "without quorum nobody can tell");
    }

    #[tokio::test]
    async fn an_engine_that_does_not_get_in_is_timed() {
        let root = tempfile::tempdir().unwrap();
        let mut fake = Fake::default();
        let node = fake.node(root.path(), loopback(26));
        fake.world().active.insert(ENGINE_UNIT.into());
        let limbo = async || node.observe().await.unwrap().swarm.unwrap().limbo_ms;
        assert_eq!(limbo().await, 0);
        fake.world().swarm.local = SwarmLocal::Pending;
        assert!(limbo().await > 0);
        fake.world().swarm.local = SwarmLocal::Active;
        assert_eq!(limbo().await, 0);
    }

    #[tokio::test]
    async fn a_membership_that_cannot_be_read_is_not_taken_for_none() {
        let root = tempfile::tempdir().unwrap();
        let node = Fake::default().node(root.path(), loopback(23));
        std::fs::write(node.paths.membership(), "{").unwrap();
        assert!(node.observe().await.is_err());
    }

    #[test]
    fn how_much_a_box_is_starved_is_read_from_the_kernel() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("cpu");
        assert_eq!(cpu_pressure(&path), 0);
        let text = "some avg10=99.72 avg60=81.97 avg300=98.45 total=18330715923\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        std::fs::write(&path, text).unwrap();
        assert_eq!(cpu_pressure(&path), 81);
    }

    #[test]
    fn a_disk_is_as_full_as_the_rest_that_may_be_used_says() {
        let root = tempfile::tempdir().unwrap();
        let found = disk("state", root.path()).unwrap();
        assert!(found.size > 0 && found.used_percent <= 100);
        assert_eq!(disk("data", &root.path().join("none")), None);
    }
}
