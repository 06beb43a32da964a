//! The process that is killed.

use super::order::{Name, Order};
use super::{CONSUMERS, Line, PRODUCERS, PROTECTED, TOPIC, options};
use crate::chaos::Random;
use crate::crash::Bug;
use anyhow::{Context, Result, ensure};
use clap::Args;
use edgelog::{AppendError, CursorId, Durability, Durable, Event, FullPolicy, Item, Log, Start};
use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// What one life is told.
#[derive(Args, Clone, Debug)]
pub struct VictimArguments {
    /// The log
    directory: PathBuf,
    /// Which life it is
    #[arg(long)]
    run: u32,
    #[arg(long)]
    seed: u64,
    /// Keep what some cursors have not passed
    #[arg(long)]
    protect: bool,
    /// Compress what is sealed
    #[arg(long)]
    compress: bool,
    #[arg(long, value_enum)]
    plant: Option<Bug>,
}

/// After how many records each thread syncs.
const SYNC_EVERY: [u64; PRODUCERS as usize] = [1, 1, 3, 8, 8, 30, 100, 1000];
/// Records of the largest batch.
const BATCH_MAX: u64 = 8;
/// Records that a consumer reads before it commits, at the most.
const READ_MAX: usize = 256;
/// No victim lives that long.
const SYNC_WAIT: Duration = Duration::from_secs(60);
const FULL_WAIT: Duration = Duration::from_millis(1);
/// The last consumer holds each 32nd record for so long: what is evicted must not change under it.
const SLOW: (u64, Duration) = (32, Duration::from_millis(3));
const READ_WAIT: Duration = Duration::from_millis(10);

/// Appends and reads until it is killed.
///
/// # Errors
///
/// The log could not be opened.
pub fn live(arguments: &VictimArguments) -> Result<()> {
    std::panic::set_hook(Box::new(|panic| tell(&Line::Broken(panic.to_string()))));
    let options = if arguments.compress { options().compress(1) } else { options() };
    // Every other one gives old segments up long before the ring comes round.
    let few = arguments.seed.is_multiple_of(2);
    let options = if few { options.retain_segments(4) } else { options };
    let log = options.open(&arguments.directory)?;
    tell(&Line::Opened { visible: log.status()?.visible });
    // So that there is room for the cursors.
    log.set_full_policy(FullPolicy::DropOldest);
    let cursors = (0..CONSUMERS).map(|index| log.cursor(&cursor_name(index), 0));
    let cursors: Vec<CursorId> = cursors.collect::<Result<_, _>>()?;
    if arguments.protect {
        let protected = PROTECTED.iter().filter_map(|&index| cursors.get(index).copied());
        log.set_full_policy(FullPolicy::Protect(protected.collect()));
    }
    let earliest = log.status()?.earliest;
    std::thread::scope(|scope| {
        for (thread, sync_every) in (0..PRODUCERS).zip(SYNC_EVERY) {
            let log = &log;
            scope.spawn(move || told(produce(log, arguments, thread, sync_every)));
        }
        // Readers write out what others append, so that hardly anything could be told too early.
        let is_early = matches!(arguments.plant, Some(Bug::EarlyAck | Bug::EarlyBatch));
        let readers = if is_early { &[] } else { &cursors[..] };
        for (index, &cursor) in readers.iter().enumerate() {
            let log = &log;
            scope.spawn(move || told(consume(log, arguments, index, cursor, earliest)));
        }
    });
    Ok(())
}

pub(in crate::crash) fn cursor_name(index: usize) -> String {
    format!("consumer-{index}")
}

fn produce(log: &Log, arguments: &VictimArguments, thread: u32, sync_every: u64) -> Result<()> {
    let mut random = Random(arguments.seed ^ u64::from(thread));
    let (mut next, mut unsynced, mut epoch) = (0, 0, None);
    // The oldest batched record that is not known to be durable.
    let mut batched: Option<(Line, Durable)> = None;
    let is_planted = |bug| arguments.plant == Some(bug);
    loop {
        let count = if random.below(3) == 0 { 1 + random.below(BATCH_MAX) } else { 1 };
        let name = |number| Name { run: arguments.run, thread, number };
        let payloads: Vec<_> = (next..next + count).map(|n| name(n).payload()).collect();
        let is_acked_early = is_planted(Bug::EarlyAck) || is_planted(Bug::EarlyBatch);
        let is_due = unsynced + count >= sync_every && !is_acked_early;
        let way = random.below(4);
        let durability = match (is_due, way) {
            _ if is_planted(Bug::EarlyBatch) => Durability::Batched,
            (true, 0) => Durability::Durable,
            (false, 0 | 1) => Durability::Batched,
            _ => Durability::Visible,
        };
        let offsets = append(log, durability, &payloads)?;
        ensure!(offsets.end - offsets.start == count, "{count} records have offsets {offsets:?}");
        next += count;
        unsynced += count;
        // Its first append gives a run its epoch.
        let epoch = *epoch.get_or_insert(log.status()?.epoch);
        let (offset, name) = (offsets.end - 1, name(next - 1));
        let acked = Line::Acked { epoch, offset, name };
        if is_acked_early {
            tell(&acked);
        } else if is_due {
            make_durable(log, way, offset)?;
            tell(&acked);
            unsynced = 0;
        } else if durability == Durability::Batched && batched.is_none() {
            batched = Some((acked, log.durable(offset)));
        } else if random.below(4) == 0 {
            tell(&Line::Seen { epoch, offset, name });
        }
        if let Some((acked, _)) = batched.take_if(|(_, durable)| durable.is_durable()) {
            tell(&acked);
        }
        if is_planted(Bug::SkippedNumber) && random.below(100) == 0 {
            next += 1;
        }
    }
}

