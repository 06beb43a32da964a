//! How durable an append is, and waiting for it.

use crate::error::AppendError;
use crate::group::Place;
use crate::log::Log;
use crate::sync::Instant;
use crate::sync::thread::{self, Thread};
use edgelog_core::Part;
use std::future::Future;
use std::pin::Pin;
// Of a waker it is std's, also under a model checker.
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// What holds for a record when the call that appends it returns. In every case readers of this process see it then, and a record is whole or
/// absent after a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Durability {
    /// It is visible. It gets durable with the next sync, whoever asks for one. Costs no system call.
    #[default]
    Visible,
    /// It is visible, and gets durable by itself, at the latest after the time or the bytes of [`Options::batch`](crate::Options::batch),
    /// or when the log is closed. Costs no system call but for one wake of the writer thread in each batch.
    Batched,
    /// It survives a power cut. Costs one write and one fdatasync, which all share who append so at the same time.
    Durable,
}

/// Gets ready when a record survives a power cut; [`Log::durable`] gives it. It keeps the log open.
///
/// It can be [polled](Self::is_durable), [waited](Self::wait) for, or awaited: as a future it gives the durable offset, needs no particular
/// runtime, and does no work of its own, but asks the log's writer thread, which does one sync for all who ask it meanwhile.
/// Dropping it does nothing but end the waiting. After it was ready it may be asked again.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let log = edgelog::Options::new().open(directory.path())?;
/// use edgelog::{AppendError, Durability, Event, Log};
///
/// log.append_as(Durability::Durable, "alarm", &Event::new(b"smoke"))?; // survives a power cut from here on
/// log.append_as(Durability::Batched, "climate", &Event::new(b"21.5"))?; // will in a second
///
/// async fn store(log: &Log, reading: &[u8]) -> Result<(), AppendError> {
///     let offset = log.append("climate", &Event::new(reading))?;
///     log.durable(offset).await?; // many tasks share one sync
///     Ok(())
/// }
/// # let mut stored = std::pin::pin!(store(&log, b"21.6"));
/// # assert!(stored.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
/// # assert!(log.durable(0).is_durable());
/// # use std::future::Future;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "it waits for nothing unless it is waited for or awaited"]
pub struct Durable {
    log: Log,
    offset: u64,
    /// Whether the record is one of the log.
    is_known: bool,
    /// Where it stands in the queue.
    place: Option<Place>,
}

impl Durable {
    pub(crate) fn new(log: Log, offset: u64) -> Self {
        let is_known = log.recent().visible() > offset;
        Self { log, offset, is_known, place: None }
    }

    /// The record that it waits for.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the record is known to survive a power cut by now. Asks for no sync. Where no sync has told, it waits for the log's lock as an append does,
    /// which a thread that opens a segment may hold for a sync or two. Right after opening it may say no, for some 50 ms and a sync, of a
    /// record of the newest segment that is durable from before: [`wait`](Self::wait) for it, or ask for the [`Status`](crate::Status) first.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        let committer = self.log.committer();
        committer.group().durable() > self.offset || committer.engine().durable() > self.offset
    }

    /// Waits until the record survives a power cut, and gives the durable offset: every record below it does. Syncs as
    /// [`Log::sync`] does, unless it is durable by now.
    ///
    /// # Errors
    ///
    /// As [`Log::sync`]; `Unknown` when no record had the offset when [`Log::durable`] was called.
    pub fn wait(&self) -> Result<u64, AppendError> {
        self.check()?;
        self.log.committer().sync(self.below())
    }

    /// As [`wait`](Self::wait), at the most for `timeout`; whether the record is durable. The sync itself is not cut short when the time
    /// is over: the writer thread does it.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, AppendError> {
        let until = Instant::now().checked_add(timeout);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if let Poll::Ready(ready) = self.ask(&waker) {
                return ready.map(|_| true);
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return Ok(false),
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }

    fn ask(&mut self, waker: &Waker) -> Poll<Result<u64, AppendError>> {
        self.check()?;
        let committer = self.log.committer();
        let asked = committer.group().poll(self.below(), &mut self.place, waker);
        if let Poll::Ready(durable) = asked {
            return Poll::Ready(Ok(durable));
        }
        // Behind the entry in the queue: a failure that comes later wakes it.
        if let Some(failure) = committer.failure() {
            return Poll::Ready(Err(failure));
        }
        committer.orders().sync(self.below());
        Poll::Pending
    }

    fn check(&self) -> Result<(), AppendError> {
        if self.is_known { Ok(()) } else { Err(AppendError::Unknown { what: Part::Record }) }
    }

    const fn below(&self) -> u64 {
        self.offset.saturating_add(1)
    }
}

impl Future for Durable {
    /// The durable offset, or why it cannot be told to be beyond the record: see [`Durable::wait`].
    type Output = Result<u64, AppendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().ask(context.waker())
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.log.committer().group().leave(place);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FileError;
    use crate::event::Event;
    use crate::options::Options;
    use std::io;
    use std::path::Path;

    const LONG: Duration = Duration::from_secs(3600);

    /// Nothing is synced by itself.
    fn open(folder: &Path) -> Log {
        Options::new().budget_bytes(16 << 20).batch(LONG, u64::MAX).open(folder).unwrap()
    }

