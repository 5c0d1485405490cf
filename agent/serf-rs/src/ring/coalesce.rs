//! Many events that come together, as few.
//!
//! When a switch fails, half a ring fails at once; who handles events wants to
//! hear of that once. Events of members are held back until a moment of quiet
//! and told as what they came to; of user events that allow it, only the last
//! of each name is told. Source: hashicorp/serf, `serf/coalesce.go`,
//! `serf/coalesce_member.go`, `serf/coalesce_user.go`.

use crate::event::{Change, Event, Member, UserEvent};
use crate::swim::Name;
use crate::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most user events that are held back: whoever sends more gets no few of them.
const MOST_HELD: usize = 1024;

/// How long events are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalescing {
    /// For so long at most.
    pub longest: Duration,
    /// Until nothing more came for so long.
    pub quiet: Duration,
}

impl Coalescing {
    /// What HashiCorp's agent does.
    pub const USUAL: Self = Self { longest: Duration::from_secs(3), quiet: Duration::from_secs(1) };
}

/// When held events are told.
#[derive(Clone, Copy, Debug)]
struct Window {
    longest: Time,
    quiet: Time,
}

impl Window {
    fn extend(window: Option<Self>, now: Time, by: Coalescing) -> Self {
        let longest = window.map_or(now + by.longest, |window| window.longest);
        Self { longest, quiet: now + by.quiet }
    }

    fn ends(self) -> Time {
        self.longest.min(self.quiet)
    }
}

/// Events that are held back.
#[derive(Debug, Default)]
pub(super) struct Coalescer {
    of_members: Option<Coalescing>,
    of_users: Option<Coalescing>,
    members: BTreeMap<Name, (Change, Member)>,
    members_window: Option<Window>,
    /// What was told of each member last: the same is not told again.
    told: BTreeMap<Name, Change>,
    users: BTreeMap<String, Vec<UserEvent>>,
    /// How many came since the last were told.
    users_held: usize,
    users_window: Option<Window>,
}

impl Coalescer {
    pub(super) fn new(of_members: Option<Coalescing>, of_users: Option<Coalescing>) -> Self {
        Self { of_members, of_users, ..Self::default() }
    }

    /// Holds an event back, or gives it through.
    pub(super) fn take(&mut self, now: Time, event: Event) -> Option<Event> {
        match (event, self.of_members, self.of_users) {
            (Event::Members { change, members }, Some(by), _) => {
                for member in members {
                    self.members.insert(member.name.clone(), (change, member));
                }
                self.members_window = Some(Window::extend(self.members_window, now, by));
                None
            }
            (Event::User(user), _, Some(by)) if user.coalesce => {
                let same = self.users.entry(user.name.clone()).or_default();
                match same.first().map(|held| held.ltime) {
                    Some(held) if held > user.ltime => {}
                    // Two that nobody can order: both are told.
                    Some(held) if held == user.ltime => same.push(user),
                    _ => *same = vec![user],
                }
                let mut window = Window::extend(self.users_window, now, by);
                self.users_held += 1;
                if self.users_held >= MOST_HELD {
                    window.longest = now;
                }
                self.users_window = Some(window);
                None
            }
            (event, ..) => Some(event),
        }
    }

    /// When [`Coalescer::release`] has something to tell.
    pub(super) fn next(&self) -> Option<Time> {
        let windows = [self.members_window, self.users_window];
        windows.into_iter().flatten().map(Window::ends).min()
    }

    /// What is to be told now.
    pub(super) fn release(&mut self, now: Time) -> Vec<Event> {
        let due = |window: Option<Window>| window.is_some_and(|window| window.ends() <= now);
        let mut events = Vec::new();
        if due(self.members_window) {
            self.members_window = None;
            events.append(&mut self.release_members());
        }
        if due(self.users_window) {
            self.users_window = None;
            self.users_held = 0;
            let held = std::mem::take(&mut self.users);
            events.extend(held.into_values().flatten().map(Event::User));
        }
        events
    }

    fn release_members(&mut self) -> Vec<Event> {
        let mut by_change: BTreeMap<Change, Vec<Member>> = BTreeMap::new();
        for (name, (change, member)) in std::mem::take(&mut self.members) {
            let before = if change == Change::Reap {
                self.told.remove(&name)
            } else {
                self.told.insert(name, change)
            };
            // An update is news each time; to be back where it was is none.
            if change == Change::Update || before != Some(change) {
                by_change.entry(change).or_default().push(member);
            }
        }
        by_change.into_iter().map(|(change, members)| Event::Members { change, members }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use std::sync::Arc;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn about(name: &str, change: Change) -> Event {
        let member = Member {
            name: name.into(),
            address: ([10, 0, 0, 1], 7946).into(),
            tags: Arc::default(),
            status: Status::Alive,
            versions: [0; 6],
        };
        Event::about(change, member)
    }

    fn user(name: &str, ltime: u64, payload: &'static str) -> Event {
        let (name, payload) = (name.to_owned(), payload.into());
        Event::User(UserEvent { ltime, name, payload, coalesce: true })
    }

    fn coalescer() -> Coalescer {
        Coalescer::new(Some(Coalescing::USUAL), Some(Coalescing::USUAL))
    }

    #[test]
    fn half_a_ring_that_fails_at_once_is_one_event() {
        let mut held = coalescer();
        for (millis, name) in [(0, "a"), (300, "b"), (600, "c")] {
            assert_eq!(held.take(at(millis), about(name, Change::Failed)), None);
        }
        assert_eq!(held.next(), Some(at(1600)), "a second after the last");
        assert!(held.release(at(1599)).is_empty());
        let [Event::Members { change: Change::Failed, members }] = &held.release(at(1600))[..]
        else {
            panic!("one event")
        };
        assert_eq!(members.len(), 3);
        assert_eq!(held.next(), None);
    }

    #[test]
    fn a_storm_without_a_pause_is_told_after_the_longest_time() {
        let mut held = coalescer();
        for millis in (0..5000).step_by(500) {
            held.take(at(millis), about("a", Change::Update));
        }
        assert_eq!(held.next(), Some(at(3000)));
    }

    #[test]
    fn who_fails_and_is_back_at_once_is_no_news() {
        let mut held = coalescer();
        held.take(at(0), about("a", Change::Join));
        assert_eq!(held.release(at(1000)).len(), 1);
        held.take(at(2000), about("a", Change::Failed));
        held.take(at(2100), about("a", Change::Join));
        assert!(held.release(at(4000)).is_empty());
    }

    #[test]
    fn of_user_events_of_one_name_the_last_is_told() {
        let mut held = coalescer();
        held.take(at(0), user("deploy", 5, "new"));
        held.take(at(1), user("deploy", 4, "old"));
        held.take(at(2), user("deploy", 5, "as new"));
        held.take(at(3), user("other", 1, "x"));
        let told = held.release(at(2000));
        assert_eq!(
            told,
            [user("deploy", 5, "new"), user("deploy", 5, "as new"), user("other", 1, "x")]
        );
        let Event::User(alone) = user("deploy", 6, "each") else { unreachable!() };
        let each = Event::User(UserEvent { coalesce: false, ..alone });
        assert_eq!(held.take(at(3000), each.clone()), Some(each), "each one counts");
    }
}
