//! The Swarm: start or join it, keep the managers odd, deploy the stacks.

use super::{because, pair, rouse, waits, witness};
use crate::situation::{Situation, manager_count};
use crate::{Daemon, Identity, Plan, Planned, Step, Swarm, SwarmLocal, SwarmNode, SwarmRole};
use std::collections::{BTreeMap, BTreeSet};

/// For how long the managers may take a node for down that is up, in
/// milliseconds. An engine that was too late for a moment is back by itself
/// within seconds. But if it reports anew in just the moment in which its time
/// is over, the dispatcher writes the two down in the wrong order, and the node
/// stays down for as long as it goes on reporting (docs/decisions/0009).
/// Source: moby/swarmkit, `manager/dispatcher/dispatcher.go` (`register`,
/// `markNodeNotReady`).
const DISOWNED: u64 = 120_000;

/// For how long an engine may be on its way into the Swarm, or out of order, in
/// milliseconds. It tries for ever with the one manager that it was given, and
/// that one may be gone.
const LIMBO: u64 = 120_000;

/// For how long the leader waits, in an unchanged ring, for nodes that are on
/// their way into the Swarm before it hands out roles without them.
const PATIENCE: u64 = 60_000;

pub(super) fn plan(s: &Situation<'_>, plan: &mut Plan) {
    let Some((me, membership)) = s.certified().filter(|_| s.wanted.swarm) else { return };
    let Some(swarm) = &s.observed.swarm else {
        if s.observed.data.unmounted.is_some() {
            let until = "the data partition is mounted";
            plan.waits.push(waits("the container engine", until, "no-tasks-before-their-files"));
            return;
        }
        // A node that was in the Swarm gets its tasks back with its engine:
        // they must find the cluster's files, not an empty directory. One that
        // never was has no tasks, and may start both at once.
        if !membership.swarm || !s.wanted.storage || s.observed.mounted {
            rouse(s, Daemon::Engine, plan);
        } else {
            let until = "the volume is mounted";
            plan.waits.push(waits("the container engine", until, "no-tasks-before-their-files"));
        }
        return;
    };
    match swarm.local {
        SwarmLocal::Active => {
            if !membership.swarm {
                let why = "power failed before it was written that there is a Swarm";
                plan.steps.push(because(Step::RecordSwarm, why));
            } else if swarm.disowned_ms >= DISOWNED {
                report_anew(swarm, me, &mut plan.steps);
            } else if swarm.manager && swarm.leader {
                ghosts(swarm, &mut plan.steps);
                witness::duty(s, swarm, plan);
                roles(s, swarm, plan);
                stacks(s, swarm, plan);
            }
        }
        SwarmLocal::Inactive => enter(s, me, plan),
        SwarmLocal::Pending | SwarmLocal::Error => leave(s, swarm, plan),
    }
}

/// A node that cannot get in, or back in, leaves and joins anew: but only while
/// others keep the Swarm.
fn leave(s: &Situation<'_>, swarm: &Swarm, plan: &mut Plan) {
    if s.managers().is_empty() {
        let until = "a manager of the Swarm is seen in the ring";
        plan.waits.push(waits("the Swarm", until, "leave-only-a-dead-end"));
    } else if swarm.limbo_ms >= LIMBO {
        let why = match swarm.local {
            SwarmLocal::Error => "its engine cannot work with what it knows of the Swarm",
            _ => "its engine does not get into the Swarm by the manager that it was given",
        };
        plan.steps.push(because(Step::LeaveSwarm, why));
    }
}

