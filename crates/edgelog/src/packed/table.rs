//! The table of zstd's seekable format, version 0.1.0: how long each frame is, in a frame that every zstd skips.
//!
//! Ours and not a library's: the one that is kept allocates what the table's first field asks for, and takes any table that looks like one.
//! Here the number and the sizes of the frames are known before, so a table is right or it is of no use.

use super::block_lens;

/// A frame to be skipped, of the kind that a table is in.
const SKIPPED_MAGIC: u32 = 0x184D_2A5E;
/// The last bytes of every seekable file.
const TABLE_MAGIC: u32 = 0x8F92_EAB1;
/// No checksums in the table: every frame has its own.
const DESCRIPTOR: u8 = 0;
/// The skipped frame's head, and the number of frames, the descriptor and the magic at its end.
const FRAME_LEN: usize = 8 + FOOTER_LEN;
const FOOTER_LEN: usize = 9;
const ENTRY_LEN: usize = 8;

/// Bytes of the table of a segment of `size` bytes.
pub(super) fn len(size: u32) -> usize {
    FRAME_LEN + ENTRY_LEN * block_lens(size).count()
}

/// The table of frames of these lengths, which hold the blocks of a segment of `size` bytes.
pub(super) fn of(packed_lens: &[u32], size: u32) -> Vec<u8> {
    let mut table = Vec::with_capacity(len(size));
    let mut push = |value: usize| {
        table.extend_from_slice(&u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
    };
    push(SKIPPED_MAGIC as usize);
    push(len(size) - 8);
    for (&packed, plain) in packed_lens.iter().zip(block_lens(size)) {
        push(packed as usize);
        push(plain);
    }
    push(packed_lens.len());
    table.push(DESCRIPTOR);
    table.extend_from_slice(&TABLE_MAGIC.to_le_bytes());
    table
}

/// The lengths of the frames that `table` tells, if it is one of a segment of `size` bytes, and the frames end at `end`, where it begins.
pub(super) fn read(table: &[u8], size: u32, end: u64) -> Option<Vec<u32>> {
    let (words, _) = table.as_chunks::<4>();
    // The first of each pair behind the head: the second is known.
    let lens = words.iter().skip(2).step_by(2).take(block_lens(size).count());
    let lens: Vec<_> = lens.map(|&word| u32::from_le_bytes(word)).collect();
    let sum: u64 = lens.iter().map(|&length| u64::from(length)).sum();
    (sum == end && of(&lens, size) == table).then_some(lens)
}
