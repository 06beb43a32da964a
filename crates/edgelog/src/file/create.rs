//! An erased file for a slot: the spare one, the slot's own once more, or a new one.

use super::FileMedium;
use super::ahead::read_full;
use super::packed::{is_owned, packed_path};
use super::space::erase;
use crate::error::FileError;
use edgelog_core::LogId;
use edgelog_map::may_rewrite;
use std::fs::{self, File, OpenOptions};
use std::io;
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
        let is_new = own.is_none();
        if is_new {
            self.take_space(&path)?;
        }
        // Names may have changed whatever comes of it.
        self.files.was_renamed();
        let spare = self.spare.take(&path)?;
        let is_settled = spare.as_ref().is_some_and(|spare| spare.is_settled);
        let new = match (spare, &own) {
            (Some(spare), _) => {
                if packed_path(&path).exists() {
                    // Before that one goes.
                    self.sync_directory()?;
                }
                Some(spare.file)
            }
            (None, Some(own)) if self.clear(own, &path)? => None,
            (None, own) => {
                let size = u64::from(self.geometry.segment_size());
                let fill = |file: &File| erase(file, size, erased);
                Some(self.create_segment(&path, own.is_some(), fill)?)
            }
        };
        if let Some(file) = new {
            self.files.keep(slot, file);
        }
        if is_new {
            self.count();
        }
        Ok(is_settled)
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

    /// A file under its final name, filled by `fill`, which the next sync makes durable. Until the rename the slot is as it was.
    pub(super) fn create_segment(
        &mut self,
        path: &Path,
        is_held: bool,
        fill: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<File, FileError> {
        let new = path.with_extension("new");
        let created =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new);
        let file = created.map_err(|error| FileError::new("create", &new, error))?;
        if let Err(error) = fill(&file).and_then(|()| file.sync_all()) {
            // Half a segment is of no use and holds space that the user needs.
            let _ = fs::remove_file(&new);
            let doing = if is_held {
                "make room for another file beside the one that a reader holds (end the reader, or let it read on), instead of"
            } else {
                "make room for the segment"
            };
            return Err(FileError::new(doing, path, error));
        }
        self.files.was_renamed();
        fs::rename(&new, path).map_err(|error| FileError::new("name the segment", path, error))?;
        Ok(file)
    }

    /// Removes the slot's files, if it has any, for good. Who has it mapped keeps its bytes until he lets go of them.
    pub(super) fn remove_segment(&mut self, slot: u32) -> Result<(), FileError> {
        self.check_ownership()?;
        self.packing.give_up(slot);
        let path = self.files.path(slot);
        self.files.forget(slot);
        self.packed.forget(slot);
        // Durably, before it is the only one and counts again.
        if self.remove_packed(slot)? {
            self.sync_directory()?;
        }
        let log = self.log.get().copied();
        let erased = self.geometry.erased();
        match self.files.get(slot)? {
            Some(open) if owns(&open.file, log, erased, &path)? => {
                let length = length(&open.file, &path)?;
                fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))?;
                self.uncount(length);
            }
            Some(_) => self.set_foreign_aside(&path)?,
            None => {}
        }
        self.files.forget(slot);
        // Also when it was gone already: its removal may have been what could not be made durable.
        self.sync_directory()
    }

    pub(super) fn sync_directory(&self) -> Result<(), FileError> {
        File::open(self.files.directory())
            .and_then(|directory| directory.sync_all())
            .map_err(|error| FileError::new("sync the folder", self.files.directory(), error))
    }

    /// Where several logs share their space: takes what another segment needs, which a [claim](edgelog_core::Medium::claim) kept as a rule.
    pub(super) fn take_space(&self, path: &Path) -> Result<(), FileError> {
        match &self.share {
            Some(share) if !share.claim(self.geometry.segment_size().into()) => {
                let full = io::ErrorKind::StorageFull.into();
                Err(FileError::new("make room in the store's budget for", path, full))
            }
            _ => Ok(()),
        }
    }

    /// A segment file came into being.
    pub(super) fn count(&self) {
        if let Some(share) = &self.share {
            share.made(self.geometry.segment_size().into());
        }
    }

    /// One of this length is gone.
    pub(super) fn uncount(&self, length: u64) {
        if let Some(share) = &self.share {
            share.gone(length);
        }
    }

    /// A file that is no segment of ours is somebody's data: it is moved aside, never overwritten.
    pub(super) fn set_foreign_aside(&self, path: &Path) -> Result<(), FileError> {
        let bytes = fs::metadata(path).map_err(|error| FileError::new("look at", path, error))?;
        let free = (0..u32::MAX)
            .map(|n| path.with_extension(format!("foreign-{n}")))
            .find(|aside| !aside.exists())
            .unwrap_or_else(|| path.with_extension("foreign"));
        fs::rename(path, &free).map_err(|error| FileError::new("move aside", path, error))?;
        self.uncount(bytes.len());
        Ok(())
    }
}

fn length(file: &File, path: &Path) -> Result<u64, FileError> {
    let about = file.metadata().map_err(|error| FileError::new("look at", path, error))?;
    Ok(about.len())
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
    Ok(is_owned(&head, log, erased))
}
