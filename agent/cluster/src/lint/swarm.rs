//! Rules of the Swarm.

use super::{Case, Verdict, must};
use crate::{Availability, Daemon, MemberStatus, Step, Swarm, SwarmLocal, SwarmRole};
use std::collections::BTreeSet;

pub(super) fn one_swarm(step: &Step, c: &Case<'_>) -> Verdict {
    let local = c.o.swarm.as_ref().map(|s| s.local);
    match step {
        Step::InitSwarm => {
            must(c.no_swarm_can_exist(), "the cluster has or may have a Swarm")?;
            must(local == Some(SwarmLocal::Inactive), "the engine is in a Swarm")?;
            must(!c.w.storage || c.o.mounted, "the volume is not mounted")
        }
        Step::JoinSwarm { via, .. } => {
            must(local == Some(SwarmLocal::Inactive), "the engine is in a Swarm")?;
            must(!c.w.storage || c.o.mounted, "the volume is not mounted")?;
            must(!via.is_empty(), "there is nobody to ask")?;
            let manages = |m: &crate::RingMember| m.swarm == Some(SwarmRole::Manager);
            match via.iter().find(|a| !c.live_kin_at(**a, manages)) {
                Some(a) => Err(format!("{a} is no live manager")),
                None => Ok(()),
            }
        }
        Step::RecordSwarm => must(local == Some(SwarmLocal::Active), "the engine is in no Swarm"),
        _ => Ok(()),
    }
}

pub(super) fn managers_odd(step: &Step, c: &Case<'_>) -> Verdict {
    match step {
        Step::JoinSwarm { role: SwarmRole::Manager, .. } => {
            let shown: BTreeSet<_> =
                c.kin().filter(|m| m.swarm == Some(SwarmRole::Manager)).map(|m| &m.id).collect();
            must(shown.len() < usize::from(c.w.managers.max(1)), "there are managers enough")
        }
        Step::SetSwarmRole { name, role } => {
            let Some(swarm) = &c.o.swarm else { return Ok(()) };
            change_of_role(name, *role, swarm, c)
        }
        _ => Ok(()),
    }
}

fn change_of_role(name: &str, role: SwarmRole, swarm: &Swarm, c: &Case<'_>) -> Verdict {
    let managers: BTreeSet<_> =
        swarm.nodes.iter().filter(|n| n.manager).map(|n| n.name.as_str()).collect();
    let reachable: BTreeSet<_> =
        swarm.nodes.iter().filter(|n| n.manager && n.reachable).map(|n| n.name.as_str()).collect();
    if role == SwarmRole::Worker && managers.contains(name) && !reachable.contains(name) {
        let up = |n: &&crate::SwarmNode| n.up || n.reachable;
        must(!swarm.nodes.iter().filter(|n| n.name == name).any(|n| up(&n)), "it is up")?;
        let alive = |m: &&crate::RingMember| m.status == MemberStatus::Alive && m.name == name;
        must(!c.members().iter().any(|m| alive(&m)), "it is alive in the ring")?;
        let quiet = c.o.ring.as_ref().map_or(0, |r| r.quiet_ms);
        must(quiet >= c.w.grace_ms, "its grace time is not over")?;
        must(reachable.len() * 2 > managers.len(), "the others have no quorum")?;
        let spare = swarm.nodes.iter().any(|n| n.up && !managers.contains(n.name.as_str()));
        return must(spare, "nobody could take its place");
    }
    must(managers == reachable, "a manager is unreachable")?;
    let record = swarm.record.intent();
    let ended = record.is_some_and(|intent| intent.retired.values().any(|g| g.name == name));
    must(role == SwarmRole::Worker || !ended, format!("{name} lost its place"))?;
    if let Some(decides) = decides_of_two(swarm, c) {
        let both = managers.len() == 2;
        match role {
            SwarmRole::Manager if name == decides => {
                return must(managers.len() == 1 && !managers.contains(name), "both manage");
            }
            SwarmRole::Worker if both && name != decides && managers.contains(decides) => {
                return must(managers.contains(name), format!("{name} does not manage"));
            }
            _ => {}
        }
    }
    match role {
        SwarmRole::Manager if managers.iter().all(|m| c.leaves(m)) => {
            must(swarm.nodes.iter().any(|n| n.up && n.name == name), format!("{name} is not up"))?;
            must(!c.leaves(name), format!("{name} is taken out"))?;
            must(managers.len() < 2, "there is a second manager")
        }
        SwarmRole::Manager => {
            must(!c.leaves(name), format!("{name} is taken out"))?;
            let up: BTreeSet<_> =
                swarm.nodes.iter().filter(|n| n.up).map(|n| n.name.as_str()).collect();
            must(up.contains(name), format!("{name} is not up"))?;
            must(!managers.contains(name), format!("{name} manages already"))?;
            // On the way from 1 to 3 there are 2, so the odd number to reach counts.
            must(managers.len() < odd(up.len().min(c.w.managers.into())), "managers enough")
        }
        SwarmRole::Worker => {
            must(managers.contains(name), format!("{name} does not manage"))?;
            must(managers.len() > 1, "it is the last manager")?;
            if c.leaves(name) {
                return Ok(());
            }
            let leads = swarm.nodes.iter().any(|n| n.leader && n.name == name);
            must(!leads, "it is the leader")?;
            let above = managers.len() > odd(c.w.managers.into());
            must(above || managers.len() % 2 == 0, "an odd number would become even")
        }
    }
}

