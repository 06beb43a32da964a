//! What the system tells of files, the device under them, and this process.

use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Instant;

/// Bytes that the files of a folder occupy.
pub(crate) fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes +=
            if metadata.is_dir() { disk_bytes(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}

/// Gives everything that waits to be written to the file system of `folder` to its device.
pub(crate) fn flush(folder: &Path) -> Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Bytes that were ever written to the device under `folder`, by anybody; `None` where the system does not count them.
pub(crate) fn device_bytes(folder: &Path) -> Option<u64> {
    let device = fs::metadata(folder).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let told = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    let sectors: u64 = told.split_whitespace().nth(6)?.parse().ok()?;
    Some(sectors * 512)
}

/// The most memory that this process ever had, in KiB, with mapped files.
pub(crate) fn peak_memory_kib() -> Result<u64> {
    let told = fs::read_to_string("/proc/self/status")?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.context("the system does not tell the peak of memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Seconds that this process had a processor, with what the system did for it.
pub(crate) fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Microseconds of a write of 264 bytes into a zero-filled file with an fdatasync: the median of `writes`.
pub(crate) fn canary(folder: &Path, writes: u64) -> Result<f64> {
    let path = folder.join("canary");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
    for n in 0..writes {
        file.write_all_at(&[0; 264], n * 264)?;
    }
    file.sync_all()?;
    let mut times = Vec::new();
    for n in 0..writes {
        let began = Instant::now();
        file.write_all_at(&[7; 264], n * 264)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    fs::remove_file(path)?;
    Ok(crate::stats::median(times))
}
