//! What a person is told before this cluster dissolves into another one.
#![allow(clippy::unwrap_used)] // A test may; clippy sees only functions marked so.

mod situations;

use ashlar_cluster::{ClusterId, Observed, Wanted, merging};
use situations::*;

fn both() -> Observed {
    met(1, 3, keeps(true, 3), keeps(true, 2))
}

fn refused(observed: &Observed, into: &str) -> String {
    let said = merging(observed, &Wanted::default(), into);
    assert_eq!(said.lines, Vec::<String>::new());
    said.refused.unwrap()
}

#[test]
fn what_is_lost_and_what_is_set_aside_is_said_by_name() {
    let observed = but(both(), |o| {
        swarm_of(o).of_people = Some(vec!["service till".into()]);
        lose(o, 3);
    });
    let said = merging(&observed, &Wanted::default(), "deca");
    assert_eq!((&said.refused, &said.into), (&None, &Some(ClusterId(OTHER.into()))));
    assert_eq!(said.away, [name(3)]);
    let text = said.lines.join("\n");
    for expected in [
        "is set aside, and is not in /srv/cluster any more",
        "on ashlar-1aaaaaaa it is in /data/bricks/clusterfs/set-aside-",
        "on ashlar-3aaaaaaa it is in",
        "service till is lost",
        "ashlar-3aaaaaaa is not seen",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_box_that_does_not_manage_the_swarm_says_that_it_cannot_name_the_services() {
    let worker = met(4, 4, keeps(true, 4), keeps(true, 2));
    let text = merging(&worker, &Wanted::default(), OTHER).lines.join("\n");
    assert!(text.contains("cannot name them"), "{text}");
}

#[test]
fn a_merge_that_cannot_come_about_is_refused() {
    assert!(refused(&settled(1, 3), OTHER).contains("no other cluster"));
    assert!(refused(&both(), CLUSTER).contains("own cluster"));
    assert!(refused(&both(), "dec").contains("none of them is dec"), "too short to be meant");
    assert!(refused(&but(both(), |o| o.membership = None), OTHER).contains("no cluster"));
    let without_a_key = but(both(), |o| {
        o.ring.as_mut().unwrap().members.iter_mut().for_each(|m| m.ca_key = false);
    });
    assert!(refused(&without_a_key, OTHER).contains("can let boxes in"));
    let yields_to = |into: &'static str| {
        but(both(), move |o| {
            o.ring.as_mut().unwrap().members[3].yields = Some(ClusterId(into.into()));
        })
    };
    assert!(refused(&yields_to(CLUSTER), OTHER).contains("into this one already"));
    assert!(refused(&yields_to("facade"), OTHER).contains("into facade"));
}
