//! From records of the log to one Kafka batch.

use crate::headers::{
    CLASS_HEADER, GAP_HEADER, IDENTITY_HEADER, Reason, TOPIC_HEADER, class, gap, identity,
};
use edgelog_core::{Item, Log, Medium, ReadError, Reader, Record, Topic};
use edgelog_kafka::batch::{self, BatchBuilder, Full, Stamp};

/// A record that must not be sent as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) offset: u64,
    pub(crate) reason: Reason,
}

/// What the batch starts with and may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct From {
    pub(crate) index: u64,
    /// Where a gap of which `index` is the last record began.
    pub(crate) gap_from: u64,
    pub(crate) room: u32,
    pub(crate) wall_ms: u64,
    pub(crate) refused: Option<Refused>,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Built {
    Batch {
        count: u32,
        len: usize,
    },
    /// More than one record is gone: the sequence must go on behind them.
    Gap {
        from: u64,
        to: u64,
    },
    /// The first record fits no batch.
    TooLarge {
        offset: u64,
    },
    /// There is nothing durable to send.
    Nothing,
}

/// Fills the batch buffer (the first of `buffers`) with durable records from `from.index` on, as many as fit; the second takes one
/// frame at a time. `place` stands at the first record, and moves behind the last one taken.
pub(crate) fn build<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>>(
    log: &mut Log<M, L>,
    place: &mut Reader,
    from: From,
    stamp: Stamp,
    (batch, frame): (&mut [u8], &mut [u8]),
) -> Result<Built, ReadError<M::Error>> {
    let mut builder = BatchBuilder::new(batch);
    let limit = log.durable();
    while builder.count() < from.room {
        let next = from.index + u64::from(builder.count());
        let before = place.clone();
        let pushed = if let Some(refused) = from.refused.filter(|refused| refused.offset == next) {
            *place = Reader::at(next + 1);
            push_gap(&mut builder, log, (next, next + 1, refused.reason), from.wall_ms)
        } else {
            match log.read(place, limit, frame)? {
                None => break,
                Some(Item::Record(record)) => {
                    push_record(&mut builder, &record, log.topics(), from.wall_ms)
                }
                Some(Item::Gap(lost)) if lost.count() == 1 => {
                    let start = if next == from.index { from.gap_from } else { lost.from };
                    let reason = Reason::Log(lost.reason);
                    push_gap(&mut builder, log, (start, lost.to, reason), from.wall_ms)
                }
                Some(Item::Gap(lost)) => {
                    *place = before;
                    if builder.count() == 0 {
                        return Ok(Built::Gap { from: lost.from, to: lost.to });
                    }
                    break;
                }
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
    Ok(builder
        .finish(stamp)
        .map_or(Built::Nothing, |batch| Built::Batch { count, len: batch.len() }))
}

fn push_record(
    builder: &mut BatchBuilder<'_>,
    record: &Record<'_>,
    topics: &[Topic],
    wall_ms: u64,
) -> Result<(), Full> {
    let identity = identity(&record.identity);
    let topic = topics.iter().find(|topic| topic.id == record.topic);
    let topic = topic.map_or("", |topic| topic.name.as_str());
    let class = class(record.class);
    let headers: [(&str, &[u8]); 3] = [
        (IDENTITY_HEADER, identity.as_bytes()),
        (TOPIC_HEADER, topic.as_bytes()),
        (CLASS_HEADER, class.unwrap_or_default().as_bytes()),
    ];
    let used = if class.is_some() { 3 } else { 2 };
    builder.try_push(&batch::Record {
        timestamp_ms: timestamp(record.time_ms, wall_ms),
        key: record.key,
        value: Some(record.payload),
        headers: headers.get(..used).unwrap_or_default(),
    })
}

fn push_gap<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>>(
    builder: &mut BatchBuilder<'_>,
    log: &Log<M, L>,
    (from, to, reason): (u64, u64, Reason),
    wall_ms: u64,
) -> Result<(), Full> {
    let range = gap(log.id(), from, to, reason);
    builder.try_push(&batch::Record {
        timestamp_ms: timestamp(wall_ms, wall_ms),
        key: None,
        value: None,
        headers: &[(GAP_HEADER, range.as_bytes())],
    })
}

/// A clock that once stood in the future must not keep the broker from taking the records it stamped.
fn timestamp(time_ms: u64, wall_ms: u64) -> i64 {
    i64::try_from(time_ms.min(wall_ms)).unwrap_or(i64::MAX)
}
