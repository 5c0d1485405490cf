//! Whom a member serves, and with what. A certificate says who calls; the ring
//! says whether that node still has a place here.

use crate::{ClusterId, Intent, MemberStatus, NodeId, RingMember, SwarmNode, SwarmRole};
use std::net::IpAddr;

/// On how many nodes the CA's key lies, if there are as many.
pub const KEY_COPIES: usize = 3;

/// A live member that was asked whether a box has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// It manages the Swarm, as the ring shows it.
    pub manages: bool,
    /// What it said: that the box lost its place, and whether it reads the cluster's
    /// record itself; `None` if it said nothing.
    pub said: Option<Word>,
}

/// What a member said of a box's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The box lost its place.
    pub lost: bool,
    /// It is so by the cluster's record, which the member reads itself.
    pub by_record: bool,
}

/// Whether a box lost its place. One member's word is not enough: that of a second
/// one is needed, or that of every live manager, from the record.
#[must_use]
pub fn lost_its_place(asked: &[Asked]) -> bool {
    let say = asked.iter().filter(|w| w.said.is_some_and(|word| word.lost)).count();
    let mut managers = asked.iter().filter(|w| w.manages).peekable();
    let by_record = |w: &Asked| w.said.is_some_and(|word| word.lost && word.by_record);
    say >= 2 || (managers.peek().is_some() && managers.all(by_record))
}

/// A node that asks something of this one.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its host name.
    pub name: &'a str,
    /// The cluster address that it names.
    pub address: IpAddr,
    /// The address that it calls from.
    pub from: IpAddr,
    /// Whether it was struck off the cluster.
    pub struck_off: bool,
}

/// Why a caller is not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// It was struck off.
    #[error(
        "{name} was struck off this cluster: its place was given away; it begins anew as another box"
    )]
    StruckOff {
        /// Its host name.
        name: String,
    },
    /// It calls from elsewhere.
    #[error("{name} calls from {from}, not from {address}")]
    Elsewhere {
        /// Its host name.
        name: String,
        /// The address it should call from.
        address: IpAddr,
        /// The one it calls from.
        from: IpAddr,
    },
    /// The ring does not show it alive at that address under that id.
    #[error(
        "{name} at {address} is not alive in the ring as this node sees it; it may ask again in a moment"
    )]
    NotInTheRing {
        /// Its host name.
        name: String,
        /// Its cluster address.
        address: IpAddr,
    },
    /// It belongs to no cluster or to another one.
    #[error("{name} does not show itself as a member of cluster {cluster}")]
    NotOfThisCluster {
        /// Its host name.
        name: String,
        /// This node's cluster.
        cluster: ClusterId,
    },
    /// It belongs to another cluster, and must leave that first.
    #[error("{name} is a member of cluster {cluster}: it cannot be of two")]
    OfAnotherCluster {
        /// Its host name.
        name: String,
        /// That cluster.
        cluster: ClusterId,
    },
    /// Somebody else has its name, id or address.
    #[error(
        "{other} has the name, id or address of {name}: one of the two is a copy; set it up anew"
    )]
    Taken {
        /// Its host name.
        name: String,
        /// The other's.
        other: String,
    },
    /// It has no place that the cluster's record knows, or is to lose it.
    #[error("{name} is not alive in the ring, and has no place that it will keep")]
    NoPlace {
        /// Its host name.
        name: String,
    },
    /// It does not manage the Swarm.
    #[error(
        "{name} does not manage the Swarm, and what is decided there about other boxes counts for \
         nothing: say it at {at}"
    )]
    DoesNotManage {
        /// Its host name.
        name: String,
        /// Boxes that do.
        at: String,
    },
    /// The CA key has copies enough.
    #[error("{held} other nodes hold the CA key, which is enough")]
    KeyHeldEnough {
        /// How many.
        held: usize,
    },
}

/// Whether a newcomer may enrol. It has proved the ring key and not its name: it
/// must be alive in the ring under the id and at the address that it claims and
/// calls from, and nobody else may have its name or id, dead or alive, nor its
/// address alive. (A dead one's address may be given to the box that replaces it.) One
/// that lost its certificate shows this cluster; one that shows another is not let in.
///
/// # Errors
/// [`NotServed`].
pub fn may_enrol(
    caller: &Caller<'_>,
    members: &[RingMember],
    cluster: &ClusterId,
) -> Result<(), NotServed> {
    let member = in_the_ring(caller, members)?;
    if let Some(other) = member.cluster.as_ref().filter(|other| *other != cluster) {
        let (name, cluster) = (caller.name.into(), other.clone());
        return Err(NotServed::OfAnotherCluster { name, cluster });
    }
    let there = members.iter().filter(|m| m.status != MemberStatus::Left);
    let mut others = there.filter(|m| !is(caller, m));
    let taken = others.find(|m| {
        let same_id = m.id.as_ref().is_some_and(|id| id.0 == caller.id);
        let address = m.status == MemberStatus::Alive && m.address == caller.address;
        m.name == caller.name || same_id || address
    });
    taken.map_or(Ok(()), |other| {
        Err(NotServed::Taken { name: caller.name.into(), other: other.name.clone() })
    })
}

