//! What steps do to the storage: pools, the volume and its bricks, mounts.

use super::act::Effect;
use super::world::Bricks;
use super::{Event, Fault, Simulation};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How far it came that a brick was given back as an empty one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// That is noted, and the directory is empty.
    Noted,
    /// The directory is marked as a brick.
    Marked,
    /// The other bricks know what it lacks.
    Told,
    /// That is noted.
    Done,
}

impl Simulation {
    /// Every brick whose storage daemon can be reached runs again.
    pub(super) fn revive(&mut self, node: usize) {
        let Some(pool) = self.nodes[node].disk.pool else { return };
        for other in 0..self.nodes.len() {
            let there = self.nodes[other].disk.pool == Some(pool)
                && self.nodes[other].stores()
                && self.reach(node, other);
            if let Some(run) = self.nodes[other].run.as_mut().filter(|run| there && !run.brick) {
                run.brick = true;
                self.answers_again(other);
                let boot = self.nodes[other].boots;
                self.after(self.settings.heal, Event::Healed { pool, node: other, boot });
            }
        }
        self.write(pool);
    }

    pub(super) fn probe(&mut self, node: usize, address: IpAddr, whole: bool) -> Effect {
        let other = self.answers(node, &[address]).next().ok_or("no answer")?;
        if !self.nodes[other].stores() {
            return Err("its storage daemon does not answer");
        }
        let (Some(mine), Some(theirs)) = (self.nodes[node].disk.pool, self.nodes[other].disk.pool)
        else {
            return Err("no pool");
        };
        if mine != theirs {
            let strange = &self.pools[theirs];
            if strange.members.len() > 1 || strange.volume.is_some() {
                return Err("it belongs to another pool");
            }
            if whole {
                self.nodes[other].disk.pool = Some(mine);
            }
        }
        self.pools[mine].members.insert(other, whole || mine == theirs);
        Ok(())
    }

    pub(super) fn volume(&mut self, node: usize) -> Option<&mut Bricks> {
        let pool = self.nodes[node].disk.pool?;
        self.pools[pool].volume.as_mut()
    }

