//! systemd's targets, `ashlar-PHASE.target`: started and stopped as the phases
//! hold and do not. What hangs on a target may take its time, so they follow
//! the loop at their own pace.

use crate::host::Host;
use ashlar_cluster::{Phase, PhaseState};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// Which phases hold.
pub(crate) type Holding = BTreeMap<Phase, bool>;

/// The pause before a target that could not be changed is tried again.
pub(crate) const AGAIN: Duration = Duration::from_secs(5);

/// The phases without their words.
pub(crate) fn holding(now: &[PhaseState]) -> Holding {
    now.iter().map(|state| (state.phase, state.holds)).collect()
}

/// Lets the targets follow, for as long as somebody tells. A target that fails
/// holds up no other, and is tried again after a pause.
pub(crate) async fn follow(
    host: &impl Host,
    mut wanted: watch::Receiver<Holding>,
    again: Duration,
) {
    let mut told = Holding::new();
    loop {
        let now = wanted.borrow_and_update().clone();
        let mut failed = false;
        for (phase, holds) in now {
            if told.get(&phase) == Some(&holds) {
                continue;
            }
            let target = format!("ashlar-{phase}.target");
            let changed = if holds { host.start(&target).await } else { host.stop(&target).await };
            match changed {
                Ok(()) => drop(told.insert(phase, holds)),
                Err(error) => {
                    tracing::warn!("cannot show a phase to systemd: {error:#}");
                    failed = true;
                }
            }
        }
        let changed = wanted.changed();
        let end =
            if failed { timeout(again, changed).await.unwrap_or(Ok(())) } else { changed.await };
        if end.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::Fake;

    #[tokio::test]
    async fn a_target_that_fails_holds_up_no_other_and_is_tried_again() {
        let fake = Fake::default();
        fake.world().masked.insert("ashlar-ring.target".into());
        let (tell, follows) = watch::channel(Holding::new());
        let task = async { follow(&fake, follows, Duration::from_millis(5)).await };
        let story = async {
            tell.send_replace(Phase::ALL.into_iter().map(|phase| (phase, true)).collect());
            let started = || fake.world().calls.clone();
            while !started().contains(&"start ashlar-ready.target".into()) {
                tokio::task::yield_now().await;
            }
            assert!(!started().contains(&"start ashlar-ring.target".into()));
            fake.world().masked.clear();
            while !started().contains(&"start ashlar-ring.target".into()) {
                tokio::task::yield_now().await;
            }
            drop(tell);
        };
        tokio::join!(task, story);
    }
}
