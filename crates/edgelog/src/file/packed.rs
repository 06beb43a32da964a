//! Slots whose segment is kept compressed: which of a slot's two files counts, and who may take the place of which.
//!
//! **The plain file counts wherever there is one.** A slot goes from plain to compressed by `pack`: the compressed file gets its name, the folder
//! is synced, and only then the plain one is removed. It goes back when it is erased: a blank plain file gets its name, the folder is
//! synced, and then the compressed one is removed. So at every moment, and after a crash at every moment, there is one of them, and where there are
//! both the plain one is right: it holds the same bytes, or it is newer. A compressed file that was to be removed and is still there after a crash
//! is never read; the next opening, or the next erase of its slot, removes it. A slot that is given up for good loses the compressed file first.

use super::Access;
use super::FileMedium;
#[cfg(feature = "zstd")]
use super::Packing;
use super::ahead::read_full;
use super::create::owns;
use super::open::Named;
use super::stored::{Listing, segment_name, slot_of};
use crate::error::FileError;
use crate::packed::{Blocks, Packed};
#[cfg(feature = "zstd")]
use crate::store::Share;
#[cfg(feature = "zstd")]
use crate::sync::Arc;
use edgelog_core::{Geometry, LogId};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// How often both files of a slot are looked for. Another process may put one in place of the other between two looks; to do that twice it has to
/// fill segments in the meantime.
pub(super) const LOOKS: u32 = 3;

/// Compressed files that are kept open: of the segment that is read, and of the next one.
const OPEN_MAX: usize = 2;

/// The compressed files of one directory.
#[derive(Debug, Default)]
pub(super) struct PackedFiles {
    /// The one used last at the end.
    open: Vec<(u32, Packed)>,
    blocks: Blocks,
}

impl PackedFiles {
    /// Whether the slot's compressed file is open. It counts until the slot is [forgotten](Self::forget): looking for a plain one at each
    /// read would cost more than the read.
    pub(super) fn is_open(&self, slot: u32) -> bool {
        self.open.iter().any(|&(open, _)| open == slot)
    }

    /// Fills `bytes` from the slot's compressed file; false when there is none.
    pub(super) fn read(
        &mut self,
        directory: &Path,
        geometry: &Geometry,
        (slot, position): (u32, u32),
        bytes: &mut [u8],
    ) -> Result<bool, FileError> {
        if let Some(at) = self.open.iter().position(|&(open, _)| open == slot) {
            let open = self.open.remove(at);
            self.open.push(open);
        } else {
            let path = packed_path(&directory.join(segment_name(slot)));
            let failed = |error| FileError::new("open", &path, error);
            let file = match Named::open(&path, Access::ReadOnly).map_err(failed)? {
                Named::File(file) => file,
                Named::Nothing => return Ok(false),
                // As with plain files.
                Named::SomethingElse => {
                    bytes.fill(!geometry.erased());
                    return Ok(true);
                }
            };
            let packed = Packed::open(file, geometry.segment_size(), geometry.erased());
            let packed = packed.map_err(failed)?;
            if self.open.len() >= OPEN_MAX {
                self.open.remove(0);
            }
            self.open.push((slot, packed));
        }
        let Self { open, blocks } = self;
        let Some((_, packed)) = open.last() else { return Ok(false) };
        packed.read(blocks, position, bytes).map_err(|error| {
            FileError::new("read", &packed_path(&directory.join(segment_name(slot))), error)
        })?;
        Ok(true)
    }

    /// The slot may have another file by now.
    pub(super) fn forget(&mut self, slot: u32) {
        self.open.retain(|&(open, _)| open != slot);
    }
}

/// What stands in the place of the segment file `path`.
pub(super) enum Found {
    Plain(File),
    Packed(File),
    Nothing,
    SomethingElse,
}

/// Opens a slot's file for reading, whichever it has.
pub(super) fn find(path: &Path) -> io::Result<Found> {
    find_by(path, |path| Named::open(path, Access::ReadOnly))
}

