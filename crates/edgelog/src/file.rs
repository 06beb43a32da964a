//! A directory of segment files as a medium.

use crate::error::{FileError, OpenError};
use crate::image::{is_blank, other_version};
use crate::maps::Maps;
use crate::tail::{Sync, Syncs, TAIL_MAX, Tail, WRITE_LEN};
use edgelog_core::{
    Geometry, HEADER_LEN_MAX, LogId, Medium, MountError, SEGMENT_MAGIC, stored_header,
};
use edgelog_map::may_rewrite;
use rustix::fs::{FallocateFlags, fallocate};
use std::cell::OnceCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the owner may do and a reader may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Owner,
    ReadOnly,
}

/// Slot n is the file `NNNNNNNN.seg`. A file that is missing or short reads as erased.
#[derive(Debug)]
pub(crate) struct FileMedium {
    directory: PathBuf,
    geometry: Geometry,
    access: Access,
    /// The files in use, the one used last at the end: a ring may have more segments than a process may open files.
    open: Vec<OpenSegment>,
    log: OnceCell<LogId>,
    lock: Option<File>,
    /// A reader's: it never programs, and reads records in place.
    maps: Maps,
    /// An owner's until it programs: mounting reads a segment in small pieces, one behind the other.
    ahead: Option<ReadAhead>,
    tail: Tail,
    syncs: Syncs,
    /// The slot that is appended to, where its written bytes end, and up to where its space was settled.
    settled: (u32, u64, u64),
}

#[derive(Debug)]
struct OpenSegment {
    slot: u32,
    file: Arc<File>,
    /// Written since the last sync, perhaps by an owner that was killed; it stays open until that.
    unsynced: bool,
}

/// Files that the owner keeps open at most, besides unsynced ones, of which there are two at the most.
const OPEN_MAX: usize = 32;
/// Files that a reader keeps open besides those it has mapped: of the segment that it reads, and of the next one. There may be many readers.
const READER_OPEN_MAX: usize = 2;

/// What file systems set aside at once.
const PAGE_LEN: u64 = 4096;
/// So much space is settled at once, when less than a quarter of it is left.
const SETTLE_LEN: u64 = 1 << 20;

/// The bytes of a file from somewhere on.
#[derive(Debug, Default)]
struct ReadAhead {
    slot: u32,
    start: u64,
    bytes: Vec<u8>,
    /// How much is read at once.
    window: usize,
}

/// So much is read at first: a segment's header with most snapshots.
const AHEAD_MIN: usize = 1 << 10;
/// So much, when one piece after the other is asked for.
const AHEAD_MAX: usize = 64 << 10;

impl ReadAhead {
    /// As [`read_full`], out of what was read before as far as it goes.
    fn read(&mut self, file: &File, slot: u32, at: u64, to: &mut [u8]) -> io::Result<usize> {
        if to.len() > AHEAD_MAX {
            return read_full(file, to, at);
        }
        let end = self.start + self.bytes.len() as u64;
        if self.slot != slot || at < self.start || at + to.len() as u64 > end {
            let goes_on = self.slot == slot && (self.start..=end).contains(&at);
            self.window = if goes_on { AHEAD_MAX.min(2 * self.window) } else { AHEAD_MIN };
            self.bytes.resize(self.window.max(to.len()), 0);
            let read = read_full(file, &mut self.bytes, at);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            (self.slot, self.start) = (slot, at);
            read?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        self.bytes.get(from..).unwrap_or_default().read(to)
    }
}

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    /// The sizes of the log that most verified segment headers name.
    pub(crate) geometry: Option<Geometry>,
    /// Segment files.
    pub(crate) files: usize,
    /// Whether any of them holds something.
    pub(crate) data: bool,
    /// A version that this build does not read, told by one of them.
    version: Option<u16>,
}

impl Stored {
    /// Why there is nothing to be opened in `directory`, where no header was found.
    pub(crate) fn refusal(&self, directory: &Path) -> OpenError {
        let path = directory.to_owned();
        match (self.version, self.files) {
            (Some(found), _) => OpenError::Mount { path, source: MountError::Version { found } },
            (None, 0) => OpenError::NoLog(path),
            (None, files) => OpenError::NotALog { path, files },
        }
    }
}

