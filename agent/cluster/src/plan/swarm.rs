//! The Swarm: start or join it, keep the managers odd, deploy the stacks.

use super::because;
use crate::situation::{Situation, manager_count};
use crate::{Daemon, Identity, Planned, Step, Swarm, SwarmLocal, SwarmNode, SwarmRole};
use std::collections::{BTreeMap, BTreeSet};

/// For how long the managers may take a node for down that is up, in
/// milliseconds. An engine that was too late for a moment is back by itself
/// within seconds. But if it reports anew in just the moment in which its time
/// is over, the dispatcher writes the two down in the wrong order, and the node
/// stays down for as long as it goes on reporting (docs/decisions/0009).
/// Source: moby/swarmkit, `manager/dispatcher/dispatcher.go` (`register`,
/// `markNodeNotReady`).
const DISOWNED: u64 = 120_000;

pub(super) fn plan(s: &Situation<'_>, steps: &mut Vec<Planned>) {
    let Some((me, membership)) = s.certified().filter(|_| s.wanted.swarm) else { return };
    let Some(swarm) = &s.observed.swarm else {
        // A node that was in the Swarm gets its tasks back with its engine:
        // they must find the cluster's files, not an empty directory. One that
        // never was has no tasks, and may start both at once.
        if !membership.swarm || !s.wanted.storage || s.observed.mounted {
            let why = "the container engine does not answer";
            steps.push(because(Step::Start { daemon: Daemon::Engine }, why));
        }
        return;
    };
    match swarm.local {
        SwarmLocal::Active => {
            if !membership.swarm {
                let why = "power failed before it was written that there is a Swarm";
                steps.push(because(Step::RecordSwarm, why));
            } else if swarm.disowned_ms >= DISOWNED {
                report_anew(swarm, me, steps);
            } else if swarm.manager && swarm.leader {
                roles(s, swarm, steps);
                stacks(s, swarm, steps);
            }
        }
        SwarmLocal::Inactive => enter(s, me, steps),
        SwarmLocal::Pending | SwarmLocal::Error => {}
    }
}

fn enter(s: &Situation<'_>, me: &Identity, steps: &mut Vec<Planned>) {
    if !s.storage_holds() {
        return;
    }
    if s.before_any_swarm() {
        steps.push(because(Step::InitSwarm, "this node founded the cluster, which has no Swarm"));
        return;
    }
    let via = s.managers();
    if !via.is_empty() {
        let role = role_to_ask_for(s, me);
        let why = "the cluster has a Swarm and this node is not in it";
        steps.push(because(Step::JoinSwarm { role, via }, why));
    }
}

/// A manager's engine rests meanwhile: the others must do without it.
fn report_anew(swarm: &Swarm, me: &Identity, steps: &mut Vec<Planned>) {
    let mut others = swarm.nodes.iter().filter(|n| n.manager && n.name != me.name);
    if others.all(|n| n.reachable) {
        let why = "the Swarm takes this node for down, and it is not";
        steps.push(because(Step::RestartEngine, why));
    }
}

/// Manager, if this node is among as many as the cluster wants: those that
/// manage already come first, then the rest by id. Everybody counts alike; a
/// node whose picture is stale is put right by the manager it asks, and by the
/// leader afterwards.
fn role_to_ask_for(s: &Situation<'_>, me: &Identity) -> SwarmRole {
    let manages = |m: &crate::RingMember| m.swarm == Some(SwarmRole::Manager);
    let managing: BTreeSet<_> =
        s.kin().filter(|m| manages(m)).filter_map(|m| m.id.as_ref()).collect();
    let live: BTreeSet<_> = s.live_kin().filter_map(|m| m.id.as_ref()).collect();
    let smaller = live.iter().filter(|id| !managing.contains(*id) && ***id < me.id).count();
    let wanted = manager_count(live.union(&managing).count() + 1, s.wanted.managers);
    if managing.len() + smaller < wanted { SwarmRole::Manager } else { SwarmRole::Worker }
}

/// One change of role at a time, and only while every manager is reachable:
/// a change of Raft's members needs its quorum.
fn roles(s: &Situation<'_>, swarm: &Swarm, steps: &mut Vec<Planned>) {
    // A node that lost power while joining may be listed twice.
    let mut nodes: BTreeMap<&str, Vec<&SwarmNode>> = BTreeMap::new();
    for node in &swarm.nodes {
        nodes.entry(&node.name).or_default().push(node);
    }
    let managers: Vec<_> =
        nodes.iter().filter(|(_, n)| n.iter().any(|n| n.manager)).map(|(name, _)| *name).collect();
    let reachable = |name: &&str| nodes[*name].iter().any(|n| n.manager && n.reachable);
    if managers.is_empty() || !managers.iter().all(reachable) {
        return;
    }
    let up: Vec<_> =
        nodes.iter().filter(|(_, n)| n.iter().any(|n| n.up)).map(|(name, _)| *name).collect();
    // One on its way may come as a manager itself.
    let awaited = s.live_kin().any(|m| !up.contains(&m.name.as_str()));
    if managers.len() < manager_count(up.len(), s.wanted.managers) {
        if awaited {
            return;
        }
        if let Some(name) = up.iter().find(|name| !managers.contains(name)) {
            let why = format!("{} nodes want one more manager", up.len());
            let (name, role) = ((*name).to_owned(), SwarmRole::Manager);
            steps.push(because(Step::SetSwarmRole { name, role }, why));
        }
        return;
    }
    // Nodes about to join count, or the last manager would be sent away just
    // before it is needed again.
    let all: BTreeSet<&str> =
        nodes.keys().copied().chain(s.live_kin().map(|m| m.name.as_str())).collect();
    if managers.len() > manager_count(all.len(), s.wanted.managers) {
        let follows = |name: &&&str| !nodes[**name].iter().any(|n| n.leader);
        if let Some(name) = managers.iter().rev().find(follows) {
            let why =
                format!("{} managers are more than wanted, or an even number", managers.len());
            let (name, role) = ((*name).to_owned(), SwarmRole::Worker);
            steps.push(because(Step::SetSwarmRole { name, role }, why));
        }
    }
}

fn stacks(s: &Situation<'_>, swarm: &Swarm, steps: &mut Vec<Planned>) {
    if !s.storage_holds() {
        return;
    }
    for name in s.wanted.stacks.iter().filter(|name| !swarm.stacks.contains(name)) {
        let why = "the recipe ships it and it does not run";
        steps.push(because(Step::DeployStack { name: name.clone() }, why));
    }
}
