//! What the API tells of this node, put together from what the loop knows.

use crate::release::Release;
use ashlar_api::{
    BootTimes, DiskView, MemberView, PartView, PhaseStatus, StackView, Status, StorageView,
    SwarmView,
};
use ashlar_cluster::{
    Disk, Look, MemberStatus, Observed, Part, Roster, Stack, Tenure, Wanted, could_go_on_without,
};

/// What the loop knows besides the observation.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The image.
    pub(crate) release: Release,
    /// The site's name.
    pub(crate) site: Option<String>,
    /// Boot times.
    pub(crate) boot: BootTimes,
}

impl Facts {
    /// The status before anything was observed.
    pub(crate) fn blank(&self) -> Status {
        Status {
            release: self.release.version.clone(),
            profile: self.release.profile.clone(),
            book: self.release.book.clone(),
            site: self.site.clone(),
            identity: None,
            cluster: None,
            phases: Vec::new(),
            ready: false,
            members: Vec::new(),
            storage: None,
            swarm: None,
            stacks: Vec::new(),
            disks: Vec::new(),
            doing: Vec::new(),
            exactly: Vec::new(),
            trouble: None,
            alerts: Vec::new(),
            could_go_on_without: None,
            waits: Vec::new(),
            parts: Vec::new(),
            now_ms: 0,
            boot: self.boot,
        }
    }

    /// The status that goes with one observation.
    pub(crate) fn status(
        &self,
        observed: &Observed,
        wanted: &Wanted,
        phases: Vec<PhaseStatus>,
    ) -> Status {
        let cluster = observed.membership.as_ref().map(|m| m.cluster.clone());
        Status {
            identity: observed.identity.clone(),
            members: members(observed),
            ready: !phases.is_empty() && phases.iter().all(|p| p.holds),
            phases,
            storage: storage(observed, wanted),
            swarm: swarm(observed, wanted),
            stacks: stacks(observed),
            disks: observed.disks.iter().map(disk).collect(),
            cluster,
            parts: observed.looks.iter().map(|(part, look)| view(*part, look, observed)).collect(),
            could_go_on_without: could_go_on_without(observed, wanted),
            now_ms: observed.now_ms,
            ..self.blank()
        }
    }
}

/// Those in the ring, and those that have a place in the cluster and are not in it.
fn members(observed: &Observed) -> Vec<MemberView> {
    let roster = Roster::of(observed);
    let cluster = observed.membership.as_ref().map(|m| &m.cluster);
    let ring: Vec<_> = observed.ring.iter().flat_map(|ring| &ring.members).collect();
    // Some keep a box that the ring forgot as one that left.
    let forgotten = |m: &&&ashlar_cluster::RingMember| {
        let ended = |b: &ashlar_cluster::RosterBox| {
            b.tenure == Tenure::Retired && m.id.as_ref() == Some(&b.id)
        };
        m.status != MemberStatus::Alive && roster.boxes.iter().any(ended)
    };
    let seen = ring.iter().filter(|m| !forgotten(m)).map(|m| {
        let same_cluster = m.cluster.is_some() && m.cluster.as_ref() == cluster;
        let tenure = roster.boxes.iter().find(|b| m.id.as_ref() == Some(&b.id)).map(|b| b.tenure);
        let (name, address, status) = (m.name.clone(), m.address, m.status);
        MemberView { name, address, status, same_cluster, tenure, witness: m.witness }
    });
    let lost = roster.boxes.iter().filter(|b| {
        matches!(b.tenure, Tenure::Lost { .. }) && ring.iter().all(|m| m.name != b.name)
    });
    let lost = lost.map(|b| MemberView {
        name: b.name.clone(),
        address: b.address,
        status: MemberStatus::Failed,
        same_cluster: true,
        tenure: Some(b.tenure),
        witness: false,
    });
    seen.chain(lost).collect()
}

fn view(part: Part, look: &Look, observed: &Observed) -> PartView {
    let since = |ms: u64| observed.now_ms.saturating_sub(ms);
    PartView {
        part,
        age_ms: since(look.at_ms),
        silent: look.silent.as_ref().map(|silent| silent.why.clone()),
        silent_ms: look.silent.as_ref().map_or(0, |silent| since(silent.since_ms)),
    }
}

fn storage(observed: &Observed, wanted: &Wanted) -> Option<StorageView> {
    let volume = observed.storage.as_ref().and_then(|s| s.volume.as_ref());
    wanted.storage.then(|| StorageView {
        volume: wanted.volume.clone(),
        replicas: volume.map_or(0, |v| u8::try_from(v.copies()).unwrap_or(u8::MAX)),
        bricks_online: volume.map_or(0, |v| v.bricks.iter().filter(|b| b.online).count()),
        bricks: volume.map_or(0, |v| v.bricks.len()),
        tls: volume.is_some_and(|v| v.tls),
        mounted: observed.mounted,
        pending_heals: volume.and_then(|v| v.pending_heals),
    })
}

fn stacks(observed: &Observed) -> Vec<StackView> {
    let stacks = observed.swarm.iter().flat_map(|swarm| &swarm.stacks);
    let view = |stack: &Stack| StackView {
        name: stack.name.clone(),
        running: stack.running,
        desired: stack.desired,
    };
    stacks.map(view).collect()
}

fn disk(disk: &Disk) -> DiskView {
    DiskView { name: disk.name.clone(), bytes: disk.size, used_percent: disk.used_percent }
}

fn swarm(observed: &Observed, wanted: &Wanted) -> Option<SwarmView> {
    let swarm = observed.swarm.clone().unwrap_or_default();
    wanted.swarm.then(|| SwarmView {
        local: swarm.local,
        manager: swarm.manager,
        leader: swarm.leader,
        nodes_up: swarm.nodes.iter().filter(|n| n.up).count(),
        nodes: swarm.nodes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_cluster::{ClusterId, Membership, NodeId, Pki, Ring, RingMember};

    #[test]
    fn a_box_that_lost_its_place_is_listed_only_while_it_is_there() {
        let cluster = ClusterId("c".into());
        let member = |name: &str, status| RingMember {
            keys: None,
            cas: None,
            id: Some(NodeId(name.into())),
            name: name.into(),
            address: [10, 83, 0, 1].into(),
            status,
            cluster: Some(cluster.clone()),
            storage_open: false,
            ca_key: false,
            swarm: None,
            witness: false,
            full: false,
            keeps: None,
            yields: None,
            hand: None,
            left: None,
        };
        let listed = |status| {
            let ring = vec![member("a", MemberStatus::Alive), member("b", status)];
            let observed = Observed {
                membership: Some(Membership {
                    cluster: cluster.clone(),
                    founder: true,
                    swarm: true,
                }),
                ring: Some(Ring { members: ring, ..Ring::default() }),
                pki: Pki { struck_off: [NodeId("b".into())].into(), ..Pki::default() },
                ..Observed::default()
            };
            members(&observed).len()
        };
        assert_eq!(listed(MemberStatus::Alive), 2);
        assert_eq!(listed(MemberStatus::Left), 1);
        assert_eq!(listed(MemberStatus::Failed), 1);
    }
}
