//! How durable an append is when it returns, how it gets there otherwise, and waiting for it.

use edgelog::{Durability, Durable, Event, Log, OpenError, Options};
use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// Nothing is synced by itself but after this time and these bytes.
fn open(folder: &Path, batch: (Duration, u64)) -> Log {
    Options::new().budget_bytes(32 << 20).batch(batch.0, batch.1).open(folder).unwrap()
}

fn append(log: &Log, durability: Durability) -> u64 {
    log.append_as(durability, "t", &Event::new(&[7; 100])).unwrap()
}

/// Bounded by the test's own time only. It asks for nothing, so it sees what comes by itself.
fn watch(durable: &Durable) {
    while !durable.is_durable() {
        std::thread::yield_now();
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One thread that runs tasks when they are woken, and none that is not.
#[derive(Default)]
struct Executor {
    ready: Arc<(Mutex<VecDeque<usize>>, std::sync::Condvar)>,
    tasks: Vec<Option<Task>>,
}

struct Wakes(usize, Arc<(Mutex<VecDeque<usize>>, std::sync::Condvar)>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.1.0.lock().unwrap().push_back(self.0);
        self.1.1.notify_one();
    }
}

impl Executor {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.ready.0.lock().unwrap().push_back(self.tasks.len());
        self.tasks.push(Some(Box::pin(task)));
    }

    fn run(mut self) {
        let mut left = self.tasks.len();
        while left > 0 {
            let mut ready = self.ready.0.lock().unwrap();
            let next = loop {
                match ready.pop_front() {
                    Some(next) => break next,
                    None => ready = self.ready.1.wait(ready).unwrap(),
                }
            };
            drop(ready);
            let Some(task) = &mut self.tasks[next] else { continue };
            let waker = Waker::from(Arc::new(Wakes(next, Arc::clone(&self.ready))));
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.tasks[next] = None;
                left -= 1;
            }
        }
    }
}

#[test]
fn a_durable_append_is_durable_when_it_returns_and_so_is_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, u64::MAX));
    let visible = append(&log, Durability::Visible);
    assert!(!log.durable(visible).is_durable());
    let durable = append(&log, Durability::Durable);
    assert_eq!(log.status().unwrap().durable, durable + 1);
    assert!(log.durable(visible).is_durable() && log.durable(durable).is_durable());

    let events = [Event::new(b"a"), Event::new(b"b")];
    let offsets = log.append_batch_as(Durability::Durable, "t", &events).unwrap();
    assert_eq!(log.status().unwrap().durable, offsets.end);
    let offsets = log.append_batch("t", &events).unwrap();
    assert_eq!(log.status().unwrap().durable, offsets.start, "append is the visible one");
    assert!(log.append_batch_as(Durability::Durable, "t", &[]).unwrap().is_empty());
    assert_eq!(log.status().unwrap().durable, offsets.end);
}

#[test]
fn a_batch_becomes_durable_by_itself_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (Duration::from_millis(5), u64::MAX));
    for _ in 0..20 {
        let first = append(&log, Durability::Batched);
        let events = [Event::new(b"a"), Event::new(b"b")];
        let last = log.append_batch_as(Durability::Batched, "t", &events).unwrap().end - 1;
        watch(&log.durable(first));
        watch(&log.durable(last));
        // A sync of others in between takes nothing from the next batch.
        append(&log, Durability::Batched);
        append(&log, Durability::Durable);
    }
}

#[test]
fn a_batch_becomes_durable_by_itself_when_its_bytes_are_together_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, 1000));
    for _ in 0..20 {
        for _ in 0..9 {
            let early = append(&log, Durability::Batched);
            assert!(!log.durable(early).is_durable());
        }
        let last = append(&log, Durability::Batched);
        watch(&log.durable(last));
    }
}

#[test]
fn many_threads_mix_all_three_and_no_batch_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (Duration::from_millis(2), 2000));
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let log = &log;
            scope.spawn(move || {
                let mixed = [Durability::Visible, Durability::Batched, Durability::Durable];
                for number in 0..300 {
                    let durability = mixed[(thread + number) % 3];
                    let offset = append(log, durability);
                    match durability {
                        Durability::Durable => assert!(log.durable(offset).is_durable()),
                        Durability::Batched if number % 20 < 3 => watch(&log.durable(offset)),
                        _ => {}
                    }
                }
            });
        }
    });
    let last = append(&log, Durability::Batched);
    watch(&log.durable(last));
}

#[test]
fn a_record_can_be_waited_for_by_a_thread_with_and_without_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, u64::MAX));
    let offset = append(&log, Durability::Visible);
    let mut waiting = log.durable(offset);
    assert!(waiting.wait_timeout(LONG).unwrap());
    assert!(waiting.wait_timeout(Duration::ZERO).unwrap(), "it may be asked again");
    let offset = append(&log, Durability::Visible);
    assert_eq!(log.durable(offset).wait().unwrap(), offset + 1);
    assert_eq!(log.durable(offset).offset(), offset);
}

