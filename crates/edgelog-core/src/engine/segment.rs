//! Reading one segment: its header and its frames. Nothing is believed before its CRC matched.

use super::both;
use super::medium::Medium;
use crate::format::{
    Control, Crc, FrameHeader, Kind, LONG_HEADER_LEN, Parsed, SEGMENT_HEADER_LEN, SHORT_HEADER_LEN,
    SegmentHeader,
};
use crate::geometry::Geometry;
use crate::place::{Frame, Place, to_usize};
use crate::state::{ITEM_LEN_MAX, Memory, NoRoom};
use core::hint::black_box;

/// What stands at the start of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Header {
    /// Of a log with the medium's sizes.
    Valid(SegmentHeader),
    /// It tells other sizes than the medium's. When they are larger, it cannot be verified.
    OtherSizes(Geometry),
    /// Our magic, another version.
    Version(u16),
    /// No valid header: its bytes are erased (`blank`), or are anything else.
    Dirty { blank: bool },
}

/// Bytes on the stack through which long ranges are read.
pub(crate) const WINDOW_LEN: usize = 256;

/// Fills `bytes` from the medium. Words that the device says are lost become bytes that are neither erased nor part of a frame.
#[both(AFIT)]
pub(crate) async fn read<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
    bytes: &mut [u8],
) -> Result<(), M::Error> {
    match medium.read(slot, position, bytes).await {
        Err(error) if medium.is_unreadable(&error) => {}
        other => return other,
    }
    let geometry = medium.geometry();
    let (mut at, mut rest) = (position, bytes);
    while !rest.is_empty() {
        let word = to_usize(geometry.program_word() - at % geometry.program_word());
        let (now, later) = rest.split_at_mut(word.min(rest.len()));
        match medium.read(slot, at, now).await {
            Err(error) if medium.is_unreadable(&error) => now.fill(!geometry.erased()),
            other => other?,
        }
        at += u32::try_from(word).unwrap_or(0);
        rest = later;
    }
    Ok(())
}

/// As [`read`], but of frames: where they are mapped out of that memory, because under the segment's name there may be another file by now.
#[both(AFIT)]
pub(crate) async fn read_frames<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
    bytes: &mut [u8],
) -> Result<(), M::Error> {
    let erased = medium.geometry().erased();
    let Some(mapped) = medium.mapped(slot) else {
        return read(medium, slot, position, bytes).await;
    };
    let mapped = mapped.get(to_usize(position)..).unwrap_or_default();
    let (there, missing) = bytes.split_at_mut(mapped.len().min(bytes.len()));
    there.copy_from_slice(mapped.get(..there.len()).unwrap_or_default());
    missing.fill(erased);
    Ok(())
}

/// Reads and verifies the header of `slot`, its snapshot included.
#[both(AFIT)]
pub(crate) async fn read_header<M: Medium>(medium: &mut M, slot: u32) -> Result<Header, M::Error> {
    let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
    read(medium, slot, 0, &mut bytes).await?;
    let geometry = medium.geometry();
    let (header, sizes, stored) = match SegmentHeader::parse(&bytes) {
        Parsed::Header { header, geometry, crc } if geometry.slot(header.generation) == slot => {
            (header, geometry, crc)
        }
        Parsed::Version(version) => return Ok(Header::Version(version)),
        _ => {
            let blank = bytes.iter().all(|&byte| byte == geometry.erased());
            return Ok(Header::Dirty { blank });
        }
    };
    if header.first_frame(&sizes) > geometry.segment_size() {
        return Ok(Header::OtherSizes(sizes));
    }
    let mut crc = SegmentHeader::crc(&bytes);
    let mut window = [0; WINDOW_LEN];
    crc_over(medium, slot, SEGMENT_HEADER_LEN, header.snapshot_len, &mut window, &mut crc).await?;
    Ok(if crc.finish() != stored {
        Header::Dirty { blank: false }
    } else if sizes == geometry {
        Header::Valid(header)
    } else {
        Header::OtherSizes(sizes)
    })
}

/// What can be said of the segment behind `place`, whose header is gone. Where its bytes still tell the generation, the segment was
/// opened, and the header may have told of refused records; otherwise its bytes may be those of an earlier use, among which a frame that
/// could have any of so many offsets would be a coincidence.
#[both(AFIT)]
pub(crate) async fn presumed_header<M: Medium>(
    medium: &mut M,
    place: &Place,
) -> Result<SegmentHeader, M::Error> {
    let none = SegmentHeader::presumed_behind(place, 0);
    let slot = medium.geometry().slot(none.generation);
    let is_opened = told_generation(medium, slot).await? == none.generation;
    let refused = if is_opened { REFUSED_UNKNOWN } else { 0 };
    Ok(SegmentHeader::presumed_behind(place, refused))
}