impl FileMedium {
    /// The lock is the owner's: a sync fails once the lock file was removed, because somebody else may own the log then.
    pub(crate) fn new(directory: &Path, geometry: Geometry, lock: Option<File>) -> Self {
        let access = if lock.is_some() { Access::Owner } else { Access::ReadOnly };
        let directory = directory.to_owned();
        let maps = Maps::new(&geometry);
        let (tail, syncs) = (Tail::default(), Syncs::default());
        let (open, log) = (Vec::new(), OnceCell::new());
        let settled = (0, 0, 0);
        let ahead = (access == Access::Owner).then(ReadAhead::default);
        Self { directory, geometry, access, open, log, lock, maps, ahead, tail, syncs, settled }
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
        let written = match self.segment(slot)? {
            Some(open) => {
                open.unsynced = true;
                let file = Arc::clone(&open.file);
                let settled = if self.settled.0 == slot { self.settled.2 } else { 0 };
                self.settled = (slot, self.tail.end(), settled);
                self.tail.write_to(&file)
            }
            None => Err(io::ErrorKind::NotFound.into()),
        };
        written.map_err(|error| {
            let error = FileError::new("write to", &self.path(slot), error);
            self.syncs.fail(&error);
            error
        })
    }

    /// Begins to make durable what was programmed so far. What is programmed next stays in memory until that has ended, so its first
    /// frame may say that everything before it is durable.
    pub(crate) fn begin_sync(&mut self) -> Result<Sync, FileError> {
        self.write_out()?;
        self.settle_ahead();
        self.check_ownership()?;
        let mut files = Vec::new();
        for open in self.open.iter_mut().filter(|open| open.unsynced) {
            open.unsynced = false;
            let path = self.directory.join(segment_name(open.slot));
            files.push((path, Arc::clone(&open.file)));
        }
        Ok(self.syncs.begin(files))
    }

    /// Who syncs often pays for new space each time: this pays for much of it at once.
    fn settle_ahead(&mut self) {
        let (slot, written, settled) = self.settled;
        let size = u64::from(self.geometry.segment_size());
        let from = written.max(settled).next_multiple_of(PAGE_LEN);
        if self.geometry.erased() != 0 || from >= size || from > written + SETTLE_LEN / 4 {
            return;
        }
        let until = (from + SETTLE_LEN).min(size);
        // For speed alone: without it syncs take longer.
        if let Ok(Some(open)) = self.segment(slot)
            && settle(&open.file, from, until).is_ok()
        {
            self.settled.2 = until;
        }
    }

    /// The syncs of this medium, to be waited for without it.
    pub(crate) fn syncs(&self) -> Syncs {
        self.syncs.clone()
    }

    /// What the segment files in a directory tell before anything is opened: one foreign or rotten file does not decide.
    pub(crate) fn stored(directory: &Path) -> Result<Stored, FileError> {
        let mut stored = Stored::default();
        let mut votes: Vec<((LogId, Geometry), usize)> = Vec::new();
        for path in segment_paths(directory)? {
            stored.files += 1;
            let file = File::open(&path).map_err(|error| FileError::new("open", &path, error))?;
            let mut head = vec![0; HEADER_LEN_MAX];
            let length = read_full(&file, &mut head, 0)
                .map_err(|error| FileError::new("read", &path, error))?;
            let head = head.get(..length).unwrap_or_default();
            stored.data |= !is_blank(head);
            if stored.version.is_none() && head.starts_with(&SEGMENT_MAGIC) {
                stored.version = other_version(&file, 0)
                    .map_err(|error| FileError::new("read", &path, error))?;
            }
            if let Some(header) = stored_header(head) {
                match votes.iter_mut().find(|(known, _)| *known == header) {
                    Some((_, count)) => *count += 1,
                    None => votes.push((header, 1)),
                }
            }
        }
        let most = votes.iter().map(|&(_, count)| count).max();
        // Of equally many the first: the lowest slot.
        stored.geometry =
            votes.iter().find(|&&(_, count)| Some(count) == most).map(|&((_, sizes), _)| sizes);
        Ok(stored)
    }

