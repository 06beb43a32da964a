//! The logs that a folder holds.

use crate::error::{FileError, OpenError};
use crate::file::stored_bytes;
use std::fs;
use std::io;
use std::path::Path;

const NAME_LEN_MAX: usize = 64;

/// Whether a log may have this name: it is a folder's, on any file system, and no file's of the store.
pub(super) fn check(name: &str) -> Result<(), OpenError> {
    if is_name(name) { Ok(()) } else { Err(OpenError::BadName(name.to_owned())) }
}

fn is_name(name: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
    (1..=NAME_LEN_MAX).contains(&name.len())
        && name.bytes().all(is_plain)
        && !name.starts_with('.')
        && name != "lock"
}

/// The folders in `directory` that hold segment files, and how many bytes of them; none where there is no directory.
pub(super) fn log_folders(directory: &Path) -> Result<Vec<(String, u64)>, FileError> {
    let failed = |error| FileError::new("read the folder", directory, error);
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut logs = Vec::new();
    for entry in listing {
        let entry = entry.map_err(failed)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if is_name(&name) && entry.path().is_dir() {
            let bytes = stored_bytes(&entry.path())?;
            if bytes > 0 {
                logs.push((name, bytes));
            }
        }
    }
    logs.sort();
    Ok(logs)
}

/// Says so if `directory` is a store's. A folder that cannot be read is told by whoever reads it next.
pub(crate) fn store_at(directory: &Path) -> Option<OpenError> {
    let logs: Vec<_> = log_folders(directory).ok()?.into_iter().map(|(name, _)| name).collect();
    (!logs.is_empty()).then(|| OpenError::IsAStore { path: directory.to_owned(), logs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_every_file_system_takes_for_a_folder() {
        for name in ["a", "alarms", "line-4_press.2", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", ".hidden", "a/b", "lock", "a b", "é", "a\0", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
