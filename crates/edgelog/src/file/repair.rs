//! What opening puts right in a directory before anything is appended.

use super::Access;
use super::FileMedium;
use super::ahead::read_full;
use super::open::{Named, is_no_file};
use super::packed::unfinished_path;
use super::space::fill;
use super::spare::{REPLACED_NAME, SPARE_NAME};
use super::stored::{Listing, slot_of};
use super::tail::WRITE_LEN;
use crate::error::FileError;
use edgelog_core::{HEADER_LEN_MAX, stored_header};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

impl FileMedium {
    /// Gives files that were cut short their length again, before anything is appended: with bytes that are no frame, so that the
    /// engine sees damage and not unused space, and so that writing there cannot run out of space.
    pub(crate) fn mend_lengths(&self, listing: &Listing) -> Result<(), FileError> {
        let size = u64::from(self.geometry.segment_size());
        for path in listing.with("seg") {
            let length = match fs::metadata(&path) {
                Ok(about) => about,
                // A link into nowhere: there is nothing to be mended.
                Err(error) if error.kind() == io::ErrorKind::NotFound || is_no_file(&error) => {
                    continue;
                }
                Err(error) => return Err(FileError::new("look at", &path, error)),
            };
            if length.len() >= size || !length.is_file() {
                continue;
            }
            let file = Named::open(&path, Access::Owner);
            let file = file.map_err(|error| FileError::new("open", &path, error))?;
            let Named::File(file) = file else { continue };
            let mut head = vec![0; HEADER_LEN_MAX];
            read_full(&file, &mut head, 0).map_err(|error| FileError::new("read", &path, error))?;
            if stored_header(&head).is_some() {
                fill(&file, length.len(), size, !self.geometry.erased())
                    .and_then(|()| file.sync_all())
                    .map_err(|error| FileError::new("restore the length of", &path, error))?;
            }
        }
        Ok(())
    }

    /// Writes anew, and syncs, the segment files among `names`, whose last sync failed a former owner. The system may have given up what it could
    /// not write: until the power goes it shows whoever reads those bytes, takes them for written, and would call the next sync a success.
    pub(crate) fn rewrite(&self, names: &[String], listing: &Listing) -> Result<(), FileError> {
        if names.is_empty() {
            return Ok(());
        }
        for path in listing.with("seg") {
            let name = path.file_name().and_then(|name| name.to_str());
            if !names.iter().any(|doubtful| Some(doubtful.as_str()) == name) {
                continue;
            }
            let file = Named::open(&path, Access::Owner);
            let file = file.map_err(|error| FileError::new("open", &path, error))?;
            // Of anything else the bytes are gone, whatever the sync did.
            let Named::File(file) = file else { continue };
            write_anew(&file).map_err(|error| FileError::new("write anew", &path, error))?;
        }
        Ok(())
    }

    /// Removes what a crash left of segments that were being created or compressed: their slots may never need a new file again.
    pub(crate) fn remove_unfinished(&self, listing: &Listing) -> Result<(), FileError> {
        for path in listing.with("new") {
            let is_segments = slot_of(&path).is_some_and(|slot| {
                let plain = self.files.path(slot);
                plain.with_extension("new") == path || unfinished_path(&plain) == path
            });
            let is_ours =
                is_segments || path.ends_with(SPARE_NAME) || path.ends_with(REPLACED_NAME);
            if is_ours && !path.is_dir() {
                fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

fn write_anew(file: &File) -> io::Result<()> {
    let mut piece = vec![0; WRITE_LEN];
    let mut at = 0;
    loop {
        let length = read_full(file, &mut piece, at)?;
        if length == 0 {
            return file.sync_all();
        }
        file.write_all_at(piece.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
}
