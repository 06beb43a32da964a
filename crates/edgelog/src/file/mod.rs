//! A directory of segment files as a medium.

mod ahead;
mod create;
mod open;
mod outbox;
mod packed;
mod packing;
mod repair;
mod space;
mod spare;
mod stored;
mod tail;

pub(crate) use ahead::read_full;
pub(crate) use outbox::Underway;
#[cfg(feature = "zstd")]
pub(crate) use packed::{packed_path, unfinished_path};
pub(crate) use packing::Packing;
#[cfg(feature = "zstd")]
pub(crate) use stored::segment_name;
pub(crate) use stored::{Listing, Stored, stored_bytes};

use crate::error::FileError;
use crate::maps::Maps;
use crate::store::Share;
use ahead::ReadAhead;
use edgelog_core::{Geometry, LogId, Medium};
use open::{Files, Named};
use outbox::{Job, Outbox, Ticket};
use packed::{LOOKS, PackedFiles, to_be_mapped};
use space::Settled;
use spare::Spare;
use std::cell::OnceCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use tail::{Tail, WRITE_LEN};

/// Whoever syncs so often while half a segment is filled is better off with space that was written.
const SYNCS_MANY: u32 = 16;

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
    /// A reader's: it never programs, and reads records in place. An owner's while it mounts.
    maps: Maps,
    /// An owner's while it mounts.
    mounting: Option<Mounting>,
    tail: Tail,
    outbox: Outbox,
    /// The last [barrier](Medium::barrier).
    barrier: Ticket,
    spare: Spare,
    /// What was made for a slot that has no file.
    claimed: Option<(u32, File)>,
    /// Why none could be made, for want of space.
    lack: Option<FileError>,
    settled: Settled,
    /// Since the segment that is appended to was erased.
    syncs: u32,
    /// Where a segment was when the folder was looked at.
    likely_slot: u32,
    /// Where the space is shared with other logs: this one's part.
    share: Option<Share>,
    /// Last: it may be what holds the lock, and what the spare file leaves is removed before that is given back.
    lock: Option<Arc<File>>,
}

/// What an owner has while it mounts, and is alone with the files.
#[derive(Debug, Default)]
struct Mounting {
    /// What it cannot map it reads in small pieces, one behind the other.
    ahead: ReadAhead,
    /// The files that there are: others need not be looked for.
    listing: Option<Listing>,
}

impl Mounting {
    /// Whether the slot is known to have no file.
    fn lacks(&self, slot: u32) -> bool {
        self.listing.as_ref().is_some_and(|listing| !listing.has(slot))
    }
}

impl FileMedium {
    /// The lock is the owner's: a sync fails once the lock file was removed, because somebody else may own the log then.
    pub(crate) fn new(directory: &Path, geometry: Geometry, lock: Option<File>) -> Self {
        let access = if lock.is_some() { Access::Owner } else { Access::ReadOnly };
        let (files, maps) = (Files::new(directory, access), Maps::new(&geometry));
        Self {
            packed: PackedFiles::default(),
            packing: Arc::default(),
            geometry,
            access,
            log: OnceCell::new(),
            lock: lock.map(Arc::new),
            maps,
            mounting: (access == Access::Owner).then(Mounting::default),
            tail: Tail::default(),
            outbox: Outbox::default(),
            barrier: Ticket::default(),
            spare: Spare::new(&files, geometry),
            claimed: None,
            lack: None,
            settled: Settled::default(),
            syncs: 0,
            likely_slot: 0,
            share: None,
            files,
        }
    }

    /// From now on segment files come out of a budget and go back into it.
    pub(crate) fn sharing(mut self, share: Share) -> Self {
        self.share = Some(share);
        self
    }

    /// Tells the log's owner what the folder holds: nobody else changes that.
    pub(crate) fn listed(mut self, listing: Listing) -> Self {
        if let Some(mounting) = &mut self.mounting {
            mounting.listing = Some(listing);
        }
        self
    }

    /// Tells where a segment is, so that it need not be looked for.
    pub(crate) const fn beginning_at(mut self, slot: u32) -> Self {
        self.likely_slot = slot;
        self
    }

    /// Writes what was programmed so far to its file, where other processes see it, and waits for what is on its way before it.
    ///
    /// What fails once fails for ever: what the file holds behind it is unknown.
    pub(crate) fn write_out(&mut self) -> Result<(), FileError> {
        self.hand_over()?.run()
    }

    /// Hands what was programmed so far over, to be written by whoever waits for it.
    pub(crate) fn hand_over(&mut self) -> Result<Underway, FileError> {
        self.hand_over_by(Tail::take)?;
        Ok(Underway { outbox: self.outbox.clone(), ticket: self.outbox.all() })
    }

