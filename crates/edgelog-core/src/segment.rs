//! Reading one segment: its header, its frames, and what lies behind damage. Nothing is believed before its CRC matched.

use crate::format::{
    CONTROL_BODY_MAX, Control, ControlKind, Crc, FRAME_HEADER_LEN, FrameHeader, Kind, Parsed,
    SEGMENT_HEADER_LEN, SEGMENT_MAGIC, Seed, SegmentHeader,
};
use crate::medium::{Geometry, Medium};
use crate::state::{ITEM_LEN_MAX, NoRoom, State, TOPICS_MAX};

/// What stands at the start of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Header {
    Valid(SegmentHeader),
    /// It tells sizes larger than the medium's, so that it cannot be verified.
    Larger(Geometry),
    /// Our magic, another version.
    Version(u16),
    /// No valid header: its bytes are erased (`blank`), or begin as one of ours (`ours`), or are anything else.
    Dirty {
        blank: bool,
        ours: bool,
    },
}

/// A frame whose CRC matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: FrameHeader,
    pub(crate) key_len: u32,
    pub(crate) position: u32,
    /// Bytes with padding: the next frame starts at `position + length`.
    pub(crate) length: u32,
}

/// Bytes on the stack through which long ranges are read.
const WINDOW_LEN: usize = 256;

/// Reads and verifies the header of `slot`, its snapshot included.
pub(crate) fn read_header<M: Medium>(medium: &mut M, slot: u32) -> Result<Header, M::Error> {
    let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
    medium.read(slot, 0, &mut bytes)?;
    let erased = medium.geometry().erased();
    let ours = bytes.starts_with(&SEGMENT_MAGIC);
    let (header, stored) = match SegmentHeader::parse(&bytes) {
        Parsed::Header(header, stored) if header.slot == slot => (header, stored),
        Parsed::Version(version) => return Ok(Header::Version(version)),
        _ => {
            let blank = bytes.iter().all(|&byte| byte == erased);
            return Ok(Header::Dirty { blank, ours });
        }
    };
    if header.first_frame() > medium.geometry().segment_size() {
        return Ok(Header::Larger(header.geometry));
    }
    let mut crc = SegmentHeader::crc(&bytes);
    crc_over(medium, slot, SEGMENT_HEADER_LEN, header.snapshot_len, &mut crc)?;
    Ok(if crc.finish() == stored {
        Header::Valid(header)
    } else {
        Header::Dirty { blank: false, ours }
    })
}

/// Folds the snapshot of a verified header into `state`.
pub(crate) fn read_snapshot<M: Medium>(
    medium: &mut M,
    header: &SegmentHeader,
    state: &mut State,
) -> Result<Result<(), NoRoom>, M::Error> {
    let mut window = [0; ITEM_LEN_MAX];
    let mut at = 0;
    while at < header.snapshot_len {
        let length = ITEM_LEN_MAX.min(to_usize(header.snapshot_len - at));
        let Some(window) = window.get_mut(..length) else { break };
        medium.read(header.slot, SEGMENT_HEADER_LEN + at, window)?;
        match state.apply_item(window) {
            Some(Ok(taken)) => at += u32::try_from(taken).unwrap_or(u32::MAX),
            Some(Err(no_room)) => return Ok(Err(no_room)),
            None => break,
        }
    }
    Ok(Ok(()))
}

/// Bytes from `position` to the last one that is not erased.
pub(crate) fn written_behind<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
) -> Result<u32, M::Error> {
    let geometry = medium.geometry();
    let mut window = [0; WINDOW_LEN];
    let mut until = geometry.segment_size();
    while until > position {
        let length = u32::try_from(WINDOW_LEN).unwrap_or(u32::MAX).min(until - position);
        let start = until - length;
        let Some(bytes) = window.get_mut(..to_usize(until - start)) else { break };
        medium.read(slot, start, bytes)?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != geometry.erased()) {
            return Ok(start - position + u32::try_from(last).unwrap_or(0) + 1);
        }
        until = start;
    }
    Ok(0)
}

