//! Waiting for what others do.

use super::{Time, check, waker};
use crate::bell::Bell;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::{self, park};
use std::task::{Context, Poll};
use std::time::Duration;

super::models!(
    what_changed_before_a_ring_is_heard_by_a_thread,
    what_changed_before_a_ring_is_heard_by_two_threads,
    what_changed_before_a_ring_is_heard_by_a_task,
    who_goes_takes_nobody_elses_wake_along,
    two_who_ring_wake_one_who_waits_for_both,
    a_time_that_is_over_ends_the_wait_and_says_what_holds,
);

/// As a record's offset: stored with release, and read with acquire.
#[derive(Default)]
struct Shared {
    bell: Bell,
    value: AtomicU64,
}

impl Shared {
    fn is(&self, value: u64) -> bool {
        self.value.load(Ordering::Acquire) >= value
    }

    fn change(&self) {
        self.value.store(1, Ordering::Release);
        self.bell.ring();
    }

    /// As a task does that is polled again when it is woken.
    fn run_task(&self) {
        let (waker, mut place) = (waker(), None);
        let context = Context::from_waker(&waker);
        while self.bell.poll(&mut place, &context, || self.is(1)).is_pending() {
            park();
        }
        assert!(place.is_none());
    }
}

fn what_changed_before_a_ring_is_heard_by_a_thread() -> u64 {
    check(Time::Stands, None, || {
        let shared = Arc::new(Shared::default());
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || other.change());
        assert!(shared.bell.wait(Duration::from_secs(1), || shared.is(1)));
        thread.join().unwrap();
    })
}

fn what_changed_before_a_ring_is_heard_by_two_threads() -> u64 {
    check(Time::Stands, Some(3), || {
        let shared = Arc::new(Shared::default());
        let waiting = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || assert!(shared.bell.wait(Duration::MAX, || shared.is(1))))
        });
        shared.change();
        waiting.into_iter().for_each(|it| it.join().unwrap());
    })
}

fn what_changed_before_a_ring_is_heard_by_a_task() -> u64 {
    check(Time::Stands, None, || {
        let shared = Arc::new(Shared::default());
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || other.change());
        shared.run_task();
        thread.join().unwrap();
    })
}

fn who_goes_takes_nobody_elses_wake_along() -> u64 {
    check(Time::Stands, Some(3), || {
        let shared = Arc::new(Shared::default());
        let (staying, going) = (Arc::clone(&shared), Arc::clone(&shared));
        let staying = thread::spawn(move || staying.run_task());
        let going = thread::spawn(move || {
            let (waker, mut place) = (waker(), None);
            let context = Context::from_waker(&waker);
            let polled = going.bell.poll(&mut place, &context, || going.is(1));
            assert_eq!(polled.is_pending(), place.is_some());
            // Dropped as it is.
            place.into_iter().for_each(|place| going.bell.leave(place));
        });
        shared.change();
        staying.join().unwrap();
        going.join().unwrap();
    })
}

fn two_who_ring_wake_one_who_waits_for_both() -> u64 {
    check(Time::Stands, Some(3), || {
        let shared = Arc::new(Shared::default());
        let ringing = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.value.fetch_add(1, Ordering::AcqRel);
                shared.bell.ring();
            })
        });
        assert!(shared.bell.wait(Duration::MAX, || shared.is(2)));
        ringing.into_iter().for_each(|it| it.join().unwrap());
    })
}

fn a_time_that_is_over_ends_the_wait_and_says_what_holds() -> u64 {
    check(Time::Passes, None, || {
        let shared = Arc::new(Shared::default());
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || other.change());
        let held = shared.bell.wait(Duration::from_secs(1), || shared.is(1));
        assert!(!held || shared.is(1));
        thread.join().unwrap();
        // Nothing is left of the first wait that would take this one's ring.
        assert!(shared.bell.wait(Duration::MAX, || shared.is(1)));
        let (waker, mut place) = (waker(), None);
        let context = Context::from_waker(&waker);
        assert_eq!(shared.bell.poll(&mut place, &context, || false), Poll::Pending);
        shared.bell.ring();
        park();
        assert!(place.is_some());
    })
}
