//! Where bytes stand, read from `docs/FORMAT.md` and not from the engine: version 1. **Whoever changes the format changes this file, and the
//! seeds with it (`cargo run --example seeds` in this folder); no other file of the fuzz targets knows a position.**

use crc::{CRC_32_ISCSI, Crc, Table};
use edgelog_core::Geometry;

static CRC_32C: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// The version that this file describes.
pub const VERSION: u16 = 1;
/// Bytes of a segment header before its snapshot.
pub const HEADER_LEN: usize = 80;
/// Bytes of a frame before its key.
pub const FRAME_LEN: usize = 16;
/// The greatest offset and generation.
pub const NUMBER_MAX: u64 = u64::MAX >> 1;

/// The numbers of a segment header.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// The log's id.
    pub log: [u8; 16],
    /// Which use of the ring.
    pub generation: u64,
    /// Offset of its first record.
    pub base_offset: u64,
    /// Its time.
    pub base_time: u64,
    /// The epoch of its first frame.
    pub epoch: u32,
    /// Where its first frame stands.
    pub first_frame: usize,
}

/// What can be read of a frame without knowing whether it is one.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where it stands in its segment.
    pub at: usize,
    /// Where the next one stands.
    pub next: usize,
    /// Record, or the log's own.
    pub is_record: bool,
    /// Everything before it was durable when it was written.
    pub synced: bool,
    /// 0 critical, 1 normal, 2 bulk.
    pub class: u8,
    /// The topic of a record; type and id of a control entry.
    pub topic: u16,
    /// ms since the segment's base time.
    pub time_delta: u32,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The payload.
    pub payload: &'a [u8],
}

/// Writes a header into a segment whose snapshot stands there already, and makes it valid.
pub fn write_header(segment: &mut [u8], geometry: &Geometry, header: &Header, snapshot_len: usize) {
    let slot = header.generation % u64::from(geometry.segment_count());
    put(segment, 0, b"edgelog\0");
    put(segment, 8, &VERSION.to_le_bytes());
    put(segment, 10, &[geometry.program_word().ilog2() as u8, geometry.erased()]);
    put(segment, 12, &(slot as u32).to_le_bytes());
    put(segment, 16, &header.log);
    put(segment, 32, &header.generation.to_le_bytes());
    put(segment, 40, &header.base_offset.to_le_bytes());
    put(segment, 48, &header.base_time.to_le_bytes());
    put(segment, 56, &header.epoch.to_le_bytes());
    put(segment, 60, &geometry.segment_size().to_le_bytes());
    put(segment, 64, &geometry.segment_count().to_le_bytes());
    put(segment, 68, &(snapshot_len as u32).to_le_bytes());
    put(segment, 72, &[0; 4]);
    seal_header(segment);
}

/// Makes the CRC of a segment's header right, whatever it says, if its snapshot fits.
pub fn seal_header(segment: &mut [u8]) {
    if let Some(crc) = header_crc(segment) {
        put(segment, 76, &crc.to_le_bytes());
    }
}

/// The header of the segment in `slot`, if it is valid on such a medium.
#[must_use]
pub fn header(segment: &[u8], geometry: &Geometry, slot: usize) -> Option<Header> {
    let word = 1u32.checked_shl(u32::from(segment[10]))?;
    let sizes = Geometry::new(u32_at(segment, 60), u32_at(segment, 64), word, segment[11]).ok()?;
    let header = Header {
        log: *segment[16..].first_chunk()?,
        generation: u64_at(segment, 32),
        base_offset: u64_at(segment, 40),
        base_time: u64_at(segment, 48),
        epoch: u32_at(segment, 56),
        first_frame: aligned(HEADER_LEN.saturating_add(u32_at(segment, 68) as usize), geometry),
    };
    let valid = segment.starts_with(b"edgelog\0")
        && u16_at(segment, 8) == VERSION
        && sizes == *geometry
        && u32_at(segment, 12) as usize == slot
        && header.generation % u64::from(geometry.segment_count()) == slot as u64
        && header.generation <= NUMBER_MAX
        && header.base_offset <= NUMBER_MAX
        && header.first_frame <= segment.len()
        && header_crc(segment)? == u32_at(segment, 76);
    valid.then_some(header)
}

/// The bytes at `at` as a frame that fits its segment.
#[must_use]
pub fn frame<'a>(segment: &'a [u8], geometry: &Geometry, at: usize) -> Option<Frame<'a>> {
    let head = segment.get(at..at + FRAME_LEN)?;
    let flags = head[7];
    if !matches!(flags & 3, 1 | 2) || flags & 0b1100 == 0b1100 || flags >= 0x40 {
        return None;
    }
    let length = u32_at(head, 4) as usize & 0x00FF_FFFF;
    let key = match flags & 16 {
        0 => None,
        _ => {
            let length = usize::from(*segment.get(at + FRAME_LEN)?);
            Some(segment.get(at + FRAME_LEN + 1..at + FRAME_LEN + 1 + length)?)
        }
    };
    let payload_at = at + aligned(FRAME_LEN + key.map_or(0, |key| 1 + key.len()), geometry);
    let next = at + aligned(payload_at - at + length, geometry);
    Some(Frame {
        at,
        next: (next <= segment.len()).then_some(next)?,
        is_record: flags & 3 == 1,
        synced: flags & 32 != 0,
        class: (flags >> 2) & 3,
        topic: u16_at(head, 8),
        time_delta: u32_at(head, 12),
        key,
        payload: &segment[payload_at..payload_at + length],
    })
}

