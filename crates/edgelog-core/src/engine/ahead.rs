//! Looking for frames behind bytes that do not validate: what a power cut tore, or damage.

use super::both;
use super::medium::Medium;
use super::segment::{
    WINDOW_LEN, frame_and_crc, frame_at, read_frames, written_behind, written_in,
};
use crate::format::{
    CONTROL_BODY_MAX, Control, Crc, EPOCH_BODY_LEN, Form, FrameHeader, Kind, LONG_HEADER_LEN,
    OFFSET_MAX, SHORT_HEADER_LEN,
};
use crate::geometry::Geometry;
use crate::place::{Found, Frame, Place, low_16, to_usize};
use crate::state::TOPICS_MAX;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Epoch frames: they say which bytes before them are dead.
    Epoch,
    /// Frames that say that everything before them was durable.
    Synced,
    /// Any frame.
    Any,
}

/// Where a look ahead goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    /// Where it begins: at the place, which did not validate, or further on.
    pub(crate) from: u32,
    /// Where the segment, or the known part of it, ends.
    pub(crate) until: u32,
    /// No record at or above this offset can stand there: it would be one that a crash took away.
    pub(crate) below: u64,
}

/// What looking ahead in one segment has found and may still cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Bytes of long frames that may be verified in vain. Bytes made to look like many long frames would cost a pass over the
    /// segment for each of them.
    bytes: u64,
    /// The next epoch frame, once it was looked for: many holes must not cost a pass over the segment each.
    epoch: Option<Option<Found>>,
}

impl Budget {
    pub(crate) const fn new(geometry: &Geometry) -> Self {
        Self { bytes: 64 * geometry.segment_size() as u64, epoch: None }
    }

