//! The space of segment files: set aside before it is needed, and settled before it is synced.

use super::ahead::read_full;
use edgelog_core::Geometry;
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Makes all of a file read as erased, with its space set aside: by the file system where it can, which writes no byte.
pub(super) fn erase(file: &File, size: u64, erased: u8) -> io::Result<()> {
    if erased == 0 && fallocate(file, FallocateFlags::ZERO_RANGE, 0, size).is_ok() {
        return Ok(());
    }
    fill(file, 0, size, erased)
}

/// Writes `value` from `at` up to `until`.
pub(super) fn fill(file: &File, mut at: u64, until: u64, value: u8) -> io::Result<()> {
    let bytes = vec![value; 1 << 16];
    while at < until {
        let length = usize::try_from(until - at).unwrap_or(usize::MAX).min(bytes.len());
        file.write_all_at(bytes.get(..length).unwrap_or_default(), at)?;
        at += length as u64;
    }
    Ok(())
}

/// How far the space of the file that is appended to was settled.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settled {
    slot: u32,
    /// Where its written bytes end.
    written: u64,
    /// Up to here its space is settled, if that is more.
    until: u64,
}

impl Settled {
    /// Of a slot that nothing was written to: all of its space is settled, or none.
    pub(super) fn of(slot: u32, is_settled: bool, geometry: &Geometry) -> Self {
        let until = if is_settled { u64::from(geometry.segment_size()) } else { 0 };
        Self { slot, written: 0, until }
    }

    pub(super) const fn slot(&self) -> u32 {
        self.slot
    }

    /// The bytes of `slot` are written up to here.
    pub(super) const fn wrote(&mut self, slot: u32, until: u64) {
        if self.slot != slot {
            *self = Self { slot, written: 0, until: 0 };
        }
        self.written = until;
    }

    /// Whether it is time to settle more of a file of `size` bytes.
    pub(super) const fn is_short(&self, size: u64) -> bool {
        let from = self.from();
        // Before anything is written there is no file that is appended to.
        self.written > 0 && from < size && from <= self.written + SETTLE_LEN / 4
    }

    /// Settles what is next of the file, of `size` bytes. For speed alone: without it syncs take longer, so what fails is not told.
    pub(super) fn go_on(&mut self, file: &File, size: u64) {
        let from = self.from();
        let until = (from + SETTLE_LEN).min(size);
        if settle(file, from, until).is_ok() {
            self.until = until;
        }
    }

    const fn from(&self) -> u64 {
        let from = if self.until > self.written { self.until } else { self.written };
        from.next_multiple_of(PAGE_LEN)
    }
}

/// What file systems set aside at once.
const PAGE_LEN: u64 = 4096;
/// So much space is settled at once, when less than a quarter of it is left.
const SETTLE_LEN: u64 = 1 << 20;

/// Writes zeros where zeros are, from `at` up to `until`: space that was only set aside costs each later sync a change of the file system's
/// own tables, which is as dear as the sync. What is not zero stays as it is.
fn settle(file: &File, at: u64, until: u64) -> io::Result<()> {
    let length = usize::try_from(until.saturating_sub(at)).unwrap_or(0);
    let mut bytes = vec![0; length];
    let read = read_full(file, &mut bytes, at)?;
    if bytes.iter().all(|&byte| byte == 0) {
        file.write_all_at(bytes.get(..read).unwrap_or_default(), at)?;
    }
    Ok(())
}