fn enter(s: &Situation<'_>, me: &Identity, plan: &mut Plan) {
    if !s.storage_holds() {
        plan.waits.push(waits("the Swarm", "the volume can be written here", "one-swarm"));
        return;
    }
    if s.before_any_swarm() {
        let why = "this node founded the cluster, which has no Swarm";
        plan.steps.push(because(Step::InitSwarm, why));
        return;
    }
    let via = s.managers();
    if via.is_empty() {
        plan.waits.push(waits("the Swarm", "a manager of it is seen in the ring", "one-swarm"));
        return;
    }
    let role = role_to_ask_for(s, me);
    let why = "the cluster has a Swarm and this node is not in it";
    plan.steps.push(because(Step::JoinSwarm { role, via }, why));
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

/// The entries of each box.
fn by_name(swarm: &Swarm) -> BTreeMap<&str, Vec<&SwarmNode>> {
    // A node that lost power while joining, or lost its disk, is listed twice.
    let mut nodes: BTreeMap<&str, Vec<&SwarmNode>> = BTreeMap::new();
    for node in &swarm.nodes {
        nodes.entry(&node.name).or_default().push(node);
    }
    nodes
}

/// Entries of boxes that joined anew under the same name. One that was a
/// manager would hold up every change of roles for ever.
fn ghosts(swarm: &Swarm, steps: &mut Vec<Planned>) {
    for (name, entries) in by_name(swarm) {
        if !entries.iter().any(|n| n.up) {
            continue;
        }
        let dead = entries.iter().filter(|n| !(n.up || n.reachable || n.leader || n.id.is_empty()));
        if let Some(ghost) = dead.min_by_key(|n| (!n.manager, &n.id)) {
            let (id, name) = (ghost.id.clone(), name.to_owned());
            let why = "the box is in the Swarm under another entry";
            steps.push(because(Step::DropSwarmEntry { id, name, revoked: false }, why));
            return;
        }
    }
}

/// One change of role at a time, and only while every manager is reachable:
/// a change of Raft's members needs its quorum.
fn roles(s: &Situation<'_>, swarm: &Swarm, plan: &mut Plan) {
    let nodes = by_name(swarm);
    let managers: Vec<_> =
        nodes.iter().filter(|(_, n)| n.iter().any(|n| n.manager)).map(|(name, _)| *name).collect();
    let reachable = |name: &&str| nodes[*name].iter().filter(|n| n.manager).all(|n| n.reachable);
    // A box that is taken out counts as if it were gone.
    let up: Vec<_> = nodes
        .iter()
        .filter(|(name, n)| n.iter().any(|n| n.up) && !s.goes(name))
        .map(|(name, _)| *name)
        .collect();
    let goes = managers.iter().find(|name| s.goes(name));
    let staying = managers.iter().filter(|name| !s.goes(name)).count();
    let few = staying < manager_count(up.len(), s.wanted.managers);
    if let Some(away) = managers.iter().find(|name| !reachable(name)) {
        if let Some(lost) = lost_manager(s, &nodes, &managers) {
            let why = "it has not answered for the grace time, and another box can take its place";
            let (name, role) = (lost.to_owned(), SwarmRole::Worker);
            plan.steps.push(because(Step::SetSwarmRole { name, role }, why));
        } else if few {
            let until = format!("{away} is reachable");
            plan.waits.push(waits("one more manager", until, "managers-odd"));
        }
        return;
    }
    if managers.is_empty() {
        return;
    }
    // Who was struck off leaves its seat with its entry, and the rest follows then.
    if managers.iter().any(|name| s.is_struck_off(name)) {
        return;
    }
    // Where an odd number manages already, it becomes less before it becomes more.
    let there = nodes.values().filter(|n| n.iter().any(|n| n.up)).count();
    let full = managers.len() >= manager_count(there, s.wanted.managers).max(2);
    if let Some(name) = goes.filter(|_| staying > 0 && (full || !few)) {
        let why = "a person asked to take the box out";
        let (name, role) = ((*name).to_owned(), SwarmRole::Worker);
        plan.steps.push(because(Step::SetSwarmRole { name, role }, why));
        return;
    }
    if let Some(planned) = pair::seat(s, swarm) {
        if matches!(planned.step, Step::SetSwarmRole { role: SwarmRole::Worker, .. })
            || still_known(s, swarm).is_none()
        {
            plan.steps.push(planned);
        }
        return;
    }
    if few {
        if let Some(gone) = still_known(s, swarm) {
            let until = format!("every engine has heard that {gone} manages no more");
            plan.waits.push(waits("one more manager", until, "managers-odd"));
            return;
        }
        // One on its way may come as a manager itself.
        let quiet = s.observed.ring.as_ref().is_some_and(|ring| ring.quiet_ms >= PATIENCE);
        let mut kin = s.live_kin().map(|m| m.name.as_str());
        let awaited = kin.find(|name| !up.contains(name) && !s.goes(name));
        if let Some(name) = awaited.filter(|_| !quiet) {
            let until = format!("{name} is in the Swarm, or its time is up");
            plan.waits.push(waits("one more manager", until, "managers-odd"));
            return;
        }
        if let Some(name) = up.iter().find(|name| !managers.contains(name)) {
            let why = format!("{} nodes want one more manager", up.len());
            let (name, role) = ((*name).to_owned(), SwarmRole::Manager);
            plan.steps.push(because(Step::SetSwarmRole { name, role }, why));
        }
        return;
    }
    // Nodes about to join count, or the last manager would be sent away just
    // before it is needed again.
    let all: BTreeSet<&str> = nodes
        .keys()
        .copied()
        .chain(s.live_kin().map(|m| m.name.as_str()))
        .filter(|name| !s.goes(name))
        .collect();
    if managers.len() > manager_count(all.len(), s.wanted.managers) {
        let follows = |name: &&&str| !nodes[**name].iter().any(|n| n.leader);
        if let Some(name) = managers.iter().rev().find(follows) {
            let why =
                format!("{} managers are more than wanted, or an even number", managers.len());
            let (name, role) = ((*name).to_owned(), SwarmRole::Worker);
            plan.steps.push(because(Step::SetSwarmRole { name, role }, why));
        }
    }
}

/// For how long after a box stopped to manage an engine may still take it for a
/// manager, in seconds. One that is promised a seat then tries to get into Raft
/// through it, fails after 20 s, and takes itself for broken.
const HEARD: u64 = 20;

/// A manager that is one no more since a moment ago.
pub(super) fn still_known<'a>(s: &Situation<'_>, swarm: &'a Swarm) -> Option<&'a str> {
    if swarm.manager_less_ms.is_some_and(|ms| ms < HEARD * 1000) {
        return Some("the last one that went");
    }
    let now = s.observed.clock.unix?;
    let retired = swarm.record.intent().into_iter().flat_map(|intent| intent.retired.values());
    let fresh = |gone: &&crate::RetiredBox| now.saturating_sub(gone.at) < HEARD;
    retired.into_iter().find(fresh).map(|gone| gone.name.as_str())
}

/// A manager that is gone for long, while the others have a quorum and there is
/// a box that could manage in its place. If it returns it is a worker.
fn lost_manager<'a>(
    s: &Situation<'_>,
    nodes: &BTreeMap<&'a str, Vec<&SwarmNode>>,
    managers: &[&'a str],
) -> Option<&'a str> {
    let quiet = s.observed.ring.as_ref()?.quiet_ms >= s.wanted.grace_ms;
    let reached = |name: &str| nodes[name].iter().any(|n| n.manager && n.reachable);
    let quorum = managers.iter().filter(|name| reached(name)).count() * 2 > managers.len();
    let up = |name: &str| nodes[name].iter().any(|n| n.up);
    let spare = nodes.keys().any(|name| up(name) && !managers.contains(name) && !s.goes(name));
    let alive = |name: &str| s.live().any(|m| m.name == name);
    let lost = |name: &&&str| !reached(name) && !up(name) && !alive(name);
    managers.iter().find(lost).copied().filter(|_| quiet && quorum && spare)
}

