//! Waiting for what others do, in a thread or in a task, at nearly no cost for those whom nobody awaits.

use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::thread;
use crate::sync::{Instant, Mutex, MutexGuard, PoisonError};
use crate::wake::Wake;
use std::mem;
use std::task::{Context, Poll};
use std::time::Duration;

/// Rung after something has changed, and heard by all who wait for that.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// How many there are below: who rings for nobody needs no lock. It is only ever changed, never merely read or written: of one who
    /// waits and one who rings, the later then sees what the earlier did before.
    count: AtomicUsize,
    listeners: Mutex<Listeners>,
}

#[derive(Debug, Default)]
struct Listeners {
    places: u64,
    waiting: Vec<(Place, Wake)>,
}

/// Where somebody waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl Bell {
    /// Wakes all who wait. Costs one atomic operation when nobody does.
    pub(crate) fn ring(&self) {
        if self.count.fetch_add(0, Ordering::AcqRel) == 0 {
            return;
        }
        let woken = {
            let mut listeners = self.listeners();
            self.count.swap(0, Ordering::AcqRel);
            mem::take(&mut listeners.waiting)
        };
        // Without the lock, which they may take next.
        for (_, wake) in woken {
            wake.wake();
        }
    }

    /// Waits until `ready` says so, or the time is over; gives what it said last.
    pub(crate) fn wait(&self, timeout: Duration, ready: impl Fn() -> bool) -> bool {
        if ready() {
            return true;
        }
        let deadline = Instant::now().checked_add(timeout);
        let left = || deadline.map(|until| until.saturating_duration_since(Instant::now()));
        loop {
            let place = self.enter(Wake::Thread(thread::current()));
            // Once more: what changed before the entry may have been rung for already.
            if !ready() {
                match left() {
                    Some(left) => thread::park_timeout(left),
                    // Longer than the clock runs.
                    None => thread::park(),
                }
            }
            self.leave(place);
            let is_ready = ready();
            if is_ready || left() == Some(Duration::ZERO) {
                return is_ready;
            }
        }
    }

    /// Ready when `ready` says so; otherwise the task is woken when it is to ask again, with the same `place`.
    pub(crate) fn poll(
        &self,
        place: &mut Option<Place>,
        context: &Context<'_>,
        ready: impl Fn() -> bool,
    ) -> Poll<()> {
        if let Some(place) = place.take() {
            self.leave(place);
        }
        if ready() {
            return Poll::Ready(());
        }
        let entered = self.enter(Wake::Task(context.waker().clone()));
        // As above.
        if ready() {
            self.leave(entered);
            return Poll::Ready(());
        }
        *place = Some(entered);
        Poll::Pending
    }

    /// Nobody waits there any more.
    pub(crate) fn leave(&self, place: Place) {
        let mut listeners = self.listeners();
        let at = listeners.waiting.iter().position(|(it, _)| *it == place);
        let left = at.map(|at| listeners.waiting.swap_remove(at));
        if left.is_some() {
            self.count.fetch_sub(1, Ordering::AcqRel);
        }
        drop(listeners);
        // Only now: a waker may do anything when it is dropped.
        drop(left);
    }

    fn enter(&self, wake: Wake) -> Place {
        let mut listeners = self.listeners();
        listeners.places += 1;
        let number = listeners.places;
        listeners.waiting.push((Place(number), wake));
        self.count.fetch_add(1, Ordering::AcqRel);
        Place(number)
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        // Nothing panics between two halves of a change.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::task::Waker;

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
        looks.set(0);
        let (mut place, context) = (None, Context::from_waker(Waker::noop()));
        assert_eq!(bell.poll(&mut place, &context, ready), Poll::Ready(()));
        assert_eq!((place, bell.listeners().waiting.len()), (None, 0));
    }
}
