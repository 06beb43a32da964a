//! The thread that compresses sealed segments.

use crate::commit::Committer;
use crate::error::FileError;
use crate::file::{Packing, packed_path, read_full, segment_name, unfinished_path};
use crate::packed::{Packed, equals, pack};
use crate::store::Share;
use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use edgelog_core::{Geometry, HEADER_LEN_MAX, Medium, stored_header};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What compressing did since the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compression {
    /// Segments that were compressed.
    pub segments: u64,
    /// Bytes that they took before.
    pub plain_bytes: u64,
    /// Bytes that they take now.
    pub packed_bytes: u64,
    /// Segments that stay as they are, because compressing them failed. The next opening tries again.
    pub failed: u64,
    /// Why the last one of these failed.
    pub failure: Option<String>,
}

/// Ends its thread when it is dropped, in the middle of a segment.
#[derive(Debug)]
pub(crate) struct Packer {
    packing: Arc<Packing>,
    done: Arc<Mutex<Compression>>,
    thread: Option<JoinHandle<()>>,
}

impl Packer {
    /// Compresses from now on what is sealed, also what was before.
    pub(crate) fn start(committer: Arc<Committer>, folder: &Path, level: i32) -> io::Result<Self> {
        let (packing, done) = (committer.engine().medium().packing(), Arc::default());
        let share = committer.engine().medium().share();
        packing.tell();
        let worker = Worker {
            committer,
            packing: Arc::clone(&packing),
            share,
            folder: folder.to_owned(),
            level,
            done: Arc::clone(&done),
        };
        let thread = Builder::new().name("edgelog-packer".to_owned());
        let thread = Some(thread.spawn(move || worker.run())?);
        Ok(Self { packing, done, thread })
    }

