//! Segments that a reader has mapped.

use edgelog_core::Geometry;
use edgelog_map::MappedFile;
use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io;

/// Segments by slot, each mapped when it is first asked for.
#[derive(Debug)]
pub(crate) struct Maps {
    slots: Vec<OnceCell<Mapping>>,
    /// The mapped slots, in the order in which they were.
    mapped: RefCell<VecDeque<u32>>,
    segment_size: usize,
}

#[derive(Debug)]
enum Mapping {
    File(MappedFile),
    /// There is no such file: a ring in its first lap.
    Missing,
    /// It is read through a buffer instead.
    Refused,
}

/// Segments that stay mapped when another one is looked at: the one that is read. Each keeps its file from being recycled in place, and on
/// a disk that is full its space from the log.
const MAPPED_MAX: usize = 1;

impl Maps {
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let count = usize::try_from(geometry.segment_count()).unwrap_or(0);
        let segment_size = usize::try_from(geometry.segment_size()).unwrap_or(usize::MAX);
        let slots = std::iter::repeat_with(OnceCell::new).take(count).collect();
        Self { slots, mapped: RefCell::default(), segment_size }
    }

    /// The bytes of a slot; no bytes for a file that is missing, and nothing for one that cannot be mapped.
    pub(crate) fn get(&self, slot: u32, open: impl FnOnce() -> io::Result<File>) -> Option<&[u8]> {
        let cell = self.slots.get(usize::try_from(slot).ok()?)?;
        let mapping = cell.get_or_init(|| {
            self.mapped.borrow_mut().push_back(slot);
            match open().and_then(|file| MappedFile::new(file, self.segment_size)) {
                Ok(file) => Mapping::File(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Mapping::Missing,
                Err(_) => Mapping::Refused,
            }
        });
        match mapping {
            Mapping::File(file) => Some(file.bytes()),
            Mapping::Missing => Some(&[]),
            Mapping::Refused => None,
        }
    }

    /// The slot may hold another file by now. Lets go of the segments that were mapped longest ago, too.
    pub(crate) fn forget(&mut self, slot: u32) {
        let mapped = self.mapped.get_mut();
        mapped.retain(|&known| known != slot);
        let longest = mapped.len().saturating_sub(MAPPED_MAX);
        for slot in mapped.drain(..longest).chain([slot]) {
            if let Some(cell) = usize::try_from(slot).ok().and_then(|slot| self.slots.get_mut(slot))
            {
                cell.take();
            }
        }
    }
}
