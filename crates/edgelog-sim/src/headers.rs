//! What the simulator knows of the format: where `docs/FORMAT.md` says that a header has its generation, base offset and length.

use edgelog_core::{HEADER_LEN_MAX, Medium, stored_header};

/// Bytes of a header before its snapshot.
const FIXED: usize = 84;

/// A segment header as it stands on a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Header {
    /// The segment's generation.
    pub generation: u64,
    /// The offset of its first record.
    pub base_offset: u64,
    /// Where it stands.
    pub slot: u32,
}

/// The headers that can be read, oldest first.
pub fn headers<M: Medium>(medium: &mut M) -> Vec<Header> {
    let slots = 0..medium.geometry().segment_count();
    let mut found: Vec<Header> = slots.filter_map(|slot| header(medium, slot)).collect();
    found.sort_unstable();
    found
}

fn header<M: Medium>(medium: &mut M, slot: u32) -> Option<Header> {
    let mut bytes = vec![0; FIXED];
    medium.read(slot, 0, &mut bytes).ok()?;
    let snapshot = u32::from_le_bytes(*bytes.get(68..)?.first_chunk()?);
    // No more than it says: words behind it may be torn.
    bytes.resize((FIXED + usize::try_from(snapshot).ok()?).min(HEADER_LEN_MAX), 0);
    medium.read(slot, 0, &mut bytes).ok()?;
    stored_header(&bytes)?;
    let number = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    Some(Header { generation: number(32)?, base_offset: number(40)?, slot })
}

/// Where the segment begins that follows the one that is erased next; `None` while the ring has a free slot.
pub fn next_to_go<M: Medium>(medium: &mut M) -> Option<u64> {
    let count = u64::from(medium.geometry().segment_count());
    let headers = headers(medium);
    let goes = (headers.last()?.generation + 1).checked_sub(count)?;
    // A slot that was erased ahead of its use, or damaged, holds nothing that could go.
    let at = headers.iter().position(|header| header.generation == goes)?;
    headers.get(at + 1).map(|next| next.base_offset)
}
