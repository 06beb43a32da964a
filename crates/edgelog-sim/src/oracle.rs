//! The promises, as a judge.
//!
//! After a restart: acknowledged records are there, in order, once, byte for byte. Others are whole or absent. What is missing
//! below the durable offset was released by every cursor and shows as a gap. Identities never name two records. Cursors are
//! where they were synced or further, never back and never gone. Mounting writes nothing. The log takes appends, and all of
//! this holds once more after one more restart. The rules of the medium are kept.

use crate::medium::SimMedium;
use crate::model::{Attempt, Content, Model, Stored};
use crate::session::Session;
use edgelog_core::{BackReader, Gap, GapReason, Item, Log, Reader, Record, TimeQuality};

/// Frame and read buffers of every log under test.
pub const BUFFER: usize = 2048;

/// What a checked log held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that were read.
    pub delivered: u64,
    /// Records that were reported as gone.
    pub gone: u64,
    /// The next offset.
    pub visible: u64,
}

/// Mounts `disk`, judges it, appends to it, and judges it again after a restart. The model then follows the disk.
///
/// # Errors
///
/// Says which promise does not hold.
pub fn check<M: SimMedium>(disk: &M, model: &mut Model) -> Result<Verdict, String> {
    let verdict = mount_and_judge(disk, model)?;
    let mut session = Session::resume(disk.clone(), model.clone())?;
    session.must_append(2).map_err(|why| format!("not appendable after the restart: {why}"))?;
    *model = session.end();
    mount_and_judge(disk, model).map_err(|why| format!("after one more restart: {why}"))?;
    disk.misuse().map_or(Ok(verdict), Err)
}

/// Mounts `disk`, compares it with the model, and makes the model follow what was found.
///
/// # Errors
///
/// Says which promise does not hold.
pub fn mount_and_judge<M: SimMedium>(disk: &M, model: &mut Model) -> Result<Verdict, String> {
    let before = disk.writes();
    let mut log = Log::mount(disk.clone(), vec![0; BUFFER]).map_err(|e| format!("mount: {e}"))?;
    let verdict = judge(&mut log, model)?;
    if disk.writes() != before {
        return Err(String::from("mounting and reading wrote to the medium"));
    }
    adopt(&log, model);
    Ok(verdict)
}

/// Compares a mounted log with the model.
///
/// # Errors
///
/// Says which promise does not hold.
pub fn judge<M: SimMedium>(
    log: &mut Log<M, Vec<u8>>,
    model: &mut Model,
) -> Result<Verdict, String> {
    let visible = log.visible();
    if visible < model.durable {
        return Err(format!("{} records were durable, {visible} are left", model.durable));
    }
    let mut verdict = Verdict { visible, ..Verdict::default() };
    let mut reader = Reader::at(0);
    let mut buffer = vec![0; BUFFER];
    let mut next = 0;
    let mut time = 0;
    while let Some(item) =
        log.read(&mut reader, visible, &mut buffer).map_err(|e| format!("read: {e}"))?
    {
        match item {
            Item::Record(record) => {
                let offset = record.identity.offset;
                if offset != next {
                    return Err(format!("expected offset {next}, got {offset}"));
                }
                if record.time_ms < time || record.time_ms > model.latest_now {
                    return Err(format!("record {offset} has time {}", record.time_ms));
                }
                time = record.time_ms;
                judge_record(&record, model)?;
                verdict.delivered += 1;
                next += 1;
            }
            Item::Gap(gap) => {
                judge_gap(gap, next, model)?;
                verdict.gone += gap.count();
                next = gap.to;
            }
        }
    }
    if next != visible || verdict.delivered + verdict.gone != visible {
        return Err(format!("{verdict:?} does not add up: reading ended at {next} of {visible}"));
    }
    judge_state(log, model)?;
    Ok(verdict)
}

/// Reads newest first and compares with the model.
///
/// # Errors
///
/// Says which promise does not hold.
pub fn judge_back<M: SimMedium>(
    log: &mut Log<M, Vec<u8>>,
    model: &mut Model,
) -> Result<(), String> {
    let (mut reader, mut buffer) = (BackReader::<3>::before(log.visible()), vec![0; BUFFER]);
    let mut next = log.visible();
    while let Some(item) =
        log.read_back(&mut reader, &mut buffer).map_err(|e| format!("read back: {e}"))?
    {
        match item {
            Item::Record(record) if record.identity.offset + 1 == next => {
                judge_record(&record, model)?;
                next -= 1;
            }
            Item::Record(record) => {
                return Err(format!("{:?} is not the one before {next}", record.identity));
            }
            Item::Gap(gap) if gap.to == next => {
                judge_gap(gap, gap.from, model)?;
                next = gap.from;
            }
            Item::Gap(gap) => return Err(format!("{gap:?} is not before {next}")),
        }
    }
    if next == 0 { Ok(()) } else { Err(format!("reading back ended at {next}")) }
}

