//! Making room for one log by giving up what another one, or it itself, holds.

use super::Shared;
use super::budget::Share;
use crate::error::AppendError;
use crate::log::{Log, WeakLog};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use edgelog_core::Class;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The logs that are open, and who makes room among them.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    open: Mutex<BTreeMap<String, (Class, WeakLog)>>,
    /// Held by who gives something up, so that two who need room for one segment do not give up two. Whoever holds a log's lock never waits for
    /// it, and who holds it waits for one log's lock at a time.
    making: Mutex<()>,
    /// Segments that were given up.
    given: AtomicU64,
}

impl Rooms {
    /// An open log.
    pub(super) fn log(&self, name: &str) -> Option<(Class, Log)> {
        let open = lock(&self.open);
        open.get(name).and_then(|(class, log)| Some((*class, log.upgrade()?)))
    }

    /// The logs whose class is not above `class`.
    fn below(&self, class: Class) -> Vec<(String, Class, Log)> {
        let mut open = lock(&self.open);
        open.retain(|_, (_, log)| log.is_open());
        let below = open.iter().filter(|(_, (other, _))| *other >= class);
        below
            .filter_map(|(name, (class, log))| Some((name.clone(), *class, log.upgrade()?)))
            .collect()
    }

    /// The log that gives up its oldest segment next: of the lowest class the one whose oldest segment ended first.
    fn next_to_give(&self, asking: Class, but: &BTreeSet<String>) -> Option<(String, Log)> {
        let mut best: Option<((Reverse<Class>, u64), String, Log)> = None;
        for (name, class, log) in self.below(asking) {
            if but.contains(&name) {
                continue;
            }
            // What cannot be read cannot be given up either.
            if let Ok(Some(oldest)) = log.engine().oldest()
                && oldest.is_free
            {
                let rank = (Reverse(class), oldest.until_ms);
                if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                    best = Some((rank, name, log.clone()));
                }
            }
        }
        best.map(|(_, name, log)| (name, log))
    }
}

/// What makes a log one of a store's.
#[derive(Debug)]
pub(crate) struct Member {
    store: Arc<Shared>,
    share: Share,
    class: Class,
}

impl Member {
    pub(super) const fn new(store: Arc<Shared>, share: Share, class: Class) -> Self {
        Self { store, share, class }
    }

    pub(crate) const fn share(&self) -> &Share {
        &self.share
    }

    /// What a new log's own budget is unless it is told.
    pub(crate) fn budget(&self) -> u64 {
        self.store.budget.limit()
    }

    /// From now on the log gives room to others.
    pub(crate) fn join(&self, log: WeakLog) {
        lock(&self.store.rooms.open).insert(self.share.name().to_owned(), (self.class, log));
    }

    /// Keeps `bytes` for the log's next segment; gives up others as long as there is too little. False when nothing more may go.
    /// To be called without any log's lock.
    ///
    /// # Errors
    ///
    /// Something might have gone, and a file could not be removed.
    pub(crate) fn claim(&self, bytes: u64) -> Result<bool, AppendError> {
        self.give_up_until(|| self.share.claim(bytes))
    }

    /// How many segments the store's logs gave up to each other.
    pub(crate) fn given_up(&self) -> u64 {
        self.store.rooms.given.load(Ordering::Relaxed)
    }

    /// As [`claim`](Self::claim), unless something was given up since there were `before`: it may have been for the same segment, so try again.
    pub(crate) fn make_room(&self, bytes: u64, before: u64) -> Result<bool, AppendError> {
        self.give_up_until(|| self.given_up() != before || self.share.claim(bytes))
    }

    /// The same where the disk has no space although the budget has: gives up one.
    pub(crate) fn give_up_one(&self, before: u64) -> Result<bool, AppendError> {
        self.give_up_until(|| self.given_up() != before)
    }

    fn give_up_until(&self, is_enough: impl Fn() -> bool) -> Result<bool, AppendError> {
        let rooms = &self.store.rooms;
        let _making = lock(&rooms.making);
        let (mut failed, mut failure) = (BTreeSet::new(), None);
        loop {
            if is_enough() {
                return Ok(true);
            }
            let Some((name, log)) = rooms.next_to_give(self.class, &failed) else {
                return failure.map_or(Ok(false), Err);
            };
            match log.evict() {
                Ok(true) => _ = rooms.given.fetch_add(1, Ordering::Relaxed),
                // Its cursors or its policy changed since it was looked at.
                Ok(false) => {
                    failed.insert(name);
                }
                Err(AppendError::Medium(error)) if name != self.share.name() => {
                    failed.insert(name);
                    failure = Some(AppendError::Medium(error.elsewhere()));
                }
                Err(error) => {
                    failed.insert(name);
                    failure = Some(error);
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FileError;
    use crate::{Event, FullPolicy, Options, StoreOptions};
    use std::io;
    use std::path::Path;

    #[test]
    fn who_needs_what_a_failed_log_was_to_give_is_told_of_that_failure_and_goes_on_when_it_has_passed()
     {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreOptions::new().budget_bytes(4 * 4096).open(folder.path()).unwrap();
        let open = |name, class, full| {
            let options = Options::new().segment_bytes(4096).full(full);
            store.log(name, class, &options).unwrap()
        };
        let alarms = open("alarms", Class::Critical, FullPolicy::Refuse);
        let readings = open("readings", Class::Bulk, FullPolicy::DropOldest);
        // Three fill a segment.
        let append = |log: &Log| log.append("t", &Event::new(&[7; 1000]));
        for _ in 0..9 {
            append(&readings).unwrap();
        }
        let error = FileError::new("sync", Path::new("disk"), io::Error::from_raw_os_error(5));
        readings.engine().medium().fail(&error);
        let told = loop {
            if let Err(told) = append(&alarms) {
                break told;
            }
            assert!(alarms.status().unwrap().visible < 9, "nobody gave this room");
        };
        let AppendError::Medium(told) = told else { panic!("{told}") };
        assert_eq!(told.to_string(), error.to_string());
        assert_eq!(told.durable(), None, "this log goes on");
        assert!(readings.sync().is_err());
        drop(readings);
        let _readings = open("readings", Class::Bulk, FullPolicy::DropOldest);
        for _ in 0..6 {
            append(&alarms).unwrap();
        }
    }
}
