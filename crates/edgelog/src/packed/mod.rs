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

/// The plain bytes of each frame of a segment of `size` bytes.
#[cfg(feature = "zstd")]
fn block_lens(size: u32) -> impl Iterator<Item = usize> {
    (0..).map(move |index| block_len(size, index)).take_while(|&length| length > 0)
}

/// The plain bytes of one of them; 0 behind the last.
#[cfg(feature = "zstd")]
fn block_len(size: u32, index: usize) -> usize {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    BLOCK_LEN.min(size.saturating_sub(index.saturating_mul(BLOCK_LEN)))
}
