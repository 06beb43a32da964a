//! Stands in for the files: what was programmed, and what of it they have. What is on its way to them is the log's own.

#[path = "../../../crates/edgelog/src/file/ahead.rs"]
mod ahead;
#[path = "models/outbox.rs"]
pub(crate) mod models;
#[path = "../../../crates/edgelog/src/file/outbox.rs"]
mod outbox;
#[path = "../../../crates/edgelog/src/file/packing.rs"]
mod packing;
#[path = "models/packing.rs"]
pub(crate) mod packing_models;
mod tail;

pub(crate) use ahead::read_full;

use crate::error::FileError;
use crate::sync::{Arc, Condvar, Mutex};
use std::io;
use std::path::Path;

#[derive(Clone, Debug, Default)]
pub(crate) struct Medium(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    disk: Mutex<Disk>,
    /// Rung when something was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Disk {
    programmed: u64,
    written: u64,
    is_broken: bool,
}

/// A write, or a sync.
#[derive(Debug)]
#[must_use]
pub(crate) struct Underway(Medium, u64);

impl Medium {
    pub(crate) fn program(&self, below: u64) {
        self.0.disk.lock().unwrap().programmed = below;
    }

    /// Whatever is written or synced from now on fails.
    pub(crate) fn break_it(&self) {
        self.0.disk.lock().unwrap().is_broken = true;
    }

    /// Nothing fails in the background.
    pub(crate) const fn check(&self) -> Result<(), FileError> {
        Ok(())
    }

    /// Returns when the files have everything below `below`.
    pub(crate) fn wait(&self, below: u64) {
        let is_short = |disk: &mut Disk| disk.written < below;
        drop(self.0.written.wait_while(self.0.disk.lock().unwrap(), is_short));
    }

    pub(crate) fn hand_over(&self) -> Result<Underway, FileError> {
        Ok(Underway(self.clone(), self.0.disk.lock().unwrap().programmed))
    }

    pub(crate) fn begin_sync(&self) -> Result<Underway, FileError> {
        self.hand_over()
    }
}

impl Underway {
    pub(crate) fn run(self) -> Result<(), FileError> {
        let Self(medium, below) = self;
        let mut disk = medium.0.disk.lock().unwrap();
        if disk.is_broken {
            let error = io::Error::from(io::ErrorKind::Other);
            return Err(FileError::new("write to", Path::new("disk"), error));
        }
        disk.written = disk.written.max(below);
        drop(disk);
        medium.0.written.notify_all();
        Ok(())
    }
}