/// The generation that the start of `slot` tells, whether its header is whole or not.
#[both(AFIT)]
pub(crate) async fn told_generation<M: Medium>(medium: &mut M, slot: u32) -> Result<u64, M::Error> {
    let mut told = [0; 8];
    read(medium, slot, SegmentHeader::GENERATION_AT, &mut told).await?;
    Ok(u64::from_le_bytes(told))
}

/// Records that a header which is gone may have told of as refused: as many as the low half of an offset, in a long frame, tells apart.
const REFUSED_UNKNOWN: u32 = 0xFFFF;

/// Folds the snapshot of a verified header into `state`: out of bytes that validate themselves, as a read may be disturbed. A snapshot
/// that validated and never does again leaves the state empty.
#[both(AFIT)]
pub(crate) async fn read_snapshot<M: Medium>(
    medium: &mut M,
    header: &SegmentHeader,
    state: &mut Memory,
) -> Result<Result<(), NoRoom>, M::Error> {
    for _ in 0..SNAPSHOT_READS {
        let applied = apply_snapshot(medium, header, state).await?;
        if let Some(applied) = applied {
            return Ok(applied);
        }
        state.forget();
    }
    Ok(Ok(()))
}

/// How often a snapshot is read.
const SNAPSHOT_READS: u32 = 3;

/// Nothing when the bytes do not validate.
#[both(AFIT)]
async fn apply_snapshot<M: Medium>(
    medium: &mut M,
    header: &SegmentHeader,
    state: &mut Memory,
) -> Result<Option<Result<(), NoRoom>>, M::Error> {
    let slot = medium.geometry().slot(header.generation);
    let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
    read(medium, slot, 0, &mut bytes).await?;
    let Parsed::Header { crc: stored, .. } = SegmentHeader::parse(&bytes) else { return Ok(None) };
    let mut crc = SegmentHeader::crc(&bytes);
    let mut applied = Ok(());
    let mut window = [0; ITEM_LEN_MAX];
    let mut at = 0;
    while at < header.snapshot_len {
        let length = ITEM_LEN_MAX.min(to_usize(header.snapshot_len - at));
        let Some(window) = window.get_mut(..length) else { break };
        read(medium, slot, SEGMENT_HEADER_LEN + at, window).await?;
        let (taken, outcome) = match state.apply_item(window) {
            Some(Ok(taken)) => (taken, Ok(())),
            Some(Err(no_room)) => (length, Err(no_room)),
            None => (length, Ok(())),
        };
        if outcome.is_err() {
            applied = outcome;
        }
        let read_now = taken.min(length);
        crc.update(window.get(..read_now).unwrap_or_default());
        at += u32::try_from(read_now).unwrap_or(u32::MAX);
        // An item longer than any that this build knows.
        let rest = u32::try_from(taken - read_now).unwrap_or(0).min(header.snapshot_len - at);
        crc_over(medium, slot, SEGMENT_HEADER_LEN + at, rest, window, &mut crc).await?;
        at += rest;
    }
    Ok((crc.finish() == stored).then_some(applied))
}

/// Bytes from `position` to the last one that is not erased.
#[both(AFIT)]
pub(crate) async fn written_behind<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
) -> Result<u32, M::Error> {
    let geometry = medium.geometry();
    if let Some(bytes) = medium.mapped(slot) {
        let bytes = bytes.get(to_usize(position)..).unwrap_or_default();
        return Ok(written_in(bytes, geometry.erased()));
    }
    let mut window = [0; WINDOW_LEN];
    let mut until = geometry.segment_size();
    while until > position {
        let length = u32::try_from(WINDOW_LEN).unwrap_or(u32::MAX).min(until - position);
        let start = until - length;
        let Some(bytes) = window.get_mut(..to_usize(until - start)) else { break };
        read(medium, slot, start, bytes).await?;
        let written = written_in(bytes, geometry.erased());
        if written > 0 {
            return Ok(start - position + written);
        }
        until = start;
    }
    Ok(0)
}

/// Bytes up to the last one that is not erased.
pub(crate) fn written_in(bytes: &[u8], erased: u8) -> u32 {
    let mut until = bytes.len();
    // All bytes of a block at once, as there may be millions.
    for block in bytes.rchunks(WINDOW_LEN) {
        if block.iter().fold(0, |other, &byte| other | (byte ^ erased)) != 0 {
            let last = block.iter().rposition(|&byte| byte != erased).unwrap_or(0);
            return u32::try_from(until - block.len() + last + 1).unwrap_or(u32::MAX);
        }
        until -= block.len();
    }
    0
}

