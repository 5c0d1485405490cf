//! What happens to boxes, and when: drawn by seed, so that it can happen again.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde::Serialize;
use std::fmt;

/// Something that befalls a cluster. Boxes are numbered from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "drill", rename_all = "kebab-case")]
pub(crate) enum Drill {
    /// A box loses its power, and gets it back.
    Power { node: usize, seconds: u64 },
    /// A box stops in its tracks, and goes on.
    Freeze { node: usize, seconds: u64 },
    /// A box's cable is pulled, and put back.
    Cable { node: usize, seconds: u64 },
    /// A box is restarted as it should be.
    Reboot { node: usize },
    /// A daemon of a box is killed.
    Daemon { node: usize, daemon: Daemon },
    /// A daemon of a box runs and does nothing any more: whoever lives on must see that.
    Hang { node: usize, daemon: Daemon },
    /// The data partitions of these boxes are full to the last block, and then not.
    Fill { nodes: Vec<usize>, seconds: u64 },
    /// All lose their power. They get it back one by one, in this order, the last
    /// one only when the others are ready.
    All { order: Vec<usize> },
}

/// A daemon that may die or hang by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Daemon {
    Brick,
    Glusterd,
    SelfHeal,
    Dockerd,
    Agent,
}

impl Daemon {
    const ALL: [Self; 5] =
        [Self::Brick, Self::Glusterd, Self::SelfHeal, Self::Dockerd, Self::Agent];

    /// Shell that prints its process, if it runs.
    pub(crate) const fn process(self) -> &'static str {
        match self {
            Self::Brick => "pgrep -x glusterfsd || true",
            Self::Glusterd => "systemctl show -P MainPID glusterd",
            Self::SelfHeal => "pgrep -f '[p]rocess-name.glustershd' || true",
            Self::Dockerd => "systemctl show -P MainPID docker",
            Self::Agent => "systemctl show -P MainPID ashlar-agent",
        }
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Brick => "brick",
            Self::Glusterd => "glusterd",
            Self::SelfHeal => "self-heal daemon",
            Self::Dockerd => "dockerd",
            Self::Agent => "agent",
        })
    }
}

impl Drill {
    /// What can be drawn, by name.
    pub(crate) const NAMES: [&'static str; 8] =
        ["power", "freeze", "cable", "reboot", "daemon", "hang", "fill", "all"];

    /// The boxes that it befalls.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Power { node, .. }
            | Self::Freeze { node, .. }
            | Self::Cable { node, .. }
            | Self::Reboot { node }
            | Self::Daemon { node, .. }
            | Self::Hang { node, .. } => vec![*node],
            Self::Fill { nodes, .. } | Self::All { order: nodes } => nodes.clone(),
        }
    }
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Power { node, seconds } => {
                write!(f, "node{node} is without power for {seconds} s")
            }
            Self::Freeze { node, seconds } => write!(f, "node{node} is frozen for {seconds} s"),
            Self::Cable { node, seconds } => {
                write!(f, "node{node} is without its cable for {seconds} s")
            }
            Self::Reboot { node } => write!(f, "node{node} is rebooted"),
            Self::Daemon { node, daemon } => write!(f, "the {daemon} of node{node} is killed"),
            Self::Hang { node, daemon } => write!(f, "the {daemon} of node{node} hangs"),
            Self::Fill { nodes, seconds } => {
                write!(f, "{}: no room for data for {seconds} s", names(nodes))
            }
            Self::All { order } => {
                write!(f, "all lose their power; back come {}", names(order))?;
                if order.len() > 2 { write!(f, ", the last one late") } else { Ok(()) }
            }
        }
    }
}

fn names(nodes: &[usize]) -> String {
    nodes.iter().map(|node| format!("node{node}")).collect::<Vec<_>>().join(", ")
}

/// A schedule without end.
#[derive(Debug)]
pub(crate) struct Schedule {
    random: StdRng,
    boxes: usize,
    names: Vec<&'static str>,
}

impl Schedule {
    /// The one of this seed, with these kinds of drills.
    pub(crate) fn new(seed: u64, boxes: usize, names: &[&'static str]) -> Self {
        Self { random: StdRng::seed_from_u64(seed), boxes, names: names.to_vec() }
    }
}

impl Iterator for Schedule {
    type Item = Drill;

    fn next(&mut self) -> Option<Drill> {
        let Self { random, boxes, names } = self;
        let node = random.random_range(1..=*boxes);
        // Shorter and longer than GlusterFS waits for an answer (10 s).
        let seconds = random.random_range(3..=25);
        Some(match *names.choose(random)? {
            "power" => Drill::Power { node, seconds },
            "freeze" => Drill::Freeze { node, seconds },
            "cable" => Drill::Cable { node, seconds },
            "reboot" => Drill::Reboot { node },
            "daemon" => Drill::Daemon { node, daemon: *Daemon::ALL.choose(random)? },
            "hang" => Drill::Hang { node, daemon: *Daemon::ALL.choose(random)? },
            "fill" => {
                let all = random.random_bool(0.5);
                Drill::Fill {
                    nodes: if all { (1..=*boxes).collect() } else { vec![node] },
                    seconds,
                }
            }
            _ => {
                let mut order: Vec<usize> = (1..=*boxes).collect();
                order.shuffle(random);
                Drill::All { order }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Drill, Schedule};

    #[test]
    fn a_seed_draws_the_same_again_and_another_seed_does_not() {
        let drawn = |seed| Schedule::new(seed, 3, &Drill::NAMES).take(50).collect::<Vec<_>>();
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn everything_is_drawn_and_nothing_befalls_a_box_that_is_not_there() {
        let drawn: Vec<Drill> = Schedule::new(1, 3, &Drill::NAMES).take(200).collect();
        for name in Drill::NAMES {
            let is = |drill: &Drill| {
                serde_json::to_value(drill).is_ok_and(|value| value["drill"] == name)
            };
            assert!(drawn.iter().any(is), "no {name}");
        }
        assert!(drawn.iter().flat_map(Drill::nodes).all(|node| (1..=3).contains(&node)));
    }
}
