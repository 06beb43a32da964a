//! A directory of segment files as a medium.

use crate::error::FileError;
use edgelog_core::{Geometry, LogId, Medium, SEGMENT_MAGIC, stored_geometry};
use std::cell::OnceCell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What the owner may do and a reader may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Owner,
    ReadOnly,
}

/// Slot n is the file `NNNNNNNN.seg`. A file that is missing or short reads as erased (zeros).
#[derive(Debug)]
pub(crate) struct FileMedium {
    directory: PathBuf,
    geometry: Geometry,
    access: Access,
    slots: Vec<Slot>,
    log: OnceCell<LogId>,
}

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    /// The sizes that the first readable segment header tells.
    pub(crate) geometry: Option<Geometry>,
    /// Segment files.
    pub(crate) files: usize,
    /// Whether any of them holds something.
    pub(crate) data: bool,
}

#[derive(Debug, Default)]
struct Slot {
    file: Option<File>,
    /// Written since the last sync, perhaps by an owner that was killed.
    unsynced: bool,
}

impl FileMedium {
    pub(crate) fn open(
        directory: &Path,
        geometry: Geometry,
        access: Access,
    ) -> Result<Self, FileError> {
        let mut medium = Self {
            directory: directory.to_owned(),
            geometry,
            access,
            slots: Vec::new(),
            log: OnceCell::new(),
        };
        for slot in 0..geometry.segment_count() {
            let file = medium.open_slot(slot)?;
            let unsynced = access == Access::Owner && file.is_some();
            medium.slots.push(Slot { file, unsynced });
        }
        Ok(medium)
    }

    /// What the segment files in a directory tell before anything is opened.
    pub(crate) fn stored(directory: &Path) -> Result<Stored, FileError> {
        let mut stored = Stored::default();
        let listing = match fs::read_dir(directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(stored),
            Err(error) => return Err(FileError::new("read the folder", directory, error)),
        };
        let mut paths = Vec::new();
        for entry in listing {
            let entry =
                entry.map_err(|error| FileError::new("read the folder", directory, error))?;
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "seg") {
                paths.push(path);
            }
        }
        paths.sort();
        stored.files = paths.len();
        for path in &paths {
            let file = File::open(path).map_err(|error| FileError::new("open", path, error))?;
            let mut head = [0; 80];
            let length = read_full(&file, &mut head, 0)
                .map_err(|error| FileError::new("read", path, error))?;
            let head = head.get(..length).unwrap_or_default();
            stored.geometry = stored.geometry.or_else(|| stored_geometry(head));
            stored.data |= head.iter().any(|&byte| byte != 0);
        }
        Ok(stored)
    }

    fn path(&self, slot: u32) -> PathBuf {
        self.directory.join(format!("{slot:08}.seg"))
    }

    fn open_slot(&self, slot: u32) -> Result<Option<File>, FileError> {
        let path = self.path(slot);
        match OpenOptions::new().read(true).write(self.access == Access::Owner).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("open", &path, error)),
        }
    }

    fn slot(&self, slot: u32) -> Result<&Slot, FileError> {
        usize::try_from(slot)
            .ok()
            .and_then(|index| self.slots.get(index))
            .ok_or_else(|| self.no_such_slot(slot))
    }

    fn slot_mut(&mut self, slot: u32) -> Result<&mut Slot, FileError> {
        let missing = self.no_such_slot(slot);
        let index = usize::try_from(slot).ok();
        index.and_then(|index| self.slots.get_mut(index)).ok_or(missing)
    }

    fn no_such_slot(&self, slot: u32) -> FileError {
        FileError::new("use", &self.path(slot), io::Error::other("the log has no such segment"))
    }

    /// Says whose segments may be overwritten when the ring comes round. Until then none but blank ones are.
    pub(crate) fn set_log(&self, log: LogId) {
        let _ = self.log.set(log);
    }

    /// Whether a file is a segment of this log, or blank.
    fn owns(&self, file: &File, path: &Path) -> Result<bool, FileError> {
        let mut head = [0; 32];
        read_full(file, &mut head, 0).map_err(|error| FileError::new("read", path, error))?;
        let (magic, rest) = head.split_at(SEGMENT_MAGIC.len());
        let ours =
            magic == SEGMENT_MAGIC && self.log.get().is_some_and(|log| rest.ends_with(&log.0));
        Ok(ours || head == [0; 32])
    }

    /// The slot's file, opened late when another process has created it since.
    fn readable(&mut self, slot: u32) -> Result<Option<&File>, FileError> {
        if self.slot(slot)?.file.is_none() && self.access == Access::ReadOnly {
            self.slot_mut(slot)?.file = self.open_slot(slot)?;
        }
        Ok(self.slot(slot)?.file.as_ref())
    }

    /// A file of zeros under its final name, durable with its directory entry. Until the rename the slot is as it was.
    fn create_segment(&self, path: &Path) -> Result<File, FileError> {
        let new = path.with_extension("new");
        let created =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&new);
        let file = created.map_err(|error| FileError::new("create", &new, error))?;
        let size = u64::from(self.geometry.segment_size());
        let filled = fill_with_zeros(&file, size).and_then(|()| file.sync_all());
        if let Err(error) = filled {
            // Half a segment is of no use and holds space that the user needs.
            let _ = fs::remove_file(&new);
            return Err(FileError::new("make room for the segment", path, error));
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

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        let path = self.path(slot);
        let length = match self.readable(slot)? {
            Some(file) => read_full(file, bytes, u64::from(position))
                .map_err(|error| FileError::new("read", &path, error))?,
            None => 0,
        };
        bytes.get_mut(length..).unwrap_or_default().fill(self.geometry.erased());
        Ok(())
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.path(slot);
        let slot = self.slot_mut(slot)?;
        slot.unsynced = true;
        let written = match &slot.file {
            Some(file) => file.write_all_at(bytes, u64::from(position)),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        written.map_err(|error| FileError::new("write to", &path, error))
    }

    fn erase(&mut self, slot: u32) -> Result<(), FileError> {
        let path = self.path(slot);
        let size = u64::from(self.geometry.segment_size());
        let recycled = match &self.slot(slot)?.file {
            Some(file) => Some((file, self.owns(file, &path)?)),
            None => None,
        };
        match recycled {
            // In place: the space is ours already, so recycling cannot run out of it.
            Some((file, true)) => {
                let cleared = file.set_len(size).and_then(|()| fill_with_zeros(file, size));
                cleared.map_err(|error| FileError::new("clear", &path, error))?;
            }
            Some((_, false)) => {
                self.set_foreign_aside(&path)?;
                let file = self.create_segment(&path)?;
                self.slot_mut(slot)?.file = Some(file);
            }
            None => {
                let file = self.create_segment(&path)?;
                self.slot_mut(slot)?.file = Some(file);
            }
        }
        self.slot_mut(slot)?.unsynced = true;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), FileError> {
        for slot in 0..self.geometry.segment_count() {
            let path = self.path(slot);
            let slot = self.slot_mut(slot)?;
            if let (true, Some(file)) = (slot.unsynced, &slot.file) {
                file.sync_data().map_err(|error| FileError::new("sync", &path, error))?;
                slot.unsynced = false;
            }
        }
        Ok(())
    }
}

fn fill_with_zeros(file: &File, size: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 16];
    let mut at = 0;
    while at < size {
        let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(zeros.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
    Ok(())
}

/// As many bytes as the file has.
fn read_full(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
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
