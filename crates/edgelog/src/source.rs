//! Where a view reads from: a log's folder or an image of it.

use crate::error::{FileError, OpenError};
use crate::file::{FileMedium, Listing, Stored};
use crate::image::{Image, ImageMedium};
use edgelog_core::{Geometry, LogView, Medium, MountError};
use std::fs;
use std::io;
use std::path::Path;

/// A medium that is only read.
#[derive(Debug)]
pub(crate) enum Source {
    Folder(Box<FileMedium>),
    Image(ImageMedium),
}

impl Source {
    /// Mounts what is at `path`: a directory as a log's folder, anything else as an image.
    pub(crate) fn mount(path: &Path) -> Result<LogView<Self>, OpenError> {
        match fs::metadata(path) {
            Ok(about) if !about.is_dir() => mount_image(path),
            // Without a look at it too: what is wrong is told by the folder's words.
            _ => mount_folder(path),
        }
    }
}

/// How often a folder is looked at before it is said to hold no log.
const LOOKS: u32 = 8;

fn mount_folder(path: &Path) -> Result<LogView<Source>, OpenError> {
    let stored = look_for_a_log(|| Stored::of(&Listing::of(path)?))?;
    let Stored { geometry: Some(geometry), files, first, .. } = stored else {
        return Err(stored.refusal(path));
    };
    let medium = FileMedium::new(path, geometry, None).beginning_at(first);
    let medium = Source::Folder(Box::new(medium));
    LogView::open(medium).map_err(|source| match source {
        MountError::NoLog { .. } => OpenError::NotALog { path: path.to_owned(), files },
        source => mount_error(path, source),
    })
}

/// Beside an owner the only segment may be gone since the folder was read, and of two each may have been the one that he was recycling when it
/// was looked at.
fn look_for_a_log(
    mut look: impl FnMut() -> Result<Stored, FileError>,
) -> Result<Stored, FileError> {
    let mut stored = look()?;
    for _ in 1..LOOKS {
        if stored.geometry.is_some() {
            break;
        }
        stored = look()?;
    }
    Ok(stored)
}

fn mount_image(path: &Path) -> Result<LogView<Source>, OpenError> {
    let image = Image::survey(path)?;
    for &geometry in &image.geometries {
        match LogView::open(Source::Image(image.medium(geometry)?)) {
            // Headers of these sizes are there, but not where a ring has them: perhaps those of other sizes are.
            Err(
                MountError::NoLog { .. } | MountError::Geometry { .. } | MountError::Version { .. },
            ) => {}
            other => return other.map_err(|source| mount_error(path, source)),
        }
    }
    Err(image.refusal())
}

/// A failure of the file system is told as such.
pub(crate) fn mount_error(path: &Path, source: MountError<FileError>) -> OpenError {
    match source {
        MountError::Medium(error) => OpenError::File(error),
        source => OpenError::Mount { path: path.to_owned(), source },
    }
}

impl Medium for Source {
    type Error = FileError;

    fn geometry(&self) -> Geometry {
        match self {
            Self::Folder(medium) => medium.geometry(),
            Self::Image(medium) => medium.geometry(),
        }
    }

    #[inline]
    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        match self {
            Self::Folder(medium) => medium.mapped(slot),
            Self::Image(medium) => medium.mapped(slot),
        }
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        match self {
            Self::Folder(medium) => medium.read(slot, position, bytes),
            Self::Image(medium) => medium.read(slot, position, bytes),
        }
    }

    fn likely_slot(&self) -> u32 {
        match self {
            Self::Folder(medium) => medium.likely_slot(),
            Self::Image(medium) => medium.likely_slot(),
        }
    }

    fn program(&mut self, _: u32, _: u32, _: &[u8]) -> Result<(), FileError> {
        Err(only_read())
    }

    fn erase(&mut self, _: u32) -> Result<(), FileError> {
        Err(only_read())
    }

    /// Nothing was written, so nothing has to become durable.
    fn sync(&mut self) -> Result<(), FileError> {
        Ok(())
    }
}

fn only_read() -> FileError {
    FileError::new("write to", Path::new("a view"), io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[test]
    fn a_log_whose_only_segment_was_gone_before_it_was_opened_is_looked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = Options::new().budget_bytes(16 << 20).open(folder.path()).unwrap();
        for gone in 0..LOOKS {
            let mut looks = 0;
            let stored = look_for_a_log(|| {
                looks += 1;
                let folder = if looks <= gone { Path::new("none") } else { log.directory() };
                Stored::of(&Listing::of(folder)?)
            });
            assert!(stored.unwrap().geometry.is_some(), "gone {gone} times");
        }
    }
}