    /// Gives files that were cut short their length again, before anything is appended: with bytes that are no frame, so that the
    /// engine sees damage and not unused space, and so that writing there cannot run out of space.
    pub(crate) fn mend_lengths(&self) -> Result<(), FileError> {
        let size = u64::from(self.geometry.segment_size());
        for path in segment_paths(&self.directory)? {
            let file = OpenOptions::new().read(true).write(true).open(&path);
            let file = file.map_err(|error| FileError::new("open", &path, error))?;
            let length =
                file.metadata().map_err(|error| FileError::new("look at", &path, error))?;
            let mut head = vec![0; HEADER_LEN_MAX];
            read_full(&file, &mut head, 0).map_err(|error| FileError::new("read", &path, error))?;
            if length.len() < size && stored_header(&head).is_some() {
                fill(&file, length.len(), size, !self.geometry.erased())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| FileError::new("restore the length of", &path, error))?;
            }
        }
        Ok(())
    }

    /// Removes what a crash left of segments that were being created: their slots may never need a new file again.
    pub(crate) fn remove_unfinished(&self) -> Result<(), FileError> {
        for path in files_with("new", &self.directory)? {
            let slot = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if slot.is_some_and(|slot| self.path(slot).with_extension("new") == path) {
                fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))?;
            }
        }
        Ok(())
    }

    fn path(&self, slot: u32) -> PathBuf {
        self.directory.join(segment_name(slot))
    }

    /// The slot's file, if there is one.
    fn segment(&mut self, slot: u32) -> Result<Option<&mut OpenSegment>, FileError> {
        if let Some(at) = self.open.iter().position(|open| open.slot == slot) {
            // Moving it to the end keeps the order of use; the usual one is there already.
            let open = self.open.remove(at);
            self.open.push(open);
            return Ok(self.open.last_mut());
        }
        let path = self.path(slot);
        match OpenOptions::new().read(true).write(self.access == Access::Owner).open(&path) {
            Ok(file) => Ok(Some(self.keep_open(slot, file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("open", &path, error)),
        }
    }

    fn keep_open(&mut self, slot: u32, file: File) -> &mut OpenSegment {
        self.open.retain(|open| open.slot != slot);
        let most = if self.access == Access::Owner { OPEN_MAX } else { READER_OPEN_MAX };
        if self.open.len() >= most
            && let Some(oldest) = self.open.iter().position(|open| !open.unsynced)
        {
            self.open.remove(oldest);
        }
        self.open.push(OpenSegment { slot, file: Arc::new(file), unsynced: false });
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    /// Says whose segments may be overwritten when the ring comes round. Until then none but blank ones are.
    pub(crate) fn set_log(&self, log: LogId) {
        let _ = self.log.set(log);
    }

    /// Whether the lock file is still the one that was locked.
    fn check_ownership(&self) -> Result<(), FileError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let path = self.directory.join("lock");
        let links = lock.metadata().map(|metadata| metadata.nlink());
        match links.map_err(|error| FileError::new("look at", &path, error))? {
            0 => {
                let removed = "the lock file or its folder was removed, so another process may own the log now";
                Err(FileError::new("go on owning", &self.directory, io::Error::other(removed)))
            }
            _ => Ok(()),
        }
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
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| FileError::new("sync the folder", &self.directory, error))
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

impl Medium for FileMedium {
    type Error = FileError;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn is_write_once(&self) -> bool {
        false
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        match self.access {
            Access::ReadOnly => self.maps.get(slot, || File::open(self.path(slot))),
            // It programs what it would borrow.
            Access::Owner => None,
        }
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        if position == 0 && self.access == Access::ReadOnly {
            // The owner may have put another file in its place.
            self.open.retain(|open| open.slot != slot);
            self.maps.forget(slot);
        }
        let mut ahead = self.ahead.take();
        let read = self.segment(slot)?.map(|open| match &mut ahead {
            Some(ahead) => ahead.read(&open.file, slot, u64::from(position), bytes),
            None => read_full(&open.file, bytes, u64::from(position)),
        });
        self.ahead = ahead;
        let length = read.unwrap_or(Ok(0));
        let length = length.map_err(|error| FileError::new("read", &self.path(slot), error))?;
        bytes.get_mut(length..).unwrap_or_default().fill(self.geometry.erased());
        self.tail.overlay(slot, position, bytes);
        Ok(())
    }

    /// Keeps the bytes until there are enough of them to be written, or a [sync](Self::begin_sync) writes them.
    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), FileError> {
        self.ahead = None;
        if !self.tail.is_followed_by(slot, position) {
            self.write_out()?;
        }
        self.tail.push(slot, position, bytes);
        let limit = if self.syncs.is_running() { TAIL_MAX } else { WRITE_LEN };
        if self.tail.len() < limit { Ok(()) } else { self.write_out() }
    }

    fn erase(&mut self, slot: u32) -> Result<(), FileError> {
        self.ahead = None;
        let path = self.path(slot);
        let (size, erased) = (u64::from(self.geometry.segment_size()), self.geometry.erased());
        self.write_out()?;
        // A reader of another process may have created, or a person removed, the file since it was opened.
        self.open.retain(|open| open.slot != slot);
        let log = self.log.get().copied();
        let mut is_held = false;
        let recycled = match self.segment(slot)? {
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
        if !recycled {
            let file = self.create_segment(&path, is_held)?;
            self.keep_open(slot, file);
        }
        self.adopt(slot);
        Ok(())
    }

    fn adopt(&mut self, slot: u32) {
        if let Ok(Some(open)) = self.segment(slot) {
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
    }
}

fn segment_name(slot: u32) -> String {
    format!("{slot:08}.seg")
}

/// Whether a file is a segment of this log, or blank.
fn owns(file: &File, log: Option<LogId>, erased: u8, path: &Path) -> Result<bool, FileError> {
    let mut head = [0; 32];
    read_full(file, &mut head, 0).map_err(|error| FileError::new("read", path, error))?;
    let (magic, rest) = head.split_at(SEGMENT_MAGIC.len());
    let ours = magic == SEGMENT_MAGIC && log.is_some_and(|log| rest.ends_with(&log.0));
    Ok(ours || head == [erased; 32])
}

/// The segment files of a directory, by slot; none where there is no directory.
fn segment_paths(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    files_with("seg", directory)
}

/// The files of a directory with this extension, by name; none where there is no directory.
fn files_with(extension: &str, directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |error| FileError::new("read the folder", directory, error);
    let listing = match fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let paths: io::Result<Vec<PathBuf>> = listing.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    paths.sort();
    Ok(paths)
}

/// Makes all of a file read as erased, with its space set aside: by the file system where it can, which writes no byte.
fn erase(file: &File, size: u64, erased: u8) -> io::Result<()> {
    if erased == 0 && fallocate(file, FallocateFlags::ZERO_RANGE, 0, size).is_ok() {
        return Ok(());
    }
    fill(file, 0, size, erased)
}

/// Writes zeros where zeros are, from `at` up to `until`: space that was only set aside costs each later sync a change of the file system's
/// own tables, which is as dear as the sync. What is not zero stays as it is.
fn settle(file: &File, at: u64, until: u64) -> io::Result<()> {
    let length = usize::try_from(until.saturating_sub(at)).unwrap_or(0);
    let mut bytes = vec![0; length];
    let read = read_full(file, &mut bytes, at)?;
    if bytes.iter().all(|&byte| byte == 0) {
        file.write_all_at(bytes.get(..read).unwrap_or_default(), at)?;
    }
    Ok(())
}

/// Writes `value` from `at` up to `until`.
fn fill(file: &File, mut at: u64, until: u64, value: u8) -> io::Result<()> {
    let bytes = vec![value; 1 << 16];
    while at < until {
        let length = usize::try_from(until - at).unwrap_or(usize::MAX).min(bytes.len());
        file.write_all_at(bytes.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
    Ok(())
}

/// As many bytes as the file has.
pub(crate) fn read_full(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..)
        && !rest.is_empty()
    {
        match file.read_at(rest, position + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
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
