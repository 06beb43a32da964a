//! From bytes to a log: find the newest segment, take its snapshot, walk its frames to the end. Nothing is written.

use crate::error::MountError;
use crate::format::{Control, Kind, OFFSET_MAX, Seed};
use crate::medium::Medium;
use crate::ring::Ring;
use crate::segment::{
    Ahead, Budget, Frame, Header, frame_at, look_ahead, low_16, read_header, read_snapshot,
    with_control, written_behind,
};
use crate::state::State;

/// What mounting found.
#[derive(Debug)]
pub(crate) struct Mounted {
    pub(crate) ring: Ring,
    pub(crate) state: State,
    /// Records of the newest segment that were durable and no longer verify.
    pub(crate) damaged: u64,
    /// Bytes behind the end that are not erased and do not verify: what a power cut tore, or durable records that rotted.
    pub(crate) torn_bytes: u32,
    /// Epochs that those bytes may have given, and that must never be given again.
    pub(crate) epochs_lost: u32,
}

/// Bytes of an epoch frame: at most one epoch was given in as many bytes.
const EPOCH_FRAME_LEN: u32 = 32;

/// What to do at bytes that do not validate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtInvalid {
    /// Look whether something durable stands behind them.
    LookAhead,
    /// Take them for the end: the writer may be just about to write there.
    Stop,
}

pub(crate) fn mount<M: Medium>(medium: &mut M) -> Result<Mounted, MountError<M::Error>> {
    let mut ring = Ring::survey(medium)?;
    let mut state = State::default();
    read_snapshot(medium, &ring.newest, &mut state)?.map_err(|_| MountError::TooMany)?;
    let mut damaged = walk(medium, &mut ring, &mut state, AtInvalid::LookAhead)?;
    // A cursor only ever committed what was durable, so records below it existed even if their bytes are gone.
    let committed = state.greatest_commit();
    if committed > ring.end.offset {
        damaged += committed - ring.end.offset;
        ring.end.offset = committed;
    }
    let torn_bytes = written_behind(medium, ring.newest.slot, ring.end.position)?;
    let mut epochs_lost = torn_bytes.div_ceil(EPOCH_FRAME_LEN);
    let next_slot = ring.geometry.slot(ring.newest.generation.saturating_add(1));
    if let Header::Dirty { ours: true, .. } = read_header(medium, next_slot)? {
        // The newest segment may have lost its header, and with it every epoch that was given in it.
        epochs_lost =
            epochs_lost.saturating_add(ring.geometry.segment_size().div_ceil(EPOCH_FRAME_LEN));
    }
    Ok(Mounted { ring, state, damaged, torn_bytes, epochs_lost })
}

/// Walks from the ring's end over the frames that follow it and gives the number of records that were lost between them.
pub(crate) fn walk<M: Medium>(
    medium: &mut M,
    ring: &mut Ring,
    state: &mut State,
    at_invalid: AtInvalid,
) -> Result<u64, MountError<M::Error>> {
    let until = ring.geometry.segment_size();
    let mut damaged = 0;
    let mut budget = Budget::new(&ring.geometry);
    // Everything before this position is known to have been durable.
    let mut proven = 0;
    loop {
        let seed = ring.seed();
        if let Some(frame) = frame_at(medium, &seed, ring.end.position, until)? {
            damaged += take_frame(medium, ring, state, &seed, &frame)?;
            continue;
        }
        if at_invalid == AtInvalid::Stop {
            return Ok(damaged);
        }
        let mut ahead = Ahead {
            from: ring.end.position,
            until,
            offset: ring.end.offset,
            below: OFFSET_MAX,
            synced_only: true,
        };
        // Frames that no sync followed prove nothing: they and the hole before them were never durable together.
        if ring.end.position >= proven {
            match look_ahead(medium, &seed, ahead, &mut budget)? {
                Some((synced, _)) => proven = synced.position,
                None => return Ok(damaged),
            }
            // Beside a living writer the frame may just have been half written; by now it is whole.
            if frame_at(medium, &seed, ring.end.position, until)?.is_some() {
                continue;
            }
        }
        ahead.synced_only = false;
        let Some((frame, seed)) = look_ahead(medium, &seed, ahead, &mut budget)? else {
            return Ok(damaged);
        };
        let lost = lost_before(&frame, ring.end.offset);
        damaged += lost;
        ring.end.offset += lost;
        ring.end.epoch = seed.epoch;
        damaged += take_frame(medium, ring, state, &seed, &frame)?;
    }
}

/// How many records stood between a record offset and a frame found further on.
pub(crate) fn lost_before(frame: &Frame, offset: u64) -> u64 {
    u64::from(frame.header.offset_low.wrapping_sub(low_16(offset)))
}

fn take_frame<M: Medium>(
    medium: &mut M,
    ring: &mut Ring,
    state: &mut State,
    seed: &Seed,
    frame: &Frame,
) -> Result<u64, MountError<M::Error>> {
    let mut damaged = 0;
    match frame.header.kind {
        Kind::Record => {
            ring.end.offset += 1;
            state.meet_topic(frame.header.topic);
        }
        Kind::Control => with_control(medium, seed, frame, |control| {
            let Some(control) = control else { return Ok(()) };
            if let Control::Epoch { epoch, next_offset, .. } = control {
                ring.end.epoch = epoch;
                damaged = next_offset.saturating_sub(ring.end.offset);
                ring.end.offset = ring.end.offset.max(next_offset);
            }
            state.apply(&control).map_err(|_| MountError::TooMany)
        })??,
    }
    ring.end.position = frame.position + frame.length;
    ring.end.time =
        ring.end.time.max(ring.newest.base_time.saturating_add(u64::from(frame.header.time_delta)));
    Ok(damaged)
}
