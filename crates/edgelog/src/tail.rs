//! What was programmed and is not yet written to its file, and syncs that run while more is programmed.

use crate::error::FileError;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that are programmed one behind the other, kept until there are enough of them for one write.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    slot: u32,
    start: u32,
    bytes: Vec<u8>,
}

/// So many bytes are worth a write.
pub(crate) const WRITE_LEN: usize = 64 << 10;

/// So many may be kept while a sync runs, behind which they must stay. Then appending waits for it.
pub(crate) const TAIL_MAX: usize = 1 << 20;

impl Tail {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether bytes at this place follow those that are kept.
    pub(crate) fn is_followed_by(&self, slot: u32, position: u32) -> bool {
        self.bytes.is_empty()
            || (slot == self.slot && usize_of(position - self.start.min(position)) == self.len())
    }

    /// Keeps bytes that [follow](Self::is_followed_by).
    pub(crate) fn push(&mut self, slot: u32, position: u32, bytes: &[u8]) {
        if self.bytes.is_empty() {
            (self.slot, self.start) = (slot, position);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Puts what is kept of a range over what the file had of it.
    pub(crate) fn overlay(&self, slot: u32, position: u32, bytes: &mut [u8]) {
        if slot != self.slot {
            return;
        }
        let (from, at) = (usize_of(position), usize_of(self.start));
        let skipped = at.saturating_sub(from);
        let mut kept = self.bytes.get(from.saturating_sub(at)..).unwrap_or_default();
        // Memory does not fail.
        let _ = kept.read(bytes.get_mut(skipped..).unwrap_or_default());
    }

    /// Where what is kept ends in its file.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.start) + self.bytes.len() as u64
    }

    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    /// Writes what is kept into its file, and keeps it no longer.
    pub(crate) fn write_to(&mut self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.bytes, u64::from(self.start))?;
        self.bytes.clear();
        Ok(())
    }
}

fn usize_of(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

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
        self.land(Flight::Failed(error.clone()));
    }

    fn land(&self, as_: Flight) {
        *self.flight() = as_;
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
            Ok(()) => self.syncs.land(Flight::Landed),
            Err(error) => self.syncs.fail(error),
        }
        synced
    }
}

impl Drop for Sync {
    /// Asks this sync and not the flight: since this one landed, the next may have begun.
    fn drop(&mut self) {
        if !self.has_ended {
            let path = self.files.first().map(|(path, _)| path.as_path());
            let given_up = io::Error::other("the sync was begun and given up");
            self.syncs.fail(&FileError::new("sync", path.unwrap_or(Path::new("")), given_up));
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
