//! Any `NorFlash` is a medium: whatever its read unit is, in its own range, and never with sizes that do not fit.
#![allow(clippy::unwrap_used)]

use edgelog_core::{Geometry, GeometryError, Medium, NorError, NorMedium, NorSizeError};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// A flash that refuses what is not aligned.
struct Flash<const READ: usize, const WRITE: usize>([u8; 8192]);

impl<const READ: usize, const WRITE: usize> ErrorType for Flash<READ, WRITE> {
    type Error = NorFlashErrorKind;
}

impl<const READ: usize, const WRITE: usize> ReadNorFlash for Flash<READ, WRITE> {
    const READ_SIZE: usize = READ;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        bytes.copy_from_slice(&self.0[offset as usize..offset as usize + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl<const READ: usize, const WRITE: usize> NorFlash for Flash<READ, WRITE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = 512;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        self.0[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

const fn flash<const READ: usize, const WRITE: usize>() -> Flash<READ, WRITE> {
    Flash([0; 8192])
}

#[test]
fn every_range_reads_the_same_whatever_the_read_unit_is() {
    fn holds<const READ: usize>() {
        let mut flash = flash::<READ, 4>();
        for (place, byte) in flash.0.iter_mut().enumerate() {
            *byte = (place * 7 % 251).to_le_bytes()[0];
        }
        let bytes = flash.0;
        let mut medium = NorMedium::new(flash, 512..8192 - 512, 1024).unwrap();
        for position in 0..70 {
            for length in 0..140 {
                let mut read = [0; 140];
                medium.read(1, position, &mut read[..length]).unwrap();
                let from = 512 + 1024 + position as usize;
                assert_eq!(read[..length], bytes[from..from + length], "{READ}: {position}");
            }
        }
        let mut last = [0; 5];
        medium.read(6, 1019, &mut last).unwrap();
        assert_eq!(last, bytes[512 + 7 * 1024 - 5..512 + 7 * 1024]);
    }
    holds::<1>();
    holds::<2>();
    holds::<4>();
    holds::<8>();
    holds::<32>();
}

#[test]
fn a_segment_is_its_own_bytes_of_the_range_and_nothing_else_is_touched() {
    let mut flash = flash::<4, 8>();
    let mut medium = NorMedium::new(&mut flash, 1024..5120, 1024).unwrap();
    assert_eq!(medium.geometry(), Geometry::new(1024, 4, 8, 0xFF).unwrap());
    medium.erase(1).unwrap();
    medium.program(1, 1016, &[1; 8]).unwrap();
    medium.sync().unwrap();
    assert_eq!(medium.program(1, 1020, &[1; 8]), Err(NorError::OutOfRange));
    assert_eq!(medium.read(4, 0, &mut [0]), Err(NorError::OutOfRange));
    assert_eq!(medium.erase(4), Err(NorError::OutOfRange));
    let refused = NorError::Flash(NorFlashErrorKind::NotAligned);
    assert_eq!(medium.program(1, 4, &[1; 8]), Err(refused));
    let mut wanted = [0; 8192];
    wanted[2048..3072 - 8].fill(0xFF);
    wanted[3072 - 8..3072].fill(1);
    assert!(flash.0 == wanted);
}

#[test]
fn sizes_that_do_not_fit_the_flash_are_named() {
    let new = |range, segment| NorMedium::new(flash::<4, 4>(), range, segment).map(|_| ());
    assert_eq!(new(0..8192, 1024), Ok(()));
    assert_eq!(new(0..8192, 1000), Err(NorSizeError::SegmentSize));
    assert_eq!(new(0..8192, 0), Err(NorSizeError::SegmentSize));
    assert_eq!(new(256..8192, 1024), Err(NorSizeError::Range));
    assert_eq!(new(0..8192 + 1024, 1024), Err(NorSizeError::Range));
    assert_eq!(new(0..7680, 1024), Err(NorSizeError::Range));
    #[expect(clippy::reversed_empty_ranges, reason = "a mistake that callers make")]
    let reversed = 2048..1024;
    assert_eq!(new(reversed, 1024), Err(NorSizeError::Range));
    let geometry = |error| Err(NorSizeError::Geometry(error));
    assert_eq!(new(0..8192, 512), geometry(GeometryError::SegmentSize));
    assert_eq!(new(0..1024, 1024), geometry(GeometryError::SegmentCount));
    let word = NorMedium::new(flash::<4, 64>(), 0..8192, 1024).map(|_| ());
    assert_eq!(word, geometry(GeometryError::ProgramWord));
    let unit = NorMedium::new(flash::<64, 64>(), 0..8192, 1024).map(|_| ());
    assert_eq!(unit, Err(NorSizeError::ReadSize));
}

#[test]
fn only_the_errors_that_the_caller_names_are_lost_bytes() {
    let medium = NorMedium::new(flash::<4, 4>(), 0..8192, 1024).unwrap();
    let (other, bounds) = (NorFlashErrorKind::Other, NorFlashErrorKind::OutOfBounds);
    assert!(!medium.is_unreadable(&NorError::Flash(other)));
    let medium = medium.with_unreadable(|error| *error == NorFlashErrorKind::Other);
    assert!(medium.is_unreadable(&NorError::Flash(other)));
    assert!(!medium.is_unreadable(&NorError::Flash(bounds)));
    assert!(!medium.is_unreadable(&NorError::OutOfRange));
    assert!(medium.is_write_once());
}
