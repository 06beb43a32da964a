//! From bytes to a log: find the newest segment, take its snapshot, walk its frames to the end. Nothing is written.

use super::ahead::{Ahead, Budget, EPOCH_FRAME_LEN, Want, look_ahead, next_frame};
use super::both;
use super::medium::Medium;
use super::ring::Ring;
use super::segment::{
    Header, frame_at, pass_record, presumed_header, read_header, read_snapshot, with_control,
    written_behind,
};
use crate::error::MountError;
use crate::format::{
    Control, EPOCH_BODY_LEN, GENERATION_MAX, Kind, LONG_HEADER_LEN, OFFSET_MAX, READY_BODY_LEN,
};
use crate::geometry::Geometry;
use crate::place::{Frame, Place};
use crate::state::Memory;

/// What mounting found.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub(crate) ring: Ring,
    /// Records of the newest segment that were durable and no longer verify.
    pub(crate) damaged: u64,
    /// Bytes behind the end that are not erased and do not verify: what a power cut tore, or durable records that rotted.
    pub(crate) torn_bytes: u32,
    /// Epochs that those bytes may have given, and that must never be given again.
    pub(crate) epochs_lost: u32,
    /// Where the next frame can be programmed: behind the torn bytes where words are programmed once.
    pub(crate) resume_at: u32,
    /// Whether the next segment's slot is known to be erased.
    pub(crate) next_is_ready: bool,
    /// Whether it is neither blank nor holds an older segment: a header may stand there that a power cut tore.
    pub(crate) next_is_dirty: bool,
}

impl Mounted {
    pub(crate) fn new(ring: Ring) -> Self {
        Self {
            ring,
            damaged: 0,
            torn_bytes: 0,
            epochs_lost: 0,
            resume_at: ring.end.position,
            next_is_ready: false,
            next_is_dirty: false,
        }
    }
}

/// What to do at bytes that do not validate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtInvalid {
    /// Look whether something durable stands behind them.
    LookAhead,
    /// Take them for the end: the writer may be just about to write there.
    Stop,
}

#[both(AFIT)]
pub(crate) async fn mount<M: Medium>(
    medium: &mut M,
    state: &mut Memory,
) -> Result<Mounted, MountError<M::Error>> {
    let mut ring = Ring::survey(medium).await?;
    state.forget();
    read_snapshot(medium, &ring.newest, state).await?.map_err(|_| MountError::TooMany)?;
    let damaged = walk(medium, &mut ring, state, AtInvalid::LookAhead).await?;
    let (lost, behind) = follow_headless(medium, &mut ring, state).await?;
    let mut mounted = Mounted { damaged: damaged + lost, ..Mounted::new(ring) };
    let end = &mut mounted.ring.end;
    // A cursor only ever committed what was durable, so records below it existed even if their bytes are gone.
    let committed = state.greatest_commit();
    if committed > end.offset {
        mounted.damaged += committed - end.offset;
        end.offset = committed;
    }
    mounted.torn_bytes =
        written_behind(medium, ring.geometry.slot(end.generation), end.position).await?;
    mounted.epochs_lost = mounted.torn_bytes.div_ceil(EPOCH_FRAME_LEN);
    mounted.resume_at = resume_at(medium, end, mounted.torn_bytes);
    let next = ring.newest.generation.saturating_add(1);
    match behind {
        Header::Dirty { blank: true } => {
            // Without room for a note the slot may have been erased again since, and that erase may have been cut.
            let noted = state.ready_generation == next;
            let room = ring.geometry.segment_size().saturating_sub(mounted.resume_at);
            mounted.next_is_ready = noted
                && room >= note_len(&ring.geometry)
                && written_behind(medium, ring.geometry.slot(next), 0).await? == 0;
        }
        Header::Valid(older) if older.generation < next => {}
        _ => {
            mounted.next_is_dirty = true;
            // The newest segment may have lost its header, and with it every epoch that was given in it. Once is enough.
            if !state.epochs_left_out {
                let given = epochs_in_a_segment(&ring.geometry);
                mounted.epochs_lost = mounted.epochs_lost.saturating_add(given);
            }
        }
    }
    Ok(mounted)
}

/// Epochs that one segment's bytes can have given at the most.
const fn epochs_in_a_segment(geometry: &Geometry) -> u32 {
    geometry.segment_size().div_ceil(EPOCH_FRAME_LEN)
}

/// Bytes that a mount must have room for to note that a segment is ready, or no longer is: its epoch and the note.
pub(crate) const fn note_len(geometry: &Geometry) -> u32 {
    let header = geometry.align_up(LONG_HEADER_LEN);
    geometry.align_up(header + EPOCH_BODY_LEN) + geometry.align_up(header + READY_BODY_LEN)
}

