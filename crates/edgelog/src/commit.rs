//! Making durable what was appended: the log's side of group commit.

use crate::bell::Bell;
use crate::error::{AppendError, FileError};
use crate::file::Underway;
use crate::group::Group;
use crate::log::Engine;
use crate::retention::{Retention, When};
use crate::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use crate::writer::Orders;
use std::io;
use std::path::Path;

/// The engine, and those who want it to be durable.
#[derive(Debug)]
pub(crate) struct Committer {
    engine: Mutex<Engine>,
    group: Group,
    /// What the writer thread is to do.
    orders: Orders,
    retention: Retention,
    /// Rung when something became durable.
    moved: Bell,
    /// Why the log takes no more.
    cause: OnceLock<FileError>,
}

impl Committer {
    pub(crate) fn new(engine: Engine, orders: Orders, retention: Retention) -> Self {
        let group = Group::new(engine.durable());
        let engine = Mutex::new(engine);
        let (moved, cause) = (Bell::default(), OnceLock::new());
        Self { engine, group, orders, retention, moved, cause }
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        // A panic of another thread cannot leave the engine half changed in a way that mounting would not; its checks still hold.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn group(&self) -> &Group {
        &self.group
    }

    pub(crate) const fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(crate) const fn retention(&self) -> &Retention {
        &self.retention
    }

    pub(crate) const fn moved(&self) -> &Bell {
        &self.moved
    }

    /// Why the log takes no more, if it does not.
    pub(crate) fn failure(&self) -> Option<AppendError> {
        self.cause.get().cloned().map(AppendError::Medium)
    }

    /// Returns when everything below `below`, or everything that was appended before this call, is durable; gives the durable offset.
    pub(crate) fn sync(&self, below: u64) -> Result<u64, AppendError> {
        self.group.sync(below, || self.lead())
    }

    fn lead(&self) -> Result<u64, AppendError> {
        let mut engine = self.engine();
        self.group.begin();
        self.orders.batch_is_being_synced();
        let offset = match engine.begin_sync() {
            Ok(offset) => offset,
            Err(error) => {
                engine.poison();
                return Err(self.explained(&engine, error));
            }
        };
        let ran = match engine.medium_mut().begin_sync() {
            Ok(sync) => {
                // Others append meanwhile.
                drop(engine);
                let ran = sync.run();
                engine = self.engine();
                ran
            }
            Err(error) => Err(error),
        };
        engine.end_sync(offset, ran.is_ok());
        let durable = engine.durable();
        let led = ran.map_err(|error| self.explained(&engine, error.into()));
        drop(engine);
        self.moved.ring();
        led.map(|()| durable)
    }

    /// Writes what was appended to its file, where other processes see it.
    ///
    /// # Errors
    ///
    /// The file system failed, and the log takes no more.
    pub(crate) fn write_out(&self, mut engine: MutexGuard<'_, Engine>) -> Result<(), FileError> {
        let handed_over = engine.medium_mut().hand_over();
        // Without the log's lock, so that nobody's append waits for the write, or for a sync before it.
        drop(engine);
        handed_over.and_then(Underway::run).inspect_err(|error| {
            let mut engine = self.engine();
            engine.poison();
            let _ = self.explained(&engine, AppendError::Medium(error.clone()));
        })
    }

    /// Makes durable what mounting found, without the log's lock. A failure is told to the next who appends or waits.
    pub(crate) fn settle(&self) {
        let engine = self.engine();
        if engine.durable() < engine.visible() {
            let _ = self.write_out(engine);
        } else {
            drop(engine);
        }
        // In any case: who made it durable before, by the way, has told nobody.
        self.moved.ring();
    }

    /// Gives up what the retention no longer keeps, when it is time to look: after something was stored, which a failure here does not undo. It
    /// is tried again, or is told to the next who appends.
    pub(crate) fn trim(&self, engine: &mut Engine, when: When) {
        if let Err(error) = self.retention.trim_if(engine, when) {
            let _ = self.explained(engine, error);
        }
    }

    /// The error as it is to be told: what ended the log, and what is known to be durable, if it is the end of it.
    pub(crate) fn explained(&self, engine: &Engine, error: AppendError) -> AppendError {
        let failed = engine.medium().check().err();
        let cause = match &error {
            // What failed in the background ends the log, also where the engine has not met it: one that is full asks nothing of its files.
            AppendError::Full | AppendError::Medium(_) if let Some(failed) = failed => {
                Some(self.cause.get_or_init(|| failed.ending(engine.durable())))
            }
            _ if !engine.is_poisoned() => None,
            AppendError::Medium(now) => {
                Some(self.cause.get_or_init(|| now.clone().ending(engine.durable())))
            }
            AppendError::Poisoned => {
                Some(self.cause.get_or_init(|| untold().ending(engine.durable())))
            }
            _ => None,
        };
        cause.cloned().map_or(error, AppendError::Medium)
    }
}

/// Why a log takes no more of which nobody was told why: who waits for it must not wait for ever.
fn untold() -> FileError {
    let cut_short = io::Error::other("a call was cut short in the middle of a write");
    FileError::new("go on with", Path::new("the log"), cut_short)
}

#[cfg(test)]
mod tests {
    use crate::event::Event;
    use crate::log::Log;
    use crate::options::Options;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// An uplink, say: what is durable may be so because of somebody who asked for something else.
    #[test]
    fn who_waits_for_what_the_log_was_opened_with_is_told_of_it_whoever_made_it_durable() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Options::new().budget_bytes(16 << 20).open(folder.path()).unwrap();
        let ways: [fn(&Log); 4] = [
            |log| _ = log.status().unwrap(),
            |log| _ = log.cursor("c", 10).unwrap(),
            |log| _ = log.append("t", &Event::new(b"event")).unwrap(),
            |log| _ = log.written_beyond(0).unwrap(),
        ];
        for settle in ways {
            let log = open();
            for _ in 0..10 {
                log.append("t", &Event::new(b"event")).unwrap();
            }
            drop(log);
            let log = open();
            let found = log.engine().visible();
            assert!(log.engine().durable() < found);
            let counter = Arc::new(Counter::default());
            let waker = Waker::from(Arc::clone(&counter));
            let is_durable = || log.engine().durable() >= found;
            let moved = log.committer().moved();
            let mut place = None;
            assert!(moved.poll(&mut place, &Context::from_waker(&waker), is_durable).is_pending());
            settle(&log);
            assert!(is_durable());
            // As the log's thread does in its time.
            log.committer().settle();
            assert!(counter.0.load(Ordering::SeqCst) > 0);
        }
    }
}
