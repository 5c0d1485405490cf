//! What a person should know of the boxes' clocks.

use super::Found;
use crate::Observed;
use crate::clock::apart;

pub(super) fn clocks(observed: &Observed, found: &mut Found) {
    let cure = "let the box reach a time server (`[time]` in the site names one of yours), or \
        set its clock in its firmware's settings";
    let clock = &observed.clock;
    let others = clock.outvoted_by();
    if let (Some(me), [first, ..]) = (&observed.identity, others.as_slice()) {
        let names: Vec<_> = others.iter().map(|other| other.name.as_str()).collect();
        let names = names.join(" and ");
        let words = format!(
            "this box's clock is {} what {names} show: until it is right this box signs no \
             certificate and removes nobody",
            apart(first.ahead_s.saturating_neg())
        );
        found.warning("clock-wrong", &me.name, words, cure);
    }
    for other in clock.strays() {
        let words = format!("the clock of {} is {} this box's", other.name, apart(other.ahead_s));
        found.warning("clock-differs", &other.name, words, cure);
    }
}
