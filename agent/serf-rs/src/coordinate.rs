//! Where nodes are, by round trip times: Vivaldi coordinates.
//!
//! Source: Dabek, Cox, Kaashoek, Morris, *Vivaldi* (2004); Ledlie, Gardner,
//! Seltzer, *Network Coordinates in the Wild* (2007); Lee, Guha, … *On
//! Suitability of Euclidean Embedding* (2006, the adjustment);
//! hashicorp/serf, `coordinate/`.

use crate::swim::Name;
use crate::wire::serf::{WireCoordinate, decode_coordinate, encode_coordinate};
use bytes::Bytes;
use rand::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

const DIMENSIONS: usize = 8;
const ERROR_MAX: f64 = 1.5;
const CE: f64 = 0.25;
const CC: f64 = 0.25;
const WINDOW: usize = 20;
const HEIGHT_MIN: f64 = 10.0e-6;
const SAMPLES: usize = 3;
const GRAVITY: f64 = 150.0;
const ZERO: f64 = 1.0e-6;

/// A place in a space of which distances are round trip times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    /// The place, in seconds.
    pub vec: [f64; DIMENSIONS],
    /// How unsure the node is of its place, without unit.
    pub error: f64,
    /// What the space cannot express, in seconds.
    pub adjustment: f64,
    /// The way into the network, in seconds.
    pub height: f64,
}

impl Default for Coordinate {
    /// The middle, and quite unsure.
    fn default() -> Self {
        Self { vec: [0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN }
    }
}

impl Coordinate {
    /// The estimated round trip time to `other`.
    pub fn distance(&self, other: &Self) -> Duration {
        Duration::try_from_secs_f64(self.seconds_to(other)).unwrap_or_default()
    }

    fn seconds_to(&self, other: &Self) -> f64 {
        let raw = self.raw_seconds_to(other);
        let adjusted = raw + self.adjustment + other.adjustment;
        if adjusted > 0.0 { adjusted } else { raw }
    }

    fn raw_seconds_to(&self, other: &Self) -> f64 {
        magnitude(&difference(&self.vec, &other.vec)) + self.height + other.height
    }

    fn is_valid(&self) -> bool {
        let rest = [self.error, self.adjustment, self.height];
        self.vec.iter().chain(&rest).all(|part| part.is_finite())
    }

    fn push(&mut self, force: f64, from: &Self, rng: &mut impl Rng) {
        let (unit, distance) = direction(&self.vec, &from.vec, rng);
        for (part, unit) in self.vec.iter_mut().zip(unit) {
            *part += unit * force;
        }
        if distance > ZERO {
            let height = (self.height + from.height) * force / distance + self.height;
            self.height = height.max(HEIGHT_MIN);
        }
    }

    /// As it travels.
    pub(crate) fn to_wire(self) -> WireCoordinate {
        let Self { vec, error, adjustment, height } = self;
        WireCoordinate { vec: vec.to_vec(), error, adjustment, height }
    }

    fn from_wire(wire: &WireCoordinate) -> Option<Self> {
        let vec = <[f64; DIMENSIONS]>::try_from(wire.vec.as_slice()).ok()?;
        let WireCoordinate { error, adjustment, height, .. } = *wire;
        Some(Self { vec, error, adjustment, height }).filter(Self::is_valid)
    }
}

fn difference(a: &[f64; DIMENSIONS], b: &[f64; DIMENSIONS]) -> [f64; DIMENSIONS] {
    let mut result = *a;
    for (part, other) in result.iter_mut().zip(b) {
        *part -= other;
    }
    result
}

fn magnitude(vec: &[f64]) -> f64 {
    vec.iter().map(|part| part * part).sum::<f64>().sqrt()
}

/// The direction from `from` to `to`, any if they are at one place, and the
/// distance.
fn direction(
    to: &[f64; DIMENSIONS],
    from: &[f64; DIMENSIONS],
    rng: &mut impl Rng,
) -> ([f64; DIMENSIONS], f64) {
    let way = difference(to, from);
    let distance = magnitude(&way);
    if distance > ZERO {
        return (way.map(|part| part / distance), distance);
    }
    let random: [f64; DIMENSIONS] = std::array::from_fn(|_| rng.random::<f64>() - 0.5);
    let length = magnitude(&random);
    if length > ZERO {
        return (random.map(|part| part / length), 0.0);
    }
    let mut first = [0.0; DIMENSIONS];
    first[0] = 1.0;
    (first, 0.0)
}

/// This node's place, and the places of others.
#[derive(Debug, Default)]
pub(crate) struct Vivaldi {
    own: Coordinate,
    others: BTreeMap<Name, Coordinate>,
    /// The last round trip times to each node: their median smooths spikes.
    samples: BTreeMap<Name, VecDeque<f64>>,
    adjustments: VecDeque<f64>,
    resets: u64,
}

impl Vivaldi {
    pub(crate) const fn own(&self) -> &Coordinate {
        &self.own
    }