#[test]
fn many_tasks_on_one_thread_await_their_records_while_threads_append() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, u64::MAX));
    let mut executor = Executor::default();
    for _ in 0..50 {
        let log = log.clone();
        executor.spawn(async move {
            for _ in 0..10 {
                let offset = append(&log, Durability::Visible);
                let durable = log.durable(offset).await.unwrap();
                assert!(durable > offset && log.status().unwrap().durable > offset);
            }
        });
    }
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..100 {
                    append(&log, Durability::Durable);
                }
            });
        }
        executor.run();
    });
    assert_eq!(log.status().unwrap().visible, 700);
}

#[test]
fn what_is_durable_is_ready_at_once_and_what_waits_may_be_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, u64::MAX));
    let offset = append(&log, Durability::Durable);
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(log.durable(offset)).poll(&mut context).is_ready());
    for _ in 0..100 {
        let offset = append(&log, Durability::Visible);
        let _ = pin!(log.durable(offset)).poll(&mut context);
    }
    let offset = append(&log, Durability::Visible);
    assert_eq!(block_on(log.durable(offset)).unwrap(), offset + 1);
    // It keeps the log open, and lets go of it.
    let waiting = log.durable(offset);
    drop(log);
    let refused = Options::new().open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }));
    drop(waiting);
    Options::new().open(folder.path()).unwrap();
}

/// A waker that owns what it wakes, and drops it.
struct Owner(Mutex<Option<Durable>>);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

#[test]
fn the_last_handle_of_a_log_may_be_dropped_by_the_waker_that_the_log_itself_wakes() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        let log = open(folder.path(), (LONG, u64::MAX));
        let waiting = log.durable(append(&log, Durability::Visible));
        drop(log);
        let owner = Arc::new(Owner(Mutex::new(Some(waiting))));
        let waker = Waker::from(Arc::clone(&owner));
        let mut waiting = owner.0.lock().unwrap();
        let polled = pin!(waiting.as_mut().unwrap()).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(waiting);
        // Bounded by the test's own time only: the writer thread has dropped it, and ended.
        while let Err(error) = Options::new().open(folder.path()) {
            assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        }
        assert!(owner.0.lock().unwrap().is_none());
    }
}

#[test]
fn a_record_that_was_not_appended_is_refused_and_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, u64::MAX));
    append(&log, Durability::Visible);
    for offset in [1, u64::MAX] {
        let mut unknown = log.durable(offset);
        assert!(!unknown.is_durable());
        let refused = unknown.wait().unwrap_err();
        assert_eq!(refused.to_string(), "the record is not one of this log; nothing was stored");
        assert!(unknown.wait_timeout(LONG).is_err() && block_on(unknown).is_err());
    }
}

#[test]
fn a_log_that_cannot_sync_tells_everybody_why_and_what_is_durable_and_goes_on_when_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), (LONG, u64::MAX));
    append(&log, Durability::Durable);
    let waited = append(&log, Durability::Visible);
    std::fs::remove_file(folder.path().join("lock")).unwrap();
    let told = |error: edgelog::AppendError| {
        let text = error.to_string();
        for words in ["the lock file or its folder was removed", "below offset 1 is durable"] {
            assert!(text.contains(words), "{text}");
        }
        let file = error.source().unwrap();
        assert!(file.source().unwrap().is::<std::io::Error>());
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| told(block_on(log.durable(waited)).unwrap_err()));
            scope.spawn(|| {
                let event = Event::new(b"more");
                told(log.append_as(Durability::Durable, "t", &event).unwrap_err());
            });
        }
    });
    told(log.append("t", &Event::new(b"more")).unwrap_err());
    told(log.sync().unwrap_err());
    drop(log);
    let log = open(folder.path(), (LONG, u64::MAX));
    let offset = append(&log, Durability::Durable);
    assert!(offset > 0);
}

/// Opening waits for no device: what a killed process left is told as durable when it is.
#[test]
fn what_was_left_unsynced_is_durable_soon_after_opening_and_at_once_for_who_needs_it() {
    const NEVER: (Duration, u64) = (Duration::from_secs(3600), u64::MAX);
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), NEVER);
    for _ in 0..10 {
        log.append("t", &Event::new(b"event")).unwrap();
    }
    drop(log);
    let opened = || {
        let log = open(folder.path(), NEVER);
        assert_eq!(log.status().unwrap().visible, 10);
        log
    };
    // By itself.
    let log = opened();
    while !log.durable(9).is_durable() {
        std::thread::yield_now();
    }
    drop(log);
    let log = opened();
    assert_eq!(log.durable(9).wait().unwrap(), 10);
    drop(log);
    let log = opened();
    let cursor = log.cursor("c", 10).unwrap();
    assert_eq!(log.cursors().iter().find(|it| it.id == cursor).unwrap().offset, 10);
    assert_eq!(log.status().unwrap().durable, 10);
}
