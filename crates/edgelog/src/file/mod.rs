//! A directory of segment files as a medium.

mod ahead;
mod create;
mod open;
mod packed;
mod packing;
mod repair;
mod space;
mod stored;
mod syncs;
mod tail;

pub(crate) use ahead::read_full;
#[cfg(feature = "zstd")]
pub(crate) use packed::{packed_path, unfinished_path};
pub(crate) use packing::Packing;
#[cfg(feature = "zstd")]
pub(crate) use stored::segment_name;
pub(crate) use stored::{Stored, stored_bytes};

use crate::error::FileError;
use crate::maps::Maps;
use crate::store::Share;
use ahead::ReadAhead;
use create::owns;
use edgelog_core::{Geometry, LogId, Medium};
use edgelog_map::may_rewrite;
use open::Files;
use packed::{LOOKS, PackedFiles, to_be_mapped};
use space::{Settled, erase};
use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use syncs::{Sync, Syncs};
use tail::{TAIL_MAX, Tail, WRITE_LEN};

/// What the owner may do and a reader may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Owner,
    ReadOnly,
}

/// Slot n is the file `NNNNNNNN.seg`, or, without that, `NNNNNNNN.seg.zst`. A file that is missing or short reads as erased.
#[derive(Debug)]
pub(crate) struct FileMedium {
    files: Files,
    packed: PackedFiles,
    packing: Arc<Packing>,
    geometry: Geometry,
    access: Access,
    log: OnceCell<LogId>,
    lock: Option<File>,
    /// A reader's: it never programs, and reads records in place. An owner's while it mounts.
    maps: Maps,
    /// An owner's while it mounts: what it cannot map it reads in small pieces, one behind the other.
    ahead: Option<ReadAhead>,
    tail: Tail,
    syncs: Syncs,
    settled: Settled,
    /// Where a segment was when the folder was looked at.
    likely_slot: u32,
    /// Where the space is shared with other logs: this one's part.
    share: Option<Share>,
}

impl FileMedium {
    /// The lock is the owner's: a sync fails once the lock file was removed, because somebody else may own the log then.
    pub(crate) fn new(directory: &Path, geometry: Geometry, lock: Option<File>) -> Self {
        let access = if lock.is_some() { Access::Owner } else { Access::ReadOnly };
        let (files, maps) = (Files::new(directory, access), Maps::new(&geometry));
        let (tail, syncs, settled) = (Tail::default(), Syncs::default(), Settled::default());
        let (log, ahead) = (OnceCell::new(), (access == Access::Owner).then(ReadAhead::default));
        let (packed, packing) = (PackedFiles::default(), Arc::default());
        Self {
            files,
            packed,
            packing,
            geometry,
            access,
            log,
            lock,
            maps,
            ahead,
            tail,
            syncs,
            settled,
            likely_slot: 0,
            share: None,
        }
    }

    /// From now on segment files come out of a budget and go back into it.
    pub(crate) fn sharing(mut self, share: Share) -> Self {
        self.share = Some(share);
        self
    }

    /// Tells where a segment is, so that it need not be looked for.
    pub(crate) const fn beginning_at(mut self, slot: u32) -> Self {
        self.likely_slot = slot;
        self
    }

