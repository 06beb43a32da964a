//! Compressing a segment.

use super::{Blocks, Packed, block_lens, table};
use crate::file::read_full;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use zstd::bulk::Compressor;
use zstd::zstd_safe::compress_bound;

/// Writes the first `size` bytes of `plain`, compressed, to `to`, which is empty, and gives the bytes written; nothing is synced. `goes_on` is asked
/// before each block: when it says no, nothing is given and what was written is of no use.
pub(crate) fn pack(
    plain: &File,
    size: u32,
    level: i32,
    to: &File,
    goes_on: &dyn Fn() -> bool,
) -> io::Result<Option<u64>> {
    let mut compressor = Compressor::new(level)?;
    compressor.include_checksum(true)?;
    let (mut block, mut frame) = (Vec::new(), Vec::new());
    let (mut read, mut written) = (0, 0);
    let mut lens = Vec::new();
    for length in block_lens(size) {
        if !goes_on() {
            return Ok(None);
        }
        block.resize(length, 0);
        if read_full(plain, &mut block, read)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read += length as u64;
        frame.resize(compress_bound(length), 0);
        let packed = compressor.compress_to_buffer(&block, frame.as_mut_slice())?;
        to.write_all_at(frame.get(..packed).unwrap_or_default(), written)?;
        written += packed as u64;
        lens.push(u32::try_from(packed).map_err(io::Error::other)?);
    }
    let table = table::of(&lens, size);
    to.write_all_at(&table, written)?;
    Ok(Some(written + table.len() as u64))
}

/// Whether a packed file holds exactly what `plain` does. `goes_on` as in [`pack`].
pub(crate) fn equals(
    packed: &Packed,
    plain: &File,
    size: u32,
    goes_on: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let mut blocks = Blocks::default();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let mut at = 0;
    for length in block_lens(size) {
        one.resize(length, 0);
        other.resize(length, 0);
        let read = read_full(plain, &mut one, at.into())?;
        packed.read(&mut blocks, at, &mut other)?;
        if read < length || one != other || !goes_on() {
            return Ok(false);
        }
        at += u32::try_from(length).unwrap_or(0);
    }
    Ok(true)
}
