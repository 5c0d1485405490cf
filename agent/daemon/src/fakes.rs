//! A world for tests: a machine, a ring, a pool and a Swarm in memory.

use crate::host::{Host, Link, Mount, UnitState};
use crate::node::{Effects, Node};
use crate::paths::Paths;
use crate::release::Release;
use crate::ring::{Configuration, Member, Ring};
use crate::status::Facts;
use crate::storage::Storage;
use crate::swarm::{Invitation, Swarm};
use anyhow::{Result, bail};
use ashlar_api::{BootTimes, Status};
use ashlar_cluster::{
    Brick, Intent, MemberStatus, OtherClock, Part, Record, Stack, SwarmLocal, SwarmNode, SwarmRole,
    Tags, Volume, Wanted,
};
use ashlar_site::{NetworkPlan, RingKey, Site, SiteNode};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use zeroize::Zeroizing;

/// A loopback address of this test process alone.
pub(crate) fn loopback(last: u8) -> IpAddr {
    let [high, low, ..] = (std::process::id() as u16).to_be_bytes();
    IpAddr::from([127, high | 0x40, low, last])
}

/// A site that says this, from `[network]` on.
pub(crate) fn site(rest: &str) -> Site {
    let text = Site::new("shop", RingKey::new([7; 32])).to_toml().unwrap();
    let (head, _) = text.split_once("[network]").unwrap();
    Site::parse(&format!("{head}{rest}"), Path::new("site.toml")).unwrap()
}

/// The status of a node of the site `shop` that has observed nothing.
pub(crate) fn blank() -> Status {
    let release = Release { profile: "test".into(), version: "1".into(), book: None };
    Facts { release, site: Some("shop".into()), boot: BootTimes::default() }.blank()
}

/// Everything that the fakes share.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) calls: Vec<String>,
    pub(crate) active: BTreeSet<String>,
    pub(crate) named: Option<String>,
    pub(crate) network_reloaded: bool,
    /// The wired links; none stands for one with a cable.
    pub(crate) links: Vec<Link>,
    /// Addresses for which another machine answers.
    pub(crate) answering: BTreeSet<IpAddr>,
    /// Routers, with the links that they are on.
    pub(crate) gateways: Vec<(IpAddr, String)>,
    paths: Option<Paths>,
    pub(crate) ring: bool,
    pub(crate) mount: Option<Mount>,
    pub(crate) tags: BTreeMap<String, String>,
    /// What the others' clocks show.
    pub(crate) clocks: Vec<OtherClock>,
    /// Keys of before that everybody was told of.
    pub(crate) former_told: Vec<String>,
    pub(crate) volume: Option<Volume>,
    pub(crate) swarm: ashlar_cluster::Swarm,
    pub(crate) of_people: Vec<String>,
    /// Units that do not start.
    pub(crate) masked: BTreeSet<String>,
    /// Nodes whose copy lacks something.
    pub(crate) lacking: BTreeSet<IpAddr>,
    /// Whether both copies are whole.
    pub(crate) whole: bool,
    /// Parts that never answer.
    pub(crate) hung: BTreeSet<Part>,
}

/// A handle on a [`World`]; every fake is one.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    world: Arc<Mutex<World>>,
    paths: Option<Paths>,
}

pub(crate) type FakeNode = Node<Fake, Fake, Fake, Fake>;

impl Fake {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn call(&self, what: impl Into<String>) {
        self.world().calls.push(what.into());
    }

    /// Returns at once, or never.
    async fn answers(&self, part: Part) {
        if self.world().hung.contains(&part) {
            std::future::pending::<()>().await;
        }
    }

    /// A node below `root`, at `address`, with everything wanted.
    pub(crate) fn node(&mut self, root: &std::path::Path, address: IpAddr) -> FakeNode {
        let paths = Paths::under(root);
        std::fs::create_dir_all(paths.state()).unwrap();
        std::fs::create_dir_all(paths.run()).unwrap();
        self.paths = Some(paths.clone());
        self.world().paths = Some(paths.clone());
        let mac = "aa:bb:cc:00:00:01";
        let node = vec![SiteNode::by_mac(mac).at(address)];
        let network = NetworkPlan { node, ..Default::default() };
        let site = Site { network, ..Site::new("demo", RingKey::new([7; 32])) };
        write_site(&paths, &site);
        let wanted = Wanted { settle_ms: 0, alone_ms: 0, ..Wanted::default() };
        let fake = || self.clone();
        let effects = Effects { host: fake(), ring: fake(), storage: fake(), swarm: fake() };
        Node::new(&paths, site, wanted, effects)
    }
}

