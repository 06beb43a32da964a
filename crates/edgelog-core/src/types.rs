//! The words of the log as types.

use core::fmt;

/// Names a log for ever: 16 random bytes, given once when the log is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is exactly these 16 bytes")]
pub struct LogId(pub [u8; 16]);

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Tags a record with a topic of its log. Given by [`Log::topic`](crate::Log::topic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub(crate) u16);

impl TopicId {
    /// The number that stands in the record.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Names a durable cursor of a log. Given by [`Log::cursor`](crate::Log::cursor).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorId(pub(crate) u8);

/// A record's priority. It is stored with the record and shipped; no policy of the log looks at it yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "the format has room for these and no more")]
pub enum Class {
    /// To be lost last and shipped first: alarms, audit.
    Critical,
    /// The default.
    #[default]
    Normal,
    /// To be lost first and shipped last: raw telemetry.
    Bulk,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Critical => "critical",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        })
    }
}

/// What a record's time is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeQuality {
    /// The clock was set when the record was appended. (A clock that ran backwards was held at the last record's time.)
    Synced,
    /// The record was not appended earlier: the frame that its time counts from is damaged.
    Estimated,
    /// The clock was not set: the log counted on from the last record before. The distances between records of one boot are
    /// right, the time that the device was off is missing; [`TimeSync`] tells it once the clock was set.
    Unset,
}

/// What the log learned of a boot's time when its clock was set: when the log's time was `log_ms`, it was `utc_ms`.
///
/// It is for the records of that epoch whose quality is [`TimeQuality::Unset`]; the others' times are UTC already.
///
/// ```
/// # use edgelog_core::{Class, Event, Item, Log, LogId, RamMedium, Reader, TimeQuality};
/// # let mut log = Log::create(RamMedium::<16384>::new(4096), [0u8; 512], LogId([7; 16]), 0)?;
/// # let topic = log.topic("door")?;
/// log.clock_is_unset(100); // From now on the caller tells its uptime, in ms.
/// log.append(&Event { topic, class: Class::Normal, key: None, payload: b"open" }, 500)?;
/// log.set_clock(2_500, 1_700_000_002_000)?; // It was 2 s ago.
///
/// let mut buffer = [0u8; 512];
/// let limit = log.visible();
/// let Some(Item::Record(record)) = log.read(&mut Reader::at(0), limit, &mut buffer)? else { panic!("a record") };
/// assert_eq!(record.time_quality, TimeQuality::Unset);
/// let sync = log.time_syncs().iter().find(|sync| sync.epoch == record.identity.epoch);
/// assert_eq!(sync.map(|sync| sync.utc_of(record.time_ms)), Some(1_700_000_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is exactly these three")]
pub struct TimeSync {
    /// The epoch, which is one boot's.
    pub epoch: u32,
    /// The log's own time then, in ms.
    pub log_ms: u64,
    /// ms since 1970-01-01 UTC then.
    pub utc_ms: u64,
}

impl TimeSync {
    /// The UTC time, in ms since 1970-01-01, of a record of this boot that was appended at the log's time `time_ms` while the clock
    /// was not set. Of one that was appended later it gives `utc_ms`, which is too early: take its `time_ms`.
    #[must_use]
    pub const fn utc_of(&self, time_ms: u64) -> u64 {
        let ago = self.log_ms.saturating_sub(time_ms);
        self.utc_ms.saturating_sub(ago)
    }
}

/// What the application appends. Borrowed: nothing is kept.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "callers write it as a literal")]
pub struct Event<'a> {
    /// The topic, from [`Log::topic`](crate::Log::topic).
    pub topic: TopicId,
    /// The priority.
    pub class: Class,
    /// At most [`KEY_LEN_MAX`](crate::KEY_LEN_MAX) bytes; becomes the Kafka key.
    pub key: Option<&'a [u8]>,
    /// The event itself, opaque to the log. It is stored aligned to at least 8 bytes.
    pub payload: &'a [u8],
}

/// Names one record for ever, across crashes, re-flashing and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the identity is exactly this triple")]
pub struct Identity {
    /// The log.
    pub log: LogId,
    /// The epoch in which the record was appended.
    pub epoch: u32,
    /// The record's number in its log.
    pub offset: u64,
}

/// Records that are gone: offsets `from` up to but not including `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers build gaps of their own for refused records"
)]
pub struct Gap {
    /// First missing offset.
    pub from: u64,
    /// First offset after the gap; always greater than `from`.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// How many records are gone.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// Why records are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// Their bytes no longer verify, or their segment is unreadable. Where that was the oldest one, and what was evicted before cannot be told
    /// from it, the gap has both.
    Damaged,
    /// Their segment was recycled before this reader came.
    Evicted,
    /// The log was full and the application gave them up.
    Refused,
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "damaged",
            Self::Evicted => "evicted",
            Self::Refused => "refused",
        })
    }
}