fn find_by(path: &Path, mut open: impl FnMut(&Path) -> io::Result<Named>) -> io::Result<Found> {
    for _ in 0..LOOKS {
        match open(path)? {
            Named::File(file) => return Ok(Found::Plain(file)),
            Named::Nothing => {}
            Named::SomethingElse => return Ok(Found::SomethingElse),
        }
        match open(&packed_path(path))? {
            Named::File(file) => return Ok(Found::Packed(file)),
            Named::Nothing => {}
            Named::SomethingElse => return Ok(Found::SomethingElse),
        }
    }
    Ok(Found::Nothing)
}

/// A slot's file to be mapped. A compressed one cannot be, and is not missing.
pub(super) fn to_be_mapped(path: &Path) -> io::Result<File> {
    match find(path)? {
        Found::Plain(file) => Ok(file),
        Found::Packed(_) | Found::SomethingElse => Err(ErrorKind::Unsupported.into()),
        Found::Nothing => Err(ErrorKind::NotFound.into()),
    }
}

/// The compressed file beside, or in place of, a plain one.
pub(crate) fn packed_path(plain: &Path) -> PathBuf {
    let mut path = OsString::from(plain);
    path.push(".zst");
    path.into()
}

/// A compressed file that is not whole yet.
pub(crate) fn unfinished_path(plain: &Path) -> PathBuf {
    packed_path(plain).with_extension("zst.new")
}

/// The plain files in whose place a directory has compressed ones.
pub(super) fn packed_paths(listing: &Listing) -> impl Iterator<Item = PathBuf> {
    let plain = listing.with("zst").map(|path| path.with_extension(""));
    plain.filter(|path| path.extension().is_some_and(|it| it == "seg"))
}