/// The frame at `position`, if one validates there and ends at or before `until`. Costs one pass over the frame.
pub(crate) fn frame_at<M: Medium>(
    medium: &mut M,
    seed: &Seed,
    position: u32,
    until: u32,
) -> Result<Option<Frame>, M::Error> {
    let geometry = medium.geometry();
    if position.saturating_add(FRAME_HEADER_LEN) > until {
        return Ok(None);
    }
    let slot = geometry.slot(seed.generation);
    let mut bytes = [0; FRAME_HEADER_LEN as usize];
    medium.read(slot, position, &mut bytes)?;
    let Some(header) = FrameHeader::parse(&bytes) else { return Ok(None) };
    let mut key_len = [0];
    if header.has_key && position + FRAME_HEADER_LEN < until {
        medium.read(slot, position + FRAME_HEADER_LEN, &mut key_len)?;
    }
    let Some(frame) = Frame::fit(header, u32::from(key_len[0]), position, until, &geometry) else {
        return Ok(None);
    };
    let mut crc = seed.at(position);
    crc.update(bytes.get(4..).unwrap_or_default());
    if header.has_key {
        crc_over(medium, slot, position + FRAME_HEADER_LEN, 1 + frame.key_len, &mut crc)?;
    }
    crc_over(medium, slot, frame.payload_position(&geometry), header.payload_len, &mut crc)?;
    Ok((crc.finish() == header.crc).then_some(frame))
}

/// The same through the caller's buffer, which then holds the whole frame from its first byte. One read for a small frame.
///
/// `Err` inside `Ok` tells the length of a valid frame that is longer than the buffer.
pub(crate) fn frame_into<M: Medium>(
    medium: &mut M,
    seed: &Seed,
    position: u32,
    until: u32,
    buffer: &mut [u8],
) -> Result<Result<Option<Frame>, usize>, M::Error> {
    let geometry = medium.geometry();
    let slot = geometry.slot(seed.generation);
    let first = buffer.len().min(WINDOW_LEN).min(to_usize(until.saturating_sub(position)));
    let header = match buffer.get_mut(..first) {
        Some(head) if first >= FRAME_HEADER_LEN as usize => {
            medium.read(slot, position, head)?;
            crate::format::take(head, 0).and_then(|bytes| FrameHeader::parse(&bytes))
        }
        _ => return too_small(medium, seed, position, until),
    };
    let Some(header) = header else { return Ok(Ok(None)) };
    let key_len = buffer.get(FRAME_HEADER_LEN as usize).copied().unwrap_or(0);
    if header.has_key && first == FRAME_HEADER_LEN as usize {
        return too_small(medium, seed, position, until);
    }
    let Some(frame) = Frame::fit(header, u32::from(key_len), position, until, &geometry) else {
        return Ok(Ok(None));
    };
    let end = to_usize(frame.payload_at(&geometry) + header.payload_len);
    if end > buffer.len() {
        return too_small(medium, seed, position, until);
    }
    if let Some(rest) = buffer.get_mut(first..end) {
        medium.read(slot, position + u32::try_from(first).unwrap_or(0), rest)?;
    }
    let mut crc = seed.at(position);
    let key_end = FRAME_HEADER_LEN + if header.has_key { 1 + frame.key_len } else { 0 };
    crc.update(buffer.get(4..to_usize(key_end)).unwrap_or_default());
    crc.update(buffer.get(to_usize(frame.payload_at(&geometry))..end).unwrap_or_default());
    Ok(Ok((crc.finish() == header.crc).then_some(frame)))
}

