//! A chip behind a counter.

use super::{ERASE, SEGMENT};
use crate::nor::NorChip;
use core::fmt;
use core::ops::Sub;
use embedded_storage::nor_flash::{ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash};
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The largest program word that a log allows, in bytes.
const WORD_MAX: u32 = 32;

/// A chip that the workloads can measure on.
pub trait Chip: NorFlash<Error: core::error::Error> + fmt::Debug + 'static {
    /// An erased chip of `segments` erase blocks of [`ERASE`] bytes.
    fn erased(segments: usize) -> Self;

    /// A chip of its own with the same bytes.
    #[must_use]
    fn copy(&self) -> Self;

    /// Programs so far that hit a word for the second time between two erases, also refused ones.
    fn programmed_twice(&self) -> u64;

    /// Bytes of the words that were programmed again between two erases: none where the chip refuses that.
    fn bytes_programmed_again(&self) -> u64 {
        0
    }
}

impl<const WORD: usize> Chip for NorChip<WORD, ERASE> {
    fn erased(segments: usize) -> Self {
        Self::new(segments)
    }

    fn copy(&self) -> Self {
        self.power_on()
    }

    fn programmed_twice(&self) -> u64 {
        self.counters().programmed_twice
    }
}

/// What was asked of a chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Calls of read.
    pub reads: u64,
    /// Bytes that they gave.
    pub bytes_read: u64,
    /// Calls of program.
    pub programs: u64,
    /// Bytes that they took.
    pub bytes_programmed: u64,
    /// Blocks erased.
    pub erases: u64,
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            reads: self.reads - earlier.reads,
            bytes_read: self.bytes_read - earlier.bytes_read,
            programs: self.programs - earlier.programs,
            bytes_programmed: self.bytes_programmed - earlier.bytes_programmed,
            erases: self.erases - earlier.erases,
        }
    }
}

/// Counts what is asked of a chip. Clones are handles of the same meter, as large as one pointer.
#[derive(Debug)]
pub struct Meter<C>(Rc<RefCell<Metered<C>>>);

#[derive(Debug)]
struct Metered<C> {
    chip: C,
    cost: Cost,
    bytes_passed_over: u64,
    /// Where the last program of each segment ended.
    ends: BTreeMap<u32, u32>,
    /// Where each read began since tracing was switched on.
    trace: Option<Vec<u32>>,
}

impl<C: Chip> Meter<C> {
    /// A meter at zero.
    #[must_use]
    pub fn new(chip: C) -> Self {
        Self(Rc::new(RefCell::new(Metered {
            chip,
            cost: Cost::default(),
            bytes_passed_over: 0,
            ends: BTreeMap::new(),
            trace: None,
        })))
    }

    /// What was asked so far. Calls that the chip refused are not counted.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.0.borrow().cost
    }

    /// Bytes that were left erased between two programs of a segment: gaps of up to 32 bytes, the largest program word. A log that
    /// leaves a word alone, because a cut program may have touched it, fills the segment all the same.
    #[must_use]
    pub fn bytes_passed_over(&self) -> u64 {
        self.0.borrow().bytes_passed_over
    }

    /// The chip.
    #[must_use]
    pub fn chip(&self) -> Ref<'_, C> {
        Ref::map(self.0.borrow(), |metered| &metered.chip)
    }

    /// Begins to note where reads begin, and forgets what was noted.
    pub fn trace_reads(&self) {
        self.0.borrow_mut().trace = Some(Vec::new());
    }

    /// Where each read began since [`trace_reads`](Self::trace_reads). Ends the tracing.
    #[must_use]
    pub fn traced_reads(&self) -> Vec<u32> {
        self.0.borrow_mut().trace.take().unwrap_or_default()
    }
}

impl<C> Clone for Meter<C> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<C: Chip> ErrorType for Meter<C> {
    type Error = C::Error;
}

impl<C: Chip> ReadNorFlash for Meter<C> {
    const READ_SIZE: usize = C::READ_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), C::Error> {
        let mut metered = self.0.borrow_mut();
        metered.chip.read(offset, bytes)?;
        metered.cost.reads += 1;
        metered.cost.bytes_read += count(bytes.len());
        if let Some(trace) = &mut metered.trace {
            trace.push(offset);
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().chip.capacity()
    }
}

impl<C: Chip> NorFlash for Meter<C> {
    const WRITE_SIZE: usize = C::WRITE_SIZE;
    const ERASE_SIZE: usize = C::ERASE_SIZE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), C::Error> {
        let mut metered = self.0.borrow_mut();
        metered.chip.erase(from, to)?;
        metered.cost.erases += u64::from(to - from) / count(C::ERASE_SIZE);
        for segment in from / SEGMENT..to / SEGMENT {
            metered.ends.remove(&segment);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), C::Error> {
        let mut metered = self.0.borrow_mut();
        metered.chip.write(offset, bytes)?;
        metered.cost.programs += 1;
        metered.cost.bytes_programmed += count(bytes.len());
        let end = offset.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        if let Some(before) = metered.ends.insert(offset / SEGMENT, end) {
            let gap = offset.saturating_sub(before);
            metered.bytes_passed_over += if gap <= WORD_MAX { u64::from(gap) } else { 0 };
        }
        Ok(())
    }
}

/// The meter lets every program through: whether a word may be programmed again is what the chip says when it comes to it.
impl<C: Chip> MultiwriteNorFlash for Meter<C> {}

impl<C: Chip> embedded_storage_async::nor_flash::ReadNorFlash for Meter<C> {
    const READ_SIZE: usize = C::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), C::Error> {
        ReadNorFlash::read(self, offset, bytes)
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(self)
    }
}

impl<C: Chip> embedded_storage_async::nor_flash::NorFlash for Meter<C> {
    const WRITE_SIZE: usize = C::WRITE_SIZE;
    const ERASE_SIZE: usize = C::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), C::Error> {
        NorFlash::erase(self, from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), C::Error> {
        NorFlash::write(self, offset, bytes)
    }
}

/// As above.
impl<C: Chip> embedded_storage_async::nor_flash::MultiwriteNorFlash for Meter<C> {}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