    pub(super) fn givers(
        &self,
        node: usize,
        pool: usize,
        bricks: &[IpAddr],
    ) -> Result<Vec<usize>, &'static str> {
        let nodes: Vec<_> = self.answers(node, bricks).collect();
        let fit = |n: &usize| {
            self.nodes[*n].stores()
                && self.nodes[*n].disk.pool == Some(pool)
                && self.pools[pool].members.get(n) == Some(&true)
        };
        if nodes.len() == bricks.len() && nodes.iter().all(fit) {
            Ok(nodes)
        } else {
            Err("not every node is a connected peer")
        }
    }

    pub(super) fn create(&mut self, node: usize, bricks: &[IpAddr]) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let nodes = self.givers(node, pool, bricks)?;
        if self.pools[pool].volume.is_some() {
            return Err("there is a volume");
        }
        self.pools[pool].volume = Some(Bricks { nodes, ..Bricks::default() });
        Ok(())
    }

    pub(super) fn add(&mut self, node: usize, bricks: &[IpAddr]) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let nodes = self.givers(node, pool, bricks)?;
        // GlusterFS itself refuses, so that a copy that missed something and an
        // empty one never outvote the full one.
        let online = self.online(pool);
        let old = self.pools[pool].volume.iter().flat_map(|v| &v.nodes);
        if old.into_iter().any(|n| !online.contains(n) || !self.reach(node, *n)) {
            return Err("a brick is down");
        }
        for new in &nodes {
            let boot = self.nodes[*new].boots;
            self.after(self.settings.heal, Event::Healed { pool, node: *new, boot });
        }
        let volume = self.volume(node).ok_or("there is no volume")?;
        if nodes.iter().any(|n| volume.nodes.contains(n)) {
            return Err("it gives a brick already");
        }
        if volume.nodes.len() + nodes.len() > 3 {
            return Err("that is no set");
        }
        for new in nodes {
            volume.lacks.insert(new, (0..volume.written).collect());
            volume.nodes.push(new);
        }
        self.write(pool);
        Ok(())
    }

    /// The data partition of a node, which is off, is another one or was emptied: its brick
    /// and what its engine knew are gone.
    pub(super) fn lose_data(&mut self, node: usize) {
        self.say(Some(node), || "loses its data partition".into());
        self.nodes[node].disk.emptied = true;
        if let Some(raft) = self.nodes[node].disk.raft.take()
            && let Some(role) = self.rafts[raft].seats.remove(&node)
        {
            let id = format!("ghost-{}", self.events);
            self.rafts[raft].ghosts.insert(id, (node, role));
        }
        let Some(pool) = self.nodes[node].disk.pool else { return };
        let Some(volume) = &mut self.pools[pool].volume else { return };
        if volume.nodes.contains(&node) {
            let lost = (0..volume.written).filter(|w| volume.holders(*w).contains(&node));
            let lost = lost.collect();
            volume.lacks.insert(node, lost);
        }
        self.watch_rafts();
        self.touch();
    }

    /// The file system of a node's data partition, which is off, breaks: no repair helps, or
    /// one does and costs some of what its brick held.
    pub(super) fn break_data(&mut self, node: usize, gone: bool) {
        if gone {
            self.lose_data(node);
            self.nodes[node].disk.gone = true;
            return;
        }
        self.say(Some(node), || "has its data partition repaired".into());
        self.nodes[node].disk.repaired = true;
        let Some(pool) = self.nodes[node].disk.pool else { return };
        let Some(volume) = &mut self.pools[pool].volume else { return };
        if volume.nodes.contains(&node) {
            let held = (0..volume.written).filter(|w| volume.holders(*w).contains(&node));
            let lost: Vec<_> = held.filter(|w| w % 2 == 0).collect();
            volume.lacks.entry(node).or_default().extend(lost);
        }
        self.touch();
    }

    /// A new file system is there, and nothing on it.
    pub(super) fn remake_data(&mut self, node: usize) -> Effect {
        if !self.nodes[node].disk.gone {
            return Err("its data partition can be used");
        }
        self.nodes[node].disk.gone = false;
        self.nodes[node].disk.repaired = false;
        self.touch();
        Ok(())
    }

    /// glusterd takes the directory for a new brick, which the others fill: as far as it came.
    pub(super) fn renew_brick(&mut self, node: usize, until: Renewal) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let volume = self.pools[pool].volume.as_mut().ok_or("there is no volume")?;
        let disk = &mut self.nodes[node].disk;
        if disk.gone || !(disk.emptied || disk.repaired) || !volume.nodes.contains(&node) {
            return Err("its brick is none that lost anything");
        }
        if disk.repaired {
            // What a repair left is set aside.
            let held = (0..volume.written).filter(|w| volume.holders(*w).contains(&node));
            let held = held.collect();
            volume.lacks.insert(node, held);
        }
        let noted = self.settings.fault != Some(Fault::NobodyNotesTheRenewal);
        disk.renewing = noted && until != Renewal::Done;
        if until == Renewal::Noted {
            return Ok(());
        }
        (disk.emptied, disk.repaired) = (false, false);
        disk.hollow = until == Renewal::Marked;
        if let Some(run) = &mut self.nodes[node].run {
            run.brick = true;
        }
        let boot = self.nodes[node].boots;
        self.after(self.settings.heal, Event::Healed { pool, node, boot });
        self.write(pool);
        Ok(())
    }

    /// Two boxes make a directory of one name at once, and one brick of a set of three has
    /// another one than the rest.
    pub(super) fn tear_directory(&mut self, loser: usize) {
        let Some(pool) = self.nodes[loser].disk.pool else { return };
        let path = format!("/made-{}", self.events);
        let Some(volume) = &mut self.pools[pool].volume else { return };
        let set = volume.sets().find(|set| set.contains(&loser));
        let agree: BTreeSet<usize> =
            set.into_iter().flatten().copied().filter(|n| *n != loser).collect();
        if agree.len() > 1 {
            volume.torn.insert(path, agree);
            self.say(Some(loser), || "has another directory than the rest".into());
            self.touch();
        }
    }

    /// Which of those a node's brick is right about.
    pub(super) fn torn_at(&self, node: usize) -> BTreeSet<String> {
        let torn = self.volume_at(node).map(|volume| &volume.torn);
        let right = torn.into_iter().flatten().filter(|(_, agree)| agree.contains(&node));
        right.map(|(path, _)| path.clone()).collect()
    }

    /// GlusterFS lets one copy count only while it sees all of them.
    pub(super) fn settle_directory(&mut self, node: usize, path: &str) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let online = self.online(pool);
        let volume = self.volume_at(node).ok_or("there is no volume")?;
        if volume.nodes.iter().any(|n| !online.contains(n) || !self.reach(node, *n)) {
            return Err("a brick is down");
        }
        self.volume(node).ok_or("there is no volume")?.torn.remove(path);
        Ok(())
    }

    pub(super) fn mount(&mut self, node: usize) -> Effect {
        let pool = self.nodes[node].disk.pool.ok_or("no pool")?;
        let volume = self.volume_at(node).ok_or("there is no volume")?;
        let answers = |n: &usize| self.nodes[*n].serves() && self.reach(node, *n);
        if !volume.started || !volume.nodes.iter().any(answers) {
            return Err("no brick answers");
        }
        self.old_copy_yields(node);
        if let Some(run) = &mut self.nodes[node].run {
            run.mounted = true;
            run.lost_bricks.clear();
        }
        // Who mounts it writes.
        self.write(pool);
        Ok(())
    }
}