/// Seeks a time: the record there is not older, and the one before it, if it is still there, is.
///
/// # Errors
///
/// Says what was found instead.
pub fn judge_seek<M: SimMedium>(log: &mut Log<M, Vec<u8>>, time: u64) -> Result<(), String> {
    let found = log.seek_time(time).map_err(|e| format!("seek: {e}"))?;
    let mut buffer = vec![0; BUFFER];
    for (offset, is_older) in [(found.checked_sub(1), true), (Some(found), false)] {
        let Some(offset) = offset else { continue };
        let limit = log.visible();
        let item = log.read(&mut Reader::at(offset), limit, &mut buffer);
        if let Some(Item::Record(record)) = item.map_err(|e| format!("read: {e}"))?
            && (record.time_ms < time) != is_older
        {
            let (identity, at) = (record.identity, record.time_ms);
            return Err(format!("seeking time {time} gave {found}, but {identity:?} is of {at}"));
        }
    }
    if found <= log.visible() { Ok(()) } else { Err(format!("seeking time {time} gave {found}")) }
}

fn judge_record(record: &Record<'_>, model: &mut Model) -> Result<(), String> {
    let identity = record.identity;
    let found = Content::of(record);
    // Behind damage a time may only be known to be not later.
    let in_time = |now| record.time_ms >= now || record.time_quality == TimeQuality::Estimated;
    let right = match model.records.get(&identity.offset) {
        Some(stored) => {
            stored.epoch == identity.epoch && stored.content == found && in_time(stored.now)
        }
        None => {
            let nth = identity.offset.checked_sub(model.visible);
            let attempt = nth.and_then(|nth| model.in_flight.get(usize::try_from(nth).ok()?));
            attempt.is_some_and(|attempt| attempt.content == found && in_time(attempt.now))
        }
    };
    if !right {
        let stored = model.records.get(&identity.offset);
        return Err(format!("record {identity:?} is {found:?}, expected {stored:?}"));
    }
    model.name(identity.epoch, identity.offset, &found)
}

fn judge_gap(gap: Gap, next: u64, model: &Model) -> Result<(), String> {
    if gap.from != next || gap.to <= gap.from {
        return Err(format!("{gap:?} does not follow offset {next}"));
    }
    // A segment that was being erased when the power went is damaged rather than evicted; it was released all the same.
    let known = matches!(gap.reason, GapReason::Evicted | GapReason::Damaged);
    if gap.to > model.evictable || !known {
        return Err(format!("{gap:?}, but only records below {} were released", model.evictable));
    }
    Ok(())
}

fn judge_state<M: SimMedium>(log: &Log<M, Vec<u8>>, model: &Model) -> Result<(), String> {
    for (name, &(id, synced)) in &model.topics {
        let found = log.topics().iter().find(|topic| topic.name == name.as_str());
        match found {
            Some(topic) if topic.id.get() != id => {
                return Err(format!("topic {name} was {id} and is {}", topic.id.get()));
            }
            None if synced => return Err(format!("topic {name} is lost")),
            _ => {}
        }
    }
    for (name, cursor) in &model.cursors {
        match log.cursors().iter().find(|found| found.name == name.as_str()) {
            Some(found) => cursor.judge(found)?,
            None if cursor.synced.is_some() => return Err(format!("cursor {name} is lost")),
            None => {}
        }
    }
    for found in log.cursors() {
        if !model.cursors.contains_key(found.name.as_str()) {
            return Err(format!("cursor {} came from nowhere", found.name));
        }
    }
    Ok(())
}

/// The restart decided what became of everything that was not acknowledged.
fn adopt<M: SimMedium>(log: &Log<M, Vec<u8>>, model: &mut Model) {
    let visible = log.visible();
    // They were the last frames before the power went, so the log's end has their epoch.
    let epoch = log.epoch();
    let attempts = core::mem::take(&mut model.in_flight);
    for (offset, Attempt { now, content }) in (model.visible..visible).zip(attempts) {
        model.records.insert(offset, Stored { epoch, now, content });
    }
    model.records.retain(|&offset, _| offset < visible);
    model.visible = visible;
    model.durable = visible;
    model.may_evict(log.cursors());
    model.topics.clear();
    for topic in log.topics() {
        model.topics.insert(topic.name.to_string(), (topic.id.get(), true));
    }
    model.cursors.retain(|name, _| log.cursors().iter().any(|found| found.name == name.as_str()));
    for found in log.cursors() {
        if let Some(cursor) = model.cursors.get_mut(found.name.as_str()) {
            cursor.adopt(found);
        }
    }
}
