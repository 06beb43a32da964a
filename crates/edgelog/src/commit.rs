//! Group commit: of those who sync at once, one does it for all.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who leads, and how many syncs have begun and ended.
#[derive(Debug, Default)]
pub(crate) struct Group {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_led: bool,
    begun: u64,
    /// All syncs up to this one have ended well.
    done: u64,
    durable: u64,
}

impl Group {
    /// Gives what a sync gives that begins after this call: of another thread, or `lead`'s, which calls [`begin`](Self::begin) under
    /// the lock behind which it sees what it makes durable. Everybody whose leader failed tries for himself.
    pub(crate) fn sync<E>(&self, lead: impl FnOnce() -> Result<u64, E>) -> Result<u64, E> {
        let mut state = self.state();
        let needed = state.begun + 1;
        while state.is_led && state.done < needed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.done >= needed {
            return Ok(state.durable);
        }
        state.is_led = true;
        drop(state);
        let _led = Led(self);
        let durable = lead()?;
        let mut state = self.state();
        state.done = state.begun;
        state.durable = state.durable.max(durable);
        Ok(durable)
    }

    /// Whoever syncs from now on needs the next one.
    pub(crate) fn begin(&self) {
        self.state().begun += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for the next leader, whatever became of this one.
struct Led<'g>(&'g Group);

impl Drop for Led<'_> {
    fn drop(&mut self) {
        self.0.state().is_led = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn a_sync_covers_what_was_done_before_it_was_asked_for_and_many_share_one() {
        let (group, done, syncs) = (Group::default(), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let mine = done.fetch_add(1, Ordering::SeqCst) + 1;
                        let durable = group.sync(|| {
                            group.begin();
                            let seen = done.load(Ordering::SeqCst);
                            syncs.fetch_add(1, Ordering::SeqCst);
                            std::thread::yield_now();
                            Ok::<_, ()>(seen)
                        });
                        assert!(durable >= Ok(mine), "{durable:?} does not cover {mine}");
                    }
                });
            }
        });
        let syncs = syncs.into_inner();
        assert!(syncs <= 8 * 500, "{syncs}");
    }

    #[test]
    fn a_leader_that_fails_or_panics_leaves_the_next_to_try() {
        let group = Group::default();
        let failed = group.sync(|| {
            group.begin();
            Err("no disk")
        });
        assert_eq!(failed, Err("no disk"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            group.sync::<()>(|| panic!("a fault of the program"))
        }));
        assert!(panicked.is_err());
        assert_eq!(group.sync(|| Ok::<_, ()>(7)), Ok(7));
    }
}
