//! What a record, a mount, a seek and a boot cost on flash: exact counts of reads, programs and erases, not times.
//!
//! A [`Subject`] is a log on a [`Meter`], which counts what is asked of the chip behind it. A [`Ring`] is a chip that the subject
//! has filled for several laps; its methods are the workloads. They do the same to every subject, so that other libraries can
//! be measured beside the engine (`benches/flash`), and one test holds the engine's own counts (`tests/counters.rs`).

mod engine;
mod forgiving;
mod meter;
mod ring;

pub use engine::Engine;
pub use forgiving::ForgivingChip;
pub use meter::{Chip, Cost, Meter};
pub use ring::{Appends, Boots, Reads, Ring};

use crate::rng::Rng;
use core::fmt;

/// Bytes in a segment, which is one erase block.
pub const SEGMENT: u32 = 4096;
/// The same, as the chip wants it.
pub const ERASE: usize = SEGMENT as usize;
/// Segments on the chip.
pub const SEGMENTS: usize = 1024;
/// Records between two calls of [`Subject::trim`]: about half a segment.
pub const TRIM: u64 = 32;
/// Bytes in a record.
pub const RECORD: usize = 64;

/// A log on a metered chip, as the workloads use it. Record `n` is the `n`-th of the log, counted from 0, and is appended `n`
/// seconds after the first.
pub trait Subject<C: Chip>: Sized {
    /// Whether it finds a record by its time; otherwise [`seek`](Self::seek) walks from the oldest.
    const SEEKS: bool = true;
    /// How many of the newest records of this workload are certainly still there when the ring is full.
    const RETAINED: u64;

    /// Whether a segment's header, marker or footer stands at `position` of it: what tells what the segment is, without its records.
    fn is_header(position: u32) -> bool;

    /// Makes an empty log on an erased chip.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn create(chip: Meter<C>) -> Result<Self, Failure>;

    /// Opens the log after a power-on, with nothing remembered.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn mount(chip: Meter<C>) -> Result<Self, Failure>;

    /// Appends record `n` and makes it durable.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn append(&mut self, n: u64) -> Result<(), Failure>;

    /// Says, after every [`TRIM`] appends, that all records below `n` are done, where the subject must know it for its ring to go on.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn trim(&mut self, n: u64) -> Result<(), Failure> {
        let _ = n;
        Ok(())
    }

    /// Does between appends what the subject offers so that appends need not erase.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn maintain(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Finds record `n` by its time, and gives its bytes.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn seek(&mut self, n: u64) -> Result<Vec<u8>, Failure>;

    /// Stores durably that a consumer has done everything below `n`.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    fn commit(&mut self, n: u64) -> Result<(), Failure>;
}

/// Why there is no figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The subject does not offer this at all; why.
    Unable(&'static str),
    /// The subject programmed a word twice between two erases, which the chip refused.
    ProgrammedTwice,
    /// The subject should have done it and did not; what it said.
    Broken(String),
}

impl Failure {
    /// What a subject said when it failed.
    pub fn broken(error: impl fmt::Debug) -> Self {
        Self::Broken(format!("{error:?}"))
    }
}

/// The milliseconds since 1970-01-01 UTC at which record `n` is appended.
#[must_use]
pub const fn time_ms(n: u64) -> u64 {
    1_700_000_000_000 + n * 1000
}

/// The bytes of record `n`: its number, then bytes that look random.
#[must_use]
pub fn record(n: u64) -> [u8; RECORD] {
    let mut bytes = [0; RECORD];
    let mut rng = Rng::new(n);
    for (place, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let value = if place == 0 { n } else { rng.bits() };
        chunk.copy_from_slice(&value.to_le_bytes());
    }
    bytes
}
