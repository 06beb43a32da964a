//! A file for a slot that has none that can be used again.

use super::FileMedium;
use super::ahead::read_full;
use super::space::erase;
use crate::error::FileError;
use edgelog_core::{LogId, SEGMENT_MAGIC};
use std::fs::{self, File, OpenOptions};
use std::path::Path;

impl FileMedium {
    /// An erased file under its final name, durable with its directory entry. Until the rename the slot is as it was.
    pub(super) fn create_segment(&self, path: &Path, is_held: bool) -> Result<File, FileError> {
        let new = path.with_extension("new");
        let created =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new);
        let file = created.map_err(|error| FileError::new("create", &new, error))?;
        let size = u64::from(self.geometry.segment_size());
        let erased = self.geometry.erased();
        let filled = erase(&file, size, erased).and_then(|()| file.sync_all());
        if let Err(error) = filled {
            // Half a segment is of no use and holds space that the user needs.
            let _ = fs::remove_file(&new);
            let doing = if is_held {
                "make room for another file beside the one that a reader holds (end the reader, or let it read on), instead of"
            } else {
                "make room for the segment"
            };
            return Err(FileError::new(doing, path, error));
        }
        fs::rename(&new, path).map_err(|error| FileError::new("name the segment", path, error))?;
        self.sync_directory()?;
        Ok(file)
    }

    /// Removes the slot's file, if it has one, for good. Who has it mapped keeps its bytes until he lets go of them.
    pub(super) fn remove_segment(&mut self, slot: u32) -> Result<(), FileError> {
        self.check_ownership()?;
        let path = self.files.path(slot);
        self.files.forget(slot);
        let log = self.log.get().copied();
        let erased = self.geometry.erased();
        match self.files.get(slot)? {
            Some(open) if owns(&open.file, log, erased, &path)? => {
                fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))?;
            }
            Some(_) => self.set_foreign_aside(&path)?,
            None => {}
        }
        self.files.forget(slot);
        // Also when it was gone already: its removal may have been what could not be made durable.
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), FileError> {
        File::open(self.files.directory())
            .and_then(|directory| directory.sync_all())
            .map_err(|error| FileError::new("sync the folder", self.files.directory(), error))
    }

    /// A file that is no segment of ours is somebody's data: it is moved aside, never overwritten.
    pub(super) fn set_foreign_aside(&self, path: &Path) -> Result<(), FileError> {
        let free = (0..u32::MAX)
            .map(|n| path.with_extension(format!("foreign-{n}")))
            .find(|aside| !aside.exists())
            .unwrap_or_else(|| path.with_extension("foreign"));
        fs::rename(path, &free).map_err(|error| FileError::new("move aside", path, error))
    }
}

/// Whether a file is a segment of this log, or blank.
pub(super) fn owns(
    file: &File,
    log: Option<LogId>,
    erased: u8,
    path: &Path,
) -> Result<bool, FileError> {
    let mut head = [0; 32];
    read_full(file, &mut head, 0).map_err(|error| FileError::new("read", path, error))?;
    let (magic, rest) = head.split_at(SEGMENT_MAGIC.len());
    let ours = magic == SEGMENT_MAGIC && log.is_some_and(|log| rest.ends_with(&log.0));
    Ok(ours || head == [erased; 32])
}
