//! Who this node is: a random id, made once and kept in state, and what derives
//! from it: the host name and the cluster address.

use crate::clock::since_boot;
use crate::host::{Host, Link};
use crate::machine::{self, Machine};
use crate::networkd;
use crate::paths::Paths;
use crate::state;
use anyhow::{Context, Result, bail};
use ashlar_cluster::{Identity, NodeId};
use ashlar_site::{Site, SiteNode, TypedWayOut, WithWayOut};
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::cmp::Reverse;
use std::net::IpAddr;
use std::time::Duration;

/// How long after power-on a port that the site names is waited for: one on USB
/// comes late, and an address that was taken instead stays for life.
const NAMED: Duration = Duration::from_secs(60);

/// How long after power-on every port may take for its link: of two with a cable
/// the faster one is not the better one.
const LINKS: Duration = Duration::from_secs(15);

/// The identity in this node's state, if one was made.
pub(crate) fn load(paths: &Paths) -> Result<Option<Identity>> {
    state::read_json(&paths.identity())
}

/// How the machine goes by its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Worn {
    /// Its name is set and its address is on a link.
    pub(crate) holds: bool,
    /// The link with its address, if that has carrier.
    pub(crate) carrier: Option<String>,
    /// The address belongs on another link now.
    pub(crate) cable_elsewhere: bool,
    /// The disk was set up in another machine.
    pub(crate) moved: bool,
    /// The site calls it a witness.
    pub(crate) witness: bool,
}

/// Looks at the machine of a node with an identity.
pub(crate) async fn look(
    paths: &Paths,
    host: &impl Host,
    site: &Site,
    identity: &Identity,
) -> Result<Worn> {
    let links = host.links().await?;
    let recorded = Machine::load(paths)?;
    if recorded.as_ref().is_some_and(|m| m.is_another(&Machine::here(paths, &links))) {
        let link = belongs_on(&links, None, None, site).filter(|link| link.carrier);
        let carrier = link.map(|link| link.name.clone());
        return Ok(Worn { moved: true, carrier, ..Worn::default() });
    }
    let on = host.link_of(identity.address).await?;
    let home = recorded.as_ref().and_then(Machine::home);
    let belongs = belongs_on(&links, home, on.as_deref(), site);
    let holds = on.is_some() && host.is_named(&identity.name).await?;
    let here = links.iter().find(|link| Some(&link.name) == on.as_ref());
    Ok(Worn {
        holds,
        carrier: here.filter(|link| link.carrier).map(|link| link.name.clone()),
        cable_elsewhere: holds
            && belongs.is_some_and(|link| link.carrier && Some(&link.name) != on.as_ref()),
        moved: false,
        witness: Known::here(paths, &links).node(site).is_some_and(|node| node.witness),
    })
}

/// What became of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// It is where it was.
    Stays,
    /// It went from one link to another.
    Moves,
}

