//! One box, known by ring, storage, Swarm and record under four names.
#![allow(clippy::unwrap_used)] // A test may; clippy sees only functions marked so.

mod situations;

use ashlar_cluster::{Roster, Tenure};
use situations::*;

fn tenure(observed: &ashlar_cluster::Observed, n: u8) -> Tenure {
    Roster::of(observed).named(&name(n)).unwrap().tenure
}

#[test]
fn a_box_is_one_whoever_tells_of_it() {
    let roster = Roster::of(&settled(1, 4));
    assert_eq!(roster.boxes.len(), 4);
    let third = roster.named(&name(3)).unwrap();
    assert!(third.pooled && third.brick && third.ca_key, "{third:?}");
    assert_eq!((third.address, third.seats.len()), (address(3), 1));
    let fourth = roster.named(&name(4)).unwrap();
    assert!(fourth.pooled && !fourth.brick, "{fourth:?}");
}

#[test]
fn since_when_a_box_is_lost_outlasts_what_the_ring_remembers() {
    let mut observed = but(settled(1, 4), |o| lose_for(o, 3, 5));
    let lost = Tenure::Lost { since: Some(NOW - 5 * 3_600) };
    assert_eq!(tenure(&observed, 3), lost);
    // After a reboot of all, nobody's ring knows of it.
    observed.ring.as_mut().unwrap().members.retain(|m| m.name != name(3));
    assert_eq!(tenure(&observed, 3), lost);
}

#[test]
fn a_box_that_lost_its_place_has_none_though_it_is_alive() {
    let observed = but(settled(1, 4), |o| {
        retire(o, 3);
        o.ring.as_mut().unwrap().members[2].status = ashlar_cluster::MemberStatus::Alive;
    });
    assert_eq!(tenure(&observed, 3), Tenure::Retired);
    assert_eq!(tenure(&observed, 2), Tenure::Active);
}

#[test]
fn a_worker_that_cannot_read_the_record_sees_that_a_box_is_lost_and_not_since_when() {
    let observed = but(settled(4, 4), |o| {
        let members = &mut o.ring.as_mut().unwrap().members;
        members[1] = failed(members[1].clone());
    });
    assert_eq!(tenure(&observed, 2), Tenure::Lost { since: None });
}