    /// Whether what can be a frame may be verified. Up to [`CHEAP`] bytes it always may, so that no decoys, hostile or in a record's
    /// own payload, can hide the frames behind damage.
    fn allows(&mut self, header: &FrameHeader) -> bool {
        if header.payload_len <= CHEAP {
            return true;
        }
        let left = self.bytes.checked_sub(u64::from(header.payload_len));
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}

/// Bytes of payload that are always verified: at most this often the bytes looked at.
const CHEAP: u32 = 1024;

/// How many epochs a damaged epoch frame may have been ahead for the long frames behind it to be believed: a mount leaves one out for
/// each 40 torn bytes that it finds, and every one more makes it more likely that garbage looks like a frame. An epoch frame behind the
/// damage tells the epochs itself, so this limits only what stands before the next one.
const EPOCHS_AHEAD: u32 = 1 << 16;

/// Bytes of the smallest epoch frame.
pub(crate) const EPOCH_FRAME_LEN: u32 = LONG_HEADER_LEN + EPOCH_BODY_LEN;

/// The first frame that counts behind a place that did not validate. Frames among bytes that a later epoch frame says were torn
/// do not count, even when they validate: a mount found the end of the log before them.
#[both(AFIT)]
pub(crate) async fn next_frame<M: Medium>(
    medium: &mut M,
    place: &Place,
    ahead: Ahead,
    budget: &mut Budget,
) -> Result<Option<Found>, M::Error> {
    let epoch = match budget.epoch {
        Some(None) => None,
        Some(Some(found)) if found.is_ahead_of(place) => Some(found),
        _ => look_ahead(medium, place, ahead, Want::Epoch, budget).await?,
    };
    budget.epoch = Some(epoch);
    let until = epoch.map_or(ahead.until, |found| found.resumed_from);
    let any = look_ahead(medium, place, Ahead { until, ..ahead }, Want::Any, budget).await?;
    Ok(any.or(epoch))
}

/// The first frame that validates and is what is wanted, and is no coincidence.
#[both(AFIT)]
pub(crate) async fn look_ahead<M: Medium>(
    medium: &mut M,
    place: &Place,
    mut ahead: Ahead,
    want: Want,
    budget: &mut Budget,
) -> Result<Option<Found>, M::Error> {
    while let Some(found) = first_valid(medium, place, ahead, want, budget).await? {
        if is_believed(medium, place, &found, budget).await? {
            return Ok(Some(found));
        }
        ahead.from = found.frame.position + medium.geometry().align();
    }
    Ok(None)
}

/// Whether what was found is no coincidence. Behind much damage a frame validates with any of many offsets, or of later epochs, so that
/// bytes which look like thousands of frames would hit on one; what follows it must bear it out: the next frame, an epoch frame that
/// resumed where it ends, or nothing at all.
#[both(AFIT)]
async fn is_believed<M: Medium>(
    medium: &mut M,
    place: &Place,
    found: &Found,
    budget: &mut Budget,
) -> Result<bool, M::Error> {
    // What an epoch frame is bound to stands in its body, which alone is no coincidence.
    let places = u64::from((found.frame.position - place.position) / SHORT_HEADER_LEN).max(1);
    if found.frame.is_epoch() || places.saturating_mul(found.choices) <= COINCIDENCES {
        return Ok(true);
    }
    let until = medium.geometry().segment_size();
    let mut next = *place;
    next.jump(found);
    next.pass(&found.frame);
    if frame_at(medium, &next, until).await?.is_some() {
        return Ok(true);
    }
    let ahead = Ahead { from: next.position, until, below: OFFSET_MAX };
    let epoch = first_valid(medium, &next, ahead, Want::Epoch, budget).await?;
    if epoch.is_some_and(|epoch| epoch.resumed_from == next.position) {
        return Ok(true);
    }
    let slot = medium.geometry().slot(next.generation);
    let written = written_behind(medium, slot, found.frame.position).await?;
    Ok((found.frame.length.saturating_sub(BLANK_END)..=found.frame.length).contains(&written))
}

/// How many places, times the epochs and offsets that a frame may validate with, may have been tried for it to be believed without more:
/// the CRC then still has 20 bits to say no.
const COINCIDENCES: u64 = 4096;

/// Epochs after the one in force that a short frame is tried with: as many epoch frames may be damaged before it.
const EPOCHS_NEAR: u32 = 8;

/// Erased bytes that a record may end with and still be told from bytes that say they go on to where nothing is.
const BLANK_END: u32 = 64;

/// The first frame behind the place that validates and is what is wanted, with what it is bound to: the epoch in force or, when
/// epoch frames were damaged, one of the next; the offset of the place or, when records were damaged, one of the next.
/// Costs one pass over the headers, the verifying of short frames, and of at most `budget` bytes of long ones.
#[both(AFIT)]
async fn first_valid<M: Medium>(
    medium: &mut M,
    place: &Place,
    ahead: Ahead,
    want: Want,
    budget: &mut Budget,
) -> Result<Option<Found>, M::Error> {
    let geometry = medium.geometry();
    let slot = geometry.slot(place.generation);
    let mut window = [0; WINDOW_LEN];
    let (mut window_at, mut loaded) = (ahead.from, 0);
    let mut position = ahead.from;
    while position.saturating_add(SHORT_HEADER_LEN) <= ahead.until {
        let wanted = LONG_HEADER_LEN.min(ahead.until - position);
        if position + wanted > window_at + loaded {
            let length = to_usize(ahead.until - position).min(WINDOW_LEN);
            let Some(bytes) = window.get_mut(..length) else { break };
            read_frames(medium, slot, position, bytes).await?;
            (window_at, loaded) = (position, u32::try_from(length).unwrap_or(0));
            if written_in(bytes, geometry.erased()) == 0 {
                // Nothing that is erased is a frame, and all of the rest may be.
                position = position.saturating_add(loaded);
                continue;
            }
        }
        let start = to_usize(position - window_at);
        let header = window.get(start..start + to_usize(wanted)).and_then(FrameHeader::parse);
        if let Some(header) = header
            && is_wanted(&header, want)
            && let Some(bounds) = bounds(medium, &header, position, place, ahead).await?
            && budget.allows(&header)
            && let Some((frame, crc)) = frame_and_crc(medium, place, position, ahead.until).await?
            && let Some(found) = bounds.find(frame, &crc)
        {
            return Ok(Some(found));
        }
        position = position.saturating_add(geometry.align());
    }
    Ok(None)
}

fn is_wanted(header: &FrameHeader, want: Want) -> bool {
    match want {
        Want::Epoch => header.is_epoch(),
        Want::Synced => header.synced,
        Want::Any => true,
    }
}

/// The epochs and offsets that a frame behind damage may be bound to.
struct Bounds {
    epochs: (u32, u32),
    offsets: (u64, u64),
    resumed_from: u32,
}

/// Of a frame that can stand at `position`. A damaged stretch of n bytes held at most n / 8 frames, which bounds the offset of the
/// next one. Only an epoch frame may be further ahead: it tells its offset in full, and a cursor may have moved it.
#[both(AFIT)]
async fn bounds<M: Medium>(
    medium: &mut M,
    header: &FrameHeader,
    position: u32,
    place: &Place,
    ahead: Ahead,
) -> Result<Option<Bounds>, M::Error> {
    if header.is_epoch() {
        return epoch_bounds(medium, header, position, place, ahead).await;
    }
    let held = (position - place.position) / SHORT_HEADER_LEN;
    let held = held.saturating_add(place.may_be_refused);
    let epochs = if position - place.position < EPOCH_FRAME_LEN { 0 } else { EPOCHS_AHEAD };
    let plausible = match header.kind {
        Kind::Record => usize::from(header.topic) < TOPICS_MAX,
        Kind::Control => !header.has_key && header.payload_len <= CONTROL_BODY_MAX,
    };
    // The offset of a control frame is that of the record behind it.
    let last = match header.kind {
        Kind::Record => ahead.below.saturating_sub(1),
        Kind::Control => ahead.below,
    };
    let bounds = match header.form {
        Form::Short { .. } => {
            let most = place.offset.saturating_add(u64::from(held)).min(last);
            let epochs = (place.epoch, place.epoch.saturating_add(epochs.min(EPOCHS_NEAR)));
            Bounds { epochs, offsets: (place.offset, most), resumed_from: position }
        }
        Form::Long { offset_low, .. } => {
            let skipped = u32::from(offset_low.wrapping_sub(low_16(place.offset)));
            let offset = place.offset.saturating_add(u64::from(skipped));
            if skipped > held || offset > last {
                return Ok(None);
            }
            let epochs = (place.epoch, place.epoch.saturating_add(epochs));
            Bounds { epochs, offsets: (offset, offset), resumed_from: position }
        }
    };
    Ok(Some(bounds).filter(|bounds| plausible && bounds.offsets.0 <= bounds.offsets.1))
}

/// An epoch frame's own unverified body says what to verify it with.
#[both(AFIT)]
async fn epoch_bounds<M: Medium>(
    medium: &mut M,
    header: &FrameHeader,
    position: u32,
    place: &Place,
    ahead: Ahead,
) -> Result<Option<Bounds>, M::Error> {
    let geometry = medium.geometry();
    let mut body = [0; EPOCH_BODY_LEN as usize];
    let at = position.saturating_add(header.payload_at(0, &geometry));
    let end = at.saturating_add(header.payload_len);
    if header.payload_len != EPOCH_BODY_LEN || header.has_key || end > ahead.until {
        return Ok(None);
    }
    read_frames(medium, geometry.slot(place.generation), at, &mut body).await?;
    let [kind, id] = header.topic.to_le_bytes();
    let Some(Control::Epoch { previous, next_offset, resumed_from, .. }) =
        Control::parse(kind, id, &body)
    else {
        return Ok(None);
    };
    let possible = previous >= place.epoch
        && (place.offset..=ahead.below).contains(&next_offset)
        && resumed_from <= position;
    let (epochs, offsets) = ((previous, previous), (next_offset, next_offset));
    Ok(possible.then_some(Bounds { epochs, offsets, resumed_from }))
}

impl Bounds {
    fn find(&self, frame: Frame, crc: &Crc) -> Option<Found> {
        let Self { epochs: (first, last), offsets: (least, most), resumed_from } = *self;
        let stored = frame.header.crc;
        // A long frame tells its offset, and then the CRC its epoch.
        let mut epoch = first;
        if least == most {
            epoch = crc.epoch_of_frame(least, stored);
            if epoch < first || epoch > last {
                return None;
            }
        }
        loop {
            // Both ends may have different upper halves.
            for near in [least, most] {
                let offset = crc.offset_of_frame(epoch, near, stored);
                if least <= offset && offset <= most {
                    // The further away what it is bound to, the likelier a coincidence.
                    let epochs = u64::from(epoch - first) + 1;
                    let choices = epochs.saturating_mul((offset - least).saturating_add(1));
                    return Some(Found { frame, epoch, offset, resumed_from, choices });
                }
            }
            if epoch >= last {
                return None;
            }
            epoch += 1;
        }
    }
}
