//! Seeking a time and reading backwards, compared with what reading forward gave.

use super::Seen;
use crate::medium::SimMedium;
use crate::rng::Rng;
use edgelog_core::{BackReader, Gap, Log};

/// Items that are read backwards from one place.
const BACK: usize = 8;

/// One random time and one random place.
pub(super) fn judge<M: SimMedium>(
    log: &mut Log<M, Vec<u8>>,
    seen: &[Seen],
    buffer: &mut [u8],
) -> Result<(), String> {
    let visible = log.visible();
    let mut rng = Rng::new(visible ^ (u64::from(log.epoch()) << 32) ^ log.medium().writes());
    judge_seek(log, seen, &mut rng)?;
    // Mostly the end, where a cut leaves its traces.
    let from = if rng.one_in(2) { visible } else { rng.bits() % (visible + 1) };
    let items = if rng.one_in(16) { usize::MAX } else { BACK };
    if rng.one_in(2) {
        judge_back::<1, M>(log, seen, from, items, buffer)
    } else {
        judge_back::<8, M>(log, seen, from, items, buffer)
    }
}

fn judge_seek<M: SimMedium>(
    log: &mut Log<M, Vec<u8>>,
    seen: &[Seen],
    rng: &mut Rng,
) -> Result<(), String> {
    let times: Vec<(u64, u64)> = seen
        .iter()
        .filter_map(|item| match item {
            Seen::Record { identity, time_ms, .. } => Some((*time_ms, identity.offset)),
            Seen::Gap(_) => None,
        })
        .collect();
    let some = times.get(rng.below(times.len())).map_or(0, |&(time, _)| time);
    let time = some.saturating_add(1).saturating_sub(rng.bits() % 3);
    let right =
        times.iter().find(|&&(it, _)| it >= time).map_or_else(|| log.visible(), |&(_, at)| at);
    let found = log.seek_time(time).map_err(|e| format!("seek: {e}"))?;
    if found != right {
        return Err(format!("time {time} is at {found}, reading finds it at {right}"));
    }
    Ok(())
}

fn judge_back<const N: usize, M: SimMedium>(
    log: &mut Log<M, Vec<u8>>,
    seen: &[Seen],
    from: u64,
    items: usize,
    buffer: &mut [u8],
) -> Result<(), String> {
    let mut reader = BackReader::<N>::before(from);
    let before: Vec<&Seen> = seen.iter().filter(|item| item.range().0 < from).collect();
    // Damage that forward reading meets in pieces is one gap when nothing stands between.
    let one = |a: &&Seen, b: &&Seen| matches!((a, b), (Seen::Gap(a), Seen::Gap(b)) if a.reason == b.reason);
    for pieces in before.chunk_by(one).rev().take(items) {
        let (Some(&first), Some(&last)) = (pieces.first(), pieces.last()) else { continue };
        let right = &first.up_to(last);
        let found = log.read_back(&mut reader, buffer).map_err(|e| format!("read back: {e}"))?;
        let Some(mut found) = found.as_ref().map(Seen::of) else {
            return Err(format!("reading back from {from} ends before {right:?}"));
        };
        // And the other way round: what a segment without records tells is a piece of its own.
        while let (Seen::Gap(got), Seen::Gap(want)) = (&found, right)
            && got.reason == want.reason
            && got.from > want.from
        {
            let more = log.read_back(&mut reader, buffer).map_err(|e| format!("read back: {e}"))?;
            let Some(Seen::Gap(more)) = more.as_ref().map(Seen::of) else { break };
            if more.reason != got.reason || more.to != got.from {
                break;
            }
            found = Seen::Gap(Gap { from: more.from, ..*got });
        }
        if !alike(&found, right, from) {
            return Err(format!("back from {from}, N {N}: {found:?} is {right:?} forward"));
        }
        if reader.offset() == 0
            && let Ok(Some(more)) = log.read_back(&mut reader, buffer)
        {
            return Err(format!("reading back from {from} found {more:?} before the first offset"));
        }
    }
    Ok(())
}

impl Seen {
    /// A gap up to the end of the last of its pieces; a record is one piece.
    fn up_to(&self, last: &Self) -> Self {
        match self {
            Self::Gap(gap) => Self::Gap(Gap { to: last.range().1, ..*gap }),
            Self::Record { .. } => self.clone(),
        }
    }
}

/// Whether they are the same, of a gap only the part below `from`.
fn alike(found: &Seen, right: &Seen, from: u64) -> bool {
    match (found, right) {
        (Seen::Gap(found), Seen::Gap(right)) => {
            (found.from, found.to, found.reason) == (right.from, right.to.min(from), right.reason)
        }
        _ => found == right,
    }
}