    fn hand_over_by(&mut self, take: impl Fn(&mut Tail, Vec<u8>) -> Tail) -> Result<(), FileError> {
        if self.tail.len() > 0 {
            let slot = self.tail.slot();
            if let Named::Nothing = self.files.get(slot)? {
                self.unpack(slot).inspect_err(|error| self.outbox.fail(error))?;
            }
            let path = self.files.path(slot);
            let Named::File(open) = self.files.get(slot)? else {
                let error = FileError::new("write to", &path, io::ErrorKind::NotFound.into());
                self.outbox.fail(&error);
                return Err(error);
            };
            open.unsynced = true;
            let file = Arc::clone(&open.file);
            let bytes = take(&mut self.tail, self.outbox.buffer());
            self.settled.wrote(slot, bytes.end());
            self.outbox.put(Job::Write { path, file, bytes })?;
        }
        Ok(())
    }

    /// Sees to it that what was programmed up to here, last at `position`, is written by another thread when it is much, and that the next
    /// segment's file is made in time.
    #[inline]
    fn programmed(&mut self, position: u32) -> Result<(), FileError> {
        if self.tail.len() >= WRITE_LEN {
            self.hand_over_by(Tail::take_most)?;
            self.outbox.set_off()?;
        }
        // Of a budget that is shared with other logs nothing is taken beside the ring.
        if position >= self.geometry.segment_size() / 2 && self.share.is_none() {
            self.spare.prepare(self.syncs >= SYNCS_MANY);
        }
        Ok(())
    }

