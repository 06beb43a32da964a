//! What is stored.

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

/// Real readings of a sensor, one a line; whose they are says `tests/data/README.md`.
const READINGS: &[u8] = include_bytes!("../../../tests/data/machine_temperature.csv");
/// Bytes of a record that cannot be compressed.
const LENGTH: usize = 256;
/// How many of those there are: 4 MiB, more than the caches near a core.
const INCOMPRESSIBLE: usize = 16_000;

/// Records to a call that takes several.
pub(crate) const BATCH: usize = 1_000;
/// Records to a sync that covers several.
pub(crate) const SYNCED: usize = 100;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Incompressible,
    Readings,
}

/// Records in memory, which a workload takes in turn; a multiple of [`BATCH`].
pub(crate) fn records(kind: Kind) -> Result<Vec<&'static [u8]>> {
    let mut records: Vec<&[u8]> = match kind {
        Kind::Incompressible => random_bytes(LENGTH * INCOMPRESSIBLE).chunks(LENGTH).collect(),
        Kind::Readings => READINGS.split(|byte| *byte == b'\n').skip(1).collect(),
    };
    records.retain(|record| !record.is_empty());
    records.truncate(records.len() / BATCH * BATCH);
    ensure!(!records.is_empty(), "there are no records");
    Ok(records)
}

/// Bytes of the first `count` records of `records` taken in turn.
pub(crate) fn payload_bytes(records: &[&[u8]], count: usize) -> Result<u64> {
    let lap: usize = records.iter().map(|record| record.len()).sum();
    let rest: usize = records.iter().take(count % records.len()).map(|record| record.len()).sum();
    u64::try_from(count / records.len() * lap + rest).context("too many bytes")
}

/// The same in every run.
fn random_bytes(length: usize) -> &'static [u8] {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.leak()
}
