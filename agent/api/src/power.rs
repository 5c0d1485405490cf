//! `POST /v1/power`: switch this box off, or restart it.

use crate::{Client, ClientError, MemberStatus, Secret, Status, StorageView, route};
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/power`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PowerRequest {
    /// Which of the two.
    pub power: Power,
    /// Say what is missing meanwhile, and do nothing.
    pub dry_run: bool,
    /// The site's PIN, typed at the box's own screen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Secret>,
}

/// How a running box goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// It comes back by itself.
    Reboot,
    /// It stays off until somebody presses its button.
    Off,
}

impl Power {
    /// What a person calls it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Off => "power off",
        }
    }
}

/// The answer to `POST /v1/power`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PowerAnswer {
    /// What is missing while the box is down.
    pub absence: Absence,
    /// It goes down now.
    pub begun: bool,
}

/// What a cluster is without one of its boxes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Absence {
    /// In words, a line each.
    pub lines: Vec<String>,
    /// What stops, or may stop, until the box is back.
    pub stops: Vec<String>,
}

impl Absence {
    /// What would be missing while the node with this status is down, as far as
    /// it knows.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let mut absence = Self::default();
        if status.cluster.is_none() {
            absence.lines.push("it belongs to no cluster yet: nothing else needs it".into());
            return absence;
        }
        let here = status.identity.as_ref().map(|me| me.name.as_str());
        let others: Vec<&str> = status
            .members
            .iter()
            .filter(|m| m.same_cluster && m.status == MemberStatus::Alive)
            .map(|m| m.name.as_str())
            .filter(|name| Some(*name) != here)
            .collect();
        if others.is_empty() {
            let words = "no other box of its cluster is up: all that the cluster does stops";
            absence.stops.push(words.into());
            return absence;
        }
        absence.lines.push(format!("{} stay up", listed(&others)));
        absence.storage(status);
        absence.swarm(status, others.len());
        absence
    }

    fn storage(&mut self, status: &Status) {
        let Some(storage) = status.storage.as_ref().filter(|s| s.bricks > 0) else { return };
        let volume = &storage.volume;
        if storage.bricks_online < storage.bricks {
            self.stops.push(format!(
                "another copy of {volume} is out of reach already: it may take no writes"
            ));
        } else if storage.pending_heals != Some(0) {
            self.stops.push(format!(
                "the other copies of {volume} are not known to be whole: what only this box has \
                 is out of reach"
            ));
        } else if storage.bricks == 2 {
            self.lines.push(format!(
                "of two boxes the one that decides hands {volume} over to the other one first, \
                 which may take a minute or two"
            ));
        } else {
            self.lines.push(format!("{volume} can be read and written all the time"));
        }
    }

    fn swarm(&mut self, status: &Status, others: usize) {
        let Some(swarm) = &status.swarm else { return };
        let whole = |s: &StorageView| s.bricks == s.bricks_online && s.pending_heals == Some(0);
        let handed_over = status.storage.as_ref().is_some_and(|s| s.bricks == 2 && whole(s));
        if swarm.manager && others == 1 && !handed_over {
            let words = "it may be the Swarm's only manager: nothing new is scheduled";
            self.stops.push(words.into());
        } else {
            self.lines.push("what the Swarm runs here is started on another box".into());
        }
    }

    /// All of it as a person reads it.
    #[must_use]
    pub fn sentences(&self, power: Power) -> Vec<String> {
        let mut sentences = vec![
            match power {
                Power::Reboot => "While this box restarts, some minutes:",
                Power::Off => "While this box is off, until somebody presses its button:",
            }
            .to_owned(),
        ];
        sentences.extend(self.lines.iter().map(|line| format!("  - {line}")));
        sentences.extend(self.stops.iter().map(|line| format!("Beware: {line}.")));
        sentences
    }
}

fn listed(names: &[&str]) -> String {
    match names {
        [.., _, _, _, _] => format!("{} other boxes", names.len()),
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

impl Client {
    /// Switches this node off, or restarts it.
    ///
    /// # Errors
    /// As [`Connection::get`](crate::Connection::get); refused to anyone but root
    /// and whoever stands at the box's screen.
    pub async fn power(&self, request: &PowerRequest) -> Result<PowerAnswer, ClientError> {
        self.connect().await?.post(route::POWER, request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reset::tests::healthy;

    fn stops(change: impl FnOnce(&mut Status)) -> Vec<String> {
        let mut status = healthy();
        change(&mut status);
        Absence::of(&status).stops
    }

    #[test]
    fn one_of_three_healthy_boxes_may_be_switched_off() {
        let absence = Absence::of(&healthy());
        assert_eq!(absence.stops, [""; 0]);
        assert_eq!(absence.lines[0], "ashlar-bb and ashlar-cc stay up");
    }

    #[test]
    fn whatever_may_stop_without_the_box_is_said() {
        let one = |change: fn(&mut Status)| assert_eq!(stops(change).len(), 1, "{change:?}");
        one(|s| s.members.truncate(1));
        one(|s| s.storage.as_mut().unwrap().bricks_online = 2);
        one(|s| s.storage.as_mut().unwrap().pending_heals = Some(7));
        one(|s| s.storage.as_mut().unwrap().pending_heals = None);
        one(|s| {
            s.members.truncate(2);
            s.storage = None;
        });
    }

    #[test]
    fn of_two_whole_boxes_one_hands_over_and_of_two_that_are_not_it_cannot() {
        let two = |s: &mut Status| {
            s.members.truncate(2);
            let storage = s.storage.as_mut().unwrap();
            (storage.bricks, storage.bricks_online) = (2, 2);
        };
        assert_eq!(stops(two), [""; 0]);
        let lags = stops(|s| {
            two(s);
            s.storage.as_mut().unwrap().pending_heals = Some(7);
        });
        assert!(lags.iter().any(|line| line.contains("not known to be whole")), "{lags:?}");
    }

    #[test]
    fn nothing_needs_a_box_without_a_cluster() {
        assert_eq!(stops(|s| s.cluster = None), [""; 0]);
    }

    #[test]
    fn what_may_stop_is_told_after_all_else_and_marked() {
        let mut status = healthy();
        status.storage.as_mut().unwrap().bricks_online = 2;
        let sentences = Absence::of(&status).sentences(Power::Off);
        assert!(sentences[0].contains("presses its button"), "{sentences:?}");
        assert!(sentences.last().unwrap().starts_with("Beware: another copy"), "{sentences:?}");
    }
}
