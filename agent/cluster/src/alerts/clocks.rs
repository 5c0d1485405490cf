//! What a person should know of the boxes' clocks.

use super::Found;
use crate::Observed;
use crate::clock::apart;

const CURE: &str = "let the box reach a time server (`[time]` in the site names one of yours), or \
    set its clock in its firmware's settings";

pub(super) fn clocks(observed: &Observed, found: &mut Found) {
    let clock = &observed.clock;
    let others = clock.outvoted_by();
    if let (Some(me), [first, rest @ ..]) = (&observed.identity, others.as_slice()) {
        let and = match rest.len() {
            0 => String::new(),
            1 => " and another one".to_owned(),
            more => format!(" and {more} others"),
        };
        let words = format!(
            "this box's clock is {} that of {}{and}: until it is right this box signs no \
             certificate and removes nobody",
            apart(first.ahead_s.saturating_neg()),
            first.name
        );
        found.warning("clock-wrong", &me.name, words, CURE);
    }
    for other in clock.strays() {
        let words = format!("the clock of {} is {} this box's", other.name, apart(other.ahead_s));
        found.warning("clock-differs", &other.name, words, CURE);
    }
}
