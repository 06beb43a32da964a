//! Reading of files: as much as there is, and ahead of who reads in small pieces.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// As many bytes as the file has.
pub(crate) fn read_full(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..)
        && !rest.is_empty()
    {
        match file.read_at(rest, position + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The bytes of a file from somewhere on.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    slot: u32,
    start: u64,
    bytes: Vec<u8>,
    /// How much is read at once.
    window: usize,
}

/// So much is read at first: a segment's header with most snapshots.
const AHEAD_MIN: usize = 1 << 10;
/// So much, when one piece after the other is asked for.
const AHEAD_MAX: usize = 64 << 10;

impl ReadAhead {
    /// As [`read_full`], out of what was read before as far as it goes.
    pub(super) fn read(
        &mut self,
        file: &File,
        slot: u32,
        at: u64,
        to: &mut [u8],
    ) -> io::Result<usize> {
        if to.len() > AHEAD_MAX {
            return read_full(file, to, at);
        }
        let end = self.start + self.bytes.len() as u64;
        if self.slot != slot || at < self.start || at + to.len() as u64 > end {
            let goes_on = self.slot == slot && (self.start..=end).contains(&at);
            self.window = if goes_on { AHEAD_MAX.min(2 * self.window) } else { AHEAD_MIN };
            self.bytes.resize(self.window.max(to.len()), 0);
            let read = read_full(file, &mut self.bytes, at);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            (self.slot, self.start) = (slot, at);
            read?;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        self.bytes.get(from..).unwrap_or_default().read(to)
    }
}
