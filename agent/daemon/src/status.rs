//! What the API tells of this node, put together from what the loop knows.

use crate::release::Release;
use ashlar_api::{
    BootTimes, DiskView, MemberView, PartView, PhaseStatus, StackView, Status, StorageView,
    SwarmView,
};
use ashlar_cluster::{Disk, Look, MemberStatus, Observed, Part, Roster, Stack, Tenure, Wanted};

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
            trouble: None,
            alerts: Vec::new(),
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
    let seen = ring.iter().map(|m| {
        let same_cluster = m.cluster.is_some() && m.cluster.as_ref() == cluster;
        let tenure = roster.boxes.iter().find(|b| m.id.as_ref() == Some(&b.id)).map(|b| b.tenure);
        let (name, address, status) = (m.name.clone(), m.address, m.status);
        MemberView { name, address, status, same_cluster, tenure }
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
        replicas: volume.map_or(0, |v| v.replicas),
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
