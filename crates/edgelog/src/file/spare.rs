//! A file that is made ready, in the background, for the segment that comes next.

use super::open::Files;
use super::space::{erase, fill};
use crate::error::FileError;
use edgelog_core::Geometry;
use edgelog_map::may_rewrite;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};

/// The spare file beside the ring. Where it cannot be made, there is none: the segment's file is then made when it is needed, and that
/// tells what is wrong.
///
/// The thread that makes it has no state in common with the log: what it made is its result, and whoever takes that joins it. So there is
/// no order of threads to be tried, and `tests/models` has no model of it; what files a cut leaves is for `cargo xtask crash --files`.
#[derive(Debug)]
pub(super) struct Spare {
    path: PathBuf,
    geometry: Geometry,
    making: Making,
    /// The file that was replaced last may be used again.
    is_there: bool,
}

#[derive(Debug)]
enum Making {
    /// It was not asked for since the last one was taken.
    Idle,
    Underway(JoinHandle<io::Result<SpareFile>>),
    Made(SpareFile),
    /// It could not be made; not asked for again before the next segment.
    Failed,
}

/// An erased file that is durable, but for its name.
#[derive(Debug)]
pub(super) struct SpareFile {
    pub(super) file: File,
    /// Its space was written, not only set aside.
    pub(super) is_settled: bool,
}

/// The name of the spare file.
pub(super) const SPARE_NAME: &str = "spare.new";
/// The name of the file that it took the place of, until the next one is made of that.
pub(super) const REPLACED_NAME: &str = "replaced.new";

/// A smaller segment is not worth a thread.
const SEGMENT_MIN: u32 = 64 << 10;

impl Spare {
    pub(super) fn new(files: &Files, geometry: Geometry) -> Self {
        Self {
            path: files.directory().join(SPARE_NAME),
            geometry,
            making: Making::Idle,
            is_there: false,
        }
    }

    /// Begins to make it, unless that was begun. `is_written`: with its space written.
    pub(super) fn prepare(&mut self, is_written: bool) {
        if !matches!(self.making, Making::Idle) || self.geometry.segment_size() < SEGMENT_MIN {
            return;
        }
        let (path, geometry) = (self.path.clone(), self.geometry);
        if std::mem::take(&mut self.is_there) {
            let _ = fs::rename(path.with_file_name(REPLACED_NAME), &path);
        }
        let thread = Builder::new().name("edgelog-spare".to_owned());
        let made = thread.spawn(move || {
            make(&path, &geometry, is_written).inspect_err(|_| {
                // Half a segment is of no use and holds space that the user needs.
                let _ = fs::remove_file(&path);
            })
        });
        self.making = made.map_or(Making::Failed, Making::Underway);
    }

    /// Gives the spare file the name `path`, and takes the file that had it for the next one. Waits for what was begun.
    ///
    /// # Errors
    ///
    /// The file that had the name has lost it, and does not get it back.
    pub(super) fn take(&mut self, path: &Path) -> Result<Option<SpareFile>, FileError> {
        let Some(made) = self.end() else { return Ok(None) };
        let replaced = self.path.with_file_name(REPLACED_NAME);
        // The slot's old records were let go, so it may have no file for a moment, or after a crash.
        self.is_there = fs::rename(path, &replaced).is_ok();
        if fs::rename(&self.path, path).is_ok() {
            return Ok(Some(made));
        }
        let _ = fs::remove_file(&self.path);
        if std::mem::take(&mut self.is_there) {
            fs::rename(&replaced, path)
                .map_err(|error| FileError::new("give its name back to", path, error))?;
        }
        Ok(None)
    }

    /// Whether it is there. Waits for what was begun.
    pub(super) fn is_made(&mut self) -> bool {
        if let Making::Underway(_) = self.making {
            self.making = self.end().map_or(Making::Failed, Making::Made);
        }
        matches!(self.making, Making::Made(_))
    }

    fn end(&mut self) -> Option<SpareFile> {
        match std::mem::replace(&mut self.making, Making::Idle) {
            Making::Underway(thread) => thread.join().ok()?.ok(),
            Making::Made(file) => Some(file),
            Making::Idle | Making::Failed => None,
        }
    }
}

