//! What a directory holds, told before anything is opened.

use super::open::{Named, is_no_file};
use super::packed::{head_of, packed_path, packed_paths};
use super::spare::{REPLACED_NAME, SPARE_NAME};
use crate::error::{FileError, OpenError};
use crate::image::{is_blank, other_version};
use crate::store::store_at;
use edgelog_core::{Geometry, HEADER_LEN_MAX, LogId, MountError, SEGMENT_MAGIC, stored_header};
use std::cmp::Reverse;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    /// The sizes of the log that most verified segment headers name.
    pub(crate) geometry: Option<Geometry>,
    /// The slot of that log's first file.
    pub(crate) first: u32,
    /// Segment files.
    pub(crate) files: usize,
    /// Whether any of them holds something.
    pub(crate) data: bool,
    /// A version that this build does not read, told by one of them.
    version: Option<u16>,
}

/// Headers that are looked at first.
const AGREEING: usize = 9;

impl Stored {
    /// What the segment files in a directory tell before anything is opened: a few foreign or rotten files do not decide. Some headers from
    /// all over the ring are enough when all of them are one log's; otherwise it takes more than half of all.
    pub(crate) fn of(listing: &Listing) -> Result<Self, FileError> {
        let mut stored = Self::default();
        let mut votes: Vec<((LogId, Geometry), usize, u32)> = Vec::new();
        let mut paths: Vec<PathBuf> = listing.with("seg").collect();
        let plain = paths.len();
        paths.extend(packed_paths(listing));
        if paths.len() > plain {
            paths.sort();
            paths.dedup();
        }
        let all = paths.len();
        let (spread, others): (Vec<_>, Vec<_>) =
            paths.into_iter().enumerate().partition(|&(at, _)| is_looked_at_first(at, all));
        let enough = spread.len();
        for (looked_at, (_, path)) in spread.into_iter().chain(others).enumerate() {
            let is_only = votes.len() == 1;
            if votes.iter().any(|&(_, count, _)| 2 * count > all || is_only && count >= enough) {
                // Whatever the others are.
                stored.files += all - looked_at;
                break;
            }
            let failed = |error| FileError::new("read", &path, error);
            // One that was there may be compressed by now, or removed.
            let (head, file) = match head_of(&path, HEADER_LEN_MAX).map_err(failed)? {
                Named::File(head) => head,
                Named::Nothing => continue,
                // It costs its segment, and is nothing to begin a log over.
                Named::SomethingElse => {
                    stored.files += 1;
                    stored.data = true;
                    continue;
                }
            };
            stored.files += 1;
            // What somebody compressed is something.
            stored.data |= file.is_none() || !is_blank(&head);
            if let Some(header) = stored_header(&head) {
                let slot = slot_of(&path).unwrap_or(0);
                match votes.iter_mut().find(|(known, ..)| *known == header) {
                    Some((_, count, first)) => (*count, *first) = (*count + 1, slot.min(*first)),
                    None => votes.push((header, 1, slot)),
                }
            } else if let Some(file) = file
                && stored.version.is_none()
                && head.starts_with(&SEGMENT_MAGIC)
            {
                stored.version = other_version(&file, 0).map_err(failed)?;
            }
        }
        // Of equally many the one with the lowest slot.
        let most = votes.into_iter().max_by_key(|&(_, count, first)| (count, Reverse(first)));
        if let Some(((_, sizes), _, first)) = most {
            (stored.geometry, stored.first) = (Some(sizes), first);
        }
        Ok(stored)
    }

    /// Why there is nothing to be opened in `directory`, where no header was found.
    pub(crate) fn refusal(&self, directory: &Path) -> OpenError {
        let path = directory.to_owned();
        if self.files == 0
            && let Some(store) = store_at(directory)
        {
            return store;
        }
        match (self.version, self.files) {
            (Some(found), _) => OpenError::Mount { path, source: MountError::Version { found } },
            (None, 0) => OpenError::NoLog(path),
            (None, files) => OpenError::NotALog { path, files },
        }
    }
}

/// Whether a header is one of those, in ever larger steps: at equal ones strangers that stand at equal ones, too, could be all that is seen.
fn is_looked_at_first(at: usize, all: usize) -> bool {
    (0..AGREEING).any(|n| at == all * n * n / (AGREEING * AGREEING))
}

/// The name of a slot's file.
pub(crate) fn segment_name(slot: u32) -> String {
    format!("{slot:08}.seg")
}

/// The slot that a file's name tells.
pub(super) fn slot_of(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

/// The lengths of a directory's segment files, with those that a crash left unfinished. Files and folders of other names are somebody's own.
pub(crate) fn stored_bytes(directory: &Path) -> Result<u64, FileError> {
    let (mut bytes, listing) = (0, Listing::of(directory)?);
    for extension in ["seg", "zst", "new"] {
        for path in listing.with(extension) {
            if !is_ours(&path) {
                continue;
            }
            match fs::metadata(&path) {
                Ok(about) => bytes += if about.is_file() { about.len() } else { 0 },
                // The owner gave it up since the folder was read, or it is none.
                Err(error) if error.kind() == io::ErrorKind::NotFound || is_no_file(&error) => {}
                Err(error) => return Err(FileError::new("look at", &path, error)),
            }
        }
    }
    Ok(bytes)
}

/// Whether a file's name is one that edgelog gives.
fn is_ours(path: &Path) -> bool {
    let ending = slot_of(path).and_then(|slot| {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix(segment_name(slot).strip_suffix(".seg")?)
    });
    matches!(ending, Some(".seg" | ".new" | ".seg.zst" | ".seg.zst.new"))
        || path.ends_with(SPARE_NAME)
        || path.ends_with(REPLACED_NAME)
}

/// The names in a directory, as they were at one moment: reading them once serves everybody who asks.
#[derive(Debug)]
pub(crate) struct Listing {
    directory: PathBuf,
    names: Vec<OsString>,
}

impl Listing {
    /// None where there is no directory.
    pub(crate) fn of(directory: &Path) -> Result<Self, FileError> {
        let failed = |error| FileError::new("read the folder", directory, error);
        let names: io::Result<Vec<OsString>> = match fs::read_dir(directory) {
            Ok(listing) => listing.map(|entry| Ok(entry?.file_name())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let mut names = names.map_err(failed)?;
        names.sort();
        Ok(Self { directory: directory.to_owned(), names })
    }

    /// The files with this extension, by name.
    pub(super) fn with(&self, extension: &str) -> impl Iterator<Item = PathBuf> {
        let has =
            move |name: &&OsString| Path::new(name).extension().is_some_and(|it| it == extension);
        self.names.iter().filter(has).map(|name| self.directory.join(name))
    }

    /// Whether the slot has a file, plain or compressed.
    pub(super) fn has(&self, slot: u32) -> bool {
        let plain = PathBuf::from(segment_name(slot));
        let holds = |name: &Path| {
            self.names.binary_search_by(|it| it.as_os_str().cmp(name.as_os_str())).is_ok()
        };
        holds(&plain) || holds(&packed_path(&plain))
    }
}
