//! The promises, as a judge.
//!
//! After a restart: acknowledged records are there, in order, once, byte for byte. Others are whole or absent. What is missing
//! below the durable offset was let go by the policy, or given up, and shows as a gap. Times never run backwards; seeking a time
//! and reading backwards agree with reading forward. Identities never name two records. Cursors are
//! where they were synced or further, never back and never gone. Mounting writes nothing. The log takes appends, and all of
//! this holds once more after one more restart. The rules of the medium are kept.

use crate::medium::SimMedium;
use crate::model::{Content, Model, Stored, TornHeader};
use crate::session::Session;
use edgelog_core::{Gap, GapReason, Identity, Item, Log, Reader, Record, TimeQuality, TimeSync};

mod places;

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
    if !disk.is_durable() {
        // A killed owner left it unsynced. The model knows of nothing between visible and durable that this owner did not store.
        log.settle().map_err(|e| format!("settle: {e}"))?;
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
    let mut seen = Vec::new();
    let (mut next, mut time) = (0, 0);
    while let Some(item) =
        log.read(&mut reader, visible, &mut buffer).map_err(|e| format!("read: {e}"))?
    {
        let item = Seen::of(&item);
        match &item {
            Seen::Record { identity, time_ms, .. } => {
                if identity.offset != next {
                    return Err(format!("expected offset {next}, got {}", identity.offset));
                }
                if *time_ms < time || *time_ms > model.latest {
                    return Err(format!("record {next} has time {time_ms}, before it {time}"));
                }
                time = *time_ms;
                judge_record(&item, *identity, log.time_syncs(), model)?;
                verdict.delivered += 1;
                next += 1;
            }
            Seen::Gap(gap) => {
                judge_gap(*gap, next, model)?;
                verdict.gone += gap.count();
                next = gap.to;
            }
        }
        seen.push(item);
    }
    if next != visible || verdict.delivered + verdict.gone != visible {
        return Err(format!("{verdict:?} does not add up: reading ended at {next} of {visible}"));
    }
    places::judge(log, &seen, &mut buffer)?;
    judge_state(log, model)?;
    Ok(verdict)
}

/// What a reader met, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Record { identity: Identity, time_ms: u64, quality: TimeQuality, content: Content },
    Gap(Gap),
}

impl Seen {
    fn of(item: &Item<'_>) -> Self {
        match item {
            Item::Record(record) => {
                let Record { identity, time_ms, time_quality: quality, .. } = *record;
                Self::Record { identity, time_ms, quality, content: Content::of(record) }
            }
            Item::Gap(gap) => Self::Gap(*gap),
        }
    }

    const fn range(&self) -> (u64, u64) {
        match self {
            Self::Record { identity, .. } => (identity.offset, identity.offset + 1),
            Self::Gap(gap) => (gap.from, gap.to),
        }
    }
}

fn judge_record(
    found: &Seen,
    identity: Identity,
    syncs: &[TimeSync],
    model: &mut Model,
) -> Result<(), String> {
    let Seen::Record { time_ms, quality, content, .. } = found else { return Ok(()) };
    let offset = identity.offset;
    let attempt = match model.records.get(&offset) {
        Some(stored) => (stored.epoch == identity.epoch).then_some(&stored.attempt),
        None => offset
            .checked_sub(model.visible)
            .and_then(|place| model.in_flight.get(usize::try_from(place).ok()?)),
    };
    let Some(attempt) = attempt.filter(|attempt| attempt.content == *content) else {
        let stored = model.records.get(&offset);
        let epoch = identity.epoch;
        return Err(format!(
            "record {offset} of epoch {epoch} is not what was appended: {content:?}, not {stored:?}"
        ));
    };
    let stamp = attempt.stamp;
    let expected = if stamp.unset { TimeQuality::Unset } else { TimeQuality::Synced };
    // Behind damage, which is only where records were let go, a time may only be known to be not later.
    let estimated = *quality == TimeQuality::Estimated && offset < model.evictable;
    // The clock entry before it may be damaged there, too.
    let missed = *quality == TimeQuality::Unset && offset < model.evictable && !stamp.unset;
    if !estimated && !missed && (*quality != expected || *time_ms < stamp.floor) {
        return Err(format!("record {offset} has time {time_ms}, {quality:?}, expected {stamp:?}"));
    }
    let known = syncs.iter().find(|sync| sync.epoch == identity.epoch);
    if let Some(sync) = known.filter(|_| *quality == TimeQuality::Unset)
        && let Some(clock) = model.clocks.iter().find(|clock| clock.utc == sync.utc_ms)
        && let (Some(then), Some(uptime)) = (clock.uptime, stamp.uptime)
        && sync.utc_of(*time_ms) != clock.utc.saturating_sub(then - uptime)
    {
        return Err(format!(
            "record {offset} with {stamp:?}, time {time_ms} and {clock:?}: {sync:?}"
        ));
    }
    model.name(identity.epoch, offset, content)
}

