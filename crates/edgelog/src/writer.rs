//! The thread that makes durable what the log was opened with, that writes what was appended when nobody syncs or reads, so that other
//! processes see it, and that syncs for those who do not wait for it themselves.

use crate::commit::Committer;
use crate::retention::When;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread::{self, Builder, JoinHandle};
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, PoisonError};
use std::io;
use std::time::Duration;

/// How long what was appended may stay in memory.
const WRITE_AFTER: Duration = Duration::from_millis(50);

/// Ends its thread when it is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    committer: Arc<Committer>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is to do, and when.
#[derive(Debug)]
pub(crate) struct Orders {
    /// How long a batched record may wait, and how many bytes of them.
    batch: (Duration, u64),
    /// True from the first append on that the thread has yet to write: the others need not wake it.
    is_writing: AtomicBool,
    /// The same for the first batched append that it has yet to sync.
    is_batching: AtomicBool,
    /// Bytes that were appended batched since the last sync began.
    batched_bytes: AtomicU64,
    /// What the thread is to make durable.
    below: AtomicU64,
    due: Mutex<Due>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct Due {
    settle: Option<Instant>,
    write: Option<Instant>,
    batch: Option<Instant>,
    sync: bool,
    end: bool,
}

impl Writer {
    pub(crate) fn start(committer: Arc<Committer>) -> io::Result<Self> {
        let served = Arc::clone(&committer);
        let thread = Builder::new().name("edgelog-writer".to_owned());
        let thread = thread.spawn(move || run(&served))?;
        Ok(Self { committer, thread: Some(thread) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.committer.orders().order(|due| due.end = true);
        if let Some(thread) = self.thread.take()
            // The last handle of a log may be a task's, which is dropped by whoever wakes it.
            && thread.thread().id() != thread::current().id()
        {
            // It panics on nothing that is not a fault of the program, which it has told.
            let _ = thread.join();
        }
    }
}

impl Orders {
    pub(crate) fn new(after: Duration, bytes: u64) -> Self {
        Self {
            batch: (after, bytes),
            is_writing: AtomicBool::new(false),
            is_batching: AtomicBool::new(false),
            batched_bytes: AtomicU64::new(0),
            below: AtomicU64::new(0),
            due: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The log was opened, and what was found is to be durable, soon: not while whoever opened it wants to begin.
    pub(crate) fn settle(&self) {
        self.order(|due| due.settle = Some(Instant::now() + WRITE_AFTER));
    }

    /// Something was appended.
    pub(crate) fn write(&self) {
        if is_first(&self.is_writing) {
            self.order(|due| due.write = Some(Instant::now() + WRITE_AFTER));
        }
    }

    /// `bytes` were appended, which end at the offset `below`, and are to be durable in time.
    pub(crate) fn batch(&self, below: u64, bytes: usize) {
        let (after, most) = self.batch;
        // Before the flag: who takes it back syncs up to here.
        self.below.fetch_max(below, Ordering::SeqCst);
        let bytes = bytes as u64;
        if self.batched_bytes.fetch_add(bytes, Ordering::SeqCst) + bytes >= most {
            self.sync(below);
        } else if is_first(&self.is_batching) {
            // A time that never comes needs no alarm.
            self.order(|due| due.batch = Instant::now().checked_add(after));
        }
    }

    /// Everything below is to be durable soon.
    pub(crate) fn sync(&self, below: u64) {
        self.below.fetch_max(below, Ordering::SeqCst);
        self.order(|due| due.sync = true);
    }

    /// A sync begins that covers everything batched so far: the next batch waits and counts anew.
    pub(crate) fn batch_is_being_synced(&self) {
        self.batched_bytes.store(0, Ordering::SeqCst);
        self.is_batching.store(false, Ordering::SeqCst);
    }

    fn order(&self, change: impl FnOnce(&mut Due)) {
        let mut due = self.due();
        let before = due.next();
        change(&mut due);
        let is_sooner = due.next() != before;
        drop(due);
        if is_sooner {
            self.changed.notify_one();
        }
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is due at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Work {
    settle: bool,
    write: bool,
    sync: bool,
    end: bool,
}

impl Due {
    /// Whether there is something to do at once, and when there is otherwise.
    fn next(&self) -> (bool, Option<Instant>) {
        (self.sync || self.end, self.write.into_iter().chain(self.batch).chain(self.settle).min())
    }

    fn take(&mut self, now: Instant) -> Option<Work> {
        let is_due = |at: &mut Instant| *at <= now;
        let write = self.write.take_if(is_due).is_some();
        let is_batch_due = self.batch.take_if(|at| self.end || is_due(at)).is_some();
        let sync = std::mem::take(&mut self.sync) || is_batch_due;
        let settle = self.settle.take_if(is_due).is_some();
        let work = Work { settle, write, sync, end: self.end };
        (settle || write || sync || self.end).then_some(work)
    }
}

fn run(committer: &Committer) {
    let orders = committer.orders();
    let mut due = orders.due();
    loop {
        let now = Instant::now();
        if let Some(work) = due.take(now) {
            drop(due);
            serve(committer, work);
            if work.end {
                return;
            }
            due = orders.due();
            continue;
        }
        let waited = match due.next() {
            (_, Some(at)) => orders
                .changed
                .wait_timeout(due, at.duration_since(now))
                .map(|(due, _)| due)
                .map_err(|error| PoisonError::new(error.into_inner().0)),
            _ => orders.changed.wait(due),
        };
        due = waited.unwrap_or_else(PoisonError::into_inner);
    }
}

/// What fails is told to those who wait, and to the next who appends or syncs.
fn serve(committer: &Committer, work: Work) {
    let orders = committer.orders();
    if work.settle {
        committer.settle();
    }
    if work.sync {
        // Before the look at what is wanted: who batches behind it gives an order of his own.
        orders.is_batching.store(false, Ordering::SeqCst);
        let _ = committer.sync(orders.below.load(Ordering::SeqCst));
    }
    if work.write {
        // Before the write: who appends behind it wakes this thread again.
        orders.is_writing.store(false, Ordering::SeqCst);
        if committer.write_out(committer.engine()).is_ok() {
            committer.trim(&mut committer.engine(), When::NowAndThen);
        }
    }
}

/// Whether the flag was not yet up. A look is cheaper than a change that changes nothing.
fn is_first(flag: &AtomicBool) -> bool {
    !flag.load(Ordering::SeqCst) && !flag.swap(true, Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Work = Work { settle: false, write: false, sync: false, end: false };
    const HOUR: Duration = Duration::from_secs(3600);

    fn due_at(orders: &Orders, at: Instant) -> Option<Work> {
        orders.due().take(at)
    }

    #[test]
    fn a_batch_is_due_when_its_first_record_is_old_enough_or_its_bytes_are_together() {
        let orders = Orders::new(HOUR, 100);
        let began = Instant::now();
        orders.batch(1, 60);
        let first = orders.due().batch;
        assert!(first >= Some(began + HOUR));
        orders.batch(2, 39);
        assert_eq!(orders.due().batch, first, "the first one's time holds");
        assert_eq!(due_at(&orders, began), None);
        orders.batch(3, 1);
        assert_eq!(due_at(&orders, began), Some(Work { sync: true, ..NONE }));
        assert_eq!(orders.below.load(Ordering::SeqCst), 3);
        assert_eq!(due_at(&orders, began), None);
        assert!(due_at(&orders, Instant::now() + HOUR).is_some_and(|work| work.sync));
    }

    #[test]
    fn a_sync_that_somebody_else_asked_for_begins_the_next_batch_anew() {
        let orders = Orders::new(HOUR, 100);
        orders.batch(1, 99);
        let first = orders.due().batch;
        orders.batch_is_being_synced();
        let then = Instant::now();
        orders.batch(2, 99);
        assert_eq!(due_at(&orders, then), None, "its bytes count from the sync on");
        let second = orders.due().batch;
        assert!(second > first && second >= Some(then + HOUR), "its time as well");
    }

    #[test]
    fn writes_are_due_in_their_own_time_and_the_end_takes_a_batch_along() {
        let orders = Orders::new(HOUR, 100);
        orders.write();
        orders.batch(1, 1);
        let soon = Instant::now() + WRITE_AFTER;
        assert_eq!(due_at(&orders, soon), Some(Work { write: true, ..NONE }));
        orders.order(|due| due.end = true);
        assert_eq!(due_at(&orders, soon), Some(Work { sync: true, end: true, ..NONE }));
    }

    #[test]
    fn what_the_log_was_opened_with_is_settled_in_its_time_and_left_to_the_files_at_the_end() {
        let orders = Orders::new(HOUR, 100);
        orders.settle();
        assert_eq!(due_at(&orders, Instant::now()), None);
        let soon = Instant::now() + WRITE_AFTER;
        assert_eq!(due_at(&orders, soon), Some(Work { settle: true, ..NONE }));
        assert_eq!(due_at(&orders, soon), None);
        orders.settle();
        orders.order(|due| due.end = true);
        assert_eq!(due_at(&orders, Instant::now()), Some(Work { end: true, ..NONE }));
    }

    #[test]
    fn a_time_that_never_comes_is_no_order() {
        let orders = Orders::new(Duration::MAX, u64::MAX);
        orders.batch(1, 1);
        assert_eq!(orders.due().batch, None);
    }
}