/// Whether a caller with a certificate may have a new one, or a token of the
/// Swarm: only for as long as it is a live member of this cluster.
///
/// # Errors
/// [`NotServed`].
pub fn may_be_served(
    caller: &Caller<'_>,
    members: &[RingMember],
    cluster: &ClusterId,
) -> Result<(), NotServed> {
    let member = in_the_ring(caller, members)?;
    if member.cluster.as_ref() != Some(cluster) {
        let (name, cluster) = (caller.name.into(), cluster.clone());
        return Err(NotServed::NotOfThisCluster { name, cluster });
    }
    Ok(())
}

/// Whether a caller may have the CA's key: besides, the key must not have copies
/// enough without it.
///
/// # Errors
/// [`NotServed`].
pub fn may_hold_ca_key(
    caller: &Caller<'_>,
    members: &[RingMember],
    cluster: &ClusterId,
) -> Result<(), NotServed> {
    may_be_served(caller, members, cluster)?;
    let holds = |m: &&RingMember| {
        m.status == MemberStatus::Alive && m.ca_key && m.cluster.as_ref() == Some(cluster)
    };
    let held = members.iter().filter(holds).filter(|m| !is(caller, m)).count();
    if held < KEY_COPIES { Ok(()) } else { Err(NotServed::KeyHeldEnough { held }) }
}

/// Whether a caller may pass on what a person decided about other boxes. One that manages
/// the Swarm may: root there can write the cluster's record anyway. Of any other box
/// nobody takes it: a thief who has it must not have the rest taken out or reset. `seats`
/// are the Swarm's nodes as they stand in Raft; who does not read them goes by the ring.
/// While no box shows a Swarm all are alike.
///
/// # Errors
/// [`NotServed`].
pub fn may_pass_on(
    caller: &Caller<'_>,
    members: &[RingMember],
    cluster: &ClusterId,
    seats: &[SwarmNode],
) -> Result<(), NotServed> {
    may_be_served(caller, members, cluster)?;
    let kin = || members.iter().filter(|m| m.cluster.as_ref() == Some(cluster));
    let managers = || kin().filter(|m| m.swarm == Some(SwarmRole::Manager));
    let manages = if seats.is_empty() {
        kin().all(|m| m.swarm.is_none()) || managers().any(|m| is(caller, m))
    } else {
        seats.iter().any(|seat| seat.manager && seat.name == caller.name)
    };
    if manages {
        return Ok(());
    }
    let by_raft = seats.iter().filter(|seat| seat.manager).map(|seat| seat.name.as_str());
    let mut at: Vec<_> = by_raft.chain(managers().map(|m| m.name.as_str())).collect();
    at.sort_unstable();
    at.dedup();
    let at = if at.is_empty() { "one that does".into() } else { at.join(" or ") };
    Err(NotServed::DoesNotManage { name: caller.name.into(), at })
}

/// Whether a caller may have the ring's new key: a live member may, and so may a box that
/// was away and has its place still. That one cannot be alive in the ring before it has
/// the key, so its place is looked up in the cluster's record, by who can read it. A box
/// that a person wants out is not given it.
///
/// # Errors
/// [`NotServed`].
pub fn may_have_ring_key(
    caller: &Caller<'_>,
    members: &[RingMember],
    cluster: &ClusterId,
    record: Option<&Intent>,
) -> Result<(), NotServed> {
    let alive = may_be_served(caller, members, cluster);
    if !matches!(alive, Err(NotServed::NotInTheRing { .. })) {
        return alive;
    }
    let known = record.and_then(|intent| intent.boxes.get(&NodeId(caller.id.into())));
    let keeps = known.is_some_and(|known| {
        !known.remove && known.name == caller.name && known.address == caller.address
    });
    if keeps { Ok(()) } else { Err(NotServed::NoPlace { name: caller.name.into() }) }
}

fn is(caller: &Caller<'_>, member: &RingMember) -> bool {
    let same_id = member.id.as_ref() == Some(&NodeId(caller.id.into()));
    same_id && member.name == caller.name && member.address == caller.address
}