    /// Writes what was programmed so far to its file, where other processes see it. Waits for a sync that runs.
    ///
    /// What fails once fails for ever: what the file holds behind it is unknown.
    pub(crate) fn write_out(&mut self) -> Result<(), FileError> {
        let slot = self.tail.slot();
        self.syncs.wait()?;
        if self.tail.len() == 0 {
            return Ok(());
        }
        if self.files.get(slot)?.is_none() {
            self.unpack(slot)?;
        }
        let written = match self.files.get(slot)? {
            Some(open) => {
                open.unsynced = true;
                let file = Arc::clone(&open.file);
                self.settled.wrote(slot, self.tail.end());
                self.tail.write_to(&file)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        };
        written.map_err(|error| {
            let error = FileError::new("write to", &self.files.path(slot), error);
            self.syncs.fail(&error);
            error
        })
    }

    /// Fills `bytes` from the slot's file, whichever it has; without one they are erased.
    fn read_file(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        let erased = self.geometry.erased();
        for _ in 0..LOOKS {
            if !self.packed.is_open(slot)
                && let Some(length) = self.read_plain(slot, position, bytes)?
            {
                bytes.get_mut(length..).unwrap_or_default().fill(erased);
                return Ok(());
            }
            let directory = self.files.directory();
            if self.packed.read(directory, &self.geometry, (slot, position), bytes)? {
                return Ok(());
            }
        }
        bytes.fill(erased);
        Ok(())
    }

    /// Fills `bytes` as far as the slot's plain file has them, and gives how far; nothing where there is none.
    fn read_plain(
        &mut self,
        slot: u32,
        position: u32,
        bytes: &mut [u8],
    ) -> Result<Option<usize>, FileError> {
        let Some(open) = self.files.get(slot)? else { return Ok(None) };
        let read = match &mut self.ahead {
            Some(ahead) => ahead.read(&open.file, slot, u64::from(position), bytes),
            None => read_full(&open.file, bytes, u64::from(position)),
        };
        read.map(Some).map_err(|error| FileError::new("read", &self.files.path(slot), error))
    }

    /// Begins to make durable what was programmed so far. What is programmed next stays in memory until that has ended, so its first
    /// frame may say that everything before it is durable.
    pub(crate) fn begin_sync(&mut self) -> Result<Sync, FileError> {
        self.write_out()?;
        self.settle_ahead();
        self.check_ownership()?;
        Ok(self.syncs.begin(self.files.take_unsynced()?))
    }

    /// Who syncs often pays for new space each time: this pays for much of it at once.
    fn settle_ahead(&mut self) {
        let size = u64::from(self.geometry.segment_size());
        if self.geometry.erased() == 0
            && self.settled.is_short(size)
            && let Ok(Some(open)) = self.files.get(self.settled.slot())
        {
            self.settled.go_on(&open.file, size);
        }
    }

    /// The syncs of this medium, to be waited for without it.
    pub(crate) fn syncs(&self) -> Syncs {
        self.syncs.clone()
    }

    /// Says whose segments may be overwritten when the ring comes round. Until then none but blank ones are.
    /// The log is mounted.
    pub(crate) fn set_log(&mut self, log: LogId) {
        let _ = self.log.set(log);
        self.end_mounting();
    }

    /// What the owner has mapped keeps its file from being recycled in place.
    fn end_mounting(&mut self) {
        if self.ahead.take().is_some() {
            self.maps.clear();
        }
    }

    /// Whether the lock file is still the one that was locked.
    fn check_ownership(&self) -> Result<(), FileError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let path = self.files.directory().join("lock");
        let links = lock.metadata().map(|metadata| metadata.nlink());
        match links.map_err(|error| FileError::new("look at", &path, error))? {
            0 => {
                let removed = "the lock file or its folder was removed, so another process may own the log now";
                Err(FileError::new(
                    "go on owning",
                    self.files.directory(),
                    io::Error::other(removed),
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Medium for FileMedium {
    type Error = FileError;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn is_write_once(&self) -> bool {
        false
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        let open = || to_be_mapped(&self.files.path(slot));
        match self.access {
            Access::ReadOnly => self.maps.get(slot, open),
            // It programs what it would borrow, but not while it mounts.
            Access::Owner => self.ahead.as_ref().and_then(|_| self.maps.get_all(slot, open)),
        }
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        if position == 0 && self.access == Access::ReadOnly {
            // The owner may have put another file in its place.
            self.files.forget(slot);
            self.packed.forget(slot);
            self.maps.forget(slot);
        }
        self.read_file(slot, position, bytes)?;
        self.tail.overlay(slot, position, bytes);
        Ok(())
    }

    /// Keeps the bytes until there are enough of them to be written, or a [sync](Self::begin_sync) writes them.
    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), FileError> {
        self.end_mounting();
        if !self.tail.is_followed_by(slot, position) {
            self.write_out()?;
        }
        if position == 0 {
            self.packing.tell();
        }
        self.tail.push(slot, position, bytes);
        let limit = if self.syncs.is_running() { TAIL_MAX } else { WRITE_LEN };
        if self.tail.len() < limit { Ok(()) } else { self.write_out() }
    }

    fn erase(&mut self, slot: u32) -> Result<(), FileError> {
        self.end_mounting();
        let path = self.files.path(slot);
        let (size, erased) = (u64::from(self.geometry.segment_size()), self.geometry.erased());
        self.write_out()?;
        self.packing.give_up(slot);
        // A reader of another process may have created, or a person removed, the file since it was opened.
        self.files.forget(slot);
        self.packed.forget(slot);
        let log = self.log.get().copied();
        let mut is_held = false;
        let recycled = match self.files.get(slot)? {
            Some(open) if owns(&open.file, log, erased, &path)? => {
                let failed = |error| FileError::new("clear", &path, error);
                match may_rewrite(&open.file).map_err(failed)? {
                    // In place: the space is ours already, so recycling cannot run out of it.
                    Some(_unread) => {
                        let file = &open.file;
                        file.set_len(size)
                            .and_then(|()| erase(file, size, erased))
                            .map_err(failed)?;
                        true
                    }
                    // Somebody reads it in place: another file takes its name, and its space is free when he is done.
                    None => {
                        is_held = true;
                        false
                    }
                }
            }
            Some(_) => {
                self.set_foreign_aside(&path)?;
                false
            }
            None => false,
        };
        if is_held {
            // It takes the other one's place, also in what is counted.
            let file = self.create_segment(&path, is_held, |file| erase(file, size, erased))?;
            self.files.keep(slot, file);
        } else if !recycled {
            self.take_space(&path)?;
            let file = self.create_segment(&path, is_held, |file| erase(file, size, erased))?;
            self.count();
            self.files.keep(slot, file);
        }
        self.remove_packed(slot)?;
        self.adopt(slot);
        Ok(())
    }

    fn discard(&mut self, slot: u32) -> Result<(), FileError> {
        self.end_mounting();
        self.remove_segment(slot)
    }

    fn claim(&mut self, slot: u32) -> Result<bool, FileError> {
        let Some(share) = &self.share else { return Ok(true) };
        // A file that is there is used again.
        Ok(self.files.get(slot)?.is_some() || share.claim(self.geometry.segment_size().into()))
    }

    fn likely_slot(&self) -> u32 {
        self.likely_slot
    }

    fn adopt(&mut self, slot: u32) {
        if let Ok(Some(open)) = self.files.get(slot) {
            open.unsynced = true;
        }
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.begin_sync()?.run()
    }
}

impl Drop for FileMedium {
    /// What was appended and not synced may be lost, but not for want of a write.
    fn drop(&mut self) {
        let _ = self.write_out();
        if let Some(share) = &self.share {
            share.let_go();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgelog_sim::conformance::conforms;

    #[test]
    fn files_conform_to_what_the_engine_relies_on() {
        for (segment_size, segment_count) in [(1024, 2), (4096, 3), (1536, 40)] {
            let folder = tempfile::tempdir().unwrap();
            let geometry = Geometry::new(segment_size, segment_count, 1, 0x00).unwrap();
            let open = || {
                let lock = File::create(folder.path().join("lock")).unwrap();
                FileMedium::new(folder.path(), geometry, Some(lock))
            };
            let mut reopen = |medium| {
                drop(medium);
                open()
            };
            conforms(open(), Some(&mut reopen), false).unwrap();
        }
    }
}
