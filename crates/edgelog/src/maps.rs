//! Segments that a reader has mapped.

use edgelog_core::Geometry;
use edgelog_map::MappedFile;
use std::cell::OnceCell;
use std::fs::File;
use std::io;

/// Segments, each mapped when it is first asked for.
#[derive(Debug)]
pub(crate) struct Maps {
    /// Slots and what is mapped of them, in the order in which they were, and then nothing. Not one for each slot: a ring may have billions.
    mapped: [OnceCell<(u32, Mapping)>; PLACES],
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

impl Mapping {
    fn of(mapped: io::Result<MappedFile>) -> Self {
        match mapped {
            Ok(file) => Self::File(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            Err(_) => Self::Refused,
        }
    }
}

/// Segments that are mapped before another one is [looked at](Maps::forget): the one that is read, the next, and some to spare. Beyond
/// these they are read through a buffer.
const PLACES: usize = 4;

impl Maps {
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let segment_size = usize::try_from(geometry.segment_size()).unwrap_or(usize::MAX);
        Self { mapped: Default::default(), segment_size }
    }

    /// The bytes of a slot; no bytes for a file that is missing, and nothing for one that cannot be mapped.
    #[cold]
    pub(crate) fn get(&self, slot: u32, open: impl FnOnce() -> io::Result<File>) -> Option<&[u8]> {
        self.get_with(slot, || MappedFile::new(open()?, self.segment_size))
    }

    /// As [`get`](Self::get), for who reads all of it and must be told what the device cannot give.
    #[cold]
    pub(crate) fn get_all(
        &self,
        slot: u32,
        open: impl FnOnce() -> io::Result<File>,
    ) -> Option<&[u8]> {
        self.get_with(slot, || {
            let file = MappedFile::new(open()?, self.segment_size)?;
            file.populate()?;
            Ok(file)
        })
    }

    /// The bytes of a slot that was mapped before: what is asked for with every record.
    #[inline]
    pub(crate) fn known(&self, slot: u32) -> Option<&[u8]> {
        // Who reads on has one segment behind him in the first place, and is in the second.
        let [behind, here, more @ ..] = &self.mapped;
        let of = |place| of_slot(place, slot);
        of(here).or_else(|| of(behind)).or_else(|| more.iter().find_map(of))
    }

    #[cold]
    fn get_with(&self, slot: u32, map: impl FnOnce() -> io::Result<MappedFile>) -> Option<&[u8]> {
        // The slot's place, or the first free one.
        let place =
            self.mapped.iter().find(|it| it.get().is_none_or(|&(known, _)| known == slot))?;
        match place.get_or_init(|| (slot, Mapping::of(map()))) {
            (_, Mapping::File(file)) => Some(file.bytes()),
            (_, Mapping::Missing) => Some(&[]),
            (_, Mapping::Refused) => None,
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        self.mapped = Default::default();
    }

    /// The slot may hold another file by now. Of the others the one that was mapped last is kept: it is being read. Each keeps its file from
    /// being recycled in place, and on a disk that is full its space from the log.
    pub(crate) fn forget(&mut self, slot: u32) {
        let mapped = self.mapped.iter_mut().filter_map(OnceCell::take);
        let last = mapped.filter(|&(known, _)| known != slot).last();
        let [first, ..] = &mut self.mapped;
        *first = last.map_or_else(OnceCell::new, OnceCell::from);
    }
}

/// The bytes of a place, if they are a slot's.
#[inline]
fn of_slot(place: &OnceCell<(u32, Mapping)>, slot: u32) -> Option<&[u8]> {
    match place.get() {
        Some((known, Mapping::File(file))) if *known == slot => Some(file.bytes()),
        _ => None,
    }
}
