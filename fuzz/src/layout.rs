//! Where bytes stand, read from `docs/FORMAT.md` and not from the engine: version 2. **Whoever changes the format changes this file, and the
//! seeds with it (`cargo run --example seeds` in this folder); no other file of the fuzz targets knows a position.**

use crc::{CRC_32_ISCSI, Crc, Table};
use edgelog_core::Geometry;

static CRC_32C: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// The version that this file describes.
pub const VERSION: u16 = 2;
/// Bytes of a segment header before its snapshot.
pub const HEADER_LEN: usize = 84;
/// Bytes of the short frame header.
pub const SHORT_LEN: usize = 8;
/// Bytes of the long frame header.
pub const LONG_LEN: usize = 16;
/// The greatest offset and generation.
pub const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Where a header's CRC stands.
const CRC_AT: usize = 80;

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
    /// Records before the base offset that were given up.
    pub refused: u32,
    /// Where its first frame stands.
    pub first_frame: usize,
}

/// How a frame tells its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// ms since the last long frame's.
    Since(u32),
    /// ms since the segment's base time.
    Base(u32),
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
    /// The time.
    pub time: Time,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The payload.
    pub payload: &'a [u8],
    /// Bytes before the padding of the payload.
    head: &'a [u8],
}

/// What a frame is bound to besides log, generation and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    /// The epoch in force.
    pub epoch: u32,
    /// The offset of the next record.
    pub offset: u64,
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
    put(segment, 72, &header.refused.to_le_bytes());
    put(segment, 76, &[0; 4]);
    seal_header(segment);
}

/// Makes the CRC of a segment's header right, whatever it says, if its snapshot fits.
pub fn seal_header(segment: &mut [u8]) {
    if let Some(crc) = header_crc(segment) {
        put(segment, CRC_AT, &crc.to_le_bytes());
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
        refused: u32_at(segment, 72),
        first_frame: aligned(HEADER_LEN.saturating_add(u32_at(segment, 68) as usize), geometry),
    };
    let valid = segment.starts_with(b"edgelog\0")
        && u16_at(segment, 8) == VERSION
        && sizes == *geometry
        && u32_at(segment, 12) as usize == slot
        && header.generation % u64::from(geometry.segment_count()) == slot as u64
        && header.generation <= NUMBER_MAX
        && header.base_offset <= NUMBER_MAX
        && u64::from(header.refused) <= header.base_offset
        && header.first_frame <= segment.len()
        && header_crc(segment)? == u32_at(segment, CRC_AT);
    valid.then_some(header)
}

/// The bytes at `at` as a frame that fits its segment.
#[must_use]
pub fn frame<'a>(segment: &'a [u8], geometry: &Geometry, at: usize) -> Option<Frame<'a>> {
    let head = head(segment, at)?;
    let bits = u32_at(head, 4);
    let is_long = is_long(bits);
    let key = head.get(LONG_LEN + 1..).filter(|_| is_long && bits & KEY != 0);
    let length = if is_long { bits >> 8 } else { (bits >> 10) & 511 } as usize;
    let payload_at = at + aligned(head.len(), geometry);
    let next = at + aligned(payload_at - at + length, geometry);
    Some(Frame {
        at,
        next: (next <= segment.len()).then_some(next)?,
        is_record: !is_long || bits & CONTROL == 0,
        synced: bits & SYNCED != 0,
        class: ((bits >> 2) & 3) as u8,
        topic: if is_long { u16_at(head, 8) } else { ((bits >> 5) & 31) as u16 },
        time: if is_long { Time::Base(u32_at(head, 12)) } else { Time::Since(bits >> 19) },
        key,
        payload: &segment[payload_at..payload_at + length],
        head,
    })
}

/// Bytes of the header and key of what can be a frame of any length, padded.
#[must_use]
pub fn payload_at(segment: &[u8], geometry: &Geometry, at: usize) -> usize {
    aligned(head(segment, at).map_or(SHORT_LEN, <[u8]>::len), geometry)
}

const SYNCED: u32 = 1 << 4;
const KEY: u32 = 1 << 5;
const CONTROL: u32 = 1 << 6;
const RESERVED: u32 = 1 << 7;

const fn is_long(bits: u32) -> bool {
    bits & 3 == 2
}

/// Header and key of what can be a frame.
fn head(segment: &[u8], at: usize) -> Option<&[u8]> {
    let bits = u32_at(segment.get(at..at + SHORT_LEN)?, 4);
    let length = match bits & 3 {
        1 => SHORT_LEN,
        2 if bits & RESERVED != 0 => return None,
        2 if bits & KEY != 0 => LONG_LEN + 1 + usize::from(*segment.get(at + LONG_LEN)?),
        2 => LONG_LEN,
        _ => return None,
    };
    (bits & 0b1100 != 0b1100).then_some(segment.get(at..at + length)?)
}