    pub(crate) fn done(&self) -> Compression {
        lock(&self.done).clone()
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        self.packing.end();
        if let Some(thread) = self.thread.take() {
            // It panics on nothing that is not a fault of the program, which it has told.
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Worker {
    committer: Arc<Committer>,
    packing: Arc<Packing>,
    share: Option<Share>,
    folder: PathBuf,
    level: i32,
    done: Arc<Mutex<Compression>>,
}

impl Worker {
    fn run(&self) {
        let mut seen = Seen::default();
        while self.packing.wait() {
            while let Some((slot, geometry)) = self.take(&mut seen) {
                let packed = self.replace(slot, &geometry);
                self.packing.put_back();
                // Those who wait for the slot hold the engine, so not before they go on.
                self.committer.engine().medium_mut().let_go(slot);
                self.note(packed, &geometry);
            }
        }
    }

    /// The next segment to be compressed.
    fn take(&self, seen: &mut Seen) -> Option<(u32, Geometry)> {
        let mut engine = self.committer.engine();
        let extent = engine.extent();
        let mut sealed = extent.sealed();
        sealed.end = sealed.end.saturating_sub(PLAIN);
        let slot = extent.slot(seen.next(&sealed)?);
        let geometry = engine.medium().geometry();
        if let Err(error) = engine.medium_mut().finish(slot) {
            // The log has failed, and keeps what it has.
            self.note(Err(error), &geometry);
            return None;
        }
        // Under the lock: whoever erases the slot comes before, and then it is not sealed, or waits.
        self.packing.take(slot).then_some((slot, geometry))
    }

    /// Puts a compressed file in the place of the slot's plain one, and gives its length; nothing when there was no need, or no time.
    ///
    /// Power loss: the slot has one or the other file, or both, with the same bytes, of which the plain one then counts.
    fn replace(&self, slot: u32, geometry: &Geometry) -> Result<Option<u64>, FileError> {
        let path = self.folder.join(segment_name(slot));
        let failed = |error| FileError::new("compress", &path, error);
        let plain = match File::open(&path) {
            Ok(plain) => plain,
            // It was compressed long ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // A segment without its header, blank perhaps, is left as it is.
        let mut head = vec![0; HEADER_LEN_MAX];
        read_full(&plain, &mut head, 0).map_err(failed)?;
        if !stored_header(&head).is_some_and(|(_, sizes)| sizes == *geometry) {
            return Ok(None);
        }
        let (new, packed) = (unfinished_path(&path), packed_path(&path));
        if packed.exists() {
            // Somebody's: what a crash left was removed at the opening. Opening moves it aside.
            return Err(FileError::new("write", &packed, io::ErrorKind::AlreadyExists.into()));
        }
        let replaced = self.write(&plain, &new, geometry).and_then(|length| {
            if let Some(length) = length {
                fs::rename(&new, &packed)?;
                if let Some(share) = &self.share {
                    share.grew(length);
                }
                File::open(&self.folder)?.sync_all()?;
                // Its name is durable.
                fs::remove_file(&path)?;
                if let Some(share) = &self.share {
                    share.gone(geometry.segment_size().into());
                }
            }
            Ok(length)
        });
        if !matches!(replaced, Ok(Some(_))) {
            // Of no use to anybody; the next opening removes it too.
            let _ = fs::remove_file(&new);
        }
        replaced.map_err(failed)
    }

    /// Writes a compressed file that is durable, and was read back; gives its length.
    fn write(&self, plain: &File, new: &Path, geometry: &Geometry) -> io::Result<Option<u64>> {
        let (size, erased) = (geometry.segment_size(), geometry.erased());
        let goes_on = || self.packing.goes_on();
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(new)?;
        let Some(length) = pack(plain, size, self.level, &file, &goes_on)? else {
            return Ok(None);
        };
        file.sync_all()?;
        let packed = Packed::open(file, size, erased)?;
        if !equals(&packed, plain, size, &goes_on)? {
            return match goes_on() {
                true => Err(io::Error::other("what was written does not read back")),
                false => Ok(None),
            };
        }
        Ok(Some(length))
    }

    fn note(&self, packed: Result<Option<u64>, FileError>, geometry: &Geometry) {
        let mut done = lock(&self.done);
        match packed {
            Ok(Some(length)) => {
                done.segments += 1;
                done.plain_bytes += u64::from(geometry.segment_size());
                done.packed_bytes += length;
            }
            Ok(None) => {}
            Err(error) => {
                done.failed += 1;
                done.failure = Some(error.to_string());
            }
        }
    }
}

/// Sealed segments that stay plain besides the newest: readers that keep up read in place.
const PLAIN: u64 = 1;

/// The generations that were looked at: they have no hole.
#[derive(Debug, Default)]
struct Seen(Range<u64>);

impl Seen {
    /// One of `sealed` that was not looked at: the newest first, then back to the oldest, whose place is needed first.
    fn next(&mut self, sealed: &Range<u64>) -> Option<u64> {
        // Behind an empty range stands the segment that is appended to, and it may be far from what was looked at last.
        if sealed.is_empty() {
            return None;
        }
        if self.0.is_empty() {
            self.0 = sealed.end..sealed.end;
        }
        if self.0.end < sealed.end {
            let next = self.0.end.max(sealed.start);
            // Where the log went on faster, those between are gone.
            self.0 = self.0.start.max(sealed.start).min(next)..next + 1;
            return Some(next);
        }
        let next = self.0.start.checked_sub(1).filter(|next| sealed.contains(next))?;
        self.0.start = next;
        Some(next)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sealed_segment_is_looked_at_once_the_newest_first_while_the_ring_goes_on() {
        let mut seen = Seen::default();
        let next = |seen: &mut Seen, sealed: Range<u64>| seen.next(&sealed);
        assert_eq!(next(&mut seen, 0..0), None);
        let looked: Vec<_> = (0..4).map(|_| next(&mut seen, 3..6)).collect();
        assert_eq!(looked, [Some(5), Some(4), Some(3), None]);
        assert_eq!(next(&mut seen, 5..8), Some(6));
        assert_eq!(next(&mut seen, 5..8), Some(7));
        assert_eq!(next(&mut seen, 5..8), None);
        // A lap and more in one go.
        assert_eq!(next(&mut seen, 20..22), Some(20));
        assert_eq!(next(&mut seen, 20..22), Some(21));
        assert_eq!(next(&mut seen, 20..22), None);
    }

    #[test]
    fn the_segment_behind_those_to_be_compressed_is_never_taken_however_much_was_given_up_before_it()
     {
        let mut seen = Seen::default();
        assert_eq!(seen.next(&(0..1)), Some(0));
        // Six were given up before they were looked at.
        assert_eq!(seen.next(&(7..7)), None);
        assert_eq!(seen.next(&(7..8)), Some(7));
        assert_eq!(seen.next(&(8..8)), None);
    }
}
