//! Segments that are kept compressed: what they save, and what reading them costs beside mapped ones.

use crate::contest::{Arena, Ratio};
use crate::edgelog::{self, SEGMENT_BYTES};
use crate::records::{Kind, records};
use crate::stats::median;
use anyhow::{Result, ensure};
use clap::Args;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rounds that count; one that warms up comes before them.
const ROUNDS: usize = 5;
/// Segments that are compressed.
const SEGMENTS: u64 = 6;
/// Zstd's levels.
const LEVELS: [i32; 3] = [1, 3, 9];
/// Places that are looked for in a round.
const PLACES: u64 = 40;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Files go into a new folder in this one, and are removed
    #[arg(long, env = "EDGELOG_BENCH_FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// Measures, and prints one figure a line.
pub(crate) fn print(arguments: &Arguments) -> Result<()> {
    let arena = Arena::new(&arguments.folder)?;
    println!(
        "# {SEGMENTS} sealed segments of {} MiB in blocks of 64 KiB, with what is synced and read back; one thread compresses. A figure is the median of\n\
         # {ROUNDS} rounds, a ratio that of the rounds' ratios, with the least and the largest below it.",
        SEGMENT_BYTES >> 20
    );
    for (kind, of) in [(Kind::Readings, "readings"), (Kind::Incompressible, "incompressible")] {
        let plain = arena.folder("plain")?;
        let until = edgelog::fill_segments(&plain, &records(kind)?, SEGMENTS + 2)?;
        println!("\n# {of}");
        for level in LEVELS {
            let packed = compress(&arena, &plain, level, of)?;
            // What is read is the same at each level, but for zstd's own speed.
            if level == 3 {
                read(&plain, &packed, until, of)?;
                seek(&plain, &packed, until, of)?;
            }
        }
    }
    Ok(())
}

/// Compresses a copy again and again; gives the last one.
fn compress(arena: &Arena, plain: &Path, level: i32, of: &str) -> Result<PathBuf> {
    let (mut rates, mut ratio) = (Vec::new(), 0.0);
    let packed = arena.path().join("packed");
    for round in 0..=ROUNDS {
        let folder = arena.folder("packed")?;
        for entry in plain.read_dir()? {
            let path = entry?.path();
            std::fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
        }
        rustix::fs::sync();
        let began = Instant::now();
        let (before, after) = edgelog::compress(&folder, level, SEGMENTS)?;
        if round > 0 {
            rates.push(before as f64 / 1e6 / began.elapsed().as_secs_f64());
        }
        ratio = after as f64 / before as f64;
    }
    println!("host.rest.{of}.level{level}.disk_bytes.vs_plain = {ratio:.3}");
    println!("host.rest.{of}.level{level}.compress_mb_s = {:.0}", median(rates));
    Ok(packed)
}

/// Reads every record, verified, of what is compressed in the one and mapped in the other.
fn read(plain: &Path, packed: &Path, until: u64, of: &str) -> Result<()> {
    let rate = |folder: &Path| -> Result<f64> {
        let began = Instant::now();
        let count = edgelog::read_until(folder, 0, until)?;
        ensure!(count == until, "{count} of {until} records were read");
        Ok(count as f64 / began.elapsed().as_secs_f64())
    };
    let (of_plain, of_packed) = rounds(plain, packed, rate)?;
    let detail = format!("mapped: {:.0} records/s", median(of_plain.iter().copied()));
    let figure = format!("host.rest.{of}.read.vs_mapped");
    Ratio::new(&of_packed, &of_plain, true).print(&figure, &detail);
    Ok(())
}

/// Opens the log at some offset, and reads one record there.
fn seek(plain: &Path, packed: &Path, until: u64, of: &str) -> Result<()> {
    let micros = |folder: &Path| -> Result<f64> {
        let began = Instant::now();
        for place in 0..PLACES {
            let offset = place * until / PLACES;
            ensure!(black_box(edgelog::read_until(folder, offset, offset + 1)?) == 1);
        }
        Ok(began.elapsed().as_secs_f64() * 1e6 / PLACES as f64)
    };
    let (of_plain, of_packed) = rounds(plain, packed, micros)?;
    let detail = format!("mapped: {:.0} us", median(of_plain.iter().copied()));
    let figure = format!("host.rest.{of}.open_at_offset_us.vs_mapped");
    Ratio::new(&of_packed, &of_plain, false).print(&figure, &detail);
    Ok(())
}

/// Both in turns, after one that warms up.
fn rounds(
    plain: &Path,
    packed: &Path,
    turn: impl Fn(&Path) -> Result<f64>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut of_plain, mut of_packed) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (one, other) = (turn(plain)?, turn(packed)?);
        if round > 0 {
            of_plain.push(one);
            of_packed.push(other);
        }
    }
    Ok((of_plain, of_packed))
}
