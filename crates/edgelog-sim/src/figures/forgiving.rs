//! A chip for libraries that program a word again.

use super::{Chip, ERASE};
use crate::nor::{ERASED, SimNorError};
use embedded_storage::nor_flash::{
    ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};

/// A chip with words of `WORD` bytes that may be programmed any number of times: a program clears bits and never sets one, as
/// NOR cells without error correction do. Breaches of the write-once rule are counted.
#[derive(Clone, Debug)]
pub struct ForgivingChip<const WORD: usize> {
    bytes: Vec<u8>,
    /// One for each word: whether it was programmed since its erase.
    programmed: Vec<bool>,
    programmed_twice: u64,
    words_again: usize,
}

impl<const WORD: usize> Chip for ForgivingChip<WORD> {
    fn erased(segments: usize) -> Self {
        let bytes = segments * ERASE;
        Self {
            bytes: vec![ERASED; bytes],
            programmed: vec![false; bytes / WORD],
            programmed_twice: 0,
            words_again: 0,
        }
    }

    fn copy(&self) -> Self {
        self.clone()
    }

    fn programmed_twice(&self) -> u64 {
        self.programmed_twice
    }

    fn bytes_programmed_again(&self) -> u64 {
        u64::try_from(self.words_again * WORD).unwrap_or(u64::MAX)
    }
}

impl<const WORD: usize> ErrorType for ForgivingChip<WORD> {
    type Error = SimNorError;
}

impl<const WORD: usize> ReadNorFlash for ForgivingChip<WORD> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimNorError> {
        check_read(self, offset, bytes.len()).map_err(refused)?;
        let at = place(offset);
        bytes.copy_from_slice(&self.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WORD: usize> NorFlash for ForgivingChip<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), SimNorError> {
        check_erase(self, from, to).map_err(refused)?;
        let (from, to) = (place(from), place(to));
        self.bytes[from..to].fill(ERASED);
        self.programmed[from / WORD..to / WORD].fill(false);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimNorError> {
        check_write(self, offset, bytes.len()).map_err(refused)?;
        let at = place(offset);
        let words = &mut self.programmed[at / WORD..(at + bytes.len()) / WORD];
        let again = words.iter().filter(|&&programmed| programmed).count();
        self.programmed_twice += u64::from(again > 0);
        self.words_again += again;
        words.fill(true);
        for (cell, byte) in self.bytes[at..].iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

fn refused(error: NorFlashErrorKind) -> SimNorError {
    match error {
        NorFlashErrorKind::NotAligned => SimNorError::NotAligned,
        _ => SimNorError::OutOfBounds,
    }
}

fn place(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
