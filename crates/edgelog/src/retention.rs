//! What a log keeps of its past besides what fits its ring.

use crate::error::{AppendError, FileError, ReadError};
use crate::event::now_ms;
use crate::log::Engine;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What [`Options`](crate::Options) ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) bytes: Option<u64>,
    pub(crate) age: Option<Duration>,
    pub(crate) segments: Option<u64>,
}

/// The limits of an open log, and when they were looked at.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Segments that stay, the newest among them.
    segments_max: Option<u64>,
    age_max_ms: Option<u64>,
    clock: LogClock,
    /// How many segments had been opened when it was last looked at.
    seen: AtomicU64,
    due: Mutex<Instant>,
    /// The first record when the log was opened.
    earliest: u64,
}

/// Why somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Something was appended: it may have opened a segment.
    ASegmentWasOpened,
    /// The writer thread had something to write.
    NowAndThen,
}

/// How often the age of what a quiet log holds is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

impl Retention {
    pub(crate) fn new(limits: Limits, engine: &mut Engine) -> Result<Self, FileError> {
        let segment = u64::from(engine.extent().geometry().segment_size());
        let by_bytes = limits.bytes.map(|bytes| bytes / segment);
        let segments_max = by_bytes.into_iter().chain(limits.segments).min();
        Ok(Self {
            segments_max: segments_max.map(|most| most.max(1)),
            age_max_ms: limits.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            clock: LogClock { opened: Instant::now(), then_ms: engine.time_ms() },
            seen: AtomicU64::new(0),
            due: Mutex::new(Instant::now()),
            earliest: engine.earliest()?,
        })
    }

    /// Gives up what is too much or too old, if it is time to look.
    pub(crate) fn trim_if(&self, engine: &mut Engine, when: When) -> Result<(), AppendError> {
        if self.is_time(engine, when) {
            self.trim(engine)?;
        }
        Ok(())
    }

    fn is_time(&self, engine: &Engine, when: When) -> bool {
        match when {
            When::ASegmentWasOpened if self.segments_max.is_some() || self.age_max_ms.is_some() => {
                let opened = engine.segments_opened();
                self.seen.swap(opened, Ordering::Relaxed) != opened
            }
            When::NowAndThen if self.age_max_ms.is_some() => {
                let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                let is_due = now >= *due;
                if is_due {
                    *due = now + LOOK_EVERY;
                }
                is_due
            }
            _ => false,
        }
    }

    /// How many records went since the log was opened, which now begins at `earliest`.
    pub(crate) const fn gone(&self, earliest: u64) -> u64 {
        earliest.saturating_sub(self.earliest)
    }

    /// Gives up what is too much or too old, oldest first, as far as the full policy lets it go; gives how many records went.
    pub(crate) fn trim(&self, engine: &mut Engine) -> Result<u64, AppendError> {
        self.trim_at(engine, now_ms())
    }

    fn trim_at(&self, engine: &mut Engine, wall_ms: u64) -> Result<u64, AppendError> {
        let now = self.clock.now(engine.time_ms(), wall_ms, Instant::now());
        let mut gone = 0;
        loop {
            let too_many = self.segments_max.is_some_and(|most| engine.segments().0 > most);
            let too_old = match (too_many, self.age_max_ms) {
                (false, Some(age)) => is_older(engine, now, age)?,
                _ => false,
            };
            if !too_many && !too_old {
                return Ok(gone);
            }
            let Some(evicted) = engine.evict()? else { return Ok(gone) };
            gone += evicted.end - evicted.start;
        }
    }
}

/// 2020: a clock that tells less was never set, as where nothing keeps the time while the device is off. None of edgelog's records is older.
const SET_FROM_MS: u64 = 1_577_836_800_000;

/// Whether the oldest segment ended more than `age` before `now`. One that was written by a clock that was not set is as old as the first record
/// behind it that was written by one that was.
fn is_older(engine: &mut Engine, now: u64, age: u64) -> Result<bool, AppendError> {
    let (Some(oldest), Some(from)) = (engine.oldest()?, now.checked_sub(age)) else {
        return Ok(false);
    };
    if oldest.until_ms >= SET_FROM_MS {
        return Ok(oldest.until_ms < from);
    }
    let mut first = |time| match engine.seek_time(time) {
        Err(ReadError::Medium(error)) => Err(AppendError::Medium(error)),
        // What cannot be told is not old.
        found => Ok(found.ok()),
    };
    let (set, kept) = (first(SET_FROM_MS)?, first(from)?);
    Ok(set.zip(kept).is_some_and(|(set, kept)| set < kept))
}

/// By which age is told. Nobody's clock can be trusted alone: one that is set far ahead would make all that is stored too old at once.
#[derive(Clone, Copy, Debug)]
struct LogClock {
    opened: Instant,
    /// The log's time then.
    then_ms: u64,
}

