//! Wakers that misbehave: what one program's waker does must not cost anybody else a wake.

use edgelog::{Durability, Durable, Event, Log, Options, Start};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// Nothing is synced by itself.
fn open(folder: &Path) -> Log {
    Options::new().budget_bytes(32 << 20).batch(LONG, u64::MAX).open(folder).unwrap()
}

fn append(log: &Log) -> u64 {
    log.append("t", &Event::new(b"event")).unwrap()
}

/// A task of an executor as simple as can be: whoever drops the last waker drops the task.
struct Owner(#[expect(dead_code, reason = "it is there to be dropped")] Mutex<Option<Durable>>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_task_that_is_dropped_with_the_waker_it_left_may_wait_for_the_same_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let (mut one, mut two) = (log.durable(append(&log)), log.durable(append(&log)));
    let _ = Pin::new(&mut two).poll(&mut Context::from_waker(Waker::noop()));
    let waker = Waker::from(Arc::new(Owner(Mutex::new(Some(two)))));
    let _ = Pin::new(&mut one).poll(&mut Context::from_waker(&waker));
    drop(waker);
    // With another waker: the first is let go of, and its task with it.
    let _ = Pin::new(&mut one).poll(&mut Context::from_waker(Waker::noop()));
    assert!(one.wait_timeout(LONG).unwrap());
}

/// Panics when it is woken.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics, as this test wants");
    }
}

#[test]
fn a_waker_that_panics_ends_neither_the_syncing_in_the_background_nor_the_waiting_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for _ in 0..20 {
        let offset = append(&log);
        let mut panics = log.durable(offset);
        let waker = Waker::from(Arc::new(Panics));
        let _ = Pin::new(&mut panics).poll(&mut Context::from_waker(&waker));
        // Who comes later is woken later.
        let mut waits = log.durable(offset);
        assert!(waits.wait_timeout(LONG).unwrap());
    }
    let offset = log.append_as(Durability::Durable, "t", &Event::new(b"event")).unwrap();
    assert!(log.durable(offset).is_durable());
}

#[test]
fn a_reader_whose_waker_panics_costs_the_other_readers_nothing_nor_the_one_who_appends() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut panics = log.reader(Start::Latest).unwrap();
    let waits = log.reader(Start::Latest).unwrap();
    let waker = Waker::from(Arc::new(Panics));
    let mut ready = panics.ready();
    assert!(Pin::new(&mut ready).poll(&mut Context::from_waker(&waker)).is_pending());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || waits.wait(LONG));
        std::thread::yield_now();
        append(&log);
        assert!(waiting.join().unwrap());
    });
}