/// Writes the site of a fake node, without the address on the loopback that no
/// real site may give.
pub(crate) fn write_site(paths: &Paths, site: &Site) {
    let text = Site { network: NetworkPlan::default(), ..site.clone() }.to_toml().unwrap();
    crate::state::write(&paths.site(), text.as_bytes(), 0o600).unwrap();
}

impl Host for Fake {
    async fn start(&self, unit: &str) -> Result<()> {
        if self.world().masked.contains(unit) {
            bail!("{unit} is masked");
        }
        self.call(format!("start {unit}"));
        self.world().active.insert(unit.to_owned());
        if unit == crate::node::MOUNT_UNIT {
            self.world().mount = Some(Mount::Answers);
        }
        Ok(())
    }

    async fn stop(&self, unit: &str) -> Result<()> {
        self.call(format!("stop {unit}"));
        self.world().active.remove(unit);
        Ok(())
    }

    async fn restart_if_running(&self, unit: &str) -> Result<()> {
        self.call(format!("restart {unit}"));
        Ok(())
    }

    async fn kill_and_start(&self, unit: &str) -> Result<()> {
        self.call(format!("kill {unit}"));
        self.world().hung.clear();
        Ok(())
    }

    async fn kill_all(&self, unit: &str) -> Result<()> {
        self.call(format!("kill all of {unit}"));
        Ok(())
    }

    async fn hang_up(&self, unit: &str) -> Result<()> {
        self.call(format!("hang up {unit}"));
        Ok(())
    }

    async fn unit(&self, unit: &str) -> Result<UnitState> {
        let active = self.world().active.contains(unit);
        Ok(if active { UnitState::Active } else { UnitState::Inactive })
    }

    async fn is_named(&self, name: &str) -> Result<bool> {
        Ok(self.world().named.as_deref() == Some(name))
    }

    async fn set_hostname(&self, name: &str) -> Result<()> {
        self.world().named = Some(name.to_owned());
        Ok(())
    }

    async fn reload_network(&self) -> Result<()> {
        self.world().network_reloaded = true;
        Ok(())
    }

    async fn links(&self) -> Result<Vec<Link>> {
        let links = self.world().links.clone();
        let (name, mac) = ("host0".into(), "aa:bb:cc:00:00:01".into());
        let one = Link { name, mac, ports: Vec::new(), carrier: true, index: 2 };
        Ok(if links.is_empty() { vec![one] } else { links })
    }

    /// As networkd would have it: on the link that the file names.
    async fn link_of(&self, _: IpAddr) -> Result<Option<String>> {
        let world = self.world();
        let file = world.paths.as_ref().map(|p| p.networkd().join("20-ashlar-cluster.network"));
        let text = file.and_then(|file| std::fs::read_to_string(file).ok());
        let named = text.and_then(|text| {
            text.lines().find_map(|line| line.strip_prefix("Name=").map(str::to_owned))
        });
        Ok(named.filter(|_| world.network_reloaded))
    }

    async fn gateways(&self) -> Result<Vec<(IpAddr, String)>> {
        Ok(self.world().gateways.clone())
    }

    async fn answers(&self, address: IpAddr, _: &str) -> Result<bool> {
        Ok(self.world().answering.contains(&address))
    }

    async fn volume(&self) -> Mount {
        self.world().mount.unwrap_or(Mount::Absent)
    }

    async fn userspace_started(&self) -> Option<f64> {
        None
    }
}

impl Ring for Fake {
    async fn start(&self, _: &Configuration<'_>, _: &Tags) -> Result<()> {
        self.call("start the ring");
        self.world().ring = true;
        Ok(())
    }

    async fn stop(&self) {
        self.call("stop the ring");
        self.world().ring = false;
    }

