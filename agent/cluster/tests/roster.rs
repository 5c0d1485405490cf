//! One box, known by ring, storage, Swarm and record under four names.
#![allow(clippy::unwrap_used)] // A test may; clippy sees only functions marked so.

mod situations;

use ashlar_cluster::{Decision, Roster, Tenure, Wanted, decide};
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

/// What a person is shown, or why it is refused.
fn shown(observed: &ashlar_cluster::Observed, n: u8, decision: Decision) -> Result<String, String> {
    let (target, next) = decide(observed, &Wanted::default(), &name(n), decision);
    match target.refused {
        Some(why) => {
            assert!(next.is_none());
            Err(why)
        }
        None => Ok([target.lines, vec![target.afterwards]].concat().join("\n")),
    }
}

#[test]
fn who_takes_a_box_out_is_shown_what_moves_and_what_can_be_borne_afterwards() {
    let shown = |of, n| shown(&settled(1, of), n, Decision::Remove).unwrap();
    let moves = shown(4, 3);
    assert!(moves.contains("moves to ashlar-4aaaaaaa"), "{moves}");
    assert!(moves.contains("3 boxes, 3 copies of clusterfs, 3 managers: any one"), "{moves}");
    assert!(shown(3, 3).contains("2 of 3 go on"));
    assert!(shown(2, 2).contains("no other box has its files"));
    assert!(shown(4, 4).contains("it holds no copy"));
}

#[test]
fn a_box_that_the_others_cannot_do_without_is_not_taken_out() {
    let refused = |observed: &_, n| shown(observed, n, Decision::Remove).unwrap_err();
    assert!(refused(&settled(1, 1), 1).contains("the last box"));
    assert!(refused(&settled(2, 3), 3).contains("does not lead"));
    assert!(refused(&settled(1, 3), 9).contains("no box"));
    let down = but(settled(1, 3), |o| volume_of(o).bricks[1].online = false);
    assert!(refused(&down, 3).contains("out of reach"));
    let away = but(settled(1, 3), |o| swarm_of(o).nodes[1].reachable = false);
    assert!(refused(&away, 3).contains("not reachable"));
    let another = leaving(1, 4, 2);
    assert!(refused(&another, 3).contains("is being taken out"));
    let only = but(settled(1, 2), |o| *volume_of(o) = volume(&[2]));
    assert!(shown(&only, 2, Decision::Remove).unwrap().contains("moves to"));
    let closed = but(only, |o| o.storage.as_mut().unwrap().volume = None);
    assert!(refused(&closed, 2).contains("not known"));
}

#[test]
fn who_strikes_a_box_off_is_shown_what_it_holds_and_it_stands_in_the_record_at_once() {
    let observed = settled(1, 4);
    let (target, next) = decide(&observed, &Wanted::default(), &name(3), Decision::Revoke);
    let words = target.lines.join("\n");
    for expected in [
        "is struck off at once",
        "can read its copy of clusterfs",
        "ashlar-4aaaaaaa takes the place of its brick",
        "it knows the ring's key",
        "it holds the CA's key",
        "until it ends, in 30 days at most",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    assert!(!words.contains("emptied"), "{words}");
    assert_eq!((target.refused, target.unless_typed), (None, None));
    let next = next.unwrap();
    assert!(!next.boxes.contains_key(&id(3)));
    let gone = &next.retired[&id(3)];
    assert!(gone.revoked && gone.removed && gone.ca_key && gone.at == NOW, "{gone:?}");
    // Who lost its place before, and turns out to be stolen.
    let lost = but(settled(1, 4), |o| retire(o, 3));
    let (_, next) = decide(&lost, &Wanted::default(), &name(3), Decision::Revoke);
    assert!(next.unwrap().retired[&id(3)].revoked);
    let (again, next) = decide(&revoked(1, 4, 3), &Wanted::default(), &name(3), Decision::Revoke);
    assert_eq!((again.refused, next), (None, None));
}

#[test]
fn the_leader_and_the_last_box_are_not_struck_off_and_the_last_copy_only_by_its_name() {
    let decide = |observed: &_, n| decide(observed, &Wanted::default(), &name(n), Decision::Revoke);
    let refused = |observed: &_, n| decide(observed, n).0.refused.unwrap();
    assert!(refused(&settled(1, 1), 1).contains("the last box"));
    assert!(refused(&settled(1, 3), 1).contains("pull its cable"));
    assert!(refused(&settled(2, 3), 3).contains("does not lead"));
    assert!(refused(&settled(1, 3), 9).contains("no box"));
    let typed = |observed: &_, n| decide(observed, n).0.unless_typed;
    let only = but(settled(1, 2), |o| *volume_of(o) = volume(&[2]));
    assert!(typed(&only, 2).unwrap().contains("would be lost"));
    let heals = but(settled(1, 3), |o| volume_of(o).pending_heals = Some(7));
    assert!(typed(&heals, 3).unwrap().contains("7 entries are healed"));
    let off = but(settled(1, 3), |o| lose_for(o, 3, 1));
    assert_eq!(typed(&off, 3), None);
}

#[test]
fn a_box_is_kept_until_its_place_is_given_away() {
    let (_, next) = decide(&leaving(1, 3, 3), &Wanted::default(), &name(3), Decision::Keep);
    assert_eq!(next, Some(known(3)));
    let kept = shown(&settled(1, 3), 3, Decision::Keep).unwrap_err();
    assert!(kept.contains("nobody asked"), "{kept}");
    let through = but(settled(1, 3), |o| retire(o, 3));
    assert!(shown(&through, 3, Decision::Keep).unwrap_err().contains("not taken back"));
    // Asked twice, nothing is written.
    let (again, next) = decide(&leaving(1, 3, 3), &Wanted::default(), &name(3), Decision::Remove);
    assert_eq!((again.refused, next), (None, None));
}

#[test]
fn a_box_comes_into_the_pool_once_the_bricks_let_it_in_by_name() {
    let newcomer = |admitted: &[u8]| {
        but(settled(1, 3), |o| {
            o.storage.as_mut().unwrap().peers.retain(|p| p.address != address(3));
            *volume_of(o) = volume(&[1, 2]);
            volume_of(o).admits = Some(admitted.iter().map(|n| name(*n)).collect());
        })
    };
    let probed = |o: &ashlar_cluster::Observed| {
        let steps = ashlar_cluster::plan(o, &Wanted::default()).steps;
        steps.iter().any(|p| p.step == ashlar_cluster::Step::ProbePeer { address: address(3) })
    };
    assert!(!probed(&newcomer(&[1, 2])));
    assert!(probed(&newcomer(&[1, 2, 3])));
}
