//! A NOR flash chip: write-once words, torn programs and erases, unstable bits, failing reads.
//!
//! # Fault model
//!
//! - An erased byte reads 0xFF. A word (`WORD` bytes) is programmed at most once between two erases: a second program is
//!   [`SimNorError::ProgrammedTwice`], counted, even with the same bytes or with 0xFF, and does nothing. Multi-write is not
//!   offered. What is programmed or erased when the call returns is durable.
//! - Every byte of a program and every one of the `ERASE` steps of a block's erase is one step of mutation, counted by
//!   [`NorChip::mutated`]. The power can go in any of them. Every call fails from then on, until [`NorChip::power_on`].
//! - A cut program: words before the one in flight are complete, words behind it are untouched. Of the word in flight, each bit
//!   that should change is programmed, left erased, or unstable: every read gives it anew. Also all of them may be left erased,
//!   so that the word looks untouched. Never are all of them programmed: at least one stays erased for good, so an
//!   unfinished word never reads as finished.
//! - A cut erase: blocks before are erased, blocks behind untouched. Each byte of the block in flight is, depending on how far
//!   it came, erased, as before, a mix of both, random, or unstable.
//! - The word in flight, and every word of a block whose erase was cut, is *marginal* until its block is erased: it cannot be
//!   programmed, whatever it reads. When all of its bits may read as erased, the program is [`SimNorError::Marginal`], counted
//!   apart, because nobody can see that beforehand; otherwise it is `ProgrammedTwice`. [`NorChip::set_strict_marginal`] makes
//!   the chip milder: a marginal word that stably reads erased may be programmed.
//! - Complete words of a cut program that were to hold 0xFF show nothing either: programming them again is `Marginal`, too, also
//!   on the milder chip.
//! - With [`NorChip::set_ecc`], a torn word cannot be corrected: reading any byte of it is [`SimNorError::Unreadable`].
//! - A planned failing read gives no bytes, once. A planned failing program or erase has torn what it touched at a random
//!   step, as a power cut does, but the power stays.
//!
//! Not modelled: wear, disturbance of neighbours, and bits that fade long after they were programmed.

use crate::rng::Rng;
use core::fmt;
use core::ops::Range;
use embedded_storage::nor_flash::{ErrorType, NorFlashError, NorFlashErrorKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an erased byte reads as.
pub const ERASED: u8 = 0xFF;

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimNorError {
    /// The range is not aligned to the chip's sizes. Nothing was done.
    NotAligned,
    /// The range is not inside of the chip. Nothing was done.
    OutOfBounds,
    /// A word was programmed before since its erase. Nothing was done.
    ProgrammedTwice {
        /// The word's address.
        at: u32,
    },
    /// A word that looks erased was in flight when a power cut tore its program or its block's erase, or was programmed to look so
    /// by a program that was cut. Nothing was done.
    Marginal {
        /// The word's address.
        at: u32,
    },
    /// A torn word, that error correction cannot mend. Reading it again fails again.
    Unreadable {
        /// The word's address.
        at: u32,
    },
    /// A planned fault: a later call may succeed.
    Fault,
    /// The power is gone: every call fails until [`NorChip::power_on`].
    PowerCut,
}

impl fmt::Display for SimNorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAligned => f.write_str("the range is not aligned"),
            Self::OutOfBounds => f.write_str("the range is outside of the chip"),
            Self::ProgrammedTwice { at } => {
                write!(f, "the word at {at} was programmed twice between two erases")
            }
            Self::Marginal { at } => {
                write!(f, "the word at {at} looks erased, but its program or erase was cut")
            }
            Self::Unreadable { at } => {
                write!(f, "the word at {at} is torn: its error correction cannot mend it")
            }
            Self::Fault => f.write_str("the chip failed, as planned"),
            Self::PowerCut => f.write_str("the power is gone"),
        }
    }
}

impl core::error::Error for SimNorError {}

