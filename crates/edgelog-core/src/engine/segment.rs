//! Reading one segment: its header and its frames. Nothing is believed before its CRC matched.

use super::both;
use super::medium::Medium;
use crate::format::{
    Control, Crc, FrameHeader, LONG_HEADER_LEN, Parsed, SEGMENT_HEADER_LEN, SEGMENT_MAGIC,
    SHORT_HEADER_LEN, SegmentHeader,
};
use crate::geometry::Geometry;
use crate::place::{Frame, Place, to_usize};
use crate::state::{ITEM_LEN_MAX, Memory, NoRoom};

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

/// Reads and verifies the header of `slot`, its snapshot included.
#[both(AFIT)]
pub(crate) async fn read_header<M: Medium>(medium: &mut M, slot: u32) -> Result<Header, M::Error> {
    let mut bytes = [0; SEGMENT_HEADER_LEN as usize];
    read(medium, slot, 0, &mut bytes).await?;
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
    crc_over(medium, slot, SEGMENT_HEADER_LEN, header.snapshot_len, &mut crc).await?;
    Ok(if crc.finish() == stored {
        Header::Valid(header)
    } else {
        Header::Dirty { blank: false, ours }
    })
}

/// Folds the snapshot of a verified header into `state`.
#[both(AFIT)]
pub(crate) async fn read_snapshot<M: Medium>(
    medium: &mut M,
    header: &SegmentHeader,
    state: &mut Memory,
) -> Result<Result<(), NoRoom>, M::Error> {
    let mut window = [0; ITEM_LEN_MAX];
    let mut at = 0;
    while at < header.snapshot_len {
        let length = ITEM_LEN_MAX.min(to_usize(header.snapshot_len - at));
        let Some(window) = window.get_mut(..length) else { break };
        read(medium, header.slot, SEGMENT_HEADER_LEN + at, window).await?;
        match state.apply_item(window) {
            Some(Ok(taken)) => at += u32::try_from(taken).unwrap_or(u32::MAX),
            Some(Err(no_room)) => return Ok(Err(no_room)),
            None => break,
        }
    }
    Ok(Ok(()))
}

/// Bytes from `position` to the last one that is not erased.
#[both(AFIT)]
pub(crate) async fn written_behind<M: Medium>(
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
        read(medium, slot, start, bytes).await?;
        if let Some(last) = bytes.iter().rposition(|&byte| byte != geometry.erased()) {
            return Ok(start - position + u32::try_from(last).unwrap_or(0) + 1);
        }
        until = start;
    }
    Ok(0)
}

/// The frame at `place`, if one validates there and ends at or before `until`. Costs one pass over the frame.
#[both(AFIT)]
pub(crate) async fn frame_at<M: Medium>(
    medium: &mut M,
    place: &Place,
    until: u32,
) -> Result<Option<Frame>, M::Error> {
    let found = frame_and_crc(medium, place, place.position, until).await?;
    Ok(found.filter(|(frame, crc)| place.accepts(frame, crc)).map(|(frame, _)| frame))
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
    let slot = geometry.slot(place.generation);
    let mut bytes = [0; LONG_HEADER_LEN as usize + 1];
    let length = bytes.len().min(to_usize(until.saturating_sub(position)));
    let Some(head) = bytes.get_mut(..length) else { return Ok(None) };
    read(medium, slot, position, head).await?;
    let Some(header) = FrameHeader::parse(head) else { return Ok(None) };
    let [.., key_len] = bytes;
    let Some(frame) = Frame::fit(header, key_len, position, until, &geometry) else {
        return Ok(None);
    };
    let mut crc = Crc::of_frame(place.log, place.generation, position);
    crc.update(bytes.get(4..to_usize(header.len())).unwrap_or_default());
    let key_at = position + header.len();
    crc_over(medium, slot, key_at, frame.head_len() - header.len(), &mut crc).await?;
    crc_over(medium, slot, frame.payload_position(&geometry), header.payload_len, &mut crc).await?;
    Ok(Some((frame, crc)))
}

/// The frame at `place` through the caller's buffer, which then holds the whole frame from its first byte. One read for a small frame.
///
/// `Err` inside `Ok` tells the length of a valid frame that is longer than the buffer.
#[both(AFIT)]
pub(crate) async fn frame_into<M: Medium>(
    medium: &mut M,
    place: &Place,
    until: u32,
    buffer: &mut [u8],
) -> Result<Result<Option<Frame>, usize>, M::Error> {
    let geometry = medium.geometry();
    let slot = geometry.slot(place.generation);
    let room = to_usize(until.saturating_sub(place.position));
    let first = buffer.len().min(WINDOW_LEN).min(room);
    if room < to_usize(SHORT_HEADER_LEN) {
        return Ok(Ok(None));
    }
    let Some(head) = buffer.get_mut(..first).filter(|_| first > 16 || first == room) else {
        return too_small(medium, place, until).await;
    };
    read(medium, slot, place.position, head).await?;
    let Some(header) = FrameHeader::parse(head) else { return Ok(Ok(None)) };
    let key_len = head.get(to_usize(LONG_HEADER_LEN)).copied().unwrap_or(0);
    let Some(frame) = Frame::fit(header, key_len, place.position, until, &geometry) else {
        return Ok(Ok(None));
    };
    let end = to_usize(frame.payload_at(&geometry) + header.payload_len);
    if end > buffer.len() {
        return too_small(medium, place, until).await;
    }
    if let Some(rest) = buffer.get_mut(first..end) {
        let position = place.position + u32::try_from(first).unwrap_or(0);
        read(medium, slot, position, rest).await?;
    }
    let mut crc = Crc::of_frame(place.log, place.generation, place.position);
    crc.update(buffer.get(4..to_usize(frame.head_len())).unwrap_or_default());
    crc.update(buffer.get(to_usize(frame.payload_at(&geometry))..end).unwrap_or_default());
    Ok(Ok(place.accepts(&frame, &crc).then_some(frame)))
}

/// A frame that the buffer cannot hold is either valid, and then its length is wanted, or no frame at all.
#[both(AFIT)]
async fn too_small<M: Medium>(
    medium: &mut M,
    place: &Place,
    until: u32,
) -> Result<Result<Option<Frame>, usize>, M::Error> {
    let frame = frame_at(medium, place, until).await?;
    Ok(frame.map_or(Ok(None), |frame| Err(to_usize(frame.length))))
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
    let geometry = medium.geometry();
    let mut buffer = [0; CONTROL_FRAME_MAX];
    let read = frame_into(medium, place, frame.position + frame.length, &mut buffer).await?;
    let Ok(Some(frame)) = read else { return Ok(then(None)) };
    let [kind, id] = frame.header.topic.to_le_bytes();
    let body_at = to_usize(frame.payload_at(&geometry));
    let body = buffer.get(body_at..body_at + to_usize(frame.header.payload_len));
    Ok(then(body.and_then(|body| Control::parse(kind, id, body))))
}

/// The longest control frame that this build knows, with its padding on the widest words.
const CONTROL_FRAME_MAX: usize = 32 + ITEM_LEN_MAX.next_multiple_of(32);

#[both(AFIT)]
async fn crc_over<M: Medium>(
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
        read(medium, slot, position + at, bytes).await?;
        crc.update(bytes);
        at += u32::try_from(take).unwrap_or(u32::MAX);
    }
    Ok(())
}
