//! Opening a log as its owner, with the one size that users choose.

use crate::reading::ring_bytes;
use crate::say;
use crate::units::{bytes, parse_bytes, plural_were};
use anyhow::anyhow;
use clap::Args;
use edgelog::{Log, OpenError, Options, Start, View};
use std::path::Path;

/// Sizes of a new log, and whether it is kept compressed.
#[derive(Debug, Args)]
pub(crate) struct Sizes {
    /// Bytes on disk of a new log, such as 64MiB [default: 1GiB]; an existing one keeps its own, and another value is refused
    #[arg(long, value_name = "BYTES", value_parser = parse_budget)]
    budget: Option<u64>,
    /// Compress full segments with zstd while this runs: 1 is fast, 3 zstd's default, 19 small and slow; any command reads them
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(i32).range(1..=19))]
    compress: Option<i32>,
}

/// Space is freed by whole segments, so a small budget needs small ones.
const SEGMENTS_WANTED: u64 = 16;
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
const SEGMENT_BYTES_MAX: u64 = 8 << 20;
/// What file systems allocate at once.
const PAGE_BYTES: u64 = 4096;
/// A ring needs two segments.
const BUDGET_BYTES_MIN: u64 = 2 * SEGMENT_BYTES_MIN;

impl Sizes {
    /// Opens the log in `dir`, and creates it when there is none.
    ///
    /// Records that are found damaged are no reason to stop, but are told.
    pub(crate) fn open(&self, dir: &Path) -> anyhow::Result<Log> {
        let mut options = Options::new();
        if let Some(budget) = self.budget {
            options = options.budget_bytes(budget).segment_bytes(segment_bytes(budget));
        }
        if let Some(level) = self.compress {
            options = options.compress(level);
        }
        let log = options.open(dir).map_err(|error| self.explain(dir, error))?;
        let damaged = log.status()?.damaged;
        if damaged > 0 {
            say::note(&format!(
                "edgelog: {} found damaged on opening {}, and left out; `edgelog verify` says which",
                plural_were(damaged, "record"),
                dir.display()
            ));
        }
        Ok(log)
    }

    /// Names the existing log's budget, in place of its segments, which are not for users to choose.
    fn explain(&self, dir: &Path, error: OpenError) -> anyhow::Error {
        let (OpenError::Sizes(_), Some(budget)) = (&error, self.budget) else {
            return error.into();
        };
        let Ok(view) = View::open(dir, Start::Latest) else { return error.into() };
        let has = ring_bytes(&view);
        anyhow!(
            "the log in {} was created with a budget of {} and keeps it; {} is refused: leave --budget out, or create a new log in another folder",
            dir.display(),
            bytes(has),
            bytes(budget)
        )
    }
}

fn segment_bytes(budget: u64) -> u32 {
    let wanted = (budget / SEGMENTS_WANTED).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
    u32::try_from(wanted / PAGE_BYTES * PAGE_BYTES).unwrap_or(u32::MAX)
}

fn parse_budget(text: &str) -> Result<u64, String> {
    match parse_bytes(text)? {
        budget if budget < BUDGET_BYTES_MIN => Err("a log needs at least 128KiB".to_owned()),
        budget => Ok(budget),
    }
}