impl NorFlashError for SimNorError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}

/// What an engine may ask of a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NorOp {
    /// A read.
    Read,
    /// A program.
    Program,
    /// An erase.
    Erase,
}

/// Exact counts since the power came. Calls count when they begin, also those that fail; refused ranges do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NorCounters {
    /// Calls of read.
    pub reads: u64,
    /// Bytes that they asked for.
    pub bytes_read: u64,
    /// Calls of program.
    pub programs: u64,
    /// Bytes that they were given.
    pub bytes_programmed: u64,
    /// Blocks that were to be erased.
    pub erases: u64,
    /// Programs that broke the write-once rule.
    pub programmed_twice: u64,
    /// Programs that were refused because of a word which may read as erased: [`SimNorError::Marginal`].
    pub programmed_marginal: u64,
}

/// The chip: `WORD` bytes are programmed at once, `ERASE` bytes are erased at once. Clones are handles of the same chip, so
/// that a test and a log can hold it together.
#[derive(Clone, Debug)]
pub struct NorChip<const WORD: usize, const ERASE: usize>(Arc<Mutex<State>>);

/// A word was programmed, or may have been.
const PROGRAMMED: u8 = 1;
/// A program or erase of the word was cut.
const MARGINAL: u8 = 2;
/// The word is torn, so that error correction fails.
const TORN: u8 = 4;
/// The word was programmed to read as erased, by a program that was cut.
const UNSEEN: u8 = 8;

#[derive(Clone, Debug)]
struct State {
    word: usize,
    block: usize,
    bytes: Vec<u8>,
    /// One for each word.
    flags: Vec<u8>,
    /// Bits that every read gives anew, by address; stored as erased.
    unstable: BTreeMap<usize, u8>,
    rng: Rng,
    counters: NorCounters,
    /// Reads that started at each block.
    block_reads: Vec<u64>,
    mutated: u64,
    erase_steps: Vec<Range<u64>>,
    cut_at: Option<u64>,
    dark: bool,
    faults: Vec<(NorOp, u64)>,
    strict_marginal: bool,
    ecc: bool,
    drops_words: bool,
}

impl<const WORD: usize, const ERASE: usize> NorChip<WORD, ERASE> {
    /// An erased chip of `blocks` erase blocks.
    ///
    /// # Panics
    ///
    /// When `ERASE` is not a multiple of `WORD`, or the chip is larger than addresses reach.
    #[must_use]
    pub fn new(blocks: usize) -> Self {
        Self::from_image(vec![ERASED; blocks * ERASE])
    }

    /// A chip that holds `image`. Words that are not wholly erased in it count as programmed.
    ///
    /// # Panics
    ///
    /// When the image is not a whole number of blocks, or as [`new`](Self::new).
    #[must_use]
    pub fn from_image(image: Vec<u8>) -> Self {
        assert!(WORD > 0 && ERASE.is_multiple_of(WORD), "blocks of whole words");
        assert!(image.len().is_multiple_of(ERASE), "an image of whole blocks");
        assert!(u32::try_from(image.len()).is_ok(), "a chip that addresses reach");
        let flag = |word: &[u8]| if word.iter().all(|&it| it == ERASED) { 0 } else { PROGRAMMED };
        Self::from_state(State {
            word: WORD,
            block: ERASE,
            flags: image.chunks(WORD).map(flag).collect(),
            unstable: BTreeMap::new(),
            rng: Rng::new(0),
            counters: NorCounters::default(),
            block_reads: vec![0; image.len() / ERASE],
            bytes: image,
            mutated: 0,
            erase_steps: Vec::new(),
            cut_at: None,
            dark: false,
            faults: Vec::new(),
            strict_marginal: true,
            ecc: false,
            drops_words: false,
        })
    }