/// Makes an identity unless there is one, and makes the machine go by it.
/// The address then arrives when networkd has set it.
pub(crate) async fn assume(paths: &Paths, host: &impl Host, site: &Site) -> Result<Address> {
    let links = host.links().await?;
    if links.is_empty() {
        bail!("this machine has no wired network link to carry its cluster address");
    }
    if site.network.bond.is_some() && links.iter().all(|link| link.name != networkd::BOND) {
        bail!("waiting for the network ports to become one (`network.bond` of the site)");
    }
    let (here, known) = (Machine::here(paths, &links), Known::here(paths, &links));
    let before = load(paths)?;
    let mut machine = Machine::load(paths)?.unwrap_or_else(|| here.clone());
    if machine.is_another(&here) {
        if before.is_some() {
            bail!("this disk was set up in another machine");
        }
        // Of a node that began anew here: that one has no identity any more.
        machine = here.clone();
    }
    if machine.home().is_none() && links.iter().any(|l| !l.carrier) && since_boot() < LINKS {
        bail!("waiting a moment for every network port to come up");
    }
    let on = match &before {
        Some(identity) => host.link_of(identity.address).await?,
        None => None,
    };
    let link = belongs_on(&links, machine.home(), on.as_deref(), site)
        .context("this machine has no wired network link to carry its cluster address")?;
    let identity = match before {
        Some(identity) => {
            if on.is_none() && runs_elsewhere(site, identity.address, host, link).await? {
                bail!(
                    "another machine answers at this node's address {}: switch it off, or set it \
                     up anew",
                    identity.address
                );
            }
            identity
        }
        None => {
            await_named(site, &known, since_boot())?;
            let identity = make(site, &known, host, link).await?;
            state::write_json(&paths.identity(), &identity, 0o600)?;
            tracing::info!(id = %identity.id, name = identity.name, address = %identity.address,
                "this node has an identity");
            identity
        }
    };
    if machine.learn(&here, link.carrier.then_some(link.mac.as_str())) || !paths.machine().exists()
    {
        machine.keep(paths)?;
    }
    if !host.is_named(&identity.name).await? {
        host.set_hostname(&identity.name).await?;
    }
    if on.as_ref() == Some(&link.name) {
        return Ok(Address::Stays);
    }
    let file = paths.networkd().join(networkd::CLUSTER);
    state::make_public_dir(&paths.networkd())?;
    // networkd runs as a user of its own and must be able to read it.
    let text = networkd::cluster(&link.name, &identity, site, known.node(site));
    state::write_if_changed(&file, text.as_bytes(), 0o644)?;
    host.reload_network().await?;
    let Some(from) = on else { return Ok(Address::Stays) };
    tracing::info!(from, to = link.name, "the cluster address follows the cable to {}", link.name);
    Ok(Address::Moves)
}

/// A site that gives boxes fixed addresses by their ports is not answered before
/// such a port had its time to appear.
fn await_named(site: &Site, known: &Known, up: Duration) -> Result<()> {
    let by_port = site.network.node.iter().any(|node| node.mac.is_some());
    if !by_port || known.node(site).is_some() || up >= NAMED {
        return Ok(());
    }
    let seconds = NAMED.saturating_sub(up).as_secs() + 1;
    bail!(
        "the site gives fixed addresses to network ports, and none of them is here yet: waiting \
         {seconds} s for one"
    )
}

/// What a site may know this box by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    macs: Vec<String>,
    serial: Option<String>,
}

impl Known {
    /// The ports and the serial number of this machine.
    pub(crate) fn here(paths: &Paths, links: &[Link]) -> Self {
        let serial = std::fs::read_to_string(paths.machine_serial()).ok();
        let macs = links.iter().flat_map(Link::macs).map(str::to_owned).collect();
        Self { macs, serial: serial.map(|serial| serial.trim().to_owned()) }
    }

    /// That site with another way out for it.
    pub(crate) fn with_way_out(
        &self,
        site: &Site,
        typed: &TypedWayOut<'_>,
    ) -> Result<WithWayOut, String> {
        site.with_way_out(&self.macs, self.serial.as_deref(), typed)
    }

    /// What the site fixes for it.
    pub(crate) fn node<'a>(&self, site: &'a Site) -> Option<&'a SiteNode> {
        site.network.node_of(&self.macs, self.serial.as_deref())
    }
}

async fn make(site: &Site, known: &Known, host: &impl Host, link: &Link) -> Result<Identity> {
    let mut bytes = [0_u8; 16];
    OsRng.try_fill_bytes(&mut bytes).context("the kernel gives no random numbers")?;
    let id = hex::encode(bytes);
    let address = free_address(site, &id, known, host, link).await?;
    Ok(Identity { name: format!("ashlar-{}", &id[..8]), id: NodeId(id), address })
}

/// The first address that nobody answers for.
async fn free_address(
    site: &Site,
    id: &str,
    known: &Known,
    host: &impl Host,
    link: &Link,
) -> Result<IpAddr> {
    for address in site.address_candidates(id, &known.macs, known.serial.as_deref()) {
        // Without a cable nobody can tell.
        if !link.carrier || !host.answers(address, &link.name).await? {
            return Ok(address);
        }
        tracing::warn!(%address, "another machine answers at {address}: it is not taken");
    }
    bail!(
        "another machine answers at every address that this node may have in {}: check \
         `network.cluster` and `network.node` of the site",
        site.network.cluster
    )
}

