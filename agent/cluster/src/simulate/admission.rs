//! What steps do to who belongs to a cluster: founding and enrolment.

use super::Simulation;
use super::act::Effect;
use crate::{ClusterId, Membership};
use std::net::IpAddr;

impl Simulation {
    pub(super) fn found(&mut self, node: usize, half: bool) -> Effect {
        self.signed_by(node);
        self.clusters_made += 1;
        let cluster = ClusterId(format!("c{}", self.clusters_made));
        let disk = &mut self.nodes[node].disk;
        disk.ca = Some(cluster.clone());
        disk.certificate = Some(cluster.clone());
        disk.ca_key = Some(cluster.clone());
        if !half {
            disk.membership = Some(Membership { cluster, founder: true, swarm: false });
        }
        Ok(())
    }

    pub(super) fn enrol(
        &mut self,
        node: usize,
        cluster: &ClusterId,
        via: &[IpAddr],
        half: bool,
    ) -> Effect {
        let signs = |n: usize| {
            let disk = &self.nodes[n].disk;
            disk.membership.as_ref().is_some_and(|m| m.cluster == *cluster)
                && disk.ca_key.as_ref() == Some(cluster)
                && !self.clock(n).cannot_be_right()
        };
        let by = self.within(node, via).find(|n| signs(*n)).ok_or("nobody signs")?;
        self.signed_by(by);
        self.enrolled(node, by, cluster)?;
        let disk = &mut self.nodes[node].disk;
        if disk.ca_key.as_ref() != Some(cluster) {
            disk.ca_key = None;
        }
        disk.ca = Some(cluster.clone());
        disk.certificate = Some(cluster.clone());
        if !half && disk.membership.is_none() {
            let cluster = cluster.clone();
            disk.membership = Some(Membership { cluster, founder: false, swarm: false });
            disk.yields = None;
        }
        Ok(())
    }

    /// Nodes at these addresses whose agent runs and can be reached, and that take this
    /// node's certificate as it takes theirs.
    pub(super) fn answers(&self, node: usize, via: &[IpAddr]) -> impl Iterator<Item = usize> {
        self.within(node, via).filter(move |n| self.verify(node, *n))
    }

    /// Nodes at these addresses whose agent runs and can be reached.
    pub(super) fn within(&self, node: usize, via: &[IpAddr]) -> impl Iterator<Item = usize> {
        let at = |a: &IpAddr| self.nodes.iter().position(|n| n.born.address == *a);
        let up = move |n: &usize| self.nodes[*n].run.is_some() && self.reach(node, *n);
        via.iter().filter_map(at).filter(up)
    }
}