    /// The same bytes, torn words and modes on power again, as a chip of its own: this one is not changed. Counters start at 0,
    /// planned cuts and faults are forgotten.
    #[must_use]
    pub fn power_on(&self) -> Self {
        let mut state = self.state().clone();
        state.counters = NorCounters::default();
        state.block_reads.fill(0);
        state.mutated = 0;
        state.erase_steps.clear();
        state.cut_at = None;
        state.dark = false;
        state.faults.clear();
        Self::from_state(state)
    }

    /// What decides about torn words and unstable bits from now on.
    pub fn set_seed(&self, seed: u64) {
        self.state().rng = Rng::new(seed);
    }

    /// Whether marginal words count as programmed whatever they read (as at first), or only unless they stably read erased.
    pub fn set_strict_marginal(&self, strict: bool) {
        self.state().strict_marginal = strict;
    }

    /// Whether reading a torn word fails. Off at first.
    pub fn set_ecc(&self, ecc: bool) {
        self.state().ecc = ecc;
    }

    /// A planted bug: every fifth program silently leaves out its last word that is not blank. The oracle must notice.
    pub fn drop_words(&self) {
        self.state().drops_words = true;
    }

    /// Plans a failure of the `call`-th call of `op`, counted from 0 since the power came.
    pub fn plan_fault(&self, op: NorOp, call: u64) {
        self.state().faults.push((op, call));
    }

    /// Takes the power away in step `step` of mutation, counted from 0 since the power came. See [`mutated`](Self::mutated).
    pub fn cut_power_at(&self, step: u64) {
        self.state().cut_at = Some(step);
    }

    /// Steps of mutation so far: bytes programmed, and `ERASE` for each block erased.
    #[must_use]
    pub fn mutated(&self) -> u64 {
        self.state().mutated
    }

    /// The ranges of these steps that erases took, in order.
    #[must_use]
    pub fn erase_steps(&self) -> Vec<Range<u64>> {
        self.state().erase_steps.clone()
    }

    /// Bytes of the chip.
    #[must_use]
    pub fn size(&self) -> usize {
        self.state().bytes.len()
    }

    /// Whether the power is gone.
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.state().dark
    }

    /// The calls and bytes since the power came.
    #[must_use]
    pub fn counters(&self) -> NorCounters {
        self.state().counters
    }

    /// Reads since the power came that started at a multiple of `segment_size` bytes, itself a multiple of `ERASE`.
    ///
    /// # Panics
    ///
    /// When `segment_size` is no such multiple.
    #[must_use]
    pub fn header_reads(&self, segment_size: usize) -> u64 {
        assert!(segment_size > 0 && segment_size.is_multiple_of(ERASE), "segments of whole blocks");
        self.state().block_reads.iter().step_by(segment_size / ERASE).sum()
    }

    /// The bytes, unstable bits as erased.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    fn from_state(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const WORD: usize, const ERASE: usize> ErrorType for NorChip<WORD, ERASE> {
    type Error = SimNorError;
}

impl<const WORD: usize, const ERASE: usize> embedded_storage::nor_flash::ReadNorFlash
    for NorChip<WORD, ERASE>
{
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimNorError> {
        self.state().read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.state().bytes.len()
    }
}

impl<const WORD: usize, const ERASE: usize> embedded_storage::nor_flash::NorFlash
    for NorChip<WORD, ERASE>
{
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), SimNorError> {
        self.state().erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimNorError> {
        self.state().program(offset, bytes)
    }
}

impl<const WORD: usize, const ERASE: usize> embedded_storage_async::nor_flash::ReadNorFlash
    for NorChip<WORD, ERASE>
{
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimNorError> {
        self.state().read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.state().bytes.len()
    }
}

impl<const WORD: usize, const ERASE: usize> embedded_storage_async::nor_flash::NorFlash
    for NorChip<WORD, ERASE>
{
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = ERASE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), SimNorError> {
        self.state().erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimNorError> {
        self.state().program(offset, bytes)
    }
}