impl LogClock {
    /// The smallest of three: the log's own time, which a clock that was once ahead may have led astray for ever; the wall clock; and the log's
    /// time when it was opened, with the time that has run since, which no clock can hurry.
    fn now(&self, log_ms: u64, wall_ms: u64, now: Instant) -> u64 {
        let ran = u64::try_from((now - self.opened).as_millis()).unwrap_or(u64::MAX);
        log_ms.min(wall_ms).min(self.then_ms.saturating_add(ran))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::FileMedium;
    use crate::{FullPolicy, GapReason, Item, Options, Start, View};
    use edgelog_core::{Class, Event, Geometry, LogId};
    use std::fs;
    use std::path::Path;

    const HOUR: u64 = 3_600_000;
    const SEGMENT: u32 = 4096;

    fn options() -> Options {
        Options::new()
            .segment_bytes(SEGMENT)
            .budget_bytes(64 * u64::from(SEGMENT))
            .full(FullPolicy::DropOldest)
    }

    /// A log whose segments hold an hour each, from an hour after now on, and the time behind the last.
    fn hours(folder: &Path, hours: u64) -> u64 {
        let log = options().open(folder).unwrap();
        let from = now_ms();
        for n in 1..=hours {
            append(&mut log.engine(), from + n * HOUR, 3);
        }
        log.sync().unwrap();
        from + (hours + 1) * HOUR
    }

    fn append(engine: &mut Engine, at_ms: u64, records: u64) {
        let topic = engine.topic("t").unwrap();
        let event = Event { topic, class: Class::Normal, key: None, payload: &[7; 1000] };
        for n in 0..records {
            engine.append(&event, at_ms + n * HOUR / 4).unwrap();
        }
    }

    /// Ten hours.
    fn ten(engine: &mut Engine) -> Retention {
        let age = Some(Duration::from_millis(10 * HOUR));
        Retention::new(Limits { age, ..Limits::default() }, engine).unwrap()
    }

    fn earliest(folder: &Path) -> u64 {
        let mut view = View::open(folder, Start::Offset(0)).unwrap();
        let earliest = view.earliest().unwrap();
        match view.next().unwrap() {
            Some(Item::Gap(gap)) => {
                assert_eq!((gap.reason, gap.to), (GapReason::Evicted, earliest))
            }
            other => assert!(earliest == 0, "{other:?}"),
        }
        earliest
    }

    #[test]
    fn what_is_older_than_the_retention_by_the_logs_own_time_goes() {
        let folder = tempfile::tempdir().unwrap();
        let end = hours(folder.path(), 30);
        let log = options().open(folder.path()).unwrap();
        let mut engine = log.engine();
        let retention = ten(&mut engine);
        assert_eq!(retention.trim_at(&mut engine, now_ms()).unwrap(), 0, "the clock was set back");
        let gone = retention.trim_at(&mut engine, end).unwrap();
        // The newest record is of half past hour 30: what ended before half past hour 20 is older.
        assert_eq!((gone, earliest(folder.path())), (57, 57));
        assert_eq!(retention.trim_at(&mut engine, end + 100 * HOUR).unwrap(), 0, "it is quiet");
        drop(engine);
        assert_eq!(log.status().unwrap().evicted, 57);
    }

    #[test]
    fn a_clock_that_jumps_ahead_while_the_log_is_open_ages_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let end = hours(folder.path(), 5);
        let log = options().open(folder.path()).unwrap();
        let mut engine = log.engine();
        let retention = ten(&mut engine);
        let ahead = end + 876_000 * HOUR;
        append(&mut engine, ahead, 10);
        assert_eq!(retention.trim_at(&mut engine, ahead + HOUR).unwrap(), 0);
        drop(engine);
        drop(log);
        // And after a restart the wall clock is right again.
        let log = options().open(folder.path()).unwrap();
        let mut engine = log.engine();
        assert_eq!(ten(&mut engine).trim_at(&mut engine, end).unwrap(), 0);
        assert_eq!(earliest(folder.path()), 0);
    }

    #[test]
    fn what_was_written_before_the_clock_was_set_ages_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let lock = fs::File::create(folder.path().join("lock")).unwrap();
        let geometry = Geometry::new(SEGMENT, 64, 1, 0).unwrap();
        let medium = FileMedium::new(folder.path(), geometry, Some(lock));
        // The device has no battery: it is 1970.
        let mut engine =
            edgelog_core::Log::create(medium, vec![0; 16 << 10], LogId([7; 16]), 1000).unwrap();
        append(&mut engine, 2000, 30);
        // And then it is told the time.
        let set = now_ms();
        append(&mut engine, set, 6);
        drop(engine);
        let log = options().open(folder.path()).unwrap();
        let mut engine = log.engine();
        let retention = ten(&mut engine);
        assert_eq!(retention.trim_at(&mut engine, set + 2 * HOUR).unwrap(), 0);
        append(&mut engine, set + 9 * HOUR, 6);
        drop(engine);
        drop(log);
        let log = options().open(folder.path()).unwrap();
        let mut engine = log.engine();
        assert_eq!(ten(&mut engine).trim_at(&mut engine, set + 10 * HOUR).unwrap(), 0);
        append(&mut engine, set + 11 * HOUR, 6);
        drop(engine);
        drop(log);
        let log = options().open(folder.path()).unwrap();
        let mut engine = log.engine();
        let gone = ten(&mut engine).trim_at(&mut engine, set + 13 * HOUR).unwrap();
        assert!((30..=36).contains(&gone), "{gone}");
        assert_eq!(earliest(folder.path()), gone);
    }

    #[test]
    fn age_is_the_least_that_any_of_three_clocks_says() {
        let opened = Instant::now();
        let clock = LogClock { opened, then_ms: 1000 };
        let later = opened + Duration::from_millis(500);
        assert_eq!(clock.now(1400, 9000, later), 1400);
        assert_eq!(clock.now(9000, 9000, later), 1500, "time has not run so far");
        assert_eq!(clock.now(9000, 20, later), 20, "a clock that was set back ages nothing");
    }
}
