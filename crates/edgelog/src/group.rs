//! Group commit: of those who want something durable at once, one syncs for all.

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread;
use crate::sync::{Mutex, MutexGuard, PoisonError};
use crate::wake::Wake;
use std::task::{Poll, Waker};

/// Who leads, who waits, and how far it got.
#[derive(Debug, Default)]
pub(crate) struct Group {
    state: Mutex<State>,
    /// All syncs up to this one have ended well. Changed under the lock; read without it by those who were woken, who would queue for it.
    done: AtomicU64,
    /// The offset below which they made everything durable.
    durable: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    is_led: bool,
    /// Whether others shared the last sync.
    is_shared: bool,
    begun: u64,
    waiting: Vec<Waiting>,
    places: u64,
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    below: u64,
    /// A thread leads the next sync if it has to; for a task somebody else does.
    wake: Wake,
}

/// Where somebody waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    number: u64,
    /// The first sync that is sure to cover what was there when he came.
    sync: u64,
}

impl Group {
    /// Where everything below `durable` is durable.
    pub(crate) fn new(durable: u64) -> Self {
        Self { durable: AtomicU64::new(durable), ..Self::default() }
    }

    /// Returns when everything below `below` is durable, or what was there at this call: because of another thread's sync, or `lead`'s,
    /// which calls [`begin`](Self::begin) under the lock behind which it sees what it makes durable, and gives the durable offset.
    /// Everybody whose leader failed tries for himself.
    pub(crate) fn sync<E>(
        &self,
        below: u64,
        lead: impl FnOnce() -> Result<u64, E>,
    ) -> Result<u64, E> {
        let mut state = self.state();
        let sync = state.begun + 1;
        loop {
            if self.has_reached(below, sync) {
                return Ok(self.durable());
            }
            if !state.is_led {
                break;
            }
            let place = state.enter(below, sync, Wake::Thread(thread::current()));
            drop(state);
            thread::park();
            // Whoever reached it has taken this place out.
            if self.has_reached(below, sync) {
                return Ok(self.durable());
            }
            state = self.state();
            state.leave(place);
        }
        state.is_led = true;
        let is_shared = state.is_shared;
        drop(state);
        let mut led = Led { group: self, durable: None };
        if is_shared {
            // Those who shared the last sync were just woken: they get to append first, and share this one too. Who is alone does not wait.
            thread::yield_now();
        }
        let durable = lead()?;
        led.durable = Some(durable);
        Ok(durable)
    }

    /// As [`sync`](Self::sync), without leading and without waiting: `waker` is woken when it is to be asked again, in its `place`.
    pub(crate) fn poll(&self, below: u64, place: &mut Option<Place>, waker: &Waker) -> Poll<u64> {
        let before = place.take();
        // Declared first, so dropped behind the lock: the last waker of a task may drop the task, which may wait here as well.
        let _left;
        let mut state = self.state();
        let sync = before.map_or(state.begun + 1, |place| place.sync);
        _left = before.and_then(|place| state.leave(place));
        if self.has_reached(below, sync) {
            return Poll::Ready(self.durable());
        }
        *place = Some(state.enter(below, sync, Wake::Task(waker.clone())));
        Poll::Pending
    }

    /// Nobody waits there any more.
    pub(crate) fn leave(&self, place: Place) {
        // Dropped behind the lock: a waker may do anything then.
        let _left = self.state().leave(place);
    }

    /// Everything below is known here to be durable.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Whoever comes from now on needs the next sync.
    pub(crate) fn begin(&self) {
        self.state().begun += 1;
    }

    /// How many syncs there were.
    #[cfg(test)]
    pub(crate) fn begun(&self) -> u64 {
        self.state().begun
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn has_reached(&self, below: u64, sync: u64) -> bool {
        self.durable() >= below || self.done.load(Ordering::Acquire) >= sync
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, below: u64, sync: u64, wake: Wake) -> Place {
        self.places += 1;
        let place = Place { number: self.places, sync };
        self.waiting.push(Waiting { place, below, wake });
        place
    }

    fn leave(&mut self, place: Place) -> Option<Waiting> {
        let at = self.waiting.iter().position(|it| it.place.number == place.number)?;
        Some(self.waiting.remove(at))
    }
}

/// Makes room for the next leader, whatever became of this one.
struct Led<'g> {
    group: &'g Group,
    /// What it made durable, if it did.
    durable: Option<u64>,
}