fn judge_gap(gap: Gap, next: u64, model: &mut Model) -> Result<(), String> {
    if gap.from != next || gap.to <= gap.from {
        return Err(format!("{gap:?} does not follow offset {next}"));
    }
    match gap.reason {
        GapReason::Refused => {
            let counted = gap.count();
            let told = || model.torn.iter().any(|header| header.given_up == counted);
            if gap.from == model.visible && (counted <= model.given_up || told()) {
                // The segment was being opened when the power went; what was given up since has no note.
                model.given_up = counted;
                return model.ends_at(gap.to);
            }
            if model.refused.get(&gap.from) != Some(&gap.to) {
                return Err(format!("{gap:?}, but given up were {:?}", model.refused));
            }
        }
        // A segment that was being erased when the power went is damaged rather than evicted; it was let go all the same.
        GapReason::Evicted | GapReason::Damaged if gap.to <= model.evictable => {}
        _ => {
            return Err(format!("{gap:?}, but only records below {} were let go", model.evictable));
        }
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
            Some(found) => {
                let mut torn = model.torn.iter().filter_map(|header| header.cursors.get(name));
                cursor.judge(found).or_else(|why| {
                    torn.any(|cursor| cursor.judge(found).is_ok()).then_some(()).ok_or(why)
                })?;
            }
            None if cursor.synced.is_some() => return Err(format!("cursor {name} is lost")),
            None => {}
        }
    }
    for found in log.cursors() {
        if !model.cursors.contains_key(found.name.as_str()) {
            return Err(format!("cursor {} came from nowhere", found.name));
        }
    }
    judge_clocks(log.time_syncs(), model)
}

fn judge_clocks(syncs: &[TimeSync], model: &Model) -> Result<(), String> {
    for sync in syncs {
        let known = model.clocks.iter().find(|clock| clock.utc == sync.utc_ms);
        if known.is_none_or(|clock| clock.epoch.is_some_and(|epoch| epoch != sync.epoch)) {
            return Err(format!("{sync:?} came from nowhere: {:?}", model.clocks));
        }
    }
    // The log keeps the last few, and fewer where there is no room.
    Ok(())
}

/// The restart decided what became of everything that was not acknowledged.
fn adopt<M: SimMedium>(log: &Log<M, Vec<u8>>, model: &mut Model) {
    let visible = log.visible();
    for attempt in std::mem::take(&mut model.in_flight) {
        if model.visible < visible {
            // They were the last frames before the power went, so the log's end has their epoch.
            model.records.insert(model.visible, Stored { epoch: log.epoch(), attempt });
            model.visible += 1;
        }
    }
    model.torn.push(TornHeader { given_up: model.given_up, cursors: model.cursors.clone() });
    // What is not noted was not counted.
    model.given_up = model.given_up.min(log.given_up().into());
    model.records.retain(|&offset, _| offset < visible);
    model.visible = visible;
    model.durable = visible;
    model.may_evict(log.cursors(), None);
    for clock in &mut model.clocks {
        let found = log.time_syncs().iter().find(|sync| sync.utc_ms == clock.utc);
        (clock.epoch, clock.synced) = (found.map(|sync| sync.epoch), found.is_some());
    }
    model.clocks.retain(|clock| clock.synced);
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
