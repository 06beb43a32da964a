//! Waiting for what others do, in a thread or in a task, at nearly no cost for those whom nobody awaits.

use event_listener::{Event, EventListener, Listener};
use std::time::{Duration, Instant};

/// Rung after something has changed, and heard by all who wait for that.
#[derive(Debug, Default)]
pub(crate) struct Bell(Event);

impl Bell {
    /// Wakes all who wait. Costs a fence when nobody does.
    pub(crate) fn ring(&self) {
        self.0.notify(usize::MAX);
    }

    /// Waits until `ready` says so, or the time is over; gives what it said last.
    pub(crate) fn wait(&self, timeout: Duration, ready: impl Fn() -> bool) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        while let Some(listener) = self.listen(&ready) {
            let Some(deadline) = deadline else {
                // Longer than the clock runs.
                listener.wait();
                continue;
            };
            if listener.wait_deadline(deadline).is_none() {
                return ready();
            }
        }
        true
    }

    /// To hear the next ring; nothing when all is `ready`.
    pub(crate) fn listen(&self, ready: impl Fn() -> bool) -> Option<EventListener> {
        if ready() {
            return None;
        }
        let listener = self.0.listen();
        // Once more: what changed before the listening may have been rung already.
        (!ready()).then_some(listener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn who_waits_looks_when_he_comes_and_when_he_goes_and_meanwhile_only_when_it_rings() {
        let (bell, looks) = (Bell::default(), Cell::new(0));
        let look = || {
            looks.set(looks.get() + 1);
            false
        };
        assert!(!bell.wait(Duration::from_millis(20), look));
        assert_eq!(looks.get(), 3);
    }

    #[test]
    fn what_changes_between_the_look_and_the_wait_is_heard() {
        let (bell, looks) = (Bell::default(), Cell::new(0));
        // The change and its ring come after the first look, and before the listening.
        let ready = || {
            let is_first = looks.replace(looks.get() + 1) == 0;
            if is_first {
                bell.ring();
            }
            !is_first
        };
        assert!(bell.wait(Duration::MAX, ready));
    }
}