/// The frame at `place`, if one validates there and ends at or before `until`. Costs one pass over the frame.
#[both(AFIT)]
pub(crate) async fn frame_at<M: Medium>(
    medium: &mut M,
    place: &Place,
    until: u32,
) -> Result<Option<Frame>, M::Error> {
    Ok(place.accepted(frame_and_crc(medium, place, place.position, until).await?))
}

/// What can be a frame of the segment of `place` at `position`, with the CRC over its bytes, which is yet to be compared.
#[both(AFIT)]
pub(crate) async fn frame_and_crc<M: Medium>(
    medium: &mut M,
    place: &Place,
    position: u32,
    until: u32,
) -> Result<Option<(Frame, Crc)>, M::Error> {
    let geometry = medium.geometry();
    // Of a file that ends early the rest is erased, which may be the rest of a frame.
    if let Some(bytes) = medium.mapped(geometry.slot(place.generation))
        && bytes.len() >= to_usize(until)
    {
        let bytes = bytes.get(to_usize(position)..).unwrap_or_default();
        return Ok(frame_in(bytes, place, position, until, &geometry));
    }
    let mut window = [0; WINDOW_LEN];
    frame_through(medium, place, position, until, HEAD_LEN, &mut window).await
}

/// As [`frame_at`], through the caller's buffer, which then holds the frame from its first byte, if the buffer is long enough for
/// [its payload's end](Frame::payload_end). One read for a small frame.
#[both(AFIT)]
pub(crate) async fn frame_into<M: Medium>(
    medium: &mut M,
    place: &Place,
    until: u32,
    buffer: &mut [u8],
) -> Result<Option<Frame>, M::Error> {
    if buffer.len() < HEAD_LEN {
        return frame_at(medium, place, until).await;
    }
    let found = frame_through(medium, place, place.position, until, WINDOW_LEN, buffer).await?;
    Ok(place.accepted(found))
}

/// Bytes that tell how long a frame is: the longest header and the length of a key.
const HEAD_LEN: usize = LONG_HEADER_LEN as usize + 1;

/// Reads a frame, its first `first` bytes at once, into `buffer`, or through it when it is longer. `buffer` has room
/// for [`HEAD_LEN`] bytes.
#[both(AFIT)]
async fn frame_through<M: Medium>(
    medium: &mut M,
    place: &Place,
    position: u32,
    until: u32,
    first: usize,
    buffer: &mut [u8],
) -> Result<Option<(Frame, Crc)>, M::Error> {
    let geometry = medium.geometry();
    let slot = geometry.slot(place.generation);
    let first = first.min(buffer.len()).min(to_usize(until.saturating_sub(position)));
    let Some(head) = buffer.get_mut(..first).filter(|_| first >= to_usize(SHORT_HEADER_LEN)) else {
        return Ok(None);
    };
    read_frames(medium, slot, position, head).await?;
    let Some(header) = FrameHeader::parse(head) else { return Ok(None) };
    let key_len = head.get(to_usize(LONG_HEADER_LEN)).copied().unwrap_or(0);
    let Some(frame) = Frame::fit(header, key_len, position, until, &geometry) else {
        return Ok(None);
    };
    let end = to_usize(frame.payload_end());
    if end <= buffer.len() {
        if let Some(rest) = buffer.get_mut(first..end) {
            let position = position + u32::try_from(first).unwrap_or(0);
            read_frames(medium, slot, position, rest).await?;
        }
        return Ok(frame_in(buffer, place, position, until, &geometry));
    }
    let mut crc = place.crc.of_frame(position, header.crc);
    crc.update(buffer.get(..to_usize(header.len())).unwrap_or_default());
    let key_at = position + header.len();
    crc_over(medium, slot, key_at, frame.head_len - header.len(), buffer, &mut crc).await?;
    let payload = position + frame.payload_at;
    crc_over(medium, slot, payload, header.payload_len, buffer, &mut crc).await?;
    Ok(Some((frame, crc)))
}

/// What can be a frame in `bytes`, which stand at `position`, with the CRC over them.
fn frame_in(
    bytes: &[u8],
    place: &Place,
    position: u32,
    until: u32,
    geometry: &Geometry,
) -> Option<(Frame, Crc)> {
    let frame = head_in(bytes, position, until, geometry)?;
    Some((frame, crc_in(bytes, &frame, place)?))
}

