//! Segment files that are kept compressed: `NNNNNNNN.seg.zst`, which holds the bytes of `NNNNNNNN.seg` in zstd's seekable format.
//!
//! Every [`BLOCK_LEN`] bytes of the segment are a zstd frame of their own, with a checksum, and a table behind them, in a frame that every
//! zstd skips, says how long each one is. So any zstd gives the segment back, and a reader decompresses what it looks at and no more.

#[cfg(feature = "zstd")]
mod pack;
#[cfg(feature = "zstd")]
mod table;
#[cfg(all(test, feature = "zstd"))]
mod tests;
#[cfg(feature = "zstd")]
mod unpack;
#[cfg(not(feature = "zstd"))]
#[path = "absent.rs"]
mod unpack;

#[cfg(feature = "zstd")]
pub(crate) use pack::{equals, pack};
pub(crate) use unpack::{Blocks, Packed};

/// Bytes of a segment in one frame; in the last one, what is left. What a flipped bit takes with it, and what the first record of a seek costs.
#[cfg(feature = "zstd")]
const BLOCK_LEN: usize = 64 << 10;

/// Where frames begin in a file of `size` plain bytes: how many frames, and the plain bytes of each.
#[cfg(feature = "zstd")]
fn block_lens(size: u32) -> impl Iterator<Item = usize> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    (0..size).step_by(BLOCK_LEN).map(move |at| BLOCK_LEN.min(size - at))
}