impl Drop for Spare {
    /// Nobody needs it before the log is opened again.
    fn drop(&mut self) {
        if self.end().is_some() {
            let _ = fs::remove_file(&self.path);
        }
        if self.is_there {
            let _ = fs::remove_file(self.path.with_file_name(REPLACED_NAME));
        }
    }
}

/// Makes it: of the file that was replaced last, unless somebody reads that one in place.
fn make(path: &Path, geometry: &Geometry, is_written: bool) -> io::Result<SpareFile> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let (size, erased) = (u64::from(geometry.segment_size()), geometry.erased());
    let clear = |file: &File| {
        file.set_len(size)?;
        if is_written {
            fill(file, 0, size, erased)?;
        } else {
            erase(file, size, erased)?;
        }
        file.sync_all()
    };
    let mut file = open()?;
    let is_cleared = match may_rewrite(&file)? {
        Some(_unread) => {
            clear(&file)?;
            true
        }
        None => false,
    };
    if !is_cleared {
        fs::remove_file(path)?;
        // Nobody knows of it.
        file = open()?;
        clear(&file)?;
    }
    Ok(SpareFile { file, is_settled: is_written })
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgelog_map::MappedFile;
    use std::os::unix::fs::{FileExt, MetadataExt};

    fn spare(folder: &Path, segment_size: u32) -> Spare {
        let geometry = Geometry::new(segment_size, 2, 1, 0x00).unwrap();
        Spare { path: folder.join(SPARE_NAME), geometry, making: Making::Idle, is_there: false }
    }

    fn inode(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn a_spare_file_takes_the_name_of_the_one_it_replaces_which_is_erased_to_be_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("00000000.seg");
        let mut spare = spare(folder.path(), SEGMENT_MIN);
        assert!(spare.take(&segment).unwrap().is_none(), "none was asked for");
        for is_written in [false, true, false] {
            fs::write(&segment, [7; 5000]).unwrap();
            let old = inode(&segment);
            spare.prepare(is_written);
            let taken = spare.take(&segment).unwrap().unwrap();
            assert_eq!(taken.is_settled, is_written);
            assert_eq!(inode(&segment), taken.file.metadata().unwrap().ino());
            let bytes = fs::read(&segment).unwrap();
            assert_eq!(bytes, vec![0; SEGMENT_MIN as usize]);
            assert_eq!(inode(&folder.path().join(REPLACED_NAME)), old);
        }
        drop(spare);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "a closed log has no spare file"
        );
    }

    #[test]
    fn a_file_that_somebody_reads_in_place_is_not_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("00000000.seg");
        fs::write(&segment, [7; 5000]).unwrap();
        let mapped = MappedFile::new(File::open(&segment).unwrap(), 5000).unwrap();
        let mut spare = spare(folder.path(), SEGMENT_MIN);
        for _ in 0..2 {
            spare.prepare(false);
            let taken = spare.take(&segment).unwrap().unwrap();
            taken.file.write_all_at(&[8; 100], 0).unwrap();
        }
        assert_eq!(mapped.bytes(), [7; 5000]);
    }

    #[test]
    fn where_no_spare_file_can_be_made_there_is_none_and_nothing_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("00000000.seg");
        let mut small = spare(folder.path(), SEGMENT_MIN / 2);
        small.prepare(false);
        assert!(small.take(&segment).unwrap().is_none(), "it is not worth a thread");
        let mut lost = spare(&folder.path().join("no-folder"), SEGMENT_MIN);
        lost.prepare(false);
        assert!(lost.take(&segment).unwrap().is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_the_spare_one_could_not_take_the_place_of_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let segment = folder.path().join("00000000.seg");
        fs::write(&segment, [7; 5000]).unwrap();
        let mut spare = spare(folder.path(), SEGMENT_MIN);
        spare.prepare(false);
        let made = spare.end().unwrap();
        // Somebody took it away, so that it cannot be renamed.
        fs::remove_file(folder.path().join(SPARE_NAME)).unwrap();
        spare.making = Making::Underway(std::thread::spawn(|| Ok(made)));
        assert!(spare.take(&segment).unwrap().is_none());
        assert_eq!(fs::read(&segment).unwrap(), [7; 5000]);
        drop(spare);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