    fn append(log: &Log) -> u64 {
        log.append("t", &Event::new(b"event")).unwrap()
    }

    /// The disk fails, as the next sync or write finds out.
    fn break_disk(log: &Log) {
        let error = FileError::new("sync", Path::new("disk"), io::Error::from_raw_os_error(5));
        log.engine().medium().fail(&error);
    }

    fn is_told(error: &AppendError, durable: u64) -> bool {
        let AppendError::Medium(file) = error else { return false };
        let source = std::error::Error::source(file).and_then(|it| it.downcast_ref::<io::Error>());
        source.and_then(io::Error::raw_os_error) == Some(5) && file.durable() == Some(durable)
    }

    #[test]
    fn tasks_that_wait_for_many_records_share_one_sync() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        let mut waiting: Vec<_> = (0..100).map(|_| log.durable(append(&log))).collect();
        let begun = log.committer().group().begun();
        for durable in &mut waiting {
            assert!(durable.wait_timeout(LONG).unwrap());
        }
        assert_eq!(log.committer().group().begun(), begun + 1);
    }

    #[test]
    fn a_log_that_is_full_tells_what_failed_in_the_background() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new().segment_bytes(4096).budget_bytes(4 * 4096);
        let log = options.batch(LONG, u64::MAX).open(folder.path()).unwrap();
        let fill = || log.append("t", &Event::new(&[7; 1000]));
        let full = (0..100).find_map(|_| fill().err()).unwrap();
        assert!(matches!(full, AppendError::Full), "{full}");
        let durable = log.sync().unwrap();
        break_disk(&log);
        let underway = log.engine().medium_mut().hand_over().unwrap();
        underway.run().unwrap_err();
        let told = fill().unwrap_err();
        assert!(is_told(&told, durable), "{told}");
    }

    #[test]
    fn one_that_waits_and_is_dropped_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        let mut waiting = log.durable(append(&log));
        // Nobody can sync meanwhile.
        let engine = log.engine();
        assert!(waiting.ask(Waker::noop()).is_pending());
        assert_eq!(log.committer().group().waiting(), 1);
        drop(waiting);
        assert_eq!(log.committer().group().waiting(), 0);
        drop(engine);
    }

    #[test]
    fn a_batch_that_is_not_yet_due_is_synced_when_the_log_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        let offset = log.append_as(Durability::Batched, "t", &Event::new(b"event")).unwrap();
        let committer = Arc::clone(log.committer());
        assert_eq!(committer.group().durable(), 0);
        drop(log);
        assert!(committer.group().durable() > offset);
    }

    #[test]
    fn a_failed_sync_ends_all_who_wait_and_the_log_with_its_cause_and_what_is_durable() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        append(&log);
        log.sync().unwrap();
        let late = append(&log);
        break_disk(&log);
        thread::scope(|scope| {
            for _ in 0..4 {
                let log = &log;
                scope.spawn(move || assert!(is_told(&log.durable(late).wait().unwrap_err(), 1)));
                scope.spawn(move || {
                    let told = log.durable(late).wait_timeout(LONG);
                    assert!(is_told(&told.unwrap_err(), 1));
                });
                scope.spawn(move || assert!(is_told(&log.sync().unwrap_err(), 1)));
            }
        });
        let event = Event::new(b"event");
        for durability in [Durability::Visible, Durability::Batched, Durability::Durable] {
            assert!(is_told(&log.append_as(durability, "t", &event).unwrap_err(), 1));
        }
        assert!(is_told(&log.cursor("c", 0).unwrap_err(), 1));
        // What was durable before stays so.
        assert_eq!(log.durable(0).wait().unwrap(), 1);
        drop(log);
        let log = open(folder.path());
        let offset = log.append_as(Durability::Durable, "t", &event).unwrap();
        assert!(log.durable(offset).is_durable());
    }

    #[test]
    fn who_waits_for_a_log_that_ended_without_a_word_is_told_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        let mut waiting = log.durable(append(&log));
        // A panic in the middle of a write, or a failure that its caller kept to himself.
        log.engine().poison();
        assert!(waiting.wait_timeout(Duration::from_secs(5)).is_err());
        assert!(log.durable(0).wait().is_err() && log.sync().is_err());
        assert!(log.append("t", &Event::new(b"event")).is_err());
    }

    #[test]
    fn a_batch_that_could_not_be_synced_fails_the_next_append() {
        let folder = tempfile::tempdir().unwrap();
        let log = Options::new().batch(LONG, 2).open(folder.path()).unwrap();
        append(&log);
        log.sync().unwrap();
        break_disk(&log);
        log.append_as(Durability::Batched, "t", &Event::new(b"event")).unwrap();
        // Bounded by the test's own time only: the writer thread finds out.
        let told = loop {
            if let Err(error) = log.append("t", &Event::new(b"event")) {
                break error;
            }
            thread::yield_now();
        };
        assert!(is_told(&told, 1), "{told}");
    }

    #[test]
    fn a_write_in_the_background_that_fails_is_told_to_the_next_append() {
        let folder = tempfile::tempdir().unwrap();
        let log = open(folder.path());
        append(&log);
        break_disk(&log);
        let told = loop {
            if let Err(error) = log.append("t", &Event::new(b"event")) {
                break error;
            }
            thread::yield_now();
        };
        assert!(is_told(&told, 0), "{told}");
    }
}
