//! From records of the log to one Kafka batch.

use crate::headers::{
    CLASS_HEADER, GAP_HEADER, IDENTITY_HEADER, Reason, TOPIC_HEADER, class, gap, identity,
};
use core::borrow::BorrowMut;
use edgelog_core::{GapReason, Item, Log, Medium, Memory, ReadError, Reader, Record, Topic};
use edgelog_kafka::batch::{self, BatchBuilder, Full, Stamp};
use heapless::Vec;

/// A wall clock that shows less, in ms since 1970, is not set: it is the start of 2020, years before this was written.
const CLOCK_SET_FROM_MS: u64 = 1_577_836_800_000;

/// An offset for which a gap record is sent, whatever the log holds there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replaced {
    pub(crate) offset: u64,
    pub(crate) reason: Reason,
}

/// What the batch starts with and may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) index: u64,
    /// Where a gap began that the anchor has promised to tell in the place of `index`, its last record; else `index`.
    pub(crate) gap_from: u64,
    pub(crate) room: u32,
    pub(crate) wall_ms: u64,
    pub(crate) replaced: Option<Replaced>,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Built {
    Batch {
        count: u32,
        len: usize,
        /// Whether the first record stands for records that are gone or refused.
        starts_with_gap: bool,
    },
    /// More than one record is gone: the sequence must go on behind them.
    Gap { from: u64, to: u64, reason: GapReason },
    /// The first record fits no batch.
    TooLarge { offset: u64 },
    /// There is nothing durable to send.
    Nothing,
}

/// Fills the batch buffer (the first of `buffers`) with durable records from `start.index` on, as many as fit; the second takes one
/// frame at a time. `place` stands at the first record, and moves behind the last one taken.
pub(crate) fn build<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
    log: &mut Log<M, L, S>,
    place: &mut Reader,
    start: Start,
    stamp: Stamp,
    (batch, frame): (&mut [u8], &mut [u8]),
) -> Result<Built, ReadError<M::Error>> {
    let mut builder = BatchBuilder::new(batch);
    let mut starts_with_gap = false;
    let limit = log.durable();
    while builder.count() < start.room {
        let next = start.index + u64::from(builder.count());
        let before = place.clone();
        let from = if next == start.index { start.gap_from } else { next };
        let replaced = start.replaced.filter(|replaced| replaced.offset == next);
        let item = match replaced {
            Some(_) => None,
            None => match log.read(place, limit, frame)? {
                None => break,
                some => some,
            },
        };
        let gap = match (&item, replaced) {
            (_, Some(replaced)) => {
                *place = Reader::at(next + 1);
                Some(replaced.reason)
            }
            (Some(Item::Gap(lost)), _) if lost.count() > 1 => {
                *place = before;
                if builder.count() == 0 {
                    return Ok(Built::Gap { from: lost.from, to: lost.to, reason: lost.reason });
                }
                break;
            }
            (Some(Item::Gap(lost)), _) => Some(Reason::Log(lost.reason)),
            // What was lost can be read again, but the sequence has passed what came before it.
            _ if from < next => Some(Reason::Log(GapReason::Damaged)),
            _ => None,
        };
        let pushed = match (gap, item) {
            (None, Some(Item::Record(record))) => {
                push_record(&mut builder, &record, log.topics(), start.wall_ms)
            }
            (None, _) => break,
            (Some(reason), _) => {
                starts_with_gap |= next == start.index;
                push_gap(&mut builder, log, (from, next + 1, reason), start.wall_ms)
            }
        };
        if pushed.is_err() {
            *place = before;
            if builder.count() == 0 {
                return Ok(Built::TooLarge { offset: next });
            }
            break;
        }
    }
    let count = builder.count();
    Ok(builder.finish(stamp).map_or(Built::Nothing, |batch| Built::Batch {
        count,
        len: batch.len(),
        starts_with_gap,
    }))
}

fn push_record(
    builder: &mut BatchBuilder<'_>,
    record: &Record<'_>,
    topics: &[Topic],
    wall_ms: u64,
) -> Result<(), Full> {
    let identity = identity(&record.identity);
    let topic = topics.iter().find(|topic| topic.id == record.topic);
    let mut headers = Vec::<(&str, &[u8]), 3>::new();
    let wanted = [
        Some((IDENTITY_HEADER, identity.as_bytes())),
        topic.map(|topic| (TOPIC_HEADER, topic.name.as_bytes())),
        class(record.class).map(|class| (CLASS_HEADER, class.as_bytes())),
    ];
    headers.extend(wanted.into_iter().flatten());
    builder.try_push(&batch::Record {
        timestamp_ms: timestamp(record.time_ms, wall_ms),
        key: record.key,
        value: Some(record.payload),
        headers: &headers,
    })
}

fn push_gap<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
    builder: &mut BatchBuilder<'_>,
    log: &Log<M, L, S>,
    (from, to, reason): (u64, u64, Reason),
    wall_ms: u64,
) -> Result<(), Full> {
    let range = gap(log.id(), from, to, reason);
    builder.try_push(&batch::Record {
        timestamp_ms: if is_set(wall_ms) { timestamp(wall_ms, wall_ms) } else { NO_TIMESTAMP },
        key: None,
        value: None,
        headers: &[(GAP_HEADER, range.as_bytes())],
    })
}

/// The time a record is sent with: its own, but not later than now, because brokers refuse what is ahead of them and a clock may
/// once have stood in the future. A clock that is not set says nothing about what is ahead of it.
fn timestamp(time_ms: u64, wall_ms: u64) -> i64 {
    let time_ms = if is_set(wall_ms) { time_ms.min(wall_ms) } else { time_ms };
    i64::try_from(time_ms).unwrap_or(i64::MAX)
}

const fn is_set(wall_ms: u64) -> bool {
    wall_ms >= CLOCK_SET_FROM_MS
}

/// Kafka's word for a record without a time.
const NO_TIMESTAMP: i64 = -1;

#[cfg(test)]
mod tests {
    use super::{CLOCK_SET_FROM_MS, timestamp};

    const NOW: u64 = 1_770_000_000_000;

    #[test]
    fn no_record_is_sent_with_a_time_ahead_of_a_clock_that_is_set() {
        assert_eq!(timestamp(NOW + 1, NOW), 1_770_000_000_000);
        assert_eq!(timestamp(NOW - 1, NOW), 1_769_999_999_999);
        assert_eq!(timestamp(u64::MAX, CLOCK_SET_FROM_MS), 1_577_836_800_000);
    }

    #[test]
    fn a_clock_that_is_not_set_does_not_spoil_the_times_of_records() {
        for wall in [0, 1_000, CLOCK_SET_FROM_MS - 1] {
            assert_eq!(timestamp(NOW, wall), 1_770_000_000_000);
        }
        assert_eq!(timestamp(5, 1_000), 5);
    }
}
