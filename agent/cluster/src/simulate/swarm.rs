//! What steps do to the Swarm.

use super::Simulation;
use super::act::Effect;
use super::world::Raft;
use crate::SwarmRole;
use std::collections::BTreeMap;
use std::net::IpAddr;

impl Simulation {
    pub(super) fn deploy(&mut self, node: usize, name: &str, whole: bool) -> Effect {
        let raft = self.leads(node)?;
        self.rafts[raft].stacks.insert(name.to_owned(), whole);
        Ok(())
    }

    pub(super) fn record(&mut self, node: usize) -> Effect {
        let membership = self.nodes[node].disk.membership.as_mut().ok_or("no membership")?;
        membership.swarm = true;
        Ok(())
    }

    pub(super) fn init(&mut self, node: usize, half: bool) -> Effect {
        if self.nodes[node].disk.raft.is_some() {
            return Err("it is in a Swarm");
        }
        self.nodes[node].disk.raft = Some(self.rafts.len());
        self.rafts.push(Raft {
            cluster: self.nodes[node].disk.membership.as_ref().map(|m| m.cluster.clone()),
            seats: BTreeMap::from([(node, SwarmRole::Manager)]),
            ghosts: BTreeMap::new(),
            disowned: BTreeMap::new(),
            leader: Some(node),
            electing: false,
            stacks: BTreeMap::new(),
            intent: crate::Intent::default(),
            index: 1,
            emptied: std::collections::BTreeSet::new(),
            voting: std::collections::BTreeSet::new(),
            kept: false,
            forsaken: false,
            misplaced: None,
        });
        if half { Ok(()) } else { self.record(node) }
    }

    pub(super) fn join(
        &mut self,
        node: usize,
        role: SwarmRole,
        via: &[IpAddr],
        half: bool,
    ) -> Effect {
        self.record(node)?;
        let asked = self
            .answers(node, via)
            .find_map(|n| {
                let raft = self.nodes[n].disk.raft?;
                let leader = self.rafts[raft].leader?;
                let manager = self.rafts[raft].seats.get(&n) == Some(&SwarmRole::Manager);
                (manager && self.nodes[n].engine() && self.reach(n, leader)).then_some(raft)
            })
            .ok_or("no manager with a leader answers")?;
        let raft = &mut self.rafts[asked];
        // The one who gives the token decides.
        let managers = raft.seats.values().filter(|r| **r == SwarmRole::Manager).count();
        let full = managers >= usize::from(self.settings.wanted.managers);
        let role = if full { SwarmRole::Worker } else { role };
        if half {
            let id = format!("ghost-{}", self.events);
            raft.ghosts.insert(id, (node, role));
            return Ok(());
        }
        raft.seats.insert(node, role);
        self.nodes[node].disk.raft = Some(asked);
        self.report_to_the_swarm(node);
        Ok(())
    }

    pub(super) fn leads(&self, node: usize) -> Result<usize, &'static str> {
        let raft = self.nodes[node].disk.raft.ok_or("it is in no Swarm")?;
        if self.rafts[raft].leader == Some(node) { Ok(raft) } else { Err("it does not lead") }
    }

    pub(super) fn set_role(&mut self, node: usize, name: &str, role: SwarmRole) -> Effect {
        let raft = self.leads(node)?;
        let named = self.nodes.iter().position(|n| n.name == name).ok_or("no such node")?;
        let managers = self.rafts[raft].seats.values().filter(|r| **r == SwarmRole::Manager);
        let most = usize::from(self.settings.wanted.managers).max(2);
        let full = managers.count() >= most;
        if role == SwarmRole::Manager && full {
            return Err("there are managers enough by now");
        }
        let seat = self.rafts[raft].seats.get_mut(&named).ok_or("no such seat")?;
        *seat = role;
        if role == SwarmRole::Worker && self.rafts[raft].leader == Some(named) {
            self.rafts[raft].leader = None;
        }
        Ok(())
    }
}