/// Whether a frame belongs to this segment and is bound so.
#[must_use]
pub fn holds(segment: &[u8], header: &Header, frame: &Frame<'_>, bond: Bond) -> bool {
    frame_crc(header, frame, bond) == u32_at(segment, frame.at)
}

/// Makes the CRC of the bytes at `at` right, if they can be a frame.
pub fn seal_frame(
    segment: &mut [u8],
    geometry: &Geometry,
    header: &Header,
    at: usize,
    bond: Bond,
) -> Option<()> {
    let found = frame(segment, geometry, at)?;
    let crc = frame_crc(header, &found, bond);
    put(segment, at, &crc.to_le_bytes());
    Some(())
}

/// Writes the length of the payload into the frame at `at`, as far as its form can say it.
pub fn set_payload_len(segment: &mut [u8], at: usize, payload_len: usize) {
    let bits = u32_at(segment, at + 4);
    let bits = match bits & 3 {
        2 => bits & 0xFF | (payload_len as u32) << 8,
        _ => bits & !(511 << 10) | (payload_len.min(511) as u32) << 10,
    };
    put(segment, at + 4, &bits.to_le_bytes());
}

/// Writes the low bits of the offset into the frame at `at`, if it is a long one.
pub fn set_offset(segment: &mut [u8], at: usize, offset: u64) {
    if is_long(u32_at(segment, at + 4)) && at + LONG_LEN <= segment.len() {
        put(segment, at + 10, &offset.to_le_bytes()[..2]);
    }
}

/// A frame that holds.
#[derive(Clone, Copy, Debug)]
pub struct Walked<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// What it is bound to.
    pub bond: Bond,
    /// Its time, ms since 1970.
    pub time_ms: u64,
}

/// The frames of a segment from its first to the last before one that does not hold.
#[derive(Debug)]
pub struct Walk<'a> {
    /// Those that hold.
    pub frames: Vec<Walked<'a>>,
    /// Where the next frame would stand.
    pub end: usize,
    /// What that one would be bound to.
    pub bond: Bond,
}

/// Walks a segment.
#[must_use]
pub fn walk<'a>(segment: &'a [u8], geometry: &Geometry, header: &Header) -> Walk<'a> {
    let bond = Bond { epoch: header.epoch, offset: header.base_offset };
    let mut walk = Walk { frames: Vec::new(), end: header.first_frame, bond };
    let (mut time_ms, mut reference) = (header.base_time, 0u32);
    while let Some(found) = frame(segment, geometry, walk.end)
        && holds(segment, header, &found, walk.bond)
    {
        let since_base = match found.time {
            Time::Since(ms) => reference.saturating_add(ms),
            Time::Base(ms) => {
                reference = ms;
                ms
            }
        };
        time_ms = time_ms.max(header.base_time.saturating_add(u64::from(since_base)));
        walk.frames.push(Walked { frame: found, bond: walk.bond, time_ms });
        walk.bond = bond_behind(&found, walk.bond);
        walk.end = found.next;
    }
    walk
}

/// A record takes an offset, and an epoch frame says what later frames are bound to.
fn bond_behind(frame: &Frame<'_>, bond: Bond) -> Bond {
    if frame.is_record {
        return Bond { offset: bond.offset + 1, ..bond };
    }
    let is_epoch = frame.topic & 0xFF == 1 && frame.payload.len() == 24;
    if !is_epoch || u64_at(frame.payload, 8) > NUMBER_MAX {
        return bond;
    }
    let offset = bond.offset.max(u64_at(frame.payload, 8));
    Bond { epoch: u32_at(frame.payload, 0), offset }
}

/// The next multiple of the medium's alignment.
#[must_use]
pub fn aligned(length: usize, geometry: &Geometry) -> usize {
    length.next_multiple_of(geometry.align() as usize)
}

fn header_crc(segment: &[u8]) -> Option<u32> {
    let snapshot_len = u32_at(segment, 68) as usize;
    let mut crc = CRC_32C.digest();
    crc.update(&segment[..CRC_AT]);
    crc.update(segment.get(HEADER_LEN..HEADER_LEN.checked_add(snapshot_len)?)?);
    Some(crc.finalize())
}

fn frame_crc(header: &Header, frame: &Frame<'_>, bond: Bond) -> u32 {
    let mut crc = CRC_32C.digest();
    crc.update(&header.log);
    crc.update(&header.generation.to_le_bytes());
    crc.update(&(frame.at as u32).to_le_bytes());
    crc.update(&frame.head[4..]);
    crc.update(frame.payload);
    crc.update(&bond.epoch.to_le_bytes());
    crc.update(&bond.offset.to_le_bytes());
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