fn in_the_ring<'a>(
    caller: &Caller<'_>,
    members: &'a [RingMember],
) -> Result<&'a RingMember, NotServed> {
    let Caller { name, address, from, struck_off, .. } = *caller;
    let name = || name.to_owned();
    if struck_off {
        return Err(NotServed::StruckOff { name: name() });
    }
    if from != address {
        return Err(NotServed::Elsewhere { name: name(), address, from });
    }
    members
        .iter()
        .find(|m| m.status == MemberStatus::Alive && is(caller, m))
        .ok_or_else(|| NotServed::NotInTheRing { name: name(), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, last: u8) -> RingMember {
        RingMember {
            keys: None,
            cas: None,
            id: Some(NodeId(id.into())),
            name: format!("ashlar-{id}"),
            address: IpAddr::from([10, 83, 0, last]),
            status: MemberStatus::Alive,
            cluster: Some(cluster()),
            storage_open: false,
            ca_key: false,
            swarm: None,
            witness: false,
            full: false,
            keeps: None,
            yields: None,
            hand: None,
            left: None,
        }
    }

    fn cluster() -> ClusterId {
        ClusterId("c0ffee".into())
    }

    fn failed(member: RingMember) -> RingMember {
        RingMember { status: MemberStatus::Failed, ..member }
    }

    fn caller() -> Caller<'static> {
        let address = IpAddr::from([10, 83, 0, 1]);
        Caller { id: "ab12", name: "ashlar-ab12", address, from: address, struck_off: false }
    }

    #[test]
    fn one_member_alone_cannot_tell_a_box_that_it_lost_its_place() {
        let says =
            |manages, lost, by_record| Asked { manages, said: Some(Word { lost, by_record }) };
        let silent = Asked { manages: true, said: None };
        assert!(!lost_its_place(&[]));
        assert!(!lost_its_place(&[says(false, true, false), says(true, false, true)]));
        assert!(!lost_its_place(&[says(false, true, true), says(false, false, false)]));
        assert!(!lost_its_place(&[says(true, true, true), silent]), "another manager is silent");
        assert!(!lost_its_place(&[says(true, true, false)]), "it repeats what it was told");
        assert!(lost_its_place(&[says(true, true, true), says(false, false, false)]));
        assert!(lost_its_place(&[says(false, true, false), says(false, true, false), silent]));
    }

    #[test]
    fn a_newcomer_enrols_only_while_it_is_itself_in_the_ring() {
        let ring = [member("ab12", 1), member("cd34", 2)];
        assert_eq!(may_enrol(&caller(), &ring, &cluster()), Ok(()));
        assert!(may_enrol(&caller(), &ring[1..], &cluster()).is_err());
        assert!(may_enrol(&caller(), &[], &cluster()).is_err(), "the ring is silent");
        assert!(may_enrol(&caller(), &[failed(member("ab12", 1))], &cluster()).is_err());
        let elsewhere = Caller { from: IpAddr::from([10, 83, 0, 9]), ..caller() };
        assert!(may_enrol(&elsewhere, &ring, &cluster()).is_err());
    }

    #[test]
    fn a_box_of_one_cluster_is_not_let_into_a_second_one() {
        let other = RingMember { cluster: Some(ClusterId("decade".into())), ..member("ab12", 1) };
        let refused = may_enrol(&caller(), &[other], &cluster()).unwrap_err();
        assert!(matches!(refused, NotServed::OfAnotherCluster { .. }), "{refused}");
        let fresh = RingMember { cluster: None, ..member("ab12", 1) };
        assert_eq!(may_enrol(&caller(), &[fresh], &cluster()), Ok(()));
    }

    #[test]
    fn nobody_enrols_under_the_name_or_id_of_a_member_that_is_away() {
        let named = RingMember { name: "ashlar-ab12".into(), ..member("ef56", 9) };
        for taken in [named.clone(), failed(named), failed(member("ab12", 9))] {
            let refused =
                may_enrol(&caller(), &[member("ab12", 1), taken], &cluster()).unwrap_err();
            assert!(matches!(refused, NotServed::Taken { .. }), "{refused}");
        }
    }

    #[test]
    fn the_box_that_replaces_a_dead_one_may_have_its_address() {
        let ring = |other| [member("ab12", 1), other];
        assert_eq!(may_enrol(&caller(), &ring(failed(member("ef56", 1))), &cluster()), Ok(()));
        assert!(may_enrol(&caller(), &ring(member("ef56", 1)), &cluster()).is_err());
    }

    #[test]
    fn a_stolen_certificate_is_not_renewed_away_from_the_ring() {
        let ring = [member("ab12", 1), member("cd34", 2)];
        assert_eq!(may_be_served(&caller(), &ring, &cluster()), Ok(()));
        for gone in [failed(member("ab12", 1)), member("ab12", 9), member("cd34", 1)] {
            assert!(may_be_served(&caller(), &[gone], &cluster()).is_err());
        }
        let outside = RingMember { cluster: None, ..member("ab12", 1) };
        assert!(may_be_served(&caller(), &[outside], &cluster()).is_err());
    }

    #[test]
    fn who_was_struck_off_is_served_nothing_though_it_is_in_the_ring() {
        let struck = Caller { struck_off: true, ..caller() };
        let ring = [member("ab12", 1)];
        assert!(may_enrol(&struck, &ring, &cluster()).is_err());
        assert!(may_be_served(&struck, &ring, &cluster()).is_err());
        assert!(may_hold_ca_key(&struck, &ring, &cluster()).is_err());
    }

    #[test]
    fn the_ring_key_goes_to_who_has_a_place_and_keeps_it_though_it_is_not_seen() {
        let known = |remove| {
            let (name, address) = ("ashlar-ab12".to_owned(), caller().address);
            let known = crate::KnownBox { name, address, lost_since: Some(1), remove };
            Intent { boxes: [(NodeId("ab12".into()), known)].into(), ..Intent::default() }
        };
        let gone = [failed(member("ab12", 1)), member("cd34", 2)];
        let may = |caller: &Caller<'_>, members: &[RingMember], record: Option<&Intent>| {
            may_have_ring_key(caller, members, &cluster(), record)
        };
        assert_eq!(may(&caller(), &gone, Some(&known(false))), Ok(()));
        assert!(may(&caller(), &gone, Some(&known(true))).is_err(), "a person wants it out");
        assert!(may(&caller(), &gone, Some(&Intent::default())).is_err(), "it has no place");
        assert!(may(&caller(), &gone, None).is_err(), "who cannot read the record gives nothing");
        let elsewhere = Caller { from: IpAddr::from([10, 83, 0, 9]), ..caller() };
        assert!(may(&elsewhere, &gone, Some(&known(false))).is_err());
        let struck = Caller { struck_off: true, ..caller() };
        assert!(may(&struck, &gone, Some(&known(false))).is_err());
        // Who is being emptied needs the ring until it is out.
        assert_eq!(may(&caller(), &[member("ab12", 1)], Some(&known(true))), Ok(()));
    }

    #[test]
    fn a_box_that_does_not_manage_the_swarm_has_no_say_over_others() {
        let shows = |id, last, swarm| RingMember { swarm: Some(swarm), ..member(id, last) };
        let (manager, worker) = (SwarmRole::Manager, SwarmRole::Worker);
        let seat = |id: &str, manager| SwarmNode {
            id: id.into(),
            name: format!("ashlar-{id}"),
            address: None,
            up: true,
            manager,
            reachable: manager,
            leader: false,
            availability: crate::Availability::Active,
            tasks: 0,
        };
        let may = |own: SwarmRole, seats: &[SwarmNode]| {
            let ring = [shows("ab12", 1, own), shows("cd34", 2, manager)];
            may_pass_on(&caller(), &ring, &cluster(), seats)
        };
        assert_eq!(may(manager, &[]), Ok(()));
        let refused = may(worker, &[]).unwrap_err().to_string();
        assert!(refused.ends_with("say it at ashlar-cd34"), "{refused}");
        // What stands in Raft counts, and not what a box says of itself.
        assert!(may(manager, &[seat("ab12", false), seat("cd34", true)]).is_err());
        assert!(may(manager, &[seat("cd34", true)]).is_err());
        assert_eq!(may(worker, &[seat("ab12", true)]), Ok(()));
        let before_any = [member("ab12", 1), member("cd34", 2)];
        assert_eq!(may_pass_on(&caller(), &before_any, &cluster(), &[]), Ok(()));
        let dead = [failed(member("ab12", 1))];
        assert!(may_pass_on(&caller(), &dead, &cluster(), &[]).is_err());
    }

    #[test]
    fn the_ca_key_goes_to_no_fourth_node() {
        let holder = |id, last| RingMember { ca_key: true, ..member(id, last) };
        let two = [member("ab12", 1), holder("b", 2), holder("c", 3)];
        assert_eq!(may_hold_ca_key(&caller(), &two, &cluster()), Ok(()));
        let three = [two.as_slice(), &[holder("d", 4)]].concat();
        let refused = may_hold_ca_key(&caller(), &three, &cluster()).unwrap_err();
        assert_eq!(refused, NotServed::KeyHeldEnough { held: 3 });
    }
}