/// Of two boxes that stay, the one that is up and whose copy decides; or the other one
/// while that is being switched off.
fn decides_of_two<'a>(swarm: &'a Swarm, c: &Case<'_>) -> Option<&'a str> {
    let volume = c.volume().filter(|_| c.w.storage)?;
    let [first, second] = volume.bricks.as_slice() else { return None };
    let own = c.o.identity.as_ref().map(|me| me.address);
    let over = |m: &crate::RingMember, a| m.address == a && m.hand == Some(crate::Hand::Over);
    let down = |a| {
        (Some(a) == own && c.o.goes_down)
            || c.kin().any(|m| m.status == MemberStatus::Alive && over(m, a))
    };
    let (decides, other) = if volume.turn % 2 == 1 { (second, first) } else { (first, second) };
    let goes = down(decides.address) && !down(other.address);
    let seat = if goes { other.address } else { decides.address };
    let ended: BTreeSet<_> = swarm
        .record
        .intent()
        .into_iter()
        .flat_map(|intent| intent.retired.values())
        .map(|gone| gone.name.as_str())
        .collect();
    let stays = |n: &&crate::SwarmNode| !c.leaves(&n.name) && !ended.contains(n.name.as_str());
    let names: BTreeSet<_> = swarm.nodes.iter().filter(stays).map(|n| n.name.as_str()).collect();
    let mut there = swarm.nodes.iter().filter(stays).filter(|n| n.up);
    let decides = there.find(|n| n.address == Some(seat))?;
    (names.len() <= 2).then_some(decides.name.as_str())
}

/// The largest odd number up to `n`, at least 1.
fn odd(n: usize) -> usize {
    if n == 0 { 1 } else { n - (n + 1) % 2 }
}

pub(super) fn restart_only_the_disowned(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::RestartEngine = step else { return Ok(()) };
    let Some(swarm) = &c.o.swarm else { return Ok(()) };
    must(swarm.local == SwarmLocal::Active, "the engine is in no Swarm")?;
    must(swarm.disowned_ms >= 60_000, "the Swarm has not taken it for down for a minute")?;
    let own = c.o.identity.as_ref().map(|me| &me.name);
    let rest = |n: &&crate::SwarmNode| n.manager && Some(&n.name) != own && !n.reachable;
    match swarm.nodes.iter().find(rest) {
        Some(other) => Err(format!("{} is unreachable: the others need this one", other.name)),
        None => Ok(()),
    }
}

