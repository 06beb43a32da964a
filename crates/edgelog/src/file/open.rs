//! The files that are open: a ring may have more segments than a process may open files.

use super::Access;
use super::outbox::{Unsynced, folder};
use super::stored::segment_name;
use crate::error::FileError;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a segment's name stands for.
#[derive(Debug)]
pub(super) enum Named<F = File> {
    File(F),
    Nothing,
    /// A folder, a pipe, a socket, a device, or a link that leads nowhere for ever. It costs that segment.
    SomethingElse,
}

impl Named {
    /// Opens what has the name, if it is a file. Never waits: a pipe would keep whoever opens it until somebody is at its other end.
    pub(super) fn open(path: &Path, access: Access) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(access == Access::Owner).custom_flags(NONBLOCK);
        let opened = match options.open(path) {
            // A file server has to give a file up first: it is one, and that takes a moment.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                options.custom_flags(0).open(path)
            }
            opened => opened,
        };
        match opened {
            Ok(file) if file.metadata()?.is_file() => Ok(Self::File(file)),
            Ok(_) => Ok(Self::SomethingElse),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Nothing),
            Err(error) if is_no_file(&error) => Ok(Self::SomethingElse),
            Err(error) => Err(error),
        }
    }
}

#[expect(clippy::cast_possible_wrap, reason = "a single bit, and not the last")]
const NONBLOCK: i32 = OFlags::NONBLOCK.bits() as i32;

/// Whether something has the name that is no file, as an error tells.
pub(super) fn is_no_file(error: &io::Error) -> bool {
    let told =
        [Errno::LOOP, Errno::NOTDIR, Errno::NAMETOOLONG, Errno::ISDIR, Errno::NXIO, Errno::NODEV];
    error.raw_os_error().is_some_and(|code| told.iter().any(|it| it.raw_os_error() == code))
}

/// The segment files of one directory.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    access: Access,
    /// The one used last at the end.
    open: Vec<OpenSegment>,
    is_renamed: bool,
}

#[derive(Debug)]
pub(super) struct OpenSegment {
    slot: u32,
    pub(super) file: Arc<File>,
    /// Written since the last sync, perhaps by an owner that was killed; it stays open until that.
    pub(super) unsynced: bool,
}

/// Files that the owner keeps open at most, besides unsynced ones, of which there are two at the most.
const OPEN_MAX: usize = 32;
/// Files that a reader keeps open besides those it has mapped: of the segment that it reads, and of the next one. There may be many readers.
const READER_OPEN_MAX: usize = 2;

impl Files {
    pub(super) fn new(directory: &Path, access: Access) -> Self {
        // An owner that was killed may have left a name that is not durable.
        let is_renamed = access == Access::Owner;
        Self { directory: directory.to_owned(), access, open: Vec::new(), is_renamed }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn path(&self, slot: u32) -> PathBuf {
        self.directory.join(segment_name(slot))
    }

    /// The slot's file, opened unless it is open.
    pub(super) fn get(&mut self, slot: u32) -> Result<Named<&mut OpenSegment>, FileError> {
        if let Some(at) = self.open.iter().position(|open| open.slot == slot) {
            // Moving it to the end keeps the order of use; the usual one is there already.
            let open = self.open.remove(at);
            self.open.push(open);
            return Ok(self.open.last_mut().map_or(Named::Nothing, Named::File));
        }
        let path = self.path(slot);
        let found = Named::open(&path, self.access);
        Ok(match found.map_err(|error| FileError::new("open", &path, error))? {
            Named::File(file) => Named::File(self.keep(slot, file)),
            Named::Nothing => Named::Nothing,
            Named::SomethingElse => Named::SomethingElse,
        })
    }

    /// Keeps the slot's file open, in place of what was open for it.
    pub(super) fn keep(&mut self, slot: u32, file: File) -> &mut OpenSegment {
        self.forget(slot);
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

    /// The slot may have another file by now.
    pub(super) fn forget(&mut self, slot: u32) {
        self.open.retain(|open| open.slot != slot);
    }

    /// Closes the slot's file, unless it is yet to be synced.
    #[cfg(feature = "zstd")]
    pub(super) fn forget_synced(&mut self, slot: u32) {
        self.open.retain(|open| open.slot != slot || open.unsynced);
    }

    /// A file of the folder may have another name than at the last sync.
    pub(super) const fn was_renamed(&mut self) {
        self.is_renamed = true;
    }

    /// What was changed since the last sync. It counts as synced from here on.
    pub(super) fn take_unsynced(&mut self) -> Result<Vec<Unsynced>, FileError> {
        let mut files = Vec::new();
        if self.is_renamed {
            files.push(folder(&self.directory)?);
            self.is_renamed = false;
        }
        for open in self.open.iter_mut().filter(|open| open.unsynced) {
            open.unsynced = false;
            let (path, file) =
                (self.directory.join(segment_name(open.slot)), Arc::clone(&open.file));
            files.push(Unsynced { path, file, is_folder: false });
        }
        Ok(files)
    }
}