/// The CRC over a frame of the segment of `place`, which `bytes` begin with.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a frame that goes through memory takes longer than this")]
fn crc_in(bytes: &[u8], frame: &Frame, place: &Place) -> Option<Crc> {
    let mut crc = place.crc.of_frame(frame.position, frame.header.crc);
    let (head_len, payload_at) = (frame.head_len, frame.payload_at);
    let mut from = 0;
    // Pad bytes are not covered; without them header and payload are taken in at once.
    if head_len < payload_at {
        crc.update(bytes.get(..to_usize(head_len))?);
        from = to_usize(payload_at);
    }
    crc.update(bytes.get(from..to_usize(frame.payload_end()))?);
    Some(crc)
}

/// Steps over the record at `place` of a segment that is mapped, if one validates there and ends at or before `until`, and gives its
/// frame: the quick way over what is most of every log.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a frame that goes through memory takes longer than this")]
pub(crate) fn pass_record(
    segment: &[u8],
    place: &mut Place,
    until: u32,
    geometry: &Geometry,
) -> Option<Frame> {
    let bytes = segment.get(to_usize(place.position)..)?;
    // Of a known length, so that it is compared once.
    let head = bytes.first_chunk::<HEAD_LEN>()?;
    // Two ways, as on the short one nothing has to be asked for what only long headers have: it is a quarter of all besides the CRC.
    if let Some(header) = FrameHeader::parse_short(head) {
        return pass_frame(bytes, header, 0, place, until, geometry);
    }
    let [.., key_len] = *head;
    pass_frame(bytes, FrameHeader::parse(head)?, key_len, place, until, geometry)
}

/// Steps over the frame of `header` that `bytes` begin with, if it is a record and validates at `place`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a frame that goes through memory takes longer than this")]
fn pass_frame(
    bytes: &[u8],
    header: FrameHeader,
    key_len: u8,
    place: &mut Place,
    until: u32,
    geometry: &Geometry,
) -> Option<Frame> {
    let frame = Frame::fit(header, key_len, place.position, until, geometry)?;
    // Told before, and not compared behind its last twelve bytes: these would have to wait for all others. And summed up before: the
    // compiler would keep its dozen parts in registers until it is compared.
    let told = black_box(Crc::of_unbound_frame(place.epoch, place.offset, header.crc));
    if header.kind != Kind::Record || crc_in(bytes, &frame, place)? != told {
        return None;
    }
    place.pass(&frame);
    Some(frame)
}

/// What the frame says that `bytes`, which stand at `position`, can be; none of it is verified.
#[inline]
fn head_in(bytes: &[u8], position: u32, until: u32, geometry: &Geometry) -> Option<Frame> {
    let header = FrameHeader::parse(bytes)?;
    let key_len = bytes.get(to_usize(LONG_HEADER_LEN)).copied().unwrap_or(0);
    Frame::fit(header, key_len, position, until, geometry)
}

/// The control entry of a control frame that validated at `place`: out of bytes that validate themselves, because bits that a cut
/// left between programmed and erased may read differently each time. Nothing for entries of kinds that this build does not know.
#[both(AFIT)]
pub(crate) async fn with_control<M: Medium, T>(
    medium: &mut M,
    place: &Place,
    frame: &Frame,
    then: impl FnOnce(Option<Control<'_>>) -> T,
) -> Result<T, M::Error> {
    let mut buffer = [0; CONTROL_FRAME_MAX];
    let read = frame_into(medium, place, frame.position + frame.length, &mut buffer).await?;
    let Some(frame) = read else { return Ok(then(None)) };
    let [kind, id] = frame.header.topic.to_le_bytes();
    let body_at = to_usize(frame.payload_at);
    let body = buffer.get(body_at..to_usize(frame.payload_end()));
    Ok(then(body.and_then(|body| Control::parse(kind, id, body))))
}

/// The longest control frame that this build knows, with its padding on the widest words.
const CONTROL_FRAME_MAX: usize = 32 + ITEM_LEN_MAX.next_multiple_of(32);

/// Takes `length` bytes into `crc`, read through `window`.
#[both(AFIT)]
async fn crc_over<M: Medium>(
    medium: &mut M,
    slot: u32,
    position: u32,
    length: u32,
    window: &mut [u8],
    crc: &mut Crc,
) -> Result<(), M::Error> {
    let mut at = 0;
    while at < length {
        let take = to_usize(length - at).min(window.len());
        let Some(bytes) = window.get_mut(..take).filter(|bytes| !bytes.is_empty()) else { break };
        read(medium, slot, position + at, bytes).await?;
        crc.update(bytes);
        at += u32::try_from(take).unwrap_or(u32::MAX);
    }
    Ok(())
}
