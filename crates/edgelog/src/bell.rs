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
