//! Waiting for what the engine's lock guards, at no cost for those who wake nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

/// A condition variable that is only notified when somebody waits: a wake of nobody costs a system call, and appends are many.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    condition: Condvar,
    awaited: AtomicBool,
}

impl Signal {
    /// Wakes all who wait. To be called after the change that they wait for, behind the lock that they wait with.
    pub(crate) fn raise(&self) {
        if self.awaited.load(Ordering::SeqCst) && self.awaited.swap(false, Ordering::SeqCst) {
            self.condition.notify_all();
        }
    }

    /// Waits until `ready` says so, or the time is over.
    pub(crate) fn wait<'g, T>(
        &self,
        guard: MutexGuard<'g, T>,
        timeout: Duration,
        ready: impl Fn(&T) -> bool,
    ) -> MutexGuard<'g, T> {
        let not_ready = |guarded: &mut T| {
            // Before the look, under the lock: who changes something after it sees this.
            self.awaited.store(true, Ordering::SeqCst);
            !ready(guarded)
        };
        let waited = self.condition.wait_timeout_while(guard, timeout, not_ready);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
