//! Syncs that run while more is programmed.

use crate::error::FileError;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Whether a sync is on its way, and whether one failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Syncs(Arc<(Mutex<Flight>, Condvar)>);

#[derive(Debug, Default)]
enum Flight {
    #[default]
    Landed,
    InTheAir,
    /// What is durable is unknown. The system may have dropped what it could not write, so nothing is tried again.
    Failed(FileError),
}

impl Syncs {
    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(*self.flight(), Flight::InTheAir)
    }

    /// Waits for the sync that runs, if one does.
    ///
    /// # Errors
    ///
    /// It, a sync before it, or a write failed: the first of these failures.
    pub(crate) fn wait(&self) -> Result<(), FileError> {
        let running = |flight: &mut Flight| matches!(flight, Flight::InTheAir);
        let flight = self.0.1.wait_while(self.flight(), running);
        match &*flight.unwrap_or_else(PoisonError::into_inner) {
            Flight::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    pub(crate) fn fail(&self, error: &FileError) {
        let mut flight = self.flight();
        if !matches!(*flight, Flight::Failed(_)) {
            *flight = Flight::Failed(error.clone());
        }
        drop(flight);
        self.0.1.notify_all();
    }

    fn land(&self) {
        *self.flight() = Flight::Landed;
        self.0.1.notify_all();
    }

    /// Begins a sync of `files`. What is programmed from here on stays in memory until it has ended.
    pub(crate) fn begin(&self, files: Vec<(PathBuf, Arc<File>)>) -> Sync {
        *self.flight() = Flight::InTheAir;
        Sync { files, syncs: self.clone(), has_ended: false }
    }
}

/// A sync that has begun. It needs no lock of the log; dropping it is a failure.
#[derive(Debug)]
#[must_use]
pub(crate) struct Sync {
    files: Vec<(PathBuf, Arc<File>)>,
    syncs: Syncs,
    has_ended: bool,
}

impl Sync {
    /// Returns when everything that was programmed before it began is durable.
    pub(crate) fn run(mut self) -> Result<(), FileError> {
        let synced = std::mem::take(&mut self.files).iter().try_for_each(|(path, file)| {
            file.sync_data().map_err(|error| FileError::new("sync", path, error))
        });
        self.has_ended = true;
        match &synced {
            Ok(()) => self.syncs.land(),
            Err(error) => self.syncs.fail(error),
        }
        synced
    }
}

impl Drop for Sync {
    /// Asks this sync and not the flight: since this one landed, the next may have begun.
    fn drop(&mut self) {
        if !self.has_ended {
            let path = self.files.first().map_or_else(PathBuf::new, |(path, _)| path.clone());
            let given_up = io::Error::other("the sync was begun and given up");
            self.syncs.fail(&FileError::new("sync", &path, given_up));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_that_has_ended_says_nothing_about_the_one_that_has_begun_since() {
        let (syncs, engine) = (Syncs::default(), Mutex::new(()));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let guard = engine.lock().unwrap();
                        syncs.wait().unwrap();
                        let sync = syncs.begin(Vec::new());
                        drop(guard);
                        sync.run().unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn a_sync_that_was_begun_and_given_up_is_a_failure_for_ever() {
        let syncs = Syncs::default();
        drop(syncs.begin(Vec::new()));
        assert!(syncs.wait().is_err());
        assert!(!syncs.is_running());
    }
}
