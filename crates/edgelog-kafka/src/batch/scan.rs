//! Reading the headers of stored batches from a stream of bytes.

use heapless::Vec;

use super::{BatchHeader, HEADER_LEN};

/// Reads batch headers from the `records` field of a Fetch response, in any portions.
///
/// Bodies are skipped, so memory does not depend on them. A batch that the broker cut off at the end
/// counts as seen once its header is whole. Message sets of the formats before v2 are skipped too.
#[derive(Clone, Debug, Default)]
pub struct BatchScan {
    head: Vec<u8, HEADER_LEN>,
    skip: u64,
}

/// One stored batch or old message set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scanned {
    /// A batch of format v2.
    Batch(BatchHeader),
    /// A message of format v0 or v1, which no idempotent producer writes.
    Old {
        /// Partition offset behind it.
        next_offset: i64,
    },
}

/// The bytes cannot be stored batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadBatch;

impl BatchScan {
    /// A scan at the start of a `records` field.
    #[must_use]
    pub const fn new() -> Self {
        Self { head: Vec::new(), skip: 0 }
    }

    /// Takes bytes from the front of `input` until a header is whole or `input` is used up.
    ///
    /// Call it until it returns `None`; `input` is then empty.
    ///
    /// # Errors
    ///
    /// [`BadBatch`] when a length or a format number is impossible.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Scanned>, BadBatch> {
        loop {
            let skipped = self.skip.min(input.len() as u64);
            self.skip -= skipped;
            *input = usize::try_from(skipped).ok().and_then(|n| input.get(n..)).unwrap_or_default();
            if let Some(scanned) = self.complete()? {
                return Ok(Some(scanned));
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            self.head.push(byte).map_err(|_| BadBatch)?;
        }
    }

    fn complete(&mut self) -> Result<Option<Scanned>, BadBatch> {
        let Some(start) = self.head.first_chunk::<MAGIC_END>() else { return Ok(None) };
        let [.., magic] = *start;
        let scanned = match magic {
            0 | 1 => old(start).ok_or(BadBatch)?,
            2 => match self.head.first_chunk() {
                Some(header) => {
                    let header = BatchHeader::parse(header).ok_or(BadBatch)?;
                    (Scanned::Batch(header), header.len - HEADER_LEN as u64)
                }
                None => return Ok(None),
            },
            _ => return Err(BadBatch),
        };
        self.head.clear();
        self.skip = scanned.1;
        Ok(Some(scanned.0))
    }
}

/// Bytes up to and including the format number, which stands at the same place in all formats.
const MAGIC_END: usize = 17;

fn old(start: &[u8; MAGIC_END]) -> Option<(Scanned, u64)> {
    let offset = i64::from_be_bytes(*start.first_chunk()?);
    let length = i32::from_be_bytes(*start.get(8..)?.first_chunk()?);
    let skip = u64::try_from(length).ok()?.checked_sub(MAGIC_END as u64 - 12)?;
    let next_offset = offset.checked_add(1).filter(|next| *next > 0)?;
    Some((Scanned::Old { next_offset }, skip))
}
