//! How far the files of a volume of several sets are on their way, by `volume
//! rebalance status`, and what the volume itself notes of it in an option of ours:
//! glusterd keeps the last rebalance for ever, and does not say whether a set was
//! added since.

use super::xml::Moving;
use ashlar_cluster::Rebalance;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The option: over how many sets the files are spread, and after which rebalance
/// that was noted. GlusterFS keeps what begins with `user.` and does nothing by it.
pub(super) const OPTION: &str = "user.ashlar-spread";

/// `gf_defrag_status_t` of glusterd.
const RUNNING: [u8; 2] = [1, 5];
const COMPLETE: u8 = 3;

/// What the option says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) sets: u8,
    /// The id of that rebalance.
    pub(super) by: String,
}

impl Noted {
    pub(super) fn of(options: &BTreeMap<String, String>) -> Self {
        let text = options.get(OPTION).map_or("", String::as_str);
        let (sets, by) = text.split_once(':').unwrap_or((text, ""));
        Self { sets: sets.parse().unwrap_or(0), by: by.to_owned() }
    }

    pub(super) fn value(&self) -> String {
        format!("{}:{}", self.sets, self.by)
    }
}

/// How far it is, when these boxes give the bricks.
pub(super) fn how_far(
    moving: Option<&Moving>,
    noted: &Noted,
    hosts: &[IpAddr],
    own: Option<IpAddr>,
) -> Rebalance {
    let Some(moving) = moving.filter(|m| m.id != noted.by) else { return Rebalance::Never };
    if moving.parts.iter().any(|part| RUNNING.contains(&part.status)) {
        return Rebalance::Running;
    }
    let parts: BTreeMap<_, _> =
        moving.parts.iter().filter_map(|part| Some((part.address().or(own)?, part))).collect();
    let lacks = |host: &IpAddr| match parts.get(host) {
        None => Some(format!("{host} does not tell of its part")),
        Some(part) if part.status != COMPLETE => {
            Some(format!("the part of {host} is {}", part.words))
        }
        Some(part) if part.failures > 0 => {
            Some(format!("{host} could not move {} of its files", part.failures))
        }
        Some(_) => None,
    };
    hosts.iter().find_map(lacks).map_or(Rebalance::Done, Rebalance::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::xml::parse;

    fn ip(high: u8, low: u8) -> IpAddr {
        IpAddr::from([10, 83, high, low])
    }

    /// The boxes of the transcripts; the first one was asked.
    fn hosts() -> [IpAddr; 6] {
        [ip(6, 6), ip(41, 54), ip(14, 45), ip(242, 116), ip(156, 207), ip(57, 121)]
    }

    fn far(text: &str, noted: &str) -> Rebalance {
        let output = parse(text).unwrap();
        let noted = Noted::of(&[(OPTION.to_owned(), noted.to_owned())].into());
        how_far(output.moving(), &noted, &hosts(), Some(hosts()[0]))
    }

    #[test]
    fn what_six_boxes_moved_is_done_until_that_was_noted() {
        let text = include_str!("fixtures/rebalance-completed.xml");
        assert_eq!(far(text, ""), Rebalance::Done);
        assert_eq!(far(text, "1:another"), Rebalance::Done);
        let id = &parse(text).unwrap().moving().unwrap().id.clone();
        assert_eq!(far(text, &format!("2:{id}")), Rebalance::Never, "it was for the last set");
    }

    #[test]
    fn a_volume_whose_files_never_moved_says_so() {
        assert_eq!(far(include_str!("fixtures/rebalance-none.xml"), ""), Rebalance::Never);
    }

    #[test]
    fn while_one_box_is_away_it_runs_on_the_others_and_is_not_done_after() {
        let text = include_str!("fixtures/rebalance-running-one-away.xml");
        assert_eq!(far(text, ""), Rebalance::Running);
        let ended = text.replace("<status>1</status>", "<status>3</status>");
        let why = "10.83.57.121 does not tell of its part".into();
        assert_eq!(far(&ended, ""), Rebalance::Failed(why));
    }

    #[test]
    fn files_that_found_no_room_are_left_to_move() {
        let Rebalance::Failed(why) = far(include_str!("fixtures/rebalance-no-room.xml"), "") else {
            panic!("it is said to be done");
        };
        assert!(why.contains("could not move"), "{why}");
    }

    #[test]
    fn what_the_volume_notes_is_read_back() {
        let noted = Noted { sets: 2, by: "cac04f62".into() };
        assert_eq!(Noted::of(&[(OPTION.to_owned(), noted.value())].into()), noted);
        for odd in ["", ":", "x:y", "300:"] {
            assert_eq!(Noted::of(&[(OPTION.to_owned(), odd.to_owned())].into()).sets, 0);
        }
    }
}
