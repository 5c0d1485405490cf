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
    /// All lose their power. They get it back one by one, in this order, the last
    /// one only when the others are ready.
    All { order: Vec<usize> },
}

/// A daemon that may die by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Daemon {
    Brick,
    Glusterd,
    SelfHeal,
    Dockerd,
}

impl Daemon {
    const ALL: [Self; 4] = [Self::Brick, Self::Glusterd, Self::SelfHeal, Self::Dockerd];

    /// Shell that kills it.
    pub(crate) const fn kill(self) -> &'static str {
        match self {
            Self::Brick => "pkill -KILL -x glusterfsd",
            Self::Glusterd => "systemctl kill --kill-whom=main -s KILL glusterd",
            Self::SelfHeal => "pkill -KILL -f '[p]rocess-name.glustershd' || true",
            Self::Dockerd => "systemctl kill --kill-whom=main -s KILL docker",
        }
    }
}

impl Drill {
    /// What can be drawn, by name.
    pub(crate) const NAMES: [&'static str; 6] =
        ["power", "freeze", "cable", "reboot", "daemon", "all"];

    /// The boxes that it befalls.
    pub(crate) fn nodes(&self) -> Vec<usize> {
        match self {
            Self::Power { node, .. }
            | Self::Freeze { node, .. }
            | Self::Cable { node, .. }
            | Self::Reboot { node }
            | Self::Daemon { node, .. } => vec![*node],
            Self::All { order } => order.clone(),
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
            Self::Daemon { node, daemon } => {
                let daemon = match daemon {
                    Daemon::Brick => "bricks",
                    Daemon::Glusterd => "glusterd",
                    Daemon::SelfHeal => "self-heal daemon",
                    Daemon::Dockerd => "dockerd",
                };
                write!(f, "the {daemon} of node{node} is killed")
            }
            Self::All { order } => {
                let names: Vec<String> = order.iter().map(|node| format!("node{node}")).collect();
                write!(f, "all lose their power; back come {}", names.join(", "))?;
                if order.len() > 2 { write!(f, ", the last one late") } else { Ok(()) }
            }
        }
    }
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