    /// Fills `bytes` from the slot's file, whichever it has; without one they are erased.
    fn read_file(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        let erased = self.geometry.erased();
        // While it mounts, its owner is alone with the files.
        let looks = match &self.mounting {
            Some(mounting) if mounting.lacks(slot) => 0,
            Some(_) => 1,
            None => LOOKS,
        };
        for _ in 0..looks {
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

    /// Fills `bytes` as far as the slot's plain file has them, and gives how far; nothing where it has none. Of what is no file they are damage:
    /// what the segment held is gone, and it is not known to be unused.
    fn read_plain(
        &mut self,
        slot: u32,
        position: u32,
        bytes: &mut [u8],
    ) -> Result<Option<usize>, FileError> {
        let open = match self.files.get(slot)? {
            Named::File(open) => open,
            Named::Nothing => return Ok(None),
            Named::SomethingElse => {
                bytes.fill(!self.geometry.erased());
                return Ok(Some(bytes.len()));
            }
        };
        let read = match &mut self.mounting {
            Some(mounting) => mounting.ahead.read(&open.file, slot, u64::from(position), bytes),
            None => read_full(&open.file, bytes, u64::from(position)),
        };
        read.map(Some).map_err(|error| FileError::new("read", &self.files.path(slot), error))
    }

    /// Begins to make durable what was programmed so far. What is programmed next waits until that has ended, so its first frame may say
    /// that everything before it is durable.
    pub(crate) fn begin_sync(&mut self) -> Result<Underway, FileError> {
        self.syncs = self.syncs.saturating_add(1);
        let _ = self.hand_over()?;
        self.settle_ahead();
        self.hand_over_sync()
    }

    fn hand_over_sync(&mut self) -> Result<Underway, FileError> {
        let underway = self.hand_over()?;
        self.check_ownership()?;
        let files = self.files.take_unsynced()?;
        if files.is_empty() {
            return Ok(underway);
        }
        let ticket = self.outbox.put(Job::Sync { files, lock: self.lock.clone() })?;
        Ok(Underway { ticket, ..underway })
    }

    /// Fails when a write or sync has failed, also in the background. Costs next to nothing otherwise.
    pub(crate) fn check(&self) -> Result<(), FileError> {
        self.outbox.check()
    }

    /// Why the disk has no space for a segment that the log was refused.
    pub(crate) const fn take_lack(&mut self) -> Option<FileError> {
        self.lack.take()
    }

    /// The next write or sync will fail.
    #[cfg(test)]
    pub(crate) fn fail(&self, failure: &FileError) {
        let _ = self.outbox.put(Job::Fail(failure.clone()));
    }

    /// What waits to be written or synced has failed.
    #[cfg(test)]
    pub(crate) fn fail_all(&self, failure: &FileError) {
        self.outbox.fail(failure);
    }

    /// Who syncs often pays for new space each time: this pays for much of it at once.
    fn settle_ahead(&mut self) {
        let size = u64::from(self.geometry.segment_size());
        if self.geometry.erased() == 0
            && self.settled.is_short(size)
            && let Ok(Named::File(open)) = self.files.get(self.settled.slot())
        {
            self.settled.go_on(&open.file, size);
        }
    }

    /// The log is mounted: says whose segments may be overwritten when the ring comes round. Until then none but blank ones are.
    pub(crate) fn set_log(&mut self, log: LogId) -> Result<(), FileError> {
        let _ = self.log.set(log);
        match self.end_mounting() {
            Some(listing) => self.remove_overtaken(&listing),
            None => Ok(()),
        }
    }

    #[cold]
    fn map(&self, slot: u32) -> Option<&[u8]> {
        let open = || to_be_mapped(&self.files.path(slot));
        match self.access {
            Access::ReadOnly => self.maps.get(slot, open),
            // It programs what it would borrow, but not while it mounts.
            Access::Owner => self.mounting.as_ref().and_then(|_| self.maps.get_all(slot, open)),
        }
    }

    /// What the owner has mapped keeps its file from being recycled in place.
    fn end_mounting(&mut self) -> Option<Listing> {
        let mounting = self.mounting.take()?;
        self.maps.clear();
        mounting.listing
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

    #[inline]
    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        self.maps.known(slot).or_else(|| self.map(slot))
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        if position == 0 && self.access == Access::ReadOnly {
            // The owner may have put another file in its place.
            self.files.forget(slot);
            self.packed.forget(slot);
            self.maps.forget(slot);
        }
        self.outbox.work_off(slot)?;
        self.read_file(slot, position, bytes)?;
        self.tail.overlay(slot, position, bytes);
        Ok(())
    }

    /// Keeps the bytes until there are enough of them to be written by another thread, or somebody waits for them.
    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), FileError> {
        self.outbox.check()?;
        let _ = self.end_mounting();
        if !self.tail.is_followed_by(slot, position) {
            let _ = self.hand_over()?;
        }
        if position == 0 {
            self.packing.tell();
        }
        self.tail.push(slot, position, bytes);
        self.programmed(position)
    }

    /// Where what is programmed is kept anyway.
    fn lend(&mut self, slot: u32, position: u32, length: u32) -> Option<&mut [u8]> {
        let is_next = self.tail.is_followed_by(slot, position);
        is_next.then(|| self.tail.lend(usize::try_from(length).unwrap_or(0)))
    }

    fn program_lent(&mut self, slot: u32, position: u32, length: u32) -> Result<(), FileError> {
        self.outbox.check()?;
        let _ = self.end_mounting();
        self.tail.keep(slot, position, usize::try_from(length).unwrap_or(0));
        self.programmed(position)
    }

    fn erase(&mut self, slot: u32) -> Result<(), FileError> {
        let _ = self.end_mounting();
        let _ = self.hand_over()?;
        self.outbox.work_off(slot)?;
        self.packing.give_up(slot);
        // A reader of another process may have created, or a person removed, the file since it was opened.
        self.files.forget(slot);
        self.packed.forget(slot);
        let is_settled = self.replace(slot)?;
        self.remove_packed(slot)?;
        (self.settled, self.syncs) = (Settled::of(slot, is_settled, &self.geometry), 0);
        self.adopt(slot);
        Ok(())
    }

    fn discard(&mut self, slot: u32) -> Result<(), FileError> {
        let _ = self.end_mounting();
        self.remove_segment(slot)
    }

    fn claim(&mut self, slot: u32) -> Result<bool, FileError> {
        self.lack = None;
        // A file that is there is used again.
        Ok(self.own_file(slot)?.is_some() || self.make_claimed(slot)?)
    }

    fn likely_slot(&self) -> u32 {
        self.likely_slot
    }

    fn adopt(&mut self, slot: u32) {
        if let Ok(Named::File(open)) = self.files.get(slot) {
            open.unsynced = true;
        }
    }

    fn sync(&mut self) -> Result<(), FileError> {
        self.begin_sync()?.run()
    }

    /// What is programmed next waits for the sync of what was programmed before, and the caller does not.
    fn barrier(&mut self) -> Result<(), FileError> {
        let before = self.outbox.all();
        let written = self.hand_over()?;
        if self.outbox.is_done(before) {
            // Nothing is to be waited for, and the slot of a new header is blank for others until it is written.
            written.run()?;
        }
        self.barrier = self.hand_over_sync()?.ticket;
        // Of what it was mounted with the log's writer thread takes care.
        if self.mounting.is_some() { Ok(()) } else { self.outbox.set_off() }
    }

    fn is_past_barrier(&self) -> bool {
        self.outbox.is_done(self.barrier)
    }
}

impl Drop for FileMedium {
    /// What was appended and not synced may be lost, but not for want of a write.
    fn drop(&mut self) {
        let _ = self.write_out();
        self.outbox.end();
        self.drop_claimed();
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
