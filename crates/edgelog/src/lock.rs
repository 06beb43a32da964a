//! One process owns a log.

use crate::error::{FileError, OpenError};
use crate::file::read_full;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Held for the life of the owner. The operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    file: File,
    path: PathBuf,
    /// Files whose last sync failed a former owner.
    doubtful: Vec<String>,
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
        let noted = content(&file);
        let doubtful = noted.lines().filter_map(|line| line.strip_prefix(DOUBTFUL));
        let lock = Self { doubtful: doubtful.map(str::to_owned).collect(), file, path };
        lock.write_name();
        Ok(lock)
    }

    /// For people who wonder who holds the lock: the lock itself is the system's, and who a dead owner was says nothing. Behind it stays what is
    /// in doubt until that is [settled](Self::settle).
    fn write_name(&self) {
        let mut name = own_name();
        for file in &self.doubtful {
            name.push_str(&doubt(file));
        }
        let _ = self.file.write_all_at(name.as_bytes(), 0);
    }

    /// The names of the files whose last sync failed a former owner, unless the system has been started since.
    pub(crate) fn doubtful(&self) -> &[String] {
        &self.doubtful
    }

    /// They were written anew, and synced.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.doubtful).is_empty() {
            // A change of the file's length may have to wait for the file system.
            return;
        }
        let _ = self.file.set_len(0);
        self.write_name();
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

/// Notes in the owner's lock file that the sync of files with these names failed. It need not be durable: what the system forgot about the files
/// is what a power cut takes from them as well.
pub(crate) fn note_doubt<'n>(lock: &File, names: impl Iterator<Item = &'n str>) -> io::Result<()> {
    let notes: String = names.map(doubt).collect();
    lock.write_all_at(notes.as_bytes(), lock.metadata()?.len())
}

fn doubt(name: &str) -> String {
    format!("{DOUBTFUL}{name}\n")
}

/// What the owner wrote into the lock file.
fn name(file: File) -> String {
    let written = content(&file);
    // What is behind the line is a former owner's, whose name was longer.
    let owner = written.lines().next().unwrap_or_default().trim();
    if owner.is_empty() { "(unknown)" } else { owner }.to_owned()
}

fn content(file: &File) -> String {
    let mut bytes = vec![0; CONTENT_LEN_MAX];
    let length = read_full(file, &mut bytes, 0).unwrap_or_default();
    String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned()
}

/// How a line begins that names a file whose sync failed.
const DOUBTFUL: &str = "not synced: ";
/// A name has some 300 bytes at the most, and a sync few files.
const CONTENT_LEN_MAX: usize = 4 << 10;
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_doubt_is_handed_from_owner_to_owner_until_one_settles_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = OwnerLock::take(folder.path()).unwrap();
        assert!(first.doubtful().is_empty());
        note_doubt(&first.file().unwrap(), ["00000001.seg", "00000002.seg"].into_iter()).unwrap();
        assert_eq!(owner(folder.path()).unwrap().unwrap(), own_name().trim());
        drop(first);
        drop(OwnerLock::take(folder.path()).unwrap());
        let mut third = OwnerLock::take(folder.path()).unwrap();
        assert_eq!(third.doubtful(), ["00000001.seg", "00000002.seg"]);
        third.settle();
        drop(third);
        assert!(OwnerLock::take(folder.path()).unwrap().doubtful().is_empty());
    }
}
