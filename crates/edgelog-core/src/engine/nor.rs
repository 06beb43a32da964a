//! NOR flash behind the `embedded-storage` traits as a medium.

use super::both;
use super::medium::Medium;
use super::nor_flash::NorFlash;
use crate::geometry::Geometry;
use crate::nor::{NorError, NorSizeError, READ_SIZE_MAX};
use core::ops::Range;

/// A byte range of any [`NorFlash`] as a [`Medium`]: the internal flash of a microcontroller or a serial chip.
///
/// Words are programmed once between two erases, so plain `NorFlash` is enough: `MultiwriteNorFlash` is never needed. Programs
/// and erases are taken to be durable when they return, so a sync does nothing.
///
/// Power loss: a program or erase that was cut leaves the bytes it touched undefined, as `NorFlash` says; nothing else is
/// touched. What returned before stays.
///
/// Flash with error correction may refuse to read a torn word. `NorFlash` has no common word for that error, so
/// [`with_unreadable`](Self::with_unreadable) says which of the driver's it is; otherwise it counts as a failing device, and one
/// torn word keeps the log from being mounted. Where such a read raises an interrupt (the NMI of some STM32), the driver has to
/// make an error of it.
///
/// Erased bytes must read as 0xFF. For flash that erases to 0x00, implement [`Medium`].
///
/// ```
/// use edgelog_core::{Class, Event, Log, LogId, NorMedium};
/// # use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
/// # struct Flash([u8; 16384]);
/// # impl ErrorType for Flash {
/// #     type Error = NorFlashErrorKind;
/// # }
/// # impl ReadNorFlash for Flash {
/// #     const READ_SIZE: usize = 1;
/// #     fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
/// #         let at = offset as usize;
/// #         bytes.copy_from_slice(&self.0[at..at + bytes.len()]);
/// #         Ok(())
/// #     }
/// #     fn capacity(&self) -> usize {
/// #         self.0.len()
/// #     }
/// # }
/// # impl NorFlash for Flash {
/// #     const WRITE_SIZE: usize = 4;
/// #     const ERASE_SIZE: usize = 4096;
/// #     fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
/// #         self.0[from as usize..to as usize].fill(0xFF);
/// #         Ok(())
/// #     }
/// #     fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
/// #         self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
/// #         Ok(())
/// #     }
/// # }
/// # let mut flash = Flash([0xFF; 16384]);
/// // The last three blocks of the chip are the log's, in segments of one block.
/// let medium = NorMedium::new(&mut flash, 4096..16384, 4096)?;
/// let mut log = Log::create(medium, [0u8; 512], LogId([7; 16]), 0)?;
/// let topic = log.topic("door")?;
/// log.append(&Event { topic, class: Class::Normal, key: None, payload: b"open" }, 0)?;
/// assert_eq!(log.sync()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NorMedium<F: NorFlash> {
    flash: F,
    start: u32,
    geometry: Geometry,
    unreadable: fn(&F::Error) -> bool,
    mapped: fn(&F) -> Option<&[u8]>,
}

impl<F: NorFlash> NorMedium<F> {
    /// The bytes `range` of `flash` in segments of `segment_size` bytes.
    ///
    /// `range` begins at a multiple of `F::ERASE_SIZE` and holds at least two whole segments and nothing else; `segment_size`
    /// is a multiple of `F::ERASE_SIZE`. The program word is `F::WRITE_SIZE`. Reads and writes nothing.
    ///
    /// # Errors
    ///
    /// [`NorSizeError`] names the size that does not fit; the flash is dropped (hand in a `&mut` to keep it).
    pub fn new(flash: F, range: Range<u32>, segment_size: u32) -> Result<Self, NorSizeError> {
        if F::READ_SIZE == 0 || F::READ_SIZE > READ_SIZE_MAX || !F::READ_SIZE.is_power_of_two() {
            return Err(NorSizeError::ReadSize);
        }
        let end = usize::try_from(range.end).map_err(|_| NorSizeError::Range)?;
        let length = range.end.checked_sub(range.start).ok_or(NorSizeError::Range)?;
        let erase = u32::try_from(F::ERASE_SIZE).unwrap_or(0);
        if erase == 0 || segment_size == 0 || !segment_size.is_multiple_of(erase) {
            return Err(NorSizeError::SegmentSize);
        }
        let whole = range.start.is_multiple_of(erase) && length.is_multiple_of(segment_size);
        if end > flash.capacity() || !whole {
            return Err(NorSizeError::Range);
        }
        let word = u32::try_from(F::WRITE_SIZE).unwrap_or(u32::MAX);
        let geometry = Geometry::new(segment_size, length / segment_size, word, 0xFF)
            .map_err(NorSizeError::Geometry)?;
        Ok(Self { flash, start: range.start, geometry, unreadable: |_| false, mapped: |_| None })
    }