/// In one of all ways that there are.
fn make_durable(log: &Log, way: u64, offset: u64) -> Result<()> {
    let durable = match way {
        // It was appended as durable.
        0 => log.status()?.durable,
        1 => log.sync()?,
        2 => log.durable(offset).wait()?,
        _ => {
            let in_time = log.durable(offset).wait_timeout(SYNC_WAIT)?;
            ensure!(in_time, "{offset} was not durable in {SYNC_WAIT:?}");
            log.status()?.durable
        }
    };
    ensure!(durable > offset, "{durable} is the durable offset after {offset} was, the way {way}");
    Ok(())
}

/// Waits while the protected cursors hold the log full.
fn append(log: &Log, durability: Durability, payloads: &[Vec<u8>]) -> Result<Range<u64>> {
    loop {
        let appended = match payloads {
            [payload] => {
                let appended = log.append_as(durability, TOPIC, &Event::new(payload));
                appended.map(|at| at..at + 1)
            }
            _ => {
                let events: Vec<_> = payloads.iter().map(|payload| Event::new(payload)).collect();
                log.append_batch_as(durability, TOPIC, &events)
            }
        };
        match appended {
            Err(AppendError::Full { .. }) => std::thread::sleep(FULL_WAIT),
            appended => return appended.context("append"),
        }
    }
}

fn consume(
    log: &Log,
    arguments: &VictimArguments,
    index: usize,
    cursor: CursorId,
    earliest: u64,
) -> Result<()> {
    let is_protected = arguments.protect && PROTECTED.contains(&index);
    let from = log.cursor_state(cursor).context("the cursor is gone")?.offset;
    let mut reader = log.reader(Start::Offset(from))?;
    let mut order = Order::from(from);
    loop {
        let mut newest = None;
        for _ in 0..READ_MAX {
            let Some(item) = reader.next()? else { break };
            if let (Item::Gap(gap), true) = (item, is_protected) {
                ensure!(gap.to <= earliest, "{gap:?} passes over the protected cursor {index}");
            }
            let offset = order.next;
            if index == CONSUMERS - 1 && offset.is_multiple_of(SLOW.0) {
                std::thread::sleep(SLOW.1);
            }
            if let Some((epoch, name)) = order.take(&item)? {
                newest = Some(Line::Seen { epoch, offset, name });
            }
        }
        if let Some(seen) = newest {
            tell(&seen);
        }
        commit(log, arguments, index, cursor, reader.offset())?;
        let _ = reader.wait(READ_WAIT);
    }
}

/// Every second consumer commits without a sync before: its cursor is then held at what is durable.
fn commit(
    log: &Log,
    arguments: &VictimArguments,
    index: usize,
    cursor: CursorId,
    offset: u64,
) -> Result<()> {
    if arguments.plant == Some(Bug::EarlyCommit) {
        tell(&Line::Committed { cursor: index, offset });
        return Ok(());
    }
    if index.is_multiple_of(2) {
        log.sync()?;
    }
    tell(&Line::Committing { cursor: index, offset });
    match log.commit(cursor, offset) {
        // It holds in memory only.
        Err(AppendError::Full { .. }) => return Ok(()),
        committed => committed.context("commit")?,
    }
    let offset = log.cursor_state(cursor).context("the cursor is gone")?.offset;
    let durable = log.sync()?;
    ensure!(offset <= durable, "the cursor {index} is at {offset}, beyond {durable}");
    tell(&Line::Committed { cursor: index, offset });
    Ok(())
}

fn told(done: Result<()>) {
    if let Err(error) = done {
        tell(&Line::Broken(format!("{error:#}")));
    }
}

/// One write, which a kill does not cut in two. Without anybody who listens there is no sense in living on.
pub(in crate::crash) fn tell(line: &Line) {
    let written = serde_json::to_string(line).map(|mut text| {
        text.push('\n');
        std::io::stdout().lock().write_all(text.as_bytes())
    });
    if !matches!(written, Ok(Ok(()))) {
        std::process::exit(1);
    }
}
