//! Looks at parts: which are under way, which are rested from, and which tell of a time
//! before something was done. No part is looked at twice at once, and what was seen while
//! a step changed it is nothing to plan on.

use ashlar_cluster::{Part, Phase, Step};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How many times as long as it took a look is rested from: gluster's command line is
/// heavy, and a weak box that forms a cluster has better things to do than to be asked
/// how far it is. What was done is looked at without a rest.
const REST: u32 = 2;

/// A look that ran into its time-out is not rested from for minutes.
pub(crate) const LONGEST_REST: Duration = Duration::from_secs(10);

/// One that is under way.
#[derive(Debug)]
struct UnderWay {
    begun: Instant,
    ends: watch::Receiver<()>,
}

/// What is known of the looks at one part.
#[derive(Debug, Default)]
struct Known {
    under_way: Option<UnderWay>,
    /// When the last one began that has ended, and when that was.
    ended: Option<(Instant, Instant)>,
    rests_until: Option<Instant>,
    /// When it was last changed.
    changed: Option<Instant>,
    /// There was news during the look that is under way.
    again: bool,
}

/// The looks at every part.
#[derive(Debug, Default)]
pub(crate) struct Looks(RefCell<BTreeMap<Part, Known>>);

/// The parts that a step changes.
pub(crate) const fn changes(step: &Step) -> &'static [Part] {
    match step.phase() {
        Phase::Storage => &[Part::Storage, Part::Bricks, Part::Mount, Part::Clients],
        Phase::Swarm => &[Part::Engine],
        _ => &[Part::Ring],
    }
}

impl Looks {
    fn of<T>(&self, part: Part, with: impl FnOnce(&mut Known) -> T) -> T {
        with(self.0.borrow_mut().entry(part).or_default())
    }

    /// Takes note that these parts are not what they were: they are looked at without a
    /// rest, and a look that began before tells of what was.
    pub(crate) fn changed(&self, parts: &[Part]) {
        for part in parts {
            self.of(*part, |known| {
                known.changed = Some(Instant::now());
                known.rests_until = None;
            });
        }
    }

    /// Whether the part was changed since the last look at it began.
    pub(crate) fn is_outdated(&self, part: Part) -> bool {
        self.of(part, |known| {
            let begun = known.ended.map(|(begun, _)| begun);
            known.changed.is_some_and(|at| begun.is_none_or(|begun| begun < at))
        })
    }

    /// Whether a look at the part ended within this time.
    pub(crate) fn is_young(&self, part: Part, age: Duration) -> bool {
        self.of(part, |known| known.ended.is_some_and(|(_, at)| at.elapsed() < age))
    }

    /// Whether the part may be looked at now.
    pub(crate) fn is_due(&self, part: Part) -> bool {
        self.of(part, |known| {
            let rests = known.rests_until.is_some_and(|end| end > Instant::now());
            known.under_way.is_none() && !rests
        })
    }

    /// No look at the part for so long, unless it changes.
    pub(crate) fn rest(&self, part: Part, long: Duration) {
        self.of(part, |known| known.rests_until = Some(Instant::now() + long));
    }

    /// Something tells that there is news of the part: it is looked at without a rest.
    pub(crate) fn hear(&self, part: Part) {
        self.of(part, |known| {
            known.again = known.under_way.is_some();
            known.rests_until = None;
        });
    }

    /// Does a look at the part. If one is under way that began after the last change, its
    /// end is waited for instead. Whether it is to be looked at again at once.
    pub(crate) async fn look(&self, part: Part, look: impl Future<Output = ()>) -> bool {
        loop {
            let other = self.of(part, |known| {
                let other = known.under_way.as_ref()?;
                let tells = known.changed.is_none_or(|at| other.begun >= at);
                Some((other.begun, other.ends.clone(), tells))
            });
            let Some((begun, mut ends, tells)) = other else { break };
            // Nobody is told anything: its end is that the sender is gone.
            while ends.changed().await.is_ok() {}
            let came_to_its_end =
                self.of(part, |known| known.ended.is_some_and(|(which, _)| which == begun));
            if tells && came_to_its_end {
                return false;
            }
        }
        let begun = Instant::now();
        let (sender, ends) = watch::channel(());
        self.of(part, |known| known.under_way = Some(UnderWay { begun, ends }));
        let _end = End { looks: self, part, _sender: sender };
        look.await;
        self.of(part, |known| {
            let now = Instant::now();
            known.ended = Some((begun, now));
            let again = std::mem::take(&mut known.again);
            let again = again || known.changed.is_some_and(|at| at > begun);
            let rest = ((now - begun) * REST).min(LONGEST_REST);
            known.rests_until = (!again).then(|| now + rest);
            again
        })
    }
}

/// The end of a look, also of one that is given up.
struct End<'a> {
    looks: &'a Looks,
    part: Part,
    _sender: watch::Sender<()>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.looks.of(self.part, |known| known.under_way = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use tokio::sync::oneshot;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    const PART: Part = Part::Storage;

    #[tokio::test]
    async fn a_look_under_way_is_waited_for_and_not_done_twice() {
        let looks = Rc::new(Looks::default());
        let (end, ends) = oneshot::channel::<()>();
        let story = async {
            let first = looks.clone();
            spawn_local(async move { first.look(PART, async { drop(ends.await) }).await });
            yield_now().await;
            assert!(!looks.is_due(PART));
            let second = looks.clone();
            let second = spawn_local(async move {
                second.look(PART, async { panic!("a second question") }).await
            });
            yield_now().await;
            drop(end);
            assert!(!second.await.unwrap());
        };
        LocalSet::new().run_until(story).await;
    }

    #[tokio::test]
    async fn a_look_that_began_before_a_change_tells_nothing_and_is_not_rested_from() {
        let looks = Rc::new(Looks::default());
        let (end, ends) = oneshot::channel::<()>();
        let story = async {
            let first = looks.clone();
            let first =
                spawn_local(async move { first.look(PART, async { drop(ends.await) }).await });
            yield_now().await;
            looks.changed(&[PART]);
            let second = looks.clone();
            let second = spawn_local(async move { second.look(PART, async {}).await });
            drop(end);
            assert!(first.await.unwrap(), "it knows that something changed");
            assert!(!second.await.unwrap(), "nothing changed since");
        };
        LocalSet::new().run_until(story).await;
        assert!(!looks.is_outdated(PART), "the second one began after the change");
    }

    #[tokio::test]
    async fn a_look_that_is_given_up_keeps_nobody_from_the_next_one() {
        let looks = Looks::default();
        let given_up = looks.look(PART, std::future::pending());
        tokio::select! {
            biased;
            _ = given_up => {}
            () = yield_now() => {}
        }
        assert!(looks.is_due(PART) && !looks.is_young(PART, LONGEST_REST));
        assert!(!looks.look(PART, async {}).await);
        assert!(looks.is_young(PART, LONGEST_REST));
    }

    #[tokio::test]
    async fn news_during_a_look_lets_it_be_done_again_and_holds_up_no_step() {
        let looks = Looks::default();
        assert!(looks.look(PART, async { looks.hear(PART) }).await);
        assert!(looks.is_due(PART) && !looks.is_outdated(PART));
    }

    #[tokio::test]
    async fn a_long_look_is_rested_from_until_something_changes() {
        let looks = Looks::default();
        looks.rest(PART, LONGEST_REST);
        assert!(!looks.is_due(PART));
        looks.changed(&[Part::Ring]);
        assert!(!looks.is_due(PART), "that was another part");
        looks.changed(changes(&Step::StartVolume));
        assert!(looks.is_due(PART) && looks.is_outdated(PART));
    }
}
