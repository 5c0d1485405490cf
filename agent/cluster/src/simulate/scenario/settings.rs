//! How rough the world is in each story, and what is wanted in it.

use super::Scenario;
use crate::simulate::{CutAt, Random, Settings};
use crate::{StackFile, Wanted};
use std::collections::BTreeSet;

impl Scenario {
    pub(super) fn settings(self, nodes: usize, seed: u64, dice: &mut Random) -> Settings {
        let portal = StackFile { name: "portal".into(), digest: crate::simulate::CONTENT.into() };
        let wanted = Wanted { stacks: vec![portal], ..Wanted::default() };
        let expected = Wanted { expect: u8::try_from(nodes).ok(), ..wanted.clone() };
        let calm = Settings {
            nodes,
            seed,
            wanted,
            loss: 0,
            failures: 0,
            cuts: 0,
            most_cuts: 0,
            off: (5_000, 60_000),
            cut_at: None,
            renewals_cut: 0,
            heal: (3_000, 20_000),
            clears: false,
            witnesses: BTreeSet::new(),
            fault: None,
            one_cluster: true,
        };
        let one_of = |dice: &mut Random| -> BTreeSet<usize> { [dice.one_of(nodes)].into() };
        let mut cut_at = |founder, most| Some(CutAt { founder, step: dice_step(dice, most) });
        match self {
            Self::SimultaneousPowerOn
            | Self::RebootOfAll
            | Self::OneDead
            | Self::CutOff
            | Self::DaemonHangs
            | Self::BrickDies
            | Self::DirectoriesTorn
            | Self::DisksFill
            | Self::AgentDies
            | Self::LateCables
            | Self::FounderGone => calm,
            Self::DataLost | Self::DataBroken => {
                // A quarter of the runs without.
                let renewals_cut = (seed % 4) as u32;
                Settings { heal: (3_000, 120_000), renewals_cut, ..calm }
            }
            // Besides, the spare box, and the dead one's second life.
            Self::Replaced => Settings {
                nodes: nodes + 2,
                wanted: Wanted { removal_ms: 180_000, ..calm.wanted },
                heal: (3_000, 300_000),
                clears: true,
                failures: 30,
                cuts: 10,
                most_cuts: 1,
                ..calm
            },
            Self::TakenOut | Self::WitnessTakenOut | Self::Revoked => Settings {
                nodes: nodes + 2,
                heal: (3_000, 120_000),
                clears: true,
                failures: 30,
                cuts: 10,
                most_cuts: 1,
                witnesses: if self == Self::WitnessTakenOut {
                    one_of(dice)
                } else {
                    calm.witnesses
                },
                ..calm
            },
            // Nobody is expected: a fresh box that sees nobody waits for less than a
            // minute, and everybody else may be off just then.
            Self::Grows | Self::WitnessGrows => Settings {
                wanted: Wanted { managers: 5, ..calm.wanted },
                failures: 30,
                most_cuts: 3,
                off: (5_000, 30_000),
                witnesses: if self == Self::Grows { calm.witnesses } else { one_of(dice) },
                ..calm
            },
            Self::WitnessReplaced => Settings {
                nodes: nodes + 2,
                wanted: Wanted { removal_ms: 180_000, ..calm.wanted },
                heal: (3_000, 120_000),
                clears: true,
                failures: 30,
                cuts: 10,
                most_cuts: 1,
                witnesses: one_of(dice),
                ..calm
            },
            Self::Witness => {
                let rough = u32::from(dice.permille(500));
                Settings {
                    nodes: nodes + 1,
                    wanted: expected,
                    failures: 50 * u64::from(rough),
                    cuts: 40,
                    most_cuts: 2 * rough,
                    witnesses: one_of(dice),
                    ..calm
                }
            }
            // Besides, the fresh box, and for the ring's key one with the old site.
            Self::RingKey | Self::Ca => Settings {
                nodes: nodes + 1 + usize::from(self == Self::RingKey),
                loss: 50,
                failures: 50,
                cuts: 40,
                most_cuts: 3,
                off: (5_000, 120_000),
                ..calm
            },
            Self::Meet => Settings {
                nodes: crate::simulate::meet::LIVES * nodes,
                most_cuts: 2,
                one_cluster: false,
                ..calm
            },
            Self::HandOver => {
                let rough = u32::from(dice.permille(600));
                Settings {
                    wanted: expected,
                    failures: 50 * u64::from(rough),
                    cuts: 60,
                    most_cuts: 2 * rough,
                    ..calm
                }
            }
            Self::HeirDies => Settings { wanted: expected, ..calm },
            // Besides, the fresh box, and the dead one's second life.
            Self::GoesOnAlone => {
                let rough = u32::from(dice.permille(600));
                Settings {
                    nodes: nodes + 2,
                    failures: 50 * u64::from(rough),
                    cuts: 30,
                    most_cuts: 2 * rough,
                    clears: true,
                    ..calm
                }
            }
            // The last one is switched on when another is dead.
            Self::DiesForGood => Settings { nodes: nodes + 1, ..calm },
            Self::AnyBootOrder => Settings { failures: 50, ..calm },
            Self::Clocks => Settings { wanted: expected, failures: 50, ..calm },
            Self::RoughWithExpect => Settings {
                wanted: expected,
                loss: 300,
                failures: 100,
                cuts: 60,
                most_cuts: 5,
                ..calm
            },
            Self::OneCut => Settings { cuts: 40, most_cuts: 1, ..calm },
            Self::FounderDies => Settings { most_cuts: 1, cut_at: cut_at(true, 12), ..calm },
            Self::JoinerDies => Settings { most_cuts: 1, cut_at: cut_at(false, 8), ..calm },
            Self::PartedWhileForming => Settings { wanted: expected, loss: 100, ..calm },
            Self::NoSwarm => Settings {
                wanted: Wanted { swarm: false, stacks: Vec::new(), ..expected },
                cuts: 60,
                most_cuts: 3,
                ..calm
            },
            Self::NoStorage => Settings {
                wanted: Wanted { storage: false, ..expected },
                cuts: 60,
                most_cuts: 3,
                ..calm
            },
        }
    }
}

fn dice_step(dice: &mut Random, most: u32) -> u32 {
    1 + u32::try_from(dice.between(0, u64::from(most) - 1)).unwrap_or(0)
}
