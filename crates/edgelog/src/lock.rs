//! One process owns a log.

use crate::error::{FileError, OpenError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// Held for the life of the owner. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join("lock");
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|error| FileError::new("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                let owner = owner.trim();
                let owner = if owner.is_empty() { "(unknown)" } else { owner }.to_owned();
                return Err(OpenError::Locked { path: directory.to_owned(), owner });
            }
            Err(TryLockError::Error(error)) => {
                return Err(FileError::new("lock", &path, error).into());
            }
        }
        // The number is only for people who wonder who holds the lock.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