    async fn members(&self) -> Result<Option<Vec<Member>>> {
        if !self.world().ring {
            return Ok(None);
        }
        let paths = self.paths.clone().unwrap();
        let identity = crate::identity::load(&paths)?.unwrap();
        let mut tags = self.world().tags.clone();
        tags.insert("id".into(), identity.id.0);
        let (name, address) = (identity.name, identity.address);
        Ok(Some(vec![Member { name, address, status: MemberStatus::Alive, tags }]))
    }

    async fn join(&self, addresses: &[String]) -> Result<()> {
        bail!("nobody at {addresses:?}")
    }

    async fn leave(&self) -> Result<()> {
        self.call("leave the ring");
        self.world().ring = false;
        Ok(())
    }

    async fn forget(&self, name: &str) -> Result<()> {
        self.call(format!("forget {name}"));
        Ok(())
    }

    async fn set_keys(&self, keys: &[Zeroizing<ashlar_pki::RingKey>]) -> Result<()> {
        self.call("set the ring's keys");
        crate::site_store::write_keyring(self.paths.as_ref().unwrap(), keys)
    }

    fn tell_former_keys(&self, marks: &[String]) {
        self.world().former_told = marks.to_vec();
    }

    fn is_told_former(&self, _: &str) -> bool {
        false
    }

    fn clocks(&self) -> Vec<OtherClock> {
        self.world().clocks.clone()
    }

    async fn set_tags(&self, tags: &Tags) -> Result<()> {
        self.world().tags = tags.to_map();
        Ok(())
    }
}

impl Storage for Fake {
    fn unit(&self) -> Option<&'static str> {
        Some(crate::node::STORAGE_UNIT)
    }

    async fn observe(&self) -> Result<ashlar_cluster::Storage> {
        self.answers(Part::Storage).await;
        Ok(ashlar_cluster::Storage { peers: Vec::new(), volume: self.world().volume.clone() })
    }

    async fn prepare(&self) -> Result<()> {
        self.call("prepare storage");
        Ok(())
    }

    async fn bricks_answer(&self) -> Result<()> {
        self.answers(Part::Bricks).await;
        Ok(())
    }

    async fn kill_hung_bricks(&self) -> Result<()> {
        self.call("kill bricks");
        Ok(())
    }

    async fn clients_hear(&self) -> Result<()> {
        self.answers(Part::Clients).await;
        Ok(())
    }

    async fn connect_anew(&self) -> Result<bool> {
        self.call("connect anew");
        Ok(true)
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
        self.call("trim logs");
        Ok(())
    }

    async fn probe(&self, address: IpAddr) -> Result<()> {
        bail!("nobody at {address}")
    }

    async fn create(&self, bricks: &[IpAddr]) -> Result<()> {
        let brick = |b: &IpAddr| Brick { address: *b, online: false, arbiter: false };
        let bricks = bricks.iter().map(brick).collect();
        let volume = Volume { replicas: 1, bricks, ..Volume::default() };
        self.world().volume = Some(volume);
        Ok(())
    }

    async fn add_bricks(&self, _: u8, _: &[IpAddr]) -> Result<()> {
        bail!("no more bricks")
    }

    async fn add_set(&self, _: &[IpAddr]) -> Result<()> {
        bail!("no more sets")
    }

    async fn rebalance(&self) -> Result<()> {
        bail!("there is one set")
    }

    async fn note_spread(&self, _: u8) -> Result<()> {
        bail!("there is one set")
    }

    async fn add_arbiter(&self, brick: IpAddr) -> Result<()> {
        bail!("{brick} is no witness")
    }

    async fn replace(&self, from: IpAddr, _: IpAddr) -> Result<()> {
        bail!("{from} has no brick")
    }

    async fn renew(&self) -> Result<()> {
        bail!("nothing was lost")
    }

    async fn drop_brick(&self, brick: IpAddr, _: u8) -> Result<()> {
        bail!("{brick} has no brick")
    }

    async fn admit(&self, names: Option<&BTreeSet<String>>) -> Result<()> {
        for volume in self.world().volume.iter_mut() {
            volume.admits = names.cloned();
        }
        Ok(())
    }

    async fn detach(&self, address: IpAddr) -> Result<()> {
        bail!("{address} is no peer")
    }

    async fn lacking(&self) -> Result<BTreeSet<IpAddr>> {
        Ok(self.world().lacking.clone())
    }

    async fn is_whole(&self) -> Result<()> {
        if self.world().whole { Ok(()) } else { bail!("not every copy is whole") }
    }

    async fn hand_over(&self, turn: u32) -> Result<()> {
        let noted = self.paths.as_ref().is_some_and(|paths| paths.handed_over().exists());
        self.call(format!("hand over, turn {turn}{}", if noted { ", noted" } else { "" }));
        Ok(())
    }

    async fn go_on_alone(&self, name: &str, _: IpAddr, without: IpAddr) -> Result<()> {
        self.call(format!("serve only {name}, without {without}"));
        Ok(())
    }

    async fn hand_back(&self, turn: u32) -> Result<()> {
        self.call(format!("hand back, turn {turn}"));
        Ok(())
    }

    async fn tune(&self) -> Result<()> {
        for volume in self.world().volume.iter_mut() {
            (volume.tls, volume.tuned) = (true, true);
        }
        Ok(())
    }

    async fn start(&self) -> Result<()> {
        for volume in self.world().volume.iter_mut() {
            volume.started = true;
            volume.pending_heals = Some(0);
            volume.bricks.iter_mut().for_each(|brick| brick.online = true);
        }
        Ok(())
    }
}