/// A frame that the buffer cannot hold is either valid, and then its length is wanted, or no frame at all.
fn too_small<M: Medium>(
    medium: &mut M,
    seed: &Seed,
    position: u32,
    until: u32,
) -> Result<Result<Option<Frame>, usize>, M::Error> {
    Ok(frame_at(medium, seed, position, until)?
        .map_or(Ok(None), |frame| Err(to_usize(frame.length))))
}

/// The control entry of a control frame that validated.
pub(crate) fn with_control<M: Medium, T>(
    medium: &mut M,
    seed: &Seed,
    frame: &Frame,
    then: impl FnOnce(Option<Control<'_>>) -> T,
) -> Result<T, M::Error> {
    let geometry = medium.geometry();
    let [kind, id] = frame.header.topic.to_le_bytes();
    let mut body = [0; ITEM_LEN_MAX];
    let Some(body) = body.get_mut(..to_usize(frame.header.payload_len)) else {
        return Ok(then(None));
    };
    medium.read(geometry.slot(seed.generation), frame.payload_position(&geometry), body)?;
    Ok(then(Control::parse(kind, id, body)))
}

/// Where a look ahead goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// The first position that did not validate.
    pub(crate) from: u32,
    /// Where the segment, or the known part of it, ends.
    pub(crate) until: u32,
    /// The offset that a record at `from` would have had.
    pub(crate) offset: u64,
    /// No record at or above this offset can stand there: it would be one that a crash took away.
    pub(crate) below: u64,
    /// Only frames that say that everything before them was durable.
    pub(crate) synced_only: bool,
}

/// Bytes of frames that looking ahead in one segment may verify in vain. Honest bytes hardly ever look like a frame;
/// without a limit, bytes made to look like many long frames would cost a pass over the segment for each of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    pub(crate) const fn new(geometry: &Geometry) -> Self {
        Self(16 * geometry.segment_size() as u64)
    }

    /// Takes `bytes` from the budget, if it has them.
    const fn spend(&mut self, bytes: u32) -> bool {
        match self.0.checked_sub(bytes as u64) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

/// How many epoch frames a damaged stretch may have held for the frames behind it to be tried. An epoch frame behind the
/// damage tells its epoch itself, so this limits only what stands before the next one.
const EPOCHS_AHEAD: u32 = 8;

/// What verifying a key may cost at most.
const KEY_COST: u32 = 256;

/// Bytes of the smallest epoch frame.
const EPOCH_FRAME_LEN: u32 = FRAME_HEADER_LEN + 16;

/// The first frame behind `from` that validates, with the seed that it validated with: the epoch in force or, when epoch
/// frames were damaged, one of the next. Candidates are frame-aligned positions whose header can be true. Costs one pass over
/// the headers and at most `budget` bytes of frames.
pub(crate) fn look_ahead<M: Medium>(
    medium: &mut M,
    seed: &Seed,
    ahead: Ahead,
    budget: &mut Budget,
) -> Result<Option<(Frame, Seed)>, M::Error> {
    let geometry = medium.geometry();
    let slot = geometry.slot(seed.generation);
    let mut window = [0; WINDOW_LEN];
    let mut window_at = ahead.from;
    let mut loaded = 0u32;
    let mut position = ahead.from.saturating_add(geometry.align());
    while position.saturating_add(FRAME_HEADER_LEN) <= ahead.until {
        if position + FRAME_HEADER_LEN > window_at + loaded {
            let length = to_usize(ahead.until - position).min(WINDOW_LEN);
            let Some(bytes) = window.get_mut(..length) else { break };
            medium.read(slot, position, bytes)?;
            (window_at, loaded) = (position, u32::try_from(length).unwrap_or(0));
        }
        let header = crate::format::take(&window, to_usize(position - window_at))
            .and_then(|bytes| FrameHeader::parse(&bytes))
            .filter(|header| plausible(header, position, &ahead));
        if let Some(header) = header {
            let epochs = ((position - ahead.from) / EPOCH_FRAME_LEN).min(EPOCHS_AHEAD);
            let told = epoch_told(medium, slot, position, &header, ahead.until)?;
            let nearby = (0..=epochs).filter_map(|skipped| seed.epoch.checked_add(skipped));
            for epoch in nearby.chain(told.filter(|&told| told > seed.epoch)) {
                let key = if header.has_key { KEY_COST } else { 0 };
                let cost = FRAME_HEADER_LEN + key + header.payload_len;
                let fits = position.saturating_add(header.payload_len) <= ahead.until;
                if !fits || !budget.spend(cost) {
                    break;
                }
                let seed = Seed { epoch, ..*seed };
                if let Some(frame) = frame_at(medium, &seed, position, ahead.until)? {
                    return Ok(Some((frame, seed)));
                }
            }
        }
        position = position.saturating_add(geometry.align());
    }
    Ok(None)
}

/// The epoch that was in force before an epoch frame, as its own unverified body tells: a seed to be tried.
fn epoch_told<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
    header: &FrameHeader,
    until: u32,
) -> Result<Option<u32>, M::Error> {
    let geometry = medium.geometry();
    let at = position.saturating_add(header.payload_at(0, &geometry));
    if !is_epoch(header) || at.saturating_add(4) > until {
        return Ok(None);
    }
    let mut epoch = [0; 4];
    medium.read(slot, at, &mut epoch)?;
    Ok(u32::from_le_bytes(epoch).checked_sub(1))
}

