//! The stories that are played, each with thousands of seeds.

mod places;
mod settings;

pub(super) use places::all_ready;
use places::{grows, replaced, taken_out};

use super::{Failure, Fault, Random, Report, Settings, Simulation};
use crate::Daemon;

/// A virtual quarter of an hour: longer than the grace time, so that waiting
/// for a node that failed early is over.
pub(super) const DEADLINE: u64 = 900_000;

/// A story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// All power on within two seconds.
    SimultaneousPowerOn,
    /// They power on in any order within two minutes; steps fail.
    AnyBootOrder,
    /// As many as there are are expected; the ring loses a third of its
    /// messages, steps fail, power fails up to five times.
    RoughWithExpect,
    /// Power fails once in the middle of any step; nobody is expected.
    OneCut,
    /// The founder loses power at some step from its founding to its Swarm.
    FounderDies,
    /// A node loses power at some step of its joining.
    JoinerDies,
    /// All are ready, then all are rebooted at once.
    RebootOfAll,
    /// All are ready, then one dies; the others must stay ready; it returns.
    OneDead,
    /// All are ready, then one is cut off for two minutes.
    CutOff,
    /// The ring is parted while the cluster forms; all are expected.
    PartedWhileForming,
    /// All are ready, then a storage daemon, a brick or an engine hangs.
    DaemonHangs,
    /// All are ready, then the process of a brick dies.
    BrickDies,
    /// All are ready, then one loses power, and its data partition with all that was on it;
    /// another one may be cut off shortly before or after, and power may fail while the brick
    /// is given back as an empty one.
    DataLost,
    /// All are ready, then one loses power, and the file system of its data partition is
    /// broken: it is repaired, which costs some of it, or that is of no avail; another one
    /// may be cut off shortly before or after.
    DataBroken,
    /// All are ready, then boxes make directories of the same names at the same moment,
    /// and one brick has others than the rest; one may lose power meanwhile.
    DirectoriesTorn,
    /// All are ready, then one data partition after the other has no room left; some lose
    /// power meanwhile; then there is room again.
    DisksFill,
    /// Agents die and start anew while the cluster forms and after.
    AgentDies,
    /// All are ready, then one dies for good, and a fresh box comes.
    DiesForGood,
    /// All are ready, then one dies for good; a fresh box is there before, comes
    /// later or not at all; the cluster clears away what is left of the dead one,
    /// which comes back at last and is another box.
    Replaced,
    /// All are ready, then a person takes one out, and perhaps keeps it after all;
    /// that one or another may lose power or its cable meanwhile. It stays out over a
    /// reboot, and comes back as another one when a person lets it in.
    TakenOut,
    /// All are ready, then a person strikes one off at once. It is off, or is told, or
    /// is a thief's and hears nothing; steps fail and power is cut.
    Revoked,
    /// A few are ready, then the others come one after another, over minutes; steps
    /// fail and power is cut, at last of whoever moves files.
    Grows,
    /// One of them is a witness. One of all dies, and another perhaps while the first
    /// comes back and has missed what was written; steps fail and power is cut in half
    /// of the runs; a further box with data comes at last, or does not.
    Witness,
    /// Two and a witness; one of them dies for good, and comes back as another when
    /// its place was given away.
    WitnessReplaced,
    /// As [`Self::TakenOut`], and one of the boxes is a witness.
    WitnessTakenOut,
    /// As [`Self::Grows`], and one of the boxes is a witness.
    WitnessGrows,
    /// All are ready, then a person has the ring's key replaced, twice in some runs. Some
    /// are away meanwhile, for a moment or until it is over; the leader dies; steps fail
    /// and power is cut. A fresh box comes at last, with the new site, and one with the old.
    RingKey,
    /// All are ready, then a person has the cluster's CA replaced, twice in some runs. Some
    /// are away meanwhile, for a moment or until it is over; the leader dies; steps fail
    /// and power is cut. A fresh box comes in the middle, or at last.
    Ca,
    /// Two groups or three, each of which founds a cluster apart from the others; then
    /// they meet. Data is in none of them, in one or in several, or comes in late; power is
    /// cut, or the cable once more; a person settles what nobody else may.
    Meet,
    /// Of two without a witness one is switched off in order, and comes back; in half of
    /// the runs power is cut, steps fail and the cable is pulled meanwhile.
    HandOver,
    /// Of two without a witness the first is switched off in order, and the other one, which
    /// goes on, dies: the first comes back to nobody. The other one is mended at last.
    HeirDies,
    /// The first of two without a witness dies for good, and a person says so at the other
    /// one, which goes on; steps fail and power is cut meanwhile. The first comes back all the
    /// same, and a fresh box takes its place.
    GoesOnAlone,
    /// The clocks of fewer than half are years off, each time these are switched on; where
    /// a time server answers one or some, more may be. They power on in any order, then all
    /// are rebooted; steps fail.
    Clocks,
    /// Cables are plugged in minutes after the power, behind a switch that takes
    /// half a minute until it forwards; nobody is expected.
    LateCables,
    /// Of all but one, the founder dies for good; then the last one comes.
    FounderGone,
    /// Storage and no Swarm, with power cuts.
    NoSwarm,
    /// A Swarm and no storage, with power cuts.
    NoStorage,
}