    pub(crate) fn of(&self, name: &str) -> Option<&Coordinate> {
        self.others.get(name)
    }

    pub(crate) const fn resets(&self) -> u64 {
        self.resets
    }

    /// What answers to pings carry.
    pub(crate) fn payload(&self) -> Bytes {
        encode_coordinate(&self.own.to_wire())
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.others.remove(name);
        self.samples.remove(name);
    }

    /// `name` answered after `rtt`, and told where it is.
    pub(crate) fn observe(
        &mut self,
        name: &Name,
        rtt: Duration,
        payload: &[u8],
        rng: &mut impl Rng,
    ) {
        let wire = decode_coordinate(payload);
        let Some(other) = wire.as_ref().and_then(Coordinate::from_wire) else { return };
        let rtt = self.median(name, rtt.as_secs_f64()).max(ZERO);
        self.move_by(&other, rtt, rng);
        self.adjust(&other, rtt);
        // Keeps all nodes together from drifting away.
        let origin = Coordinate::default();
        let force = -(origin.seconds_to(&self.own) / GRAVITY).powi(2);
        self.own.push(force, &origin, rng);
        if !self.own.is_valid() {
            self.resets += 1;
            self.own = Coordinate::default();
            // What they were counted from was nonsense as well.
            self.adjustments.clear();
        }
        self.others.insert(name.clone(), other);
    }

    fn median(&mut self, name: &Name, rtt: f64) -> f64 {
        let samples = self.samples.entry(name.clone()).or_default();
        samples.push_back(rtt);
        if samples.len() > SAMPLES {
            samples.pop_front();
        }
        let mut sorted: Vec<f64> = samples.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(rtt)
    }

    fn move_by(&mut self, other: &Coordinate, rtt: f64, rng: &mut impl Rng) {
        let distance = self.own.seconds_to(other);
        let wrongness = (distance - rtt).abs() / rtt;
        let weight = self.own.error / (self.own.error + other.error).max(ZERO);
        let error = CE * weight * wrongness + self.own.error * (1.0 - CE * weight);
        self.own.error = error.min(ERROR_MAX);
        self.own.push(CC * weight * (rtt - distance), other, rng);
    }

    fn adjust(&mut self, other: &Coordinate, rtt: f64) {
        self.adjustments.push_back(rtt - self.own.raw_seconds_to(other));
        if self.adjustments.len() > WINDOW {
            self.adjustments.pop_front();
        }
        self.own.adjustment = self.adjustments.iter().sum::<f64>() / (2.0 * WINDOW as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn two_nodes_learn_how_far_apart_they_are() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut a, mut b) = (Vivaldi::default(), Vivaldi::default());
        let rtt = Duration::from_millis(40);
        for _ in 0..200 {
            let (to_a, to_b) = (b.payload(), a.payload());
            a.observe(&"b".into(), rtt, &to_a, &mut rng);
            b.observe(&"a".into(), rtt, &to_b, &mut rng);
        }
        let estimate = a.own().distance(b.own()).as_secs_f64();
        assert!((0.036..0.044).contains(&estimate), "{estimate}");
        assert!(a.own().error < 0.2, "{:?}", a.own());
    }

    #[test]
    fn a_place_beyond_all_places_is_a_setback_of_one_moment() {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut node, good) = (Vivaldi::default(), Vivaldi::default());
        let mut far = Coordinate::default().to_wire();
        far.vec = vec![1e300; DIMENSIONS];
        let rtt = Duration::from_millis(1);
        node.observe(&"b".into(), rtt, &encode_coordinate(&far), &mut rng);
        assert_eq!(node.resets(), 1);
        for _ in 0..50 {
            node.observe(&"c".into(), rtt, &good.payload(), &mut rng);
        }
        assert!(node.own().is_valid());
        assert_eq!(node.resets(), 1);
    }

    #[test]
    fn nonsense_from_others_is_not_taken_over() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut node = Vivaldi::default();
        let mut wire = Coordinate::default().to_wire();
        wire.vec[3] = f64::NAN;
        node.observe(&"b".into(), Duration::from_millis(1), &encode_coordinate(&wire), &mut rng);
        wire.vec = vec![0.0; 3];
        node.observe(&"b".into(), Duration::from_millis(1), &encode_coordinate(&wire), &mut rng);
        assert_eq!(node.own(), &Coordinate::default());
        assert!(node.of("b").is_none());
    }
}
