//! What a node decides, and nothing else: pure functions from what was
//! observed to what should be done.
//!
//! The agent runs *observe → plan → lint → act*. This crate holds the words
//! ([`Observed`], [`Wanted`], [`Plan`]), the planner ([`plan()`]), the linter
//! that knows every rule a plan may break ([`lint()`]), and the simulator that
//! runs many nodes on virtual time (`simulate`, a feature that only tests ask
//! for). It opens no socket, reads no clock and draws no random number.

mod alerts;
mod alone;
mod clock;
mod data;
mod intent;
mod lint;
mod meeting;
mod merging;
mod observed;
mod pair;
mod phase;
mod phases;
mod plain;
mod plan;
mod quorum;
mod revocation;
mod roster;
mod rotation;
mod seen;
mod sets;
#[cfg(feature = "simulate")]
pub mod simulate;
mod situation;
mod span;
mod step;
mod succession;
mod tags;
mod takeout;
mod trust;
mod wanted;
mod witness;
mod words;

pub use alerts::*;
pub use alone::*;
pub use clock::*;
pub use data::*;
pub use intent::*;
pub use lint::{RULES, Rule, Violation, judge, lawful, lint};
pub use meeting::{Keeps, UnknownKeeps, Yielding};
pub use merging::*;
pub use observed::*;
pub use phase::*;
pub use phases::phases;
pub use plan::{fence, gives_up_copies, hands_over, plan};
pub use quorum::*;
pub use roster::*;
pub use rotation::{
    BoxKeys, KeyPrint, RingKeys, Rotation, RotationStage, RotationTarget, ToldRotation,
    boxes_and_keys, current_rotation, give_out, rotate,
};
pub use seen::*;
pub use sets::*;
pub use step::*;
pub use succession::{
    BoxCas, Cas, Succession, Successor, boxes_and_cas, current_succession, succeed,
};
pub use tags::*;
pub use takeout::*;
pub use trust::*;
pub use wanted::*;
pub use witness::*;