pub(super) fn no_tasks_before_their_files(step: &Step, c: &Case<'_>) -> Verdict {
    let daemon = match step {
        Step::Start { daemon } | Step::Restart { daemon } => Some(*daemon),
        _ => None,
    };
    if daemon != Some(Daemon::Engine) {
        return Ok(());
    }
    let was = c.o.membership.as_ref().is_some_and(|m| m.swarm);
    must(!(was && c.w.storage && !c.o.mounted), "its tasks would find an empty directory")
}

pub(super) fn leave_only_a_dead_end(step: &Step, c: &Case<'_>) -> Verdict {
    if !matches!(step, Step::LeaveSwarm) {
        return Ok(());
    }
    let Some(swarm) = &c.o.swarm else { return Ok(()) };
    let stuck = matches!(swarm.local, SwarmLocal::Pending | SwarmLocal::Error);
    must(stuck, "the engine is not stuck on its way into a Swarm")?;
    must(swarm.limbo_ms >= 90_000, "it has not been stuck for long")?;
    let keeps = |m: &crate::RingMember| {
        m.status == MemberStatus::Alive && m.swarm == Some(SwarmRole::Manager)
    };
    must(c.kin().any(keeps), "nobody else is seen to keep the Swarm")
}

pub(super) fn drop_only_the_replaced(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::DropSwarmEntry { id, name, revoked } = step else { return Ok(()) };
    let Some(swarm) = &c.o.swarm else { return Ok(()) };
    let entry = swarm.nodes.iter().find(|n| n.id == *id && !id.is_empty());
    let entry = entry.ok_or_else(|| format!("the Swarm has no entry {id}"))?;
    must(entry.name == *name, format!("it is the entry of {}", entry.name))?;
    must(!entry.leader, "it leads")?;
    let retired = swarm.record.intent().into_iter().flat_map(|i| i.retired.values());
    let mut retired = retired.filter(|gone| gone.name == *name).peekable();
    let ended = retired.peek().is_some();
    let struck = retired.any(|gone| gone.revoked);
    must(struck || !revoked, "no person struck it off")?;
    must(struck || !(entry.up || entry.reachable), "it is alive")?;
    if ended {
        let alive = |m: &crate::RingMember| m.status == MemberStatus::Alive && m.name == *name;
        must(struck || !c.members().iter().any(alive), "it is alive in the ring")?;
        let managers = || swarm.nodes.iter().filter(|n| n.manager);
        let reachable = managers().filter(|n| n.reachable).count();
        let quorum = reachable * 2 > managers().count();
        return must(!entry.manager || quorum, "the others have no quorum");
    }
    let other = swarm.nodes.iter().any(|n| n.name == *name && n.id != *id && n.up);
    must(other, format!("{name} is in the Swarm under no other entry"))
}

pub(super) fn empty_only_the_leaving(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::SetLeaving { name, leaving } = step else { return Ok(()) };
    let asked = c.leaves(name);
    must(asked == *leaving, if asked { "it is taken out" } else { "nobody asked to take it out" })?;
    let nodes = c.o.swarm.iter().flat_map(|s| &s.nodes);
    let emptied = |n: &crate::SwarmNode| n.availability == Availability::Leaving;
    let ours = nodes.filter(|n| n.name == *name).any(emptied);
    must(*leaving || ours, "a person closed it, and not the agent")
}

pub(super) fn remove_only_what_is_not_shipped(step: &Step, c: &Case<'_>) -> Verdict {
    let Step::RemoveStack { name } = step else { return Ok(()) };
    let Some(swarm) = &c.o.swarm else { return Ok(()) };
    must(c.w.stacks.iter().all(|w| w.name != *name), "the recipe ships it")?;
    let ours = swarm.stacks.iter().any(|stack| stack.name == *name);
    must(ours, "the agent did not deploy it")
}