impl State {
    fn range(&self, offset: u32, length: usize, align: usize) -> Result<usize, SimNorError> {
        let at = usize::try_from(offset).map_err(|_| SimNorError::OutOfBounds)?;
        let end = at.checked_add(length).ok_or(SimNorError::OutOfBounds)?;
        if end > self.bytes.len() {
            return Err(SimNorError::OutOfBounds);
        }
        let aligned = at.is_multiple_of(align) && length.is_multiple_of(align);
        if aligned { Ok(at) } else { Err(SimNorError::NotAligned) }
    }

    fn powered(&self) -> Result<(), SimNorError> {
        if self.dark { Err(SimNorError::PowerCut) } else { Ok(()) }
    }

    fn planned(&self, op: NorOp, call: u64) -> bool {
        self.faults.contains(&(op, call))
    }

    /// The step of the next `steps` in which it ends badly, and how; counts the steps that were begun.
    fn ending(&mut self, op: NorOp, call: u64, steps: usize) -> Option<(usize, SimNorError)> {
        let first = self.mutated;
        let cut = self.cut_at.and_then(|at| at.checked_sub(first)).map(to_usize);
        if let Some(step) = cut.filter(|&step| step < steps) {
            self.mutated += to_u64(step) + 1;
            self.dark = true;
            return Some((step, SimNorError::PowerCut));
        }
        self.mutated += to_u64(steps);
        let fails = steps > 0 && self.planned(op, call);
        fails.then(|| (self.rng.below(steps), SimNorError::Fault))
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimNorError> {
        self.powered()?;
        let at = self.range(offset, bytes.len(), 1)?;
        let call = self.counters.reads;
        self.counters.reads += 1;
        self.counters.bytes_read += to_u64(bytes.len());
        if at.is_multiple_of(self.block)
            && let Some(reads) = self.block_reads.get_mut(at / self.block)
        {
            *reads += 1;
        }
        if self.planned(NorOp::Read, call) {
            return Err(SimNorError::Fault);
        }
        let end = at + bytes.len();
        if self.ecc {
            let words = at / self.word..end.div_ceil(self.word);
            if let Some(torn) = words.into_iter().find(|&word| self.flags[word] & TORN != 0) {
                return Err(SimNorError::Unreadable { at: address(torn * self.word) });
            }
        }
        bytes.copy_from_slice(&self.bytes[at..end]);
        if !self.unstable.is_empty() {
            for (&place, &bits) in self.unstable.range(at..end) {
                bytes[place - at] &= !(bits & some_byte(&mut self.rng));
            }
        }
        Ok(())
    }

    fn program(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimNorError> {
        self.powered()?;
        let at = self.range(offset, bytes.len(), self.word)?;
        let call = self.counters.programs;
        self.counters.programs += 1;
        self.counters.bytes_programmed += to_u64(bytes.len());
        let words = at / self.word..(at + bytes.len()) / self.word;
        let refusals = words.filter_map(|word| self.refusal(word));
        // Of several reasons the one that the caller could have seen.
        let refusal = refusals.min_by_key(|why| matches!(why, SimNorError::Marginal { .. }));
        if let Some(refusal) = refusal {
            let marginal = matches!(refusal, SimNorError::Marginal { .. });
            self.counters.programmed_marginal += u64::from(marginal);
            self.counters.programmed_twice += u64::from(!marginal);
            return Err(refusal);
        }
        if let Some((step, error)) = self.ending(NorOp::Program, call, bytes.len()) {
            self.tear_program(at, bytes, step);
            return Err(error);
        }
        let last = bytes.iter().rposition(|&byte| byte != ERASED).unwrap_or(0);
        let drops = self.drops_words && call % 5 == 4;
        let kept = if drops { last / self.word * self.word } else { bytes.len() };
        self.complete(at, &bytes[..kept]);
        Ok(())
    }

    fn erase(&mut self, from: u32, to: u32) -> Result<(), SimNorError> {
        self.powered()?;
        let length = to.checked_sub(from).ok_or(SimNorError::OutOfBounds)?;
        let length = usize::try_from(length).map_err(|_| SimNorError::OutOfBounds)?;
        let at = self.range(from, length, self.block)?;
        let call = self.counters.erases;
        self.counters.erases += to_u64(length / self.block);
        let first = self.mutated;
        let ending = self.ending(NorOp::Erase, call, length);
        self.erase_steps.push(first..self.mutated);
        if let Some((step, error)) = ending {
            let torn = at + step / self.block * self.block;
            self.blank(at, torn);
            self.tear_erase(torn, step % self.block);
            return Err(error);
        }
        self.blank(at, at + length);
        Ok(())
    }

    /// Why the word cannot be programmed, if so.
    fn refusal(&self, word: usize) -> Option<SimNorError> {
        let flags = self.flags[word];
        let at = address(word * self.word);
        if flags & UNSEEN != 0 {
            return Some(SimNorError::Marginal { at });
        }
        if flags & MARGINAL == 0 {
            return (flags != 0).then_some(SimNorError::ProgrammedTwice { at });
        }
        let range = word * self.word..(word + 1) * self.word;
        if self.bytes[range.clone()].iter().any(|&byte| byte != ERASED) {
            return Some(SimNorError::ProgrammedTwice { at });
        }
        let stable = self.unstable.range(range).next().is_none();
        (self.strict_marginal || !stable).then_some(SimNorError::Marginal { at })
    }

    fn complete(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.flags[at / self.word..(at + bytes.len()) / self.word].fill(PROGRAMMED);
    }

    fn blank(&mut self, from: usize, to: usize) {
        self.bytes[from..to].fill(ERASED);
        self.flags[from / self.word..to / self.word].fill(0);
        self.unstable.retain(|&place, _| place < from || place >= to);
    }

    /// A program that stopped in its byte `step`.
    fn tear_program(&mut self, at: usize, bytes: &[u8], step: usize) {
        let done = step / self.word * self.word;
        let (before, rest) = bytes.split_at(done);
        let target = &rest[..self.word];
        self.complete(at, before);
        let words = before.chunks(self.word).zip(&mut self.flags[at / self.word..]);
        for (_, flags) in words.filter(|(word, _)| word.iter().all(|&byte| byte == ERASED)) {
            *flags = UNSEEN;
        }
        let at = at + done;
        self.flags[at / self.word] = MARGINAL | TORN;
        // Bits that stay erased for good, so that an unfinished program never reads as finished.
        let mut spared = vec![0; target.len()];
        let changing: Vec<usize> =
            (0..8 * target.len()).filter(|bit| target[bit / 8] & (1 << (bit % 8)) == 0).collect();
        if !changing.is_empty() {
            let bit = changing[self.rng.below(changing.len())];
            spared[bit / 8] |= 1 << (bit % 8);
        }
        let way = self.rng.below(4);
        for (place, &byte) in target.iter().enumerate() {
            let change = !byte & !spared[place];
            let (programmed, unstable) = match way {
                // It looks untouched.
                0 => (0, 0),
                // Byte after byte, as on a serial chip.
                1 if place < step - done => (change, 0),
                1 if place > step - done => (0, 0),
                // All but what is spared.
                2 => (change, 0),
                _ => {
                    let programmed = change & some_byte(&mut self.rng);
                    (programmed, change & !programmed & some_byte(&mut self.rng))
                }
            };
            self.bytes[at + place] = ERASED & !programmed;
            if unstable != 0 {
                self.unstable.insert(at + place, unstable);
            }
        }
    }

    /// An erase of the block at `at` that stopped in its step `step`.
    fn tear_erase(&mut self, at: usize, step: usize) {
        for word in at / self.word..(at + self.block) / self.word {
            self.flags[word] = MARGINAL;
        }
        let way = self.rng.below(3);
        for place in 0..self.block {
            let far = match way {
                // Byte after byte, as simple simulators do.
                0 => place < step,
                _ => self.rng.below(self.block) < step,
            };
            let before = self.bytes[at + place];
            let (after, unstable) = match (far, way, self.rng.below(4)) {
                (true, ..) => (ERASED, 0),
                (false, 0 | 1, _) | (false, _, 0) => (before, 0),
                (false, _, 1) => (before | some_byte(&mut self.rng), 0),
                (false, _, 2) => (some_byte(&mut self.rng), 0),
                (false, ..) => (before, !before & some_byte(&mut self.rng)),
            };
            self.bytes[at + place] = after | unstable;
            self.unstable.remove(&(at + place));
            if unstable != 0 {
                self.unstable.insert(at + place, unstable);
            }
            if after != before && after != ERASED || unstable != 0 {
                self.flags[(at + place) / self.word] |= TORN;
            }
        }
    }
}

fn some_byte(rng: &mut Rng) -> u8 {
    rng.bits().to_le_bytes()[7]
}

fn address(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

    type Chip = NorChip<4, 64>;

    fn all(chip: &mut Chip) -> Result<Vec<u8>, SimNorError> {
        let mut bytes = vec![0; chip.capacity()];
        chip.read(0, &mut bytes).map(|()| bytes)
    }

    #[test]
    fn a_word_is_programmed_once_between_two_erases_even_with_the_same_bytes() {
        let mut chip = Chip::new(2);
        chip.write(4, &[ERASED; 4]).unwrap();
        for bytes in [[ERASED; 8], [0; 8]] {
            assert_eq!(chip.write(0, &bytes), Err(SimNorError::ProgrammedTwice { at: 4 }));
        }
        assert_eq!(chip.counters().programmed_twice, 2);
        assert_eq!(chip.image(), vec![ERASED; 128], "a refused program does nothing");
        chip.erase(0, 64).unwrap();
        chip.write(0, &[7; 8]).unwrap();
        assert_eq!(all(&mut chip).unwrap()[..8], [7; 8]);
    }

    #[test]
    fn ranges_that_do_not_fit_are_refused_and_not_counted() {
        let mut chip = Chip::new(2);
        assert_eq!(chip.write(2, &[0; 4]), Err(SimNorError::NotAligned));
        assert_eq!(chip.write(0, &[0; 3]), Err(SimNorError::NotAligned));
        assert_eq!(chip.write(124, &[0; 8]), Err(SimNorError::OutOfBounds));
        assert_eq!(chip.read(127, &mut [0; 2]), Err(SimNorError::OutOfBounds));
        assert_eq!(chip.erase(0, 32), Err(SimNorError::NotAligned));
        assert_eq!(chip.erase(64, 192), Err(SimNorError::OutOfBounds));
        assert_eq!(chip.erase(64, 0), Err(SimNorError::OutOfBounds));
        assert_eq!((chip.counters(), chip.mutated()), (NorCounters::default(), 0));
    }

    #[test]
    fn a_cut_program_leaves_words_before_whole_and_words_behind_alone_and_never_reads_as_finished()
    {
        let wanted: Vec<u8> = (0..16).map(|byte| byte * 3).collect();
        let (mut untouched, mut unstable) = (0, 0);
        for step in 0..16 {
            for seed in 0..200 {
                let mut chip = Chip::new(1);
                chip.set_seed(seed);
                chip.cut_power_at(step);
                assert_eq!(chip.write(8, &wanted), Err(SimNorError::PowerCut));
                assert_eq!(chip.erase(0, 64), Err(SimNorError::PowerCut));
                assert_eq!((chip.is_dark(), chip.mutated()), (true, step + 1));
                let mut chip = chip.power_on();
                let done = to_usize(step) / 4 * 4;
                let seen: Vec<Vec<u8>> = (0..8).map(|_| all(&mut chip).unwrap()).collect();
                for bytes in &seen {
                    let name = format!("step {step}, seed {seed}: {bytes:?}");
                    assert_eq!(bytes[8..8 + done], wanted[..done], "{name}");
                    assert!(bytes[12 + done..].iter().all(|&it| it == ERASED), "{name}");
                    assert_ne!(bytes[8..24], wanted[..], "{name}");
                    let torn = bytes[8 + done..12 + done].iter().zip(&wanted[done..]);
                    assert!(torn.clone().all(|(&is, &should)| is & should == should), "{name}");
                }
                let at = 8 + address(done);
                let refused = match chip.image()[8 + done..12 + done] == [ERASED; 4] {
                    true => SimNorError::Marginal { at },
                    false => SimNorError::ProgrammedTwice { at },
                };
                assert_eq!(chip.write(at, &[0; 4]), Err(refused));
                unstable += u32::from(seen.iter().any(|bytes| bytes != &seen[0]));
                if seen.iter().all(|it| it[8 + done..12 + done] == [ERASED; 4]) {
                    untouched += 1;
                    chip.set_strict_marginal(false);
                    chip.write(at, &[0; 4]).unwrap();
                }
            }
        }
        assert!(untouched > 300 && unstable > 300, "{untouched} {unstable} of 3200");
    }

    #[test]
    fn a_program_that_ends_in_erased_bytes_does_not_read_as_finished_before_its_last_changed_word()
    {
        for seed in 0..200 {
            let chip = Chip::new(1);
            chip.set_seed(seed);
            chip.cut_power_at(seed % 4);
            let bytes = [1, 2, 3, 4, ERASED, ERASED, ERASED, ERASED];
            assert_eq!(chip.clone().write(0, &bytes), Err(SimNorError::PowerCut));
            assert_ne!(all(&mut chip.power_on()).unwrap()[..8], bytes, "seed {seed}");
        }
    }

    #[test]
    fn words_that_a_cut_program_left_as_they_were_are_refused_as_ones_that_nobody_can_see() {
        let chip = Chip::new(1);
        chip.cut_power_at(13);
        let bytes = [[1; 4], [ERASED; 4], [2; 4], [3; 4]].concat();
        assert_eq!(chip.clone().write(0, &bytes), Err(SimNorError::PowerCut));
        let mut chip = chip.power_on();
        for strict in [true, false] {
            chip.set_strict_marginal(strict);
            assert_eq!(chip.write(4, &[0; 4]), Err(SimNorError::Marginal { at: 4 }));
            assert_eq!(chip.write(0, &[0; 8]), Err(SimNorError::ProgrammedTwice { at: 0 }));
        }
        chip.erase(0, 64).unwrap();
        assert_eq!(chip.write(4, &[0; 4]), Ok(()));
    }

    #[test]
    fn a_cut_erase_leaves_the_block_undefined_and_its_words_not_to_be_programmed() {
        let (mut erased, mut before, mut other, mut unstable) = (0, 0, 0, 0);
        for seed in 0..200 {
            let mut chip = Chip::new(3);
            chip.set_seed(seed);
            chip.write(0, &[9; 192]).unwrap();
            let chip = chip.power_on();
            chip.cut_power_at(64 + seed % 64);
            assert_eq!(chip.clone().erase(0, 192), Err(SimNorError::PowerCut));
            let mut chip = chip.power_on();
            let (bytes, again) = (all(&mut chip).unwrap(), all(&mut chip).unwrap());
            assert_eq!(bytes[..64], [ERASED; 64], "seed {seed}: the block before is done");
            assert_eq!(bytes[128..], [9; 64], "seed {seed}: the block behind is untouched");
            unstable += u32::from(bytes != again);
            for (&byte, &again) in bytes[64..128].iter().zip(&again[64..128]) {
                match byte {
                    ERASED if again == ERASED => erased += 1,
                    9 if again == 9 => before += 1,
                    _ => other += 1,
                }
            }
            for at in (64..128).step_by(4) {
                assert!(chip.write(at, &[0; 4]).is_err(), "seed {seed}, {at}");
            }
            let counters = chip.counters();
            assert_eq!(counters.programmed_twice + counters.programmed_marginal, 16);
            chip.erase(64, 128).unwrap();
            chip.write(64, &[1; 64]).unwrap();
        }
        let all = [erased, before, other, unstable];
        assert!(all.iter().zip([3000, 3000, 500, 30]).all(|(is, least)| *is > least), "{all:?}");
    }

    #[test]
    fn with_error_correction_a_torn_word_cannot_be_read_until_it_is_erased() {
        let mut chip = Chip::new(1);
        chip.set_ecc(true);
        chip.cut_power_at(6);
        assert_eq!(chip.write(0, &[0; 16]), Err(SimNorError::PowerCut));
        let mut chip = chip.power_on();
        assert_eq!(chip.read(7, &mut [0; 1]), Err(SimNorError::Unreadable { at: 4 }));
        assert_eq!(all(&mut chip), Err(SimNorError::Unreadable { at: 4 }));
        assert_eq!(chip.read(0, &mut [0; 4]), Ok(()));
        assert_eq!(chip.read(8, &mut [0; 8]), Ok(()));
        chip.erase(0, 64).unwrap();
        assert_eq!(all(&mut chip).unwrap(), vec![ERASED; 64]);
    }

    #[test]
    fn planned_faults_hit_their_call_and_no_other_and_counters_are_exact() {
        let mut chip = Chip::new(4);
        chip.plan_fault(NorOp::Read, 1);
        chip.plan_fault(NorOp::Program, 1);
        chip.plan_fault(NorOp::Erase, 1);
        for planned in [Ok(()), Err(SimNorError::Fault), Ok(())] {
            assert_eq!(chip.read(128, &mut [0; 10]), planned);
        }
        assert_eq!(chip.write(0, &[0; 8]), Ok(()));
        assert_eq!(chip.write(8, &[0; 8]), Err(SimNorError::Fault));
        assert_eq!(chip.write(16, &[0; 8]), Ok(()));
        assert_eq!(chip.erase(64, 128), Ok(()));
        assert_eq!(chip.erase(64, 128), Err(SimNorError::Fault));
        assert_eq!(chip.erase(64, 128), Ok(()));
        let counters = NorCounters {
            reads: 3,
            bytes_read: 30,
            programs: 3,
            bytes_programmed: 24,
            erases: 3,
            programmed_twice: 0,
            programmed_marginal: 0,
        };
        assert_eq!(chip.counters(), counters);
        assert_eq!(
            (chip.header_reads(64), chip.header_reads(128), chip.header_reads(192)),
            (3, 3, 0)
        );
        assert_eq!((chip.mutated(), chip.erase_steps().len()), (24 + 3 * 64, 3));
        assert_eq!(chip.erase_steps()[1], 88..152);
        let chip = chip.power_on();
        assert_eq!((chip.counters(), chip.header_reads(64)), (NorCounters::default(), 0));
    }

    #[test]
    fn the_async_traits_are_the_same_chip() {
        let chip = Chip::new(2);
        let (mut blocking, mut awaited) = (chip.clone(), chip);
        let work = async {
            use embedded_storage_async::nor_flash::{NorFlash as Write, ReadNorFlash as Read};
            Write::write(&mut awaited, 4, &[5; 4]).await?;
            Write::erase(&mut awaited, 64, 128).await?;
            let mut bytes = [0; 4];
            Read::read(&mut awaited, 4, &mut bytes).await?;
            Ok::<_, SimNorError>(bytes)
        };
        let mut work = std::pin::pin!(work);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert_eq!(work.as_mut().poll(&mut context), std::task::Poll::Ready(Ok([5; 4])));
        assert_eq!(all(&mut blocking).unwrap()[4..8], [5; 4]);
    }
}
