//! Where writers wait while what they wrote is looked at.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct State {
    closed: bool,
    over: bool,
    inside: usize,
}

/// Open at first.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is open. False when it is over.
    pub(crate) fn enter(&self) -> bool {
        let waits = |state: &mut State| state.closed && !state.over;
        let waited = self.changed.wait_while(self.state(), waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.inside += usize::from(!state.over);
        !state.over
    }

    /// Who entered has done.
    pub(crate) fn rest(&self) {
        self.state().inside -= 1;
        self.changed.notify_all();
    }

    /// Lets nobody in, and waits until nobody is inside. False when one still is.
    pub(crate) fn close(&self, within: Duration) -> bool {
        self.state().closed = true;
        let waited =
            self.changed.wait_timeout_while(self.state(), within, |state| state.inside > 0);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lets them in again.
    pub(crate) fn open(&self) {
        self.state().closed = false;
        self.changed.notify_all();
    }

    /// It is over for everybody.
    pub(crate) fn end(&self) {
        self.state().over = true;
        self.changed.notify_all();
    }

    /// Waits so long, or until it is over.
    pub(crate) fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.state();
        while !state.over {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use std::time::Duration;

    #[test]
    fn a_closed_gate_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::default();
        assert!(gate.enter());
        assert!(!gate.close(Duration::ZERO), "somebody is inside");
        gate.rest();
        assert!(gate.close(Duration::ZERO));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| gate.enter());
            gate.open();
            assert!(waits.join().unwrap());
        });
        gate.rest();
        gate.end();
        assert!(!gate.enter());
    }
}