/// Whether another machine answers for this node's own address. One that answers for
/// every address, a router, tells nothing.
async fn runs_elsewhere(
    site: &Site,
    address: IpAddr,
    host: &impl Host,
    link: &Link,
) -> Result<bool> {
    if !link.carrier || !host.answers(address, &link.name).await? {
        return Ok(false);
    }
    let no_node = ["nobody", "nobody either"];
    let nowhere = no_node.iter().filter_map(|id| {
        site.address_candidates(id, &[""; 0], None).find(|other| *other != address)
    });
    for other in nowhere {
        if !host.answers(other, &link.name).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes this machine for the node's own, unless its node runs in another one; says
/// whether it does.
pub(crate) async fn take_machine(paths: &Paths, host: &impl Host, site: &Site) -> Result<bool> {
    let identity = load(paths)?.context("this node has no identity yet")?;
    let links = host.links().await?;
    let link = belongs_on(&links, None, None, site).filter(|link| link.carrier);
    let link = link.context("no network cable is in: whether its node runs cannot be seen")?;
    if runs_elsewhere(site, identity.address, host, link).await? {
        return Ok(true);
    }
    tracing::warn!(
        "nobody answers at {}: this node goes on in another machine than before",
        identity.address
    );
    machine::accept(paths, &links)?;
    Ok(false)
}

/// The link that the address belongs on: one with a cable, and of those its home,
/// else the one where it is, else one that the site names, else the first.
fn belongs_on<'a>(
    links: &'a [Link],
    home: Option<&str>,
    on: Option<&str>,
    site: &Site,
) -> Option<&'a Link> {
    let named =
        |link: &Link| site.network.node_of(&link.macs().collect::<Vec<_>>(), None).is_some();
    links.iter().max_by_key(|link| {
        let (home, here) = (Some(link.mac.as_str()) == home, Some(link.name.as_str()) == on);
        (link.carrier, home, here, named(link), Reverse(link.index))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Fake, FakeNode, loopback};
    use ashlar_cluster::{Observed, Step};

    const PORT_1: &str = "aa:bb:cc:00:00:01";
    const PORT_2: &str = "aa:bb:cc:00:00:02";

    /// Two ports, with a cable or without.
    fn ports(first: bool, second: bool) -> Vec<Link> {
        let link = |name: &str, mac: &str, carrier, index| Link {
            name: name.into(),
            mac: mac.into(),
            ports: Vec::new(),
            carrier,
            index,
        };
        vec![link("enp1s0", PORT_1, first, 2), link("enp2s0", PORT_2, second, 3)]
    }

    struct Box {
        fake: Fake,
        node: FakeNode,
        _root: tempfile::TempDir,
    }

    impl Box {
        /// A box with these ports, of a site without fixed addresses.
        fn new(ports: Vec<Link>) -> Self {
            let root = tempfile::tempdir().unwrap();
            let mut fake = Fake::default();
            let mut node = fake.node(root.path(), loopback(30));
            node.site.network.node.clear();
            fake.world().links = ports;
            Self { fake, node, _root: root }
        }

        async fn assume(&self) -> Result<Address> {
            assume(&self.node.paths, &self.fake, &self.node.site).await
        }

        async fn link(&self) -> Option<String> {
            let identity = load(&self.node.paths).unwrap().unwrap();
            self.fake.link_of(identity.address).await.unwrap()
        }

        async fn look(&self) -> Worn {
            let identity = load(&self.node.paths).unwrap().unwrap();
            look(&self.node.paths, &self.fake, &self.node.site, &identity).await.unwrap()
        }

        fn plug(&self, first: bool, second: bool) {
            self.fake.world().links = ports(first, second);
        }
    }

    #[tokio::test]
    async fn two_nodes_of_a_site_have_different_ids_and_addresses_inside_its_network() {
        let (one, other) = (Box::new(ports(true, false)), Box::new(ports(true, false)));
        for node in [&one, &other] {
            node.assume().await.unwrap();
        }
        let [a, b] = [&one, &other].map(|b| load(&b.node.paths).unwrap().unwrap());
        assert_ne!(a.id, b.id);
        assert!(a.name.starts_with("ashlar-") && a.name.len() == 15);
        let std::net::IpAddr::V4(address) = a.address else { panic!("IPv4") };
        assert!(one.node.site.network.cluster.contains(&address));
    }

    #[tokio::test]
    async fn the_address_goes_where_the_cable_is_and_follows_it() {
        let node = Box::new(ports(false, true));
        node.assume().await.unwrap();
        assert_eq!(node.link().await.as_deref(), Some("enp2s0"));
        assert_eq!(node.look().await.carrier.as_deref(), Some("enp2s0"));

        node.plug(false, false);
        let pulled = node.look().await;
        assert!(pulled.holds && pulled.carrier.is_none() && !pulled.cable_elsewhere);

        node.plug(true, false);
        assert!(node.look().await.cable_elsewhere);
        assert_eq!(node.assume().await.unwrap(), Address::Moves);
        assert_eq!(node.link().await.as_deref(), Some("enp1s0"));
        assert!(!node.look().await.cable_elsewhere);
    }

    #[tokio::test]
    async fn a_first_look_before_any_link_is_up_does_not_bind_the_address_to_a_dead_port() {
        let node = Box::new(ports(false, false));
        node.assume().await.unwrap();
        assert_eq!(node.link().await.as_deref(), Some("enp1s0"));
        node.plug(false, true);
        assert!(node.look().await.cable_elsewhere);
        node.assume().await.unwrap();
        assert_eq!(node.link().await.as_deref(), Some("enp2s0"));
        // It is at home there, and a second cable elsewhere changes nothing.
        node.plug(true, true);
        assert!(!node.look().await.cable_elsewhere);
    }

    #[tokio::test]
    async fn an_address_comes_home_when_its_own_port_has_a_cable_again() {
        let node = Box::new(ports(true, true));
        node.assume().await.unwrap();
        node.plug(false, true);
        node.assume().await.unwrap();
        assert_eq!(node.link().await.as_deref(), Some("enp2s0"));
        node.plug(true, true);
        assert!(node.look().await.cable_elsewhere);
    }

    #[tokio::test]
    async fn an_address_for_which_somebody_answers_is_not_taken() {
        let node = Box::new(ports(true, false));
        let id = "3f0c8f7e5d2b4a6f9e1d0c7b8a695847";
        let macs: [&str; 0] = [];
        let wanted: Vec<_> = node.node.site.address_candidates(id, &macs, None).take(3).collect();
        node.fake.world().answering = wanted[..2].iter().copied().collect();
        let links = ports(true, false);
        let took = free_address(&node.node.site, id, &Known::default(), &node.fake, &links[0])
            .await
            .unwrap();
        assert_eq!(took, wanted[2]);
    }

    #[tokio::test]
    async fn a_fixed_address_for_which_somebody_answers_is_an_error_and_nothing_is_written() {
        let mut node = Box::new(ports(true, false));
        let address = loopback(30);
        node.node.site.network.node = vec![SiteNode::by_mac(PORT_1).at(address)];
        node.fake.world().answering.insert(address);
        assert!(node.assume().await.unwrap_err().to_string().contains("another machine answers"));
        assert_eq!(load(&node.node.paths).unwrap(), None);
        node.fake.world().answering.clear();
        node.assume().await.unwrap();
        assert_eq!(load(&node.node.paths).unwrap().unwrap().address, address);
    }

    #[test]
    fn a_port_that_the_site_names_and_that_comes_late_is_waited_for() {
        let node = Box::new(ports(true, false));
        let mut site = node.node.site.clone();
        let early = Duration::from_secs(4);
        let known = |macs: &[&str], serial: Option<&str>| Known {
            macs: macs.iter().map(|mac| (*mac).to_owned()).collect(),
            serial: serial.map(str::to_owned),
        };
        await_named(&site, &known(&[PORT_1], None), early).unwrap();
        site.network.node = vec![SiteNode::by_mac(PORT_2).at(loopback(30))];
        assert!(await_named(&site, &known(&[PORT_1], None), early).is_err());
        await_named(&site, &known(&[PORT_1, &PORT_2.to_uppercase()], None), early).unwrap();
        await_named(&site, &known(&[PORT_1], None), NAMED).unwrap();
        // Its serial number is there from the start.
        site.network.node = vec![SiteNode { serial: Some("A1".into()), ..SiteNode::default() }];
        await_named(&site, &known(&[PORT_1], Some("A2")), early).unwrap();
    }

    #[tokio::test]
    async fn a_copied_disk_does_not_go_by_its_twin_s_identity() {
        let port = |mac: &str| vec![Link { mac: mac.into(), ..ports(true, false).remove(0) }];
        let node = Box::new(port("00:1b:21:00:00:01"));
        node.assume().await.unwrap();
        node.fake.world().links = port("00:1b:21:00:00:99");
        let twin = node.look().await;
        assert!(twin.moved && !twin.holds);
        assert!(node.assume().await.is_err());
        crate::machine::accept(&node.node.paths, &node.fake.links().await.unwrap()).unwrap();
        assert!(!node.look().await.moved, "a person said that it was moved");
    }

    #[tokio::test]
    async fn a_disk_that_was_moved_goes_on_where_nobody_answers_at_its_address() {
        let port = |mac: &str| vec![Link { mac: mac.into(), ..ports(true, false).remove(0) }];
        let node = Box::new(port("00:1b:21:00:00:01"));
        node.assume().await.unwrap();
        let identity = load(&node.node.paths).unwrap().unwrap();
        node.fake.world().links = port("00:1b:21:00:00:99");
        node.fake.world().answering.insert(identity.address);
        let look = node.look().await;
        assert!(look.moved && look.carrier.is_some());
        node.node.act(&Step::TakeMachine, &Observed::default()).await.unwrap_err();
        assert!(node.node.observe().await.unwrap().place.twin);
        // The other one is switched off.
        node.fake.world().answering.clear();
        node.node.act(&Step::TakeMachine, &Observed::default()).await.unwrap();
        let place = node.node.observe().await.unwrap().place;
        assert!(!place.moved && !place.twin);
        assert_eq!(load(&node.node.paths).unwrap(), Some(identity));
    }

    #[tokio::test]
    async fn the_original_that_returns_finds_its_address_taken_and_stays_out() {
        let node = Box::new(ports(true, false));
        node.assume().await.unwrap();
        let address = load(&node.node.paths).unwrap().unwrap().address;
        // It was switched off, and the copy went on in its place.
        node.fake.world().network_reloaded = false;
        node.fake.world().answering.insert(address);
        let error = node.assume().await.unwrap_err().to_string();
        assert!(error.contains("another machine answers at this node's address"), "{error}");
        // A router that answers for everybody is no machine.
        let own = &node.node.site;
        for id in ["nobody", "nobody either"] {
            let other = own.address_candidates(id, &[""; 0], None).next().unwrap();
            node.fake.world().answering.insert(other);
        }
        node.assume().await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_that_a_person_resets_becomes_another_node_without_waking_its_engine() {
        let port = |mac: &str| vec![Link { mac: mac.into(), ..ports(true, false).remove(0) }];
        let node = Box::new(port("00:1b:21:00:00:01"));
        node.assume().await.unwrap();
        let twin = load(&node.node.paths).unwrap().unwrap();
        node.node.act(&Step::Found, &Observed::default()).await.unwrap();
        node.fake.world().links = port("00:1b:21:00:00:99");
        crate::retirement::note(&node.node.paths).unwrap();
        let observed = node.node.observe().await.unwrap();
        let plan = ashlar_cluster::plan(&observed, &node.node.wanted);
        assert_eq!(plan.steps[0].step, Step::StartAnew);
        node.node.act(&Step::StartAnew, &observed).await.unwrap();
        let left = node.fake.world().calls.iter().any(|call| call == "leave the swarm");
        assert!(!left, "the engine would have spoken as the twin");
        node.assume().await.unwrap();
        assert_ne!(load(&node.node.paths).unwrap().unwrap().id, twin.id);
        assert!(!node.look().await.moved);
    }
}
