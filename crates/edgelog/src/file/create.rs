//! An erased file for a slot: the spare one, the slot's own once more, or a new one.

use super::FileMedium;
use super::ahead::read_full;
use super::open::Named;
use super::outbox::folder;
use super::packed::{is_owned, packed_path};
use super::space::erase;
use crate::error::FileError;
use edgelog_core::{Geometry, LogId};
use edgelog_map::may_rewrite;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl FileMedium {
    /// Gives the slot an erased file, in place of what it has; whether all its space is settled.
    pub(super) fn replace(&mut self, slot: u32) -> Result<bool, FileError> {
        let path = self.files.path(slot);
        let (log, erased) = (self.log.get().copied(), self.geometry.erased());
        let own = match self.own_file(slot)? {
            Some(file) if owns(&file, log, erased, &path)? => Some(file),
            _ => {
                self.set_foreign_aside(&path)?;
                None
            }
        };
        let is_new = own.is_none() && !self.is_claimed(slot);
        if is_new {
            self.take_space(&path)?;
        }
        // Names may have changed whatever comes of it.
        self.files.was_renamed();
        let spare = self.spare.take(&path)?;
        let is_settled = spare.as_ref().is_some_and(|spare| spare.is_settled);
        let geometry = self.geometry;
        let blank = |file: &File| erase_all(file, &geometry);
        let new = match (spare, &own) {
            (Some(spare), _) => {
                if packed_path(&path).exists() {
                    // Before that one goes.
                    self.sync_directory()?;
                }
                Some(spare.file)
            }
            (None, Some(own)) if self.clear(own, &path)? => None,
            (None, Some(_)) => Some(self.create_segment(&path, true, blank)?),
            (None, None) => match self.name_claimed(slot) {
                Some(file) => Some(file),
                None => Some(self.create_segment(&path, false, blank)?),
            },
        };
        if let Some(file) = new {
            self.files.keep(slot, file);
        }
        if is_new {
            self.count();
        }
        self.drop_claimed();
        Ok(is_settled)
    }

    /// Erases a file in place, unless somebody reads it there: the space is ours already, so recycling cannot run out of it. Otherwise
    /// another file takes its name, and its space is free when he is done.
    fn clear(&self, file: &File, path: &Path) -> Result<bool, FileError> {
        let failed = |error| FileError::new("clear", path, error);
        let Some(_unread) = may_rewrite(file).map_err(failed)? else { return Ok(false) };
        file.set_len(self.geometry.segment_size().into())
            .and_then(|()| erase_all(file, &self.geometry))
            .map_err(failed)?;
        Ok(true)
    }

    /// Makes the file that a slot without one will need, unless that is done or the spare one is there; false where there is no space.
    pub(super) fn make_claimed(&mut self, slot: u32) -> Result<bool, FileError> {
        let segment = self.geometry.segment_size().into();
        if self.is_claimed(slot) || self.spare.is_made() {
            return Ok(true);
        }
        if self.share.as_ref().is_some_and(|share| !share.claim(segment)) {
            return Ok(false);
        }
        match new_segment(&self.files.path(slot), false, |file| erase_all(file, &self.geometry)) {
            Ok(file) => {
                self.count();
                self.claimed = Some((slot, file));
                Ok(true)
            }
            Err(error) if error.is_want_of_space() => {
                self.lack = Some(error);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn is_claimed(&self, slot: u32) -> bool {
        self.claimed.as_ref().is_some_and(|&(of, _)| of == slot)
    }

    /// What was made for the slot, under its final name; none where somebody took it away.
    fn name_claimed(&mut self, slot: u32) -> Option<File> {
        let (_, file) = self.claimed.take_if(|&mut (of, _)| of == slot)?;
        let path = self.files.path(slot);
        fs::rename(unnamed(&path), path).ok().map(|()| file)
    }

    /// It is not needed after all.
    pub(super) fn drop_claimed(&mut self) {
        if let Some((slot, _)) = self.claimed.take() {
            let _ = fs::remove_file(unnamed(&self.files.path(slot)));
            self.uncount(self.geometry.segment_size().into());
        }
    }

    /// A file under its final name, filled by `fill`, which the next sync makes durable. Until the rename the slot is as it was.
    pub(super) fn create_segment(
        &mut self,
        path: &Path,
        is_held: bool,
        fill: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<File, FileError> {
        let file = new_segment(path, is_held, fill)?;
        self.files.was_renamed();
        let named = fs::rename(unnamed(path), path);
        named.map_err(|error| FileError::new("name the segment", path, error))?;
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
        match self.own_file(slot)? {
            Some(file) if owns(&file, log, erased, &path)? => {
                let length = length(&file, &path)?;
                fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))?;
                self.uncount(length);
            }
            _ => self.set_foreign_aside(&path)?,
        }
        self.files.forget(slot);
        // Also when it was gone already: its removal may have been what could not be made durable.
        self.sync_directory()
    }

    pub(super) fn sync_directory(&self) -> Result<(), FileError> {
        folder(self.files.directory())?.sync()
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

    /// The slot's file; none where it has none, or a folder, say, has its name.
    pub(super) fn own_file(&mut self, slot: u32) -> Result<Option<Arc<File>>, FileError> {
        Ok(match self.files.get(slot)? {
            Named::File(open) => Some(Arc::clone(&open.file)),
            Named::Nothing | Named::SomethingElse => None,
        })
    }

    /// What has a segment's name, if anything has, and is none of ours is somebody's: it is moved aside, never overwritten.
    pub(super) fn set_foreign_aside(&self, path: &Path) -> Result<(), FileError> {
        let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
        if !is_there(path) {
            return Ok(());
        }
        let counted = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        let free = (0..u32::MAX)
            .map(|n| path.with_extension(format!("foreign-{n}")))
            .find(|aside| !is_there(aside))
            .unwrap_or_else(|| path.with_extension("foreign"));
        fs::rename(path, &free).map_err(|error| FileError::new("move aside", path, error))?;
        self.uncount(counted.map_or(0, |about| about.len()));
        Ok(())
    }
}

/// What is made for a slot, until it gets its name.
fn unnamed(path: &Path) -> PathBuf {
    path.with_extension("new")
}

/// A file that is durable but for its final name, `path`.
fn new_segment(
    path: &Path,
    is_held: bool,
    fill: impl FnOnce(&File) -> io::Result<()>,
) -> Result<File, FileError> {
    let new = unnamed(path);
    let created = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new);
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
    Ok(file)
}

fn erase_all(file: &File, geometry: &Geometry) -> io::Result<()> {
    erase(file, geometry.segment_size().into(), geometry.erased())
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
