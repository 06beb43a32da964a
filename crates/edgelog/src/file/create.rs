//! An erased file for a slot: the spare one, the slot's own once more, or a new one.

use super::FileMedium;
use super::ahead::read_full;
use super::space::erase;
use crate::error::FileError;
use edgelog_core::{LogId, SEGMENT_MAGIC};
use edgelog_map::may_rewrite;
use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::sync::Arc;

impl FileMedium {
    /// Gives the slot an erased file, in place of what it has; whether all its space is settled.
    pub(super) fn replace(&mut self, slot: u32) -> Result<bool, FileError> {
        let path = self.files.path(slot);
        let (log, erased) = (self.log.get().copied(), self.geometry.erased());
        let own = match self.files.get(slot)?.map(|open| Arc::clone(&open.file)) {
            Some(file) if owns(&file, log, erased, &path)? => Some(file),
            Some(_) => {
                self.set_foreign_aside(&path)?;
                None
            }
            None => None,
        };
        if let Some(spare) = self.spare.take(&path) {
            self.files.was_renamed();
            self.files.keep(slot, spare.file);
            return Ok(spare.is_settled);
        }
        let is_held = match &own {
            Some(file) if self.clear(file, &path)? => return Ok(false),
            own => own.is_some(),
        };
        let file = self.create_segment(&path, is_held)?;
        self.files.keep(slot, file);
        Ok(false)
    }

    /// Erases a file in place, unless somebody reads it there: the space is ours already, so recycling cannot run out of it. Otherwise
    /// another file takes its name, and its space is free when he is done.
    fn clear(&self, file: &File, path: &Path) -> Result<bool, FileError> {
        let failed = |error| FileError::new("clear", path, error);
        let Some(_unread) = may_rewrite(file).map_err(failed)? else { return Ok(false) };
        let size = u64::from(self.geometry.segment_size());
        file.set_len(size)
            .and_then(|()| erase(file, size, self.geometry.erased()))
            .map_err(failed)?;
        Ok(true)
    }

    /// An erased file under its final name, durable with its directory entry. Until the rename the slot is as it was.
    fn create_segment(&self, path: &Path, is_held: bool) -> Result<File, FileError> {
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

    fn sync_directory(&self) -> Result<(), FileError> {
        File::open(self.files.directory())
            .and_then(|directory| directory.sync_all())
            .map_err(|error| FileError::new("sync the folder", self.files.directory(), error))
    }

    /// A file that is no segment of ours is somebody's data: it is moved aside, never overwritten.
    fn set_foreign_aside(&self, path: &Path) -> Result<(), FileError> {
        let free = (0..u32::MAX)
            .map(|n| path.with_extension(format!("foreign-{n}")))
            .find(|aside| !aside.exists())
            .unwrap_or_else(|| path.with_extension("foreign"));
        fs::rename(path, &free).map_err(|error| FileError::new("move aside", path, error))
    }
}

/// Whether a file is a segment of this log, or blank.
fn owns(file: &File, log: Option<LogId>, erased: u8, path: &Path) -> Result<bool, FileError> {
    let mut head = [0; 32];
    read_full(file, &mut head, 0).map_err(|error| FileError::new("read", path, error))?;
    let (magic, rest) = head.split_at(SEGMENT_MAGIC.len());
    let ours = magic == SEGMENT_MAGIC && log.is_some_and(|log| rest.ends_with(&log.0));
    Ok(ours || head == [erased; 32])
}
