//! One process owns a log.

use crate::error::{FileError, OpenError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Held for the life of the owner. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    file: File,
    path: PathBuf,
}

impl OwnerLock {
    pub(crate) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join("lock");
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|error| FileError::new("open", &path, error))?;
        match lock_patiently(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: directory.to_owned(), owner: name(file) });
            }
            Err(TryLockError::Error(error)) => {
                return Err(FileError::new("lock", &path, error).into());
            }
        }
        // Only for people who wonder who holds the lock: the lock itself is the system's, and what a dead owner wrote says nothing.
        let name = own_name();
        let _ =
            file.write_all_at(name.as_bytes(), 0).and_then(|()| file.set_len(name.len() as u64));
        Ok(Self { file, path })
    }
}

impl OwnerLock {
    /// Another handle of the lock file, to see whether it is still there.
    pub(crate) fn file(&self) -> Result<File, FileError> {
        self.file.try_clone().map_err(|error| FileError::new("keep", &self.path, error))
    }
}

/// The process that owns the log in `directory`, if any does.
pub(crate) fn owner(directory: &Path) -> Result<Option<String>, FileError> {
    let path = directory.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(FileError::new("open", &path, error)),
    };
    // Held for a moment only, and shared, so that two who ask do not take each other for an owner.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(name(file))),
        Err(TryLockError::Error(error)) => Err(FileError::new("lock", &path, error)),
    }
}

/// Outlasts those who only ask who the owner is.
fn lock_patiently(file: &File) -> Result<(), TryLockError> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

/// One line with process id and program.
fn own_name() -> String {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
    match program {
        Some(program) => format!("{} ({program})\n", std::process::id()),
        None => format!("{}\n", std::process::id()),
    }
}

/// What the owner wrote into the lock file.
fn name(file: File) -> String {
    let mut written = Vec::new();
    let _ = file.take(NAME_LEN_MAX).read_to_end(&mut written);
    let written = String::from_utf8_lossy(&written);
    // What is behind the line is a former owner's, whose name was longer.
    let owner = written.lines().next().unwrap_or_default().trim();
    if owner.is_empty() { "(unknown)" } else { owner }.to_owned()
}

/// File names have 255 bytes at the most.
const NAME_LEN_MAX: u64 = 300;
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(5);