/// Whether a frame belongs to this segment and epoch.
#[must_use]
pub fn holds(segment: &[u8], header: &Header, frame: &Frame<'_>, epoch: u32) -> bool {
    frame_crc(segment, header, frame, epoch) == u32_at(segment, frame.at)
}

/// Whether bytes of this segment that only look like frames may use up what a reader spends on looking behind damage (16 times the segment's size).
/// A candidate costs its header, its payload and 256 for a key, in each of up to nine epochs. What
/// stands behind such damage is checked less strictly; when the engine no longer has the limit, this function goes.
#[must_use]
pub fn may_tire_a_reader(segment: &[u8], geometry: &Geometry, header: &Header) -> bool {
    let positions = (header.first_frame..segment.len()).step_by(geometry.align() as usize);
    let costs = positions.map(|at| {
        let Some(head) = segment.get(at..at + FRAME_LEN) else { return 0 };
        let length = u32_at(head, 4) as usize & 0x00FF_FFFF;
        let candidate = matches!(head[7] & 3, 1 | 2) && at + length <= segment.len();
        let real = frame(segment, geometry, at).is_some_and(|it| {
            (0..9).any(|n| holds(segment, header, &it, header.epoch.wrapping_add(n)))
        });
        if candidate && !real { 9 * (FRAME_LEN + 256 + length) } else { 0 }
    });
    costs.sum::<usize>() > 16 * segment.len()
}

/// Makes the CRC of the bytes at `at` right, if they can be a frame.
pub fn seal_frame(
    segment: &mut [u8],
    geometry: &Geometry,
    header: &Header,
    at: usize,
    epoch: u32,
) -> Option<()> {
    let found = frame(segment, geometry, at)?;
    let crc = frame_crc(segment, header, &found, epoch);
    put(segment, at, &crc.to_le_bytes());
    Some(())
}

/// Writes `payload_len` into the frame at `at`.
pub fn set_payload_len(segment: &mut [u8], at: usize, payload_len: usize) {
    put(segment, at + 4, &(payload_len as u32).to_le_bytes()[..3]);
}

/// The frames of a segment from its first to the last before one that does not hold.
#[derive(Debug)]
pub struct Walk<'a> {
    /// Each with the epoch that it holds in.
    pub frames: Vec<(Frame<'a>, u32)>,
    /// Where the next frame would stand.
    pub end: usize,
    /// The epoch of that one.
    pub epoch: u32,
}

/// Walks a segment.
#[must_use]
pub fn walk<'a>(segment: &'a [u8], geometry: &Geometry, header: &Header) -> Walk<'a> {
    let mut walk = Walk { frames: Vec::new(), end: header.first_frame, epoch: header.epoch };
    while let Some(found) = frame(segment, geometry, walk.end)
        && holds(segment, header, &found, walk.epoch)
    {
        walk.frames.push((found, walk.epoch));
        walk.epoch = next_epoch(&found).unwrap_or(walk.epoch);
        walk.end = found.next;
    }
    walk
}

/// What an epoch frame says: later frames are seeded with this.
fn next_epoch(frame: &Frame<'_>) -> Option<u32> {
    let is_epoch = !frame.is_record && frame.topic & 0xFF == 1 && frame.payload.len() == 16;
    (is_epoch && u64_at(frame.payload, 8) <= NUMBER_MAX).then(|| u32_at(frame.payload, 0))
}

/// The next multiple of the medium's alignment.
#[must_use]
pub fn aligned(length: usize, geometry: &Geometry) -> usize {
    length.next_multiple_of(geometry.align() as usize)
}

fn header_crc(segment: &[u8]) -> Option<u32> {
    let snapshot_len = u32_at(segment, 68) as usize;
    let mut crc = CRC_32C.digest();
    crc.update(&segment[..76]);
    crc.update(segment.get(HEADER_LEN..HEADER_LEN.checked_add(snapshot_len)?)?);
    Some(crc.finalize())
}

fn frame_crc(segment: &[u8], header: &Header, frame: &Frame<'_>, epoch: u32) -> u32 {
    let mut crc = CRC_32C.digest();
    crc.update(&header.log);
    crc.update(&header.generation.to_le_bytes());
    crc.update(&epoch.to_le_bytes());
    crc.update(&(frame.at as u32).to_le_bytes());
    crc.update(&segment[frame.at + 4..frame.at + FRAME_LEN]);
    if let Some(key) = frame.key {
        crc.update(&[key.len() as u8]);
        crc.update(key);
    }
    crc.update(frame.payload);
    crc.finalize()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