impl FileMedium {
    /// Removes the slot's compressed file, and says whether there was one. Where the plain one is there, and durable, it does not count any
    /// more, and the removal need not be durable.
    pub(super) fn remove_packed(&self, slot: u32) -> Result<bool, FileError> {
        let path = packed_path(&self.files.path(slot));
        let found = Named::open(&path, Access::ReadOnly);
        let is_ours = match found.map_err(|error| FileError::new("open", &path, error))? {
            Named::Nothing => return Ok(false),
            Named::File(file) => self.owns_packed(file, &path)?,
            Named::SomethingElse => false,
        };
        if !is_ours {
            // It is somebody's data, as with plain files.
            self.set_foreign_aside(&path)?;
            return Ok(true);
        }
        let bytes = fs::metadata(&path).map_err(|error| FileError::new("look at", &path, error))?;
        match fs::remove_file(&path) {
            Ok(()) => self.uncount(bytes.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(FileError::new("remove", &path, error)),
        }
        Ok(true)
    }

    /// Gives the slot a plain file again, if it has a compressed one: damage made it the newest, and it is appended to. Where the compressed file
    /// is damaged, so is the plain one.
    pub(super) fn unpack(&mut self, slot: u32) -> Result<(), FileError> {
        let path = self.files.path(slot);
        let (size, erased) = (self.geometry.segment_size(), self.geometry.erased());
        let file = self.create_segment(&path, false, |file| {
            let Named::File(from) = Named::open(&packed_path(&path), Access::ReadOnly)? else {
                return Err(ErrorKind::NotFound.into());
            };
            Packed::open(from, size, erased)?.copy_to(file)
        })?;
        if let Some(share) = &self.share {
            share.grew(self.geometry.segment_size().into());
        }
        self.files.keep(slot, file);
        self.packed.forget(slot);
        self.remove_packed(slot)?;
        Ok(())
    }

    /// Whether a compressed file holds a segment of this log, or a blank one.
    fn owns_packed(&self, file: File, path: &Path) -> Result<bool, FileError> {
        let read = |error| FileError::new("read", path, error);
        let packed = Packed::open(file, self.geometry.segment_size(), self.geometry.erased());
        let mut head = [0; 32];
        packed.and_then(|it| it.read(&mut Blocks::default(), 0, &mut head)).map_err(read)?;
        Ok(is_owned(&head, self.log.get().copied(), self.geometry.erased()))
    }

    /// Removes the compressed files that a crash left beside plain ones. Those of which the plain one is not this log's are left: it is not known
    /// whose place that took.
    pub(super) fn remove_overtaken(&self, listing: &Listing) -> Result<(), FileError> {
        for plain in packed_paths(listing) {
            let slot = slot_of(&plain).filter(|&slot| self.files.path(slot) == plain);
            let Some(slot) = slot else { continue };
            let found = Named::open(&plain, Access::ReadOnly);
            let found = found.map_err(|error| FileError::new("open", &plain, error))?;
            let (log, erased) = (self.log.get().copied(), self.geometry.erased());
            if let Named::File(file) = found
                && owns(&file, log, erased, &plain)?
            {
                // Its name may be as young as the crash.
                self.sync_directory()?;
                let _ = self.remove_packed(slot)?;
            }
        }
        Ok(())
    }

    /// Returns when everything that was programmed to the slot is in its file: before that it must not be compressed.
    #[cfg(feature = "zstd")]
    pub(crate) fn finish(&mut self, slot: u32) -> Result<(), FileError> {
        if self.tail.slot() == slot { self.write_out() } else { Ok(()) }
    }

    /// Closes the slot's plain file, which was removed, so that its space is free.
    #[cfg(feature = "zstd")]
    pub(crate) fn let_go(&mut self, slot: u32) {
        debug_assert_eq!(self.access, Access::Owner);
        self.files.forget_synced(slot);
    }

    /// Where space is shared with other logs: this one's part.
    #[cfg(feature = "zstd")]
    pub(crate) fn share(&self) -> Option<Share> {
        self.share.clone()
    }

    /// What the one who compresses and this medium agree by.
    #[cfg(feature = "zstd")]
    pub(crate) fn packing(&self) -> Arc<Packing> {
        Arc::clone(&self.packing)
    }
}

/// Whether a segment that begins with `head` is one of this log, or blank.
pub(super) fn is_owned(head: &[u8; 32], log: Option<LogId>, erased: u8) -> bool {
    let (magic, rest) = head.split_at(edgelog_core::SEGMENT_MAGIC.len());
    let ours =
        magic == edgelog_core::SEGMENT_MAGIC && log.is_some_and(|log| rest.ends_with(&log.0));
    ours || *head == [erased; 32]
}

/// The first bytes of a segment, at least its header, and its plain file, if that has them.
pub(super) type Head = (Vec<u8>, Option<File>);

/// The first bytes of a segment, plain or compressed.
pub(super) fn head_of(path: &Path, len: usize) -> io::Result<Named<Head>> {
    Ok(match find(path)? {
        Found::Plain(file) => {
            let mut head = vec![0; len];
            let read = read_full(&file, &mut head, 0)?;
            head.truncate(read);
            Named::File((head, Some(file)))
        }
        Found::Packed(file) => Named::File((Packed::head(&file)?, None)),
        Found::Nothing => Named::Nothing,
        Found::SomethingElse => Named::SomethingElse,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_its_kind_between_two_looks_is_found_and_not_taken_for_missing() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("00000003.seg");
        let packed = packed_path(&plain);
        assert_eq!(packed, folder.path().join("00000003.seg.zst"));
        for changes in 0..4 {
            fs::write(&packed, b"").unwrap();
            let _ = fs::remove_file(&plain);
            let mut looks = 0;
            let found = find_by(&plain, |path| {
                let opened = Named::open(path, Access::ReadOnly);
                looks += 1;
                // Each look but the last comes too late.
                if looks <= changes {
                    let (from, to) =
                        if plain.exists() { (&plain, &packed) } else { (&packed, &plain) };
                    fs::rename(from, to).unwrap();
                }
                opened
            });
            let found = found.unwrap();
            let is_plain = matches!(found, Found::Plain(_));
            assert!(is_plain || matches!(found, Found::Packed(_)), "changed {changes} times");
            assert_eq!(is_plain, plain.exists(), "changed {changes} times");
        }
        fs::remove_file(&plain).or_else(|_| fs::remove_file(&packed)).unwrap();
        assert!(matches!(find(&plain).unwrap(), Found::Nothing));
    }
}