impl Scenario {
    /// Every story with the name by which the command line knows it.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("simultaneous-power-on", Self::SimultaneousPowerOn),
        ("any-boot-order", Self::AnyBootOrder),
        ("rough-with-expect", Self::RoughWithExpect),
        ("one-cut", Self::OneCut),
        ("founder-dies", Self::FounderDies),
        ("joiner-dies", Self::JoinerDies),
        ("reboot-of-all", Self::RebootOfAll),
        ("one-dead", Self::OneDead),
        ("cut-off", Self::CutOff),
        ("parted-while-forming", Self::PartedWhileForming),
        ("daemon-hangs", Self::DaemonHangs),
        ("brick-dies", Self::BrickDies),
        ("data-lost", Self::DataLost),
        ("data-broken", Self::DataBroken),
        ("directories-torn", Self::DirectoriesTorn),
        ("disks-fill", Self::DisksFill),
        ("agent-dies", Self::AgentDies),
        ("dies-for-good", Self::DiesForGood),
        ("replaced", Self::Replaced),
        ("taken-out", Self::TakenOut),
        ("revoked", Self::Revoked),
        ("grows", Self::Grows),
        ("witness", Self::Witness),
        ("witness-replaced", Self::WitnessReplaced),
        ("witness-taken-out", Self::WitnessTakenOut),
        ("witness-grows", Self::WitnessGrows),
        ("ring-key", Self::RingKey),
        ("ca", Self::Ca),
        ("meet", Self::Meet),
        ("hand-over", Self::HandOver),
        ("heir-dies", Self::HeirDies),
        ("goes-on-alone", Self::GoesOnAlone),
        ("clocks", Self::Clocks),
        ("late-cables", Self::LateCables),
        ("founder-gone", Self::FounderGone),
        ("no-swarm", Self::NoSwarm),
        ("no-storage", Self::NoStorage),
    ];

    /// The name by which the command line knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, s)| *s == self).map_or("", |(name, _)| name)
    }

    /// With how few nodes it can be played. With fewer one is asked for what nobody
    /// can give: a copy of what only the lost one had, or a quorum of one of two.
    #[must_use]
    pub const fn least(self) -> usize {
        match self {
            Self::Replaced | Self::WitnessReplaced => 3,
            Self::Witness
            | Self::WitnessTakenOut
            | Self::WitnessGrows
            | Self::HandOver
            | Self::HeirDies
            | Self::GoesOnAlone
            | Self::Meet => 2,
            _ => 1,
        }
    }

    /// Plays it with this many nodes, [`Self::least`] of them or more.
    ///
    /// # Errors
    /// When an invariant breaks or the nodes are not ready in time; with the
    /// end of the transcript, for which it is played again.
    pub fn play(self, nodes: usize, seed: u64) -> Result<Report, Box<Failure>> {
        self.play_once(nodes, seed, false).map_err(|(why, _)| {
            let lines = match self.play_once(nodes, seed, true) {
                Err((_, report)) | Ok(report) => report.transcript,
            };
            let last = lines.len().saturating_sub(60);
            let name = self.name();
            let replay = format!(
                "cargo run -p ashlar-cluster --example simulate -- --scenario {name} --nodes {nodes} --seed {seed}"
            );
            Box::new(Failure { why, transcript: lines[last..].join("\n"), replay })
        })
    }

    /// Plays it with a planted fault.
    ///
    /// # Errors
    /// What was found.
    pub fn play_with(self, fault: Fault, nodes: usize, seed: u64) -> Result<(), String> {
        let mut dice = Random::new(seed ^ 0xa5a5_a5a5);
        let settings = Settings { fault: Some(fault), ..self.settings(nodes, seed, &mut dice) };
        self.script(&mut Simulation::new(settings, false), nodes, &mut dice)
    }

    /// Plays it and keeps every event in words.
    ///
    /// # Errors
    /// As [`Self::play`]; the report holds the transcript either way.
    pub fn tell(self, nodes: usize, seed: u64) -> (Report, Option<String>) {
        match self.play_once(nodes, seed, true) {
            Ok(report) => (report, None),
            Err((why, report)) => (report, Some(why)),
        }
    }

    fn play_once(self, nodes: usize, seed: u64, tell: bool) -> Result<Report, (String, Report)> {
        let mut dice = Random::new(seed ^ 0xa5a5_a5a5);
        let mut sim = Simulation::new(self.settings(nodes, seed, &mut dice), tell);
        let result = self.script(&mut sim, nodes, &mut dice);
        sim.report.ended_ms = sim.now;
        match result {
            Ok(()) => Ok(sim.report),
            Err(why) => Err((why, sim.report)),
        }
    }

    fn script(self, sim: &mut Simulation, nodes: usize, dice: &mut Random) -> Result<(), String> {
        let spread = match self {
            Self::AnyBootOrder | Self::RoughWithExpect | Self::Clocks => 120_000,
            _ => 2_000,
        };
        match self {
            Self::FounderGone => return founder_gone(sim, nodes),
            Self::Replaced => return replaced(sim, nodes, dice),
            Self::TakenOut | Self::WitnessTakenOut => return taken_out(sim, nodes, dice),
            Self::Revoked => return super::revocation::script(sim, nodes, dice),
            Self::Grows | Self::WitnessGrows => return grows(sim, nodes, dice),
            Self::RingKey => return super::rotation::replaced(sim, nodes, dice),
            Self::Ca => return super::succession::replaced(sim, nodes, dice),
            Self::Witness => return super::witness::one_dies(sim, nodes, dice),
            Self::Meet => return super::meet::meet(sim, nodes, dice),
            Self::HandOver => return super::pair::hand_over(sim, nodes, dice),
            Self::HeirDies => return super::pair::heir_dies(sim, nodes, dice),
            Self::GoesOnAlone => return super::alone::goes_on_alone(sim, nodes, dice),
            Self::WitnessReplaced => return super::witness::replaced(sim, nodes, dice),
            _ => {}
        }
        if self == Self::Clocks {
            super::clocks::stray(sim, nodes, dice);
        }
        for node in 0..nodes {
            if self == Self::LateCables {
                let forwards_after = dice.between(0, 31_000);
                sim.cable_at(node, dice.between(0, 180_000), forwards_after);
            }
            sim.power_on_at(node, dice.between(0, spread));
        }
        let some = dice.one_of(nodes);
        if self == Self::PartedWhileForming {
            sim.hold(dice.between(0, 60_000), &[])?;
            sim.part([some].into());
            sim.hold(dice.between(10_000, 90_000), &[])?;
            sim.part([].into());
        }
        if self == Self::AgentDies {
            for _ in 0..4 {
                sim.hold(dice.between(2_000, 20_000), &[])?;
                sim.crash(dice.one_of(nodes));
            }
        }
        if self == Self::DiesForGood {
            sim.gone.insert(nodes);
        }
        sim.settle(DEADLINE)?;
        let before = sim.cluster();
        let others: Vec<_> =
            (0..nodes).filter(|n| *n != some && sim.carries_on(*n, some)).collect();
        match self {
            Self::RebootOfAll | Self::Clocks => {
                sim.hold(dice.between(0, 60_000), &[])?;
                for node in 0..nodes {
                    sim.power_off(node);
                    sim.power_on_at(node, sim.now + dice.between(2_000, 22_000));
                }
            }
            Self::OneDead => {
                sim.hold(30_000, &[])?;
                sim.power_off(some);
                sim.hold(120_000, &others)?;
                sim.power_on_at(some, sim.now);
            }
            Self::CutOff => {
                sim.hold(30_000, &[])?;
                sim.part([some].into());
                sim.hold(120_000, &others)?;
                sim.part([].into());
            }
            Self::DaemonHangs => {
                let daemons = [Daemon::Storage, Daemon::Bricks, Daemon::Engine];
                sim.hang(some, daemons[dice.one_of(daemons.len())]);
                sim.hold(120_000, &others)?;
            }
            Self::BrickDies => {
                sim.kill_brick(some);
                sim.hold(30_000, &others)?;
            }
            Self::DirectoriesTorn => {
                for loser in [some, (some + 1) % nodes] {
                    sim.tear_directory(loser);
                    if dice.permille(300) {
                        sim.power_off(some);
                        sim.power_on_at(some, sim.now + dice.between(2_000, 60_000));
                    }
                    sim.hold(dice.between(100, 20_000), &[])?;
                }
            }
            Self::DataBroken => {
                // Of two copies a person says what becomes of the other one, and of a box
                // that has none nobody else has what its containers kept.
                if nodes < 3 || !sim.volume_at(some).is_some_and(|v| v.nodes.contains(&some)) {
                    return Ok(());
                }
                let other = (some + 1) % nodes;
                let gone = dice.permille(500);
                // Beside one that lacks what it missed, what a repair costs may be all.
                if gone && dice.permille(500) {
                    sim.power_off(other);
                    sim.hold(dice.between(5_000, 60_000), &[])?;
                    sim.power_on_at(other, sim.now);
                }
                sim.power_off(some);
                sim.break_data(some, gone);
                sim.power_on_at(some, sim.now + dice.between(2_000, 30_000));
                if dice.permille(300) {
                    let later = (some + 1 + dice.one_of(2)) % nodes;
                    sim.hold(dice.between(2_000, 60_000), &[])?;
                    sim.power_off(later);
                    sim.power_on_at(later, sim.now + dice.between(2_000, 60_000));
                }
            }
            Self::DataLost => {
                // Of two copies a person says what becomes of the other one.
                if nodes < 3 {
                    return Ok(());
                }
                let other = (some + 1) % nodes;
                let (before, after) = (dice.permille(300), dice.permille(300));
                if before {
                    sim.power_off(other);
                    sim.hold(dice.between(5_000, 60_000), &[])?;
                    sim.power_on_at(other, sim.now);
                }
                sim.power_off(some);
                sim.lose_data(some);
                sim.power_on_at(some, sim.now + dice.between(2_000, 30_000));
                if after {
                    let later = (some + 1 + dice.one_of(2)) % nodes;
                    sim.hold(dice.between(2_000, 60_000), &[])?;
                    sim.power_off(later);
                    sim.power_on_at(later, sim.now + dice.between(2_000, 60_000));
                }
            }
            Self::DisksFill => {
                for filled in 1..=nodes {
                    sim.fill((some + filled) % nodes, true);
                    // One of three copies may be full.
                    let all: Vec<_> = (0..nodes).filter(|_| nodes > 2 && filled == 1).collect();
                    sim.hold(dice.between(20_000, 60_000), &all)?;
                    if dice.permille(300) {
                        let cut = dice.one_of(nodes);
                        sim.power_off(cut);
                        sim.power_on_at(cut, sim.now + dice.between(2_000, 22_000));
                    }
                }
                if (0..nodes).any(|node| sim.is_ready(node)) {
                    return Err("a box is ready, and none has room".into());
                }
                for node in 0..nodes {
                    sim.fill(node, false);
                }
            }
            Self::AgentDies => {
                sim.crash(some);
                sim.hold(60_000, &others)?;
            }
            Self::DiesForGood => {
                sim.power_off(some);
                sim.gone = [some].into();
                sim.hold(30_000, &others)?;
                sim.power_on_at(nodes, sim.now);
            }
            _ => return Ok(()),
        }
        sim.settle(DEADLINE)?;
        if self == Self::DataLost {
            sim.until(DEADLINE, Simulation::is_whole)?;
        }
        if sim.cluster() == before { Ok(()) } else { Err("it is another cluster".into()) }
    }
}

/// The last node is admitted by those who are left, and not by the founder.
fn founder_gone(sim: &mut Simulation, nodes: usize) -> Result<(), String> {
    let last = nodes - 1;
    for node in 0..last {
        sim.power_on_at(node, sim.now);
    }
    sim.until(DEADLINE, |sim| (0..last).all(|n| sim.is_ready(n)))?;
    let Some(founder) = (0..last).find(|n| sim.founded(*n)) else { return Ok(()) };
    let cluster = sim.cluster_of(founder);
    sim.hold(10_000, &[])?;
    sim.power_off(founder);
    sim.power_on_at(last, sim.now);
    if last == 1 {
        // It was alone: nobody is left who could let anybody in.
        return sim.hold(DEADLINE, &[]);
    }
    sim.until(DEADLINE, |sim| sim.cluster_of(last).is_some())?;
    if sim.cluster_of(last) == cluster { Ok(()) } else { Err("it is another cluster".into()) }
}