/// Deploys what the recipe ships, whole and of the right content, and removes
/// what it ships no more. Only what the agent deployed is listed.
fn stacks(s: &Situation<'_>, swarm: &Swarm, plan: &mut Plan) {
    let named = |name: &str| swarm.stacks.iter().filter(|stack| stack.name == name).min();
    let gone = |stack: &&crate::Stack| s.wanted.stacks.iter().all(|w| w.name != stack.name);
    if !s.storage_holds() {
        let missing = s.wanted.stacks.iter().find(|w| named(&w.name).is_none());
        if let Some(stack) = missing {
            let until = "the volume can be written here";
            plan.waits.push(waits(format!("stack {}", stack.name), until, "one-swarm"));
        }
        return;
    }
    for wanted in &s.wanted.stacks {
        let why = match named(&wanted.name) {
            None => "the recipe ships it and it does not run".to_owned(),
            Some(stack) if stack.is(&wanted.digest) => continue,
            Some(stack) if stack.digest.is_some() && stack.services >= stack.of => {
                "the recipe ships another content of it".to_owned()
            }
            Some(stack) => {
                format!("only {} of its services are deployed", stack.services)
            }
        };
        plan.steps.push(because(Step::DeployStack { name: wanted.name.clone() }, why));
    }
    let names: BTreeSet<_> = swarm.stacks.iter().filter(gone).map(|stack| &stack.name).collect();
    for name in names {
        let why = "no recipe ships it any more";
        plan.steps.push(because(Step::RemoveStack { name: name.clone() }, why));
    }
}