    /// Says which errors of the driver mean that the bytes are lost for good, as an uncorrectable ECC error does: the engine
    /// takes them for damage and goes on.
    #[must_use]
    pub fn with_unreadable(self, unreadable: fn(&F::Error) -> bool) -> Self {
        Self { unreadable, ..self }
    }

    /// Says where the driver's flash is mapped into memory, from its address 0 on: records are then read
    /// [in place](super::Log::read_in_place). Only for flash whose lost words read as anything instead of raising a fault.
    #[must_use]
    pub fn with_mapped(self, mapped: fn(&F) -> Option<&[u8]>) -> Self {
        Self { mapped, ..self }
    }

    /// The flash, for its own figures.
    pub const fn flash(&self) -> &F {
        &self.flash
    }

    /// Gives the flash back.
    pub fn into_inner(self) -> F {
        self.flash
    }

    /// The address of `length` bytes, if the segment has them.
    fn address(&self, slot: u32, position: u32, length: usize) -> Result<u32, NorError<F::Error>> {
        let size = self.geometry.segment_size();
        let length = u32::try_from(length).map_err(|_| NorError::OutOfRange)?;
        let end = position.checked_add(length).ok_or(NorError::OutOfRange)?;
        if slot >= self.geometry.segment_count() || end > size {
            return Err(NorError::OutOfRange);
        }
        // Inside of the range, whose end is a `u32`.
        Ok(self.start + slot * size + position)
    }
}

#[both(AFIT)]
impl<F: NorFlash> NorMedium<F> {
    /// Reads through a small buffer what is not a whole number of the flash's read units.
    async fn read_unaligned(&mut self, address: u32, bytes: &mut [u8]) -> Result<(), F::Error> {
        let mut unit = Unit([0; READ_SIZE_MAX]);
        let mut address = address;
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = u32::try_from(F::READ_SIZE).unwrap_or(1);
            let skipped = address % size;
            let whole = rest.len() / F::READ_SIZE * F::READ_SIZE;
            let taken = if skipped == 0 && whole > 0 {
                let (head, _) = rest.split_at_mut(whole);
                self.flash.read(address, head).await?;
                whole
            } else {
                let (unit, _) = unit.0.split_at_mut(F::READ_SIZE);
                self.flash.read(address - skipped, unit).await?;
                let from = unit.iter().skip(usize::try_from(skipped).unwrap_or(0));
                let pairs = rest.iter_mut().zip(from);
                pairs.map(|(to, from)| *to = *from).count()
            };
            address += u32::try_from(taken).unwrap_or(0);
            rest = rest.split_at_mut(taken).1;
        }
        Ok(())
    }
}

/// Aligned, because some drivers read by DMA.
#[repr(align(8))]
struct Unit([u8; READ_SIZE_MAX]);

#[both(AFIT)]
impl<F: NorFlash> Medium for NorMedium<F>
where
    F::Error: 'static,
{
    type Error = NorError<F::Error>;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn is_unreadable(&self, error: &Self::Error) -> bool {
        matches!(error, NorError::Flash(error) if (self.unreadable)(error))
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        let from = usize::try_from(self.address(slot, 0, 0).ok()?).ok()?;
        let length = usize::try_from(self.geometry.segment_size()).ok()?;
        (self.mapped)(&self.flash)?.get(from..from.checked_add(length)?)
    }

    async fn read(
        &mut self,
        slot: u32,
        position: u32,
        bytes: &mut [u8],
    ) -> Result<(), Self::Error> {
        let address = self.address(slot, position, bytes.len())?;
        if F::READ_SIZE == 1 {
            return self.flash.read(address, bytes).await.map_err(NorError::Flash);
        }
        self.read_unaligned(address, bytes).await.map_err(NorError::Flash)
    }

    async fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let address = self.address(slot, position, bytes.len())?;
        self.flash.write(address, bytes).await.map_err(NorError::Flash)
    }

    async fn erase(&mut self, slot: u32) -> Result<(), Self::Error> {
        let from = self.address(slot, 0, 0)?;
        self.flash.erase(from, from + self.geometry.segment_size()).await.map_err(NorError::Flash)
    }

    async fn sync(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