impl Swarm for Fake {
    async fn observe(&self) -> Result<ashlar_cluster::Swarm> {
        self.answers(Part::Engine).await;
        self.call("ask engine");
        Ok(self.world().swarm.clone())
    }

    async fn init(&self, own: IpAddr) -> Result<()> {
        let mut world = self.world();
        let name = world.named.clone().unwrap_or_default();
        let node = SwarmNode {
            id: "n1".into(),
            name,
            address: Some(own),
            up: true,
            manager: true,
            reachable: true,
            leader: true,
            availability: ashlar_cluster::Availability::Active,
            tasks: 0,
        };
        world.swarm = ashlar_cluster::Swarm {
            local: SwarmLocal::Active,
            manager: true,
            leader: true,
            nodes: vec![node],
            ..ashlar_cluster::Swarm::default()
        };
        Ok(())
    }

    async fn force_new(&self, _: IpAddr) -> Result<()> {
        self.call("force a new swarm");
        Ok(())
    }

    async fn correct_address(&self, own: IpAddr) -> Result<()> {
        self.call(format!("manage the swarm as {own}"));
        self.world().swarm.misplaced = false;
        Ok(())
    }

    async fn join(&self, _: IpAddr, _: &Invitation) -> Result<()> {
        self.call("join swarm");
        Ok(())
    }

    async fn leave(&self) -> Result<()> {
        self.call("leave the swarm");
        self.world().swarm = ashlar_cluster::Swarm::default();
        Ok(())
    }

    async fn write_record(&self, intent: &Intent, index: Option<u64>) -> Result<()> {
        let mut world = self.world();
        if world.swarm.index != index {
            bail!("the Swarm's record is another one by now");
        }
        world.swarm.record = Record::Known(intent.clone());
        Ok(())
    }

    async fn set_role(&self, name: &str, role: SwarmRole, _: u8) -> Result<()> {
        bail!("{name} is no {role}")
    }

    async fn set_leaving(&self, name: &str, leaving: bool) -> Result<()> {
        self.call(format!("{name} leaves: {leaving}"));
        Ok(())
    }

    async fn set_voting(&self, name: &str, voting: bool) -> Result<()> {
        self.call(format!("{name} only votes: {voting}"));
        Ok(())
    }

    async fn drop_entry(&self, id: &str, _: bool) -> Result<()> {
        self.world().swarm.nodes.retain(|n| n.id != id);
        Ok(())
    }

    async fn deploy(&self, stack: &str, digest: &str) -> Result<()> {
        let (name, digest) = (stack.to_owned(), Some(digest.to_owned()));
        let stack = Stack { name, digest, services: 1, of: 1, running: 1, desired: 1 };
        self.world().swarm.stacks.push(stack);
        Ok(())
    }

    async fn of_people(&self) -> Result<Vec<String>> {
        Ok(self.world().of_people.clone())
    }

    async fn remove(&self, stack: &str) -> Result<()> {
        self.world().swarm.stacks.retain(|s| s.name != stack);
        Ok(())
    }
}
