//! Of those who want something durable at once, one syncs for all.

use super::{Time, check, waker};
use crate::group::Group;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::{self, current, park};
use crate::sync::{Arc, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

super::models!(
    what_was_appended_before_a_sync_is_covered_when_it_returns,
    three_who_sync_at_once_are_covered_and_none_sleeps_for_ever,
    who_was_woken_for_something_else_is_covered_as_well,
    a_leader_that_fails_leaves_the_others_to_try,
    a_leader_that_panics_leaves_the_others_to_try,
    a_task_is_woken_when_a_sync_covers_it,
    a_task_that_is_dropped_takes_nobody_elses_wake_along,
    a_task_whose_leader_failed_is_woken,
);

/// What is appended behind a lock, and made durable by who leads.
#[derive(Default)]
struct Log {
    engine: Mutex<u64>,
    group: Group,
    leaders: AtomicU64,
}

impl Log {
    fn append(&self) -> u64 {
        let mut engine = self.engine.lock().unwrap();
        *engine += 1;
        *engine
    }

    fn lead<E>(&self) -> Result<u64, E> {
        let engine = self.engine.lock().unwrap();
        self.group.begin();
        let offset = *engine;
        // Others append meanwhile.
        drop(engine);
        Ok(offset)
    }

    /// Appends and syncs; `is_known`: up to where is told.
    fn append_and_sync(&self, is_known: bool) {
        let below = self.append();
        let durable =
            self.group.sync::<()>(if is_known { below } else { u64::MAX }, || self.lead());
        assert!(durable >= Ok(below), "{durable:?} does not cover {below}");
    }

    /// Whether this is the first who leads.
    fn is_first_leader(&self) -> bool {
        self.leaders.fetch_add(1, Ordering::AcqRel) == 0
    }
}

fn at_once<const N: usize>(log: &Arc<Log>, threads: [fn(&Log); N]) {
    let threads = threads.map(|run| {
        let log = Arc::clone(log);
        thread::spawn(move || run(&log))
    });
    threads.into_iter().for_each(|it| it.join().unwrap());
}

fn what_was_appended_before_a_sync_is_covered_when_it_returns() -> u64 {
    check(Time::Stands, None, || {
        let log = Arc::new(Log::default());
        at_once(&log, [|log| log.append_and_sync(true), |log| log.append_and_sync(false)]);
    })
}

fn three_who_sync_at_once_are_covered_and_none_sleeps_for_ever() -> u64 {
    check(Time::Stands, Some(2), || {
        let log = Arc::new(Log::default());
        let run = |log: &Log| log.append_and_sync(false);
        at_once(&log, [|log| log.append_and_sync(true), run, run]);
    })
}

fn who_was_woken_for_something_else_is_covered_as_well() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        let woken = |log: &Log| {
            // As by whoever waited for something else here before.
            current().unpark();
            log.append_and_sync(false);
        };
        at_once(&log, [woken, woken]);
    })
}

fn a_leader_that_fails_leaves_the_others_to_try() -> u64 {
    fn run(log: &Log) {
        let below = log.append();
        let led = log
            .group
            .sync(below, || if log.is_first_leader() { Err("no disk") } else { log.lead() });
        // Told to who led, and to nobody else.
        assert!(led.is_err() || led >= Ok(below), "{led:?} does not cover {below}");
    }
    check(Time::Stands, Some(2), || {
        let log = Arc::new(Log::default());
        at_once(&log, [run, run, run]);
    })
}

fn a_leader_that_panics_leaves_the_others_to_try() -> u64 {
    fn run(log: &Log) {
        let below = log.append();
        let led = catch_unwind(AssertUnwindSafe(|| {
            log.group.sync::<()>(below, || {
                if log.is_first_leader() {
                    // Without the words about it.
                    std::panic::resume_unwind(Box::new(()));
                }
                log.lead()
            })
        }));
        assert!(led.is_err() || led.is_ok_and(|led| led >= Ok(below)));
    }
    check(Time::Stands, None, || {
        let log = Arc::new(Log::default());
        at_once(&log, [run, run]);
    })
}

/// Waits as a task for what it appends, and has somebody sync who is sure to begin after that.
fn run_task(log: &Arc<Log>, lead: fn(&Log)) {
    let below = log.append();
    let (waker, mut place) = (waker(), None);
    let mut durable = log.group.poll(below, &mut place, &waker);
    let leader = durable.is_pending().then(|| {
        let log = Arc::clone(log);
        thread::spawn(move || lead(&log))
    });
    while durable.is_pending() {
        park();
        durable = log.group.poll(below, &mut place, &waker);
    }
    assert!(durable >= Poll::Ready(below) && place.is_none(), "{durable:?}");
    leader.into_iter().for_each(|it| it.join().unwrap());
}

fn sync_all(log: &Log) {
    log.group.sync::<()>(u64::MAX, || log.lead()).unwrap();
}

fn a_task_is_woken_when_a_sync_covers_it() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        let other = Arc::clone(&log);
        // Some sync that may have begun before the task came.
        let syncing = thread::spawn(move || sync_all(&other));
        run_task(&log, sync_all);
        syncing.join().unwrap();
    })
}

fn a_task_that_is_dropped_takes_nobody_elses_wake_along() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        let other = Arc::clone(&log);
        let dropped = thread::spawn(move || {
            let (waker, mut place) = (waker(), None);
            let below = other.append();
            if other.group.poll(below, &mut place, &waker).is_ready() {
                assert!(place.is_none());
            }
            place.into_iter().for_each(|place| other.group.leave(place));
        });
        run_task(&log, sync_all);
        dropped.join().unwrap();
    })
}

fn a_task_whose_leader_failed_is_woken() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        let below = log.append();
        let (waker, mut place) = (waker(), None);
        assert!(log.group.poll(below, &mut place, &waker).is_pending());
        let other = Arc::clone(&log);
        let failing = thread::spawn(move || other.group.sync(below, || Err(())).unwrap_err());
        // Without that it sleeps for ever.
        park();
        assert!(log.group.poll(below, &mut place, &waker).is_pending());
        place.into_iter().for_each(|place| log.group.leave(place));
        failing.join().unwrap();
    })
}