/// Where the first frame of this mount goes: behind the torn bytes, and one unit more, because the word that was being programmed
/// may read as erased and take no second program.
fn resume_at<M: Medium>(medium: &M, end: &Place, torn_bytes: u32) -> u32 {
    let geometry = medium.geometry();
    if end.is_headless {
        // What is appended behind no header would have to be found without one, too.
        return geometry.segment_size();
    }
    if !medium.is_write_once() {
        return end.position;
    }
    let torn_end = end.position + geometry.align_up(torn_bytes);
    torn_end.saturating_add(geometry.align()).min(geometry.segment_size())
}

/// Goes on into segments that come next and whose headers are gone, as long as frames in them say that they were opened. Gives the
/// number of records that were lost between, and what stands where the next segment's header goes.
#[both(AFIT)]
pub(crate) async fn follow_headless<M: Medium>(
    medium: &mut M,
    ring: &mut Ring,
    state: &mut Memory,
) -> Result<(u64, Header), MountError<M::Error>> {
    let mut damaged = 0;
    loop {
        let slot = ring.geometry.slot(ring.newest.generation.saturating_add(1));
        let found = read_header(medium, slot).await?;
        if let Header::Valid(_) | Header::Dirty { blank: true } = found {
            return Ok((damaged, found));
        }
        let next = presumed_header(medium, &ring.end).await?;
        let oldest = ring.oldest;
        let mut beyond = Ring { oldest, ..Ring::of(next, ring.geometry) };
        let ahead = Ahead { from: 0, until: ring.geometry.segment_size(), below: OFFSET_MAX };
        let mut budget = Budget::new(&ring.geometry);
        let opened = look_ahead(medium, &beyond.end, ahead, Want::Synced, &mut budget).await?;
        if opened.is_none() || next.generation > GENERATION_MAX {
            return Ok((damaged, found));
        }
        // Beside a living writer the header may just have been half written; then it was whole before the frame was.
        let found = read_header(medium, slot).await?;
        if let Header::Valid(_) = found {
            return Ok((damaged, found));
        }
        damaged += walk(medium, &mut beyond, state, AtInvalid::LookAhead).await?;
        *ring = beyond;
    }
}

/// Walks from the ring's end over the frames that follow it and gives the number of records that were lost between them.
#[both(AFIT)]
pub(crate) async fn walk<M: Medium>(
    medium: &mut M,
    ring: &mut Ring,
    state: &mut Memory,
    at_invalid: AtInvalid,
) -> Result<u64, MountError<M::Error>> {
    let until = ring.geometry.segment_size();
    let mut damaged = 0;
    let mut budget = Budget::new(&ring.geometry);
    // Everything before this position is known to have been durable.
    let mut proven = 0;
    loop {
        if let Some(segment) = medium.mapped(ring.geometry.slot(ring.end.generation)) {
            let mut end = ring.end;
            while let Some(frame) = pass_record(segment, &mut end, until, &ring.geometry) {
                state.meet_topic(frame.header.topic);
            }
            ring.end = end;
        }
        let mut frame = frame_at(medium, &ring.end, until).await?;
        if frame.is_none() {
            // Once more: a read that was disturbed must not end the log before its end.
            frame = frame_at(medium, &ring.end, until).await?;
        }
        if let Some(frame) = frame {
            damaged += take_frame(medium, ring, state, &frame).await?;
            continue;
        }
        if at_invalid == AtInvalid::Stop {
            return Ok(damaged);
        }
        let ahead = Ahead { from: ring.end.position, until, below: OFFSET_MAX };
        // Frames that no sync followed prove nothing: they and the hole before them were never durable together.
        if ring.end.position >= proven {
            match look_ahead(medium, &ring.end, ahead, Want::Synced, &mut budget).await? {
                Some(synced) => proven = synced.frame.position,
                None => return Ok(damaged),
            }
            // Beside a living writer the frame may just have been half written; by now it is whole.
            if frame_at(medium, &ring.end, until).await?.is_some() {
                continue;
            }
        }
        let Some(found) = next_frame(medium, &ring.end, ahead, &mut budget).await? else {
            return Ok(damaged);
        };
        damaged += ring.end.jump(&found);
        damaged += take_frame(medium, ring, state, &found.frame).await?;
    }
}

#[both(AFIT)]
async fn take_frame<M: Medium>(
    medium: &mut M,
    ring: &mut Ring,
    state: &mut Memory,
    frame: &Frame,
) -> Result<u64, MountError<M::Error>> {
    let place = ring.end;
    ring.end.pass(frame);
    if frame.header.kind == Kind::Record {
        state.meet_topic(frame.header.topic);
        return Ok(0);
    }
    let end = &mut ring.end;
    let given = epochs_in_a_segment(&ring.geometry);
    let take = |control: Option<Control<'_>>| {
        let Some(control) = control else { return Ok(0) };
        if let Control::Epoch { epoch, previous, .. } = control {
            state.epochs_left_out |= epoch.saturating_sub(previous) > given;
        }
        state.apply(&control).map_err(|_| MountError::TooMany)?;
        Ok(end.take(&control))
    };
    with_control(medium, &place, frame, take).await?
}