fn is_epoch(header: &FrameHeader) -> bool {
    header.kind == Kind::Control && header.topic == ControlKind::Epoch as u16
}

/// A damaged stretch of n bytes held at most n / 16 frames, which bounds the offset of the next one. Only an epoch frame may
/// be further ahead: it tells its offset in full, and a cursor may have moved it.
fn plausible(header: &FrameHeader, position: u32, ahead: &Ahead) -> bool {
    if ahead.synced_only && !header.synced {
        return false;
    }
    let skipped = u32::from(header.offset_low.wrapping_sub(low_16(ahead.offset)));
    let offset = ahead.offset.saturating_add(u64::from(skipped));
    let near = skipped <= (position - ahead.from) / FRAME_HEADER_LEN + 1;
    match header.kind {
        Kind::Record => near && offset < ahead.below && usize::from(header.topic) < TOPICS_MAX,
        Kind::Control => {
            (near && offset <= ahead.below || is_epoch(header))
                && !header.has_key
                && header.payload_len <= CONTROL_BODY_MAX
        }
    }
}

/// The low 16 bits of an offset, as they stand in a frame.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
pub(crate) const fn low_16(offset: u64) -> u16 {
    offset as u16
}

/// Lossless on every platform that can hold a segment in its address space.
pub(crate) const fn to_usize(length: u32) -> usize {
    length as usize
}

impl Frame {
    fn fit(
        header: FrameHeader,
        key_len: u32,
        position: u32,
        until: u32,
        geometry: &Geometry,
    ) -> Option<Self> {
        let length = header.frame_len(key_len, geometry);
        let end = position.checked_add(length)?;
        (end <= until).then_some(Self { header, key_len, position, length })
    }

    /// Where the payload starts, from the start of the frame.
    pub(crate) const fn payload_at(&self, geometry: &Geometry) -> u32 {
        self.header.payload_at(self.key_len, geometry)
    }

    const fn payload_position(&self, geometry: &Geometry) -> u32 {
        self.position + self.payload_at(geometry)
    }
}

fn crc_over<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
    length: u32,
    crc: &mut Crc,
) -> Result<(), M::Error> {
    let mut window = [0; WINDOW_LEN];
    let mut at = 0;
    while at < length {
        let take = to_usize(length - at).min(WINDOW_LEN);
        let Some(bytes) = window.get_mut(..take) else { break };
        medium.read(slot, position + at, bytes)?;
        crc.update(bytes);
        at += u32::try_from(take).unwrap_or(u32::MAX);
    }
    Ok(())
}