impl Drop for Led<'_> {
    fn drop(&mut self) {
        let group = self.group;
        let mut state = group.state();
        state.is_led = false;
        if let Some(durable) = self.durable {
            group.durable.fetch_max(durable, Ordering::Release);
            // Only now: who sees that this sync is done gives what is durable without the lock.
            group.done.store(state.begun, Ordering::Release);
        }
        let has_failed = self.durable.is_none();
        let (mut is_shared, mut has_next) = (false, false);
        let is_woken = |it: &mut Waiting| {
            if has_failed || group.has_reached(it.below, it.place.sync) {
                is_shared = true;
                return true;
            }
            // Of the others one is enough to lead the next.
            let is_next = !has_next && matches!(it.wake, Wake::Thread(_));
            has_next |= is_next;
            is_next
        };
        let woken: Vec<_> = state.waiting.extract_if(.., is_woken).collect();
        state.is_shared = is_shared;
        drop(state);
        // Without the lock, which they take next.
        for Waiting { wake, .. } in woken {
            wake.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_sync_covers_what_was_done_before_it_was_asked_for_and_many_share_one() {
        let (group, done, syncs) = (Group::default(), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..8 {
                let (group, done, syncs) = (&group, &done, &syncs);
                scope.spawn(move || {
                    for _ in 0..500 {
                        let mine = done.fetch_add(1, Ordering::SeqCst) + 1;
                        // Half of them know what they want, the others want whatever there is.
                        let below = if thread % 2 == 0 { mine } else { u64::MAX };
                        let durable = group.sync(below, || {
                            group.begin();
                            let seen = done.load(Ordering::SeqCst);
                            syncs.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
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
        let failed = group.sync(1, || {
            group.begin();
            Err("no disk")
        });
        assert_eq!(failed, Err("no disk"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            group.sync::<()>(1, || panic!("a fault of the program"))
        }));
        assert!(panicked.is_err());
        assert_eq!(group.sync(1, || Ok::<_, ()>(7)), Ok(7));
    }

    #[test]
    fn what_is_durable_already_needs_no_sync() {
        let group = Group::new(5);
        assert_eq!(group.sync(5, || Err("nobody was to sync")), Ok(5));
        assert_eq!(group.sync(6, || Err("not there yet")), Err("not there yet"));
    }

    #[test]
    fn a_task_is_woken_when_what_it_waits_for_is_durable_and_when_a_leader_failed_and_not_before() {
        let group = Group::default();
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let is_woken = || flag.0.swap(false, Ordering::SeqCst);
        let mut place = None;
        group.begin();
        assert_eq!(group.poll(3, &mut place, &waker), Poll::Pending);
        // This one began before the task came, and does not cover it.
        group.sync(u64::MAX, || Ok::<_, ()>(2)).unwrap();
        assert!(!is_woken());
        assert_eq!(group.poll(3, &mut place, &waker), Poll::Pending);
        group.sync(u64::MAX, || Err(())).unwrap_err();
        assert!(is_woken());
        assert_eq!(group.poll(3, &mut place, &waker), Poll::Pending);
        let led = group.sync(u64::MAX, || {
            group.begin();
            Ok::<_, ()>(3)
        });
        assert_eq!((led, is_woken()), (Ok(3), true));
        assert_eq!(group.poll(3, &mut place, &waker), Poll::Ready(3));
        assert!(place.is_none() && group.state().waiting.is_empty());
    }

    #[test]
    fn who_leaves_is_not_woken_and_leaves_nothing_behind() {
        let group = Group::default();
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let mut place = None;
        assert!(group.poll(1, &mut place, &Waker::from(Arc::clone(&flag))).is_pending());
        group.leave(place.unwrap());
        assert!(group.state().waiting.is_empty());
        group.sync(1, || Ok::<_, ()>(1)).unwrap();
        assert!(!flag.0.load(Ordering::SeqCst));
    }
}
