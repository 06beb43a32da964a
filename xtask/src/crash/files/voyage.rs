//! A process that uses a log in every way that changes files, and goes on after failures as a program would: it tries again, and when that
//! does not help it opens the log anew.

use crate::chaos::Random;
use crate::crash::host::order::{Name, Order};
use crate::crash::host::{Line, TOPIC, cursor_name, tell};
use anyhow::{Context, Result};
use clap::Args;
use edgelog::{AppendError, CursorId, Durability, Event, FileError, FullPolicy, Log, Options};
use edgelog::{OpenError, ReadError, Start};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What one voyage is told.
#[derive(Args, Clone, Debug)]
pub struct VoyageArguments {
    /// The log
    directory: PathBuf,
    #[arg(long)]
    seed: u64,
}

const OPENINGS: u32 = 3;
const STEPS: u32 = 24;
/// One in so many records is told before it is durable.
const SEEN: u64 = 8;
/// Failures of one log, or of opening, until a program opens it anew, or ends.
pub(super) const PATIENCE: u32 = 3;
/// The one run, and its one thread.
const RUN: u32 = 0;
const THREAD: u32 = 0;

/// A ring that goes round in a voyage, in segments that are smaller, or larger, than what is written at once; every second is compressed.
pub(super) const fn options(seed: u64) -> Options {
    let (segment, count) = if seed.is_multiple_of(2) { (8 << 10, 5) } else { (96 << 10, 2) };
    let options = Options::new().segment_bytes(segment).budget_bytes(segment as u64 * count);
    let options = options.batch(Duration::from_millis(2), 2 << 10);
    let options = if (seed / 2).is_multiple_of(2) { options } else { options.compress(1) };
    // Some give segments up before the ring comes round.
    if seed.is_multiple_of(3) { options.retain_segments(1 + seed % 4) } else { options }
}

/// Sails.
///
/// # Errors
///
/// Something was wrong that no failing call excuses.
pub fn sail(arguments: &VoyageArguments) -> Result<()> {
    std::panic::set_hook(Box::new(|panic| tell(&Line::Broken(panic.to_string()))));
    let mut random = Random(arguments.seed);
    let (mut openings, mut failures) = (0, 0);
    while openings < OPENINGS && failures < PATIENCE {
        match options(arguments.seed).open(&arguments.directory) {
            Ok(log) => {
                openings += 1;
                sail_once(log, arguments.seed, &mut random)?;
            }
            Err(error) => {
                failures += 1;
                failed("open", &Trouble::Open(error));
            }
        }
    }
    Ok(())
}

/// From an opening until the log takes no more, or it is enough.
fn sail_once(log: Log, seed: u64, random: &mut Random) -> Result<()> {
    let mut ship = Ship::new(log, RUN, THREAD);
    let mut failures = Failures::default();
    if let Err(trouble) = ship.look() {
        failed("read", &trouble);
        if let Trouble::Broken(error) = trouble {
            return Err(error);
        }
        return Ok(());
    }
    let long = if seed.is_multiple_of(2) { 60 } else { 500 };
    for _ in 0..STEPS {
        let (doing, done) = ship.step(random, long);
        let Err(trouble) = done else { continue };
        if failures.are_the_end(&ship, doing, trouble)? {
            break;
        }
    }
    Ok(())
}

/// Failures of one opening: a program tries again.
#[derive(Default)]
pub(super) struct Failures(u32);

impl Failures {
    /// Tells of one more. True when they are too many, or the log takes no more: what it says then is durable is acknowledged.
    pub(super) fn are_the_end(
        &mut self,
        ship: &Ship,
        doing: &str,
        trouble: Trouble,
    ) -> Result<bool> {
        self.0 += 1;
        failed(doing, &trouble);
        if let Trouble::Broken(error) = trouble {
            return Err(error);
        }
        if self.0 == PATIENCE {
            return Ok(true);
        }
        let Some(durable) = trouble.ended() else { return Ok(false) };
        ship.acked(durable);
        Ok(true)
    }
}

/// A log in use.
pub(super) struct Ship {
    pub(super) log: Log,
    run: u32,
    /// That of its records, and of its cursor.
    thread: u32,
    /// The number of the next record.
    next: u64,
    cursor: Option<CursorId>,
    /// By offset, what this opening appended.
    appended: BTreeMap<u64, Name>,
    /// This opening's, from its first append on.
    epoch: Option<u32>,
}

/// Why something was not done.
pub(super) enum Trouble {
    Open(OpenError),
    Append(AppendError),
    Read(ReadError),
    /// No failing call excuses it.
    Broken(anyhow::Error),
}

impl From<AppendError> for Trouble {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

impl Trouble {
    /// The durable offset of a log that this ended.
    pub(super) fn ended(&self) -> Option<u64> {
        match self {
            Self::Append(AppendError::Medium(error)) => FileError::durable(error),
            _ => None,
        }
    }
}

pub(super) fn failed(doing: &str, trouble: &Trouble) {
    let error = match trouble {
        Trouble::Open(error) => error.to_string(),
        Trouble::Append(error) => error.to_string(),
        Trouble::Read(error) => error.to_string(),
        Trouble::Broken(error) => {
            tell(&Line::Broken(format!("{doing}: {error:#}")));
            return;
        }
    };
    tell(&Line::Failed { doing: doing.to_owned(), error, ends: trouble.ended().is_some() });
}

impl Ship {
    pub(super) const fn new(log: Log, run: u32, thread: u32) -> Self {
        let appended = BTreeMap::new();
        Self { log, run, thread, next: 0, cursor: None, appended, epoch: None }
    }

    /// Reads everything, and goes on behind it.
    pub(super) fn look(&mut self) -> Result<(), Trouble> {
        let mut reader = self.log.reader(Start::Earliest)?;
        let mut order = Order::from(reader.offset());
        while let Some(item) = reader.next()? {
            if let Some((_, name)) = order.take(&item)?
                && name.run == self.run
            {
                self.next = name.number + 1;
            }
        }
        Ok(())
    }

    /// One thing that a program does, and what came of it.
    fn step(&mut self, random: &mut Random, long: u64) -> (&'static str, Result<(), Trouble>) {
        match random.below(13) {
            0..=2 => ("append", self.append(Durability::Visible, 1)),
            3 => ("append batched", self.append(Durability::Batched, 1)),
            4 => ("append durable", self.append(Durability::Durable, 1)),
            5 => ("append a batch", self.append(Durability::Visible, 2 + random.below(12))),
            6 | 7 => ("sync", self.sync()),
            8 | 9 => {
                let many = (0..long).try_for_each(|_| self.append(Durability::Visible, 1));
                ("append many", many)
            }
            10 => ("commit", self.commit(random, true)),
            11 => ("trim", self.log.trim().map(drop).map_err(Trouble::from)),
            _ => {
                let drops = random.below(2) == 0;
                let policy = if drops { FullPolicy::DropOldest } else { FullPolicy::Refuse };
                self.log.set_full_policy(policy);
                ("choose a policy", Ok(()))
            }
        }
    }

    fn append(&mut self, durability: Durability, count: u64) -> Result<(), Trouble> {
        match self.try_append(durability, count) {
            Err(Trouble::Append(AppendError::Full)) => {
                // As a device that needs the room more than what is old.
                self.log.set_full_policy(FullPolicy::DropOldest);
                self.try_append(durability, count)
            }
            appended => appended,
        }
    }

    pub(super) fn try_append(&mut self, durability: Durability, count: u64) -> Result<(), Trouble> {
        let (run, thread) = (self.run, self.thread);
        let name = |number| Name { run, thread, number };
        let payloads: Vec<_> = (self.next..self.next + count).map(|n| name(n).payload()).collect();
        let offsets = match &payloads[..] {
            [payload] => {
                let at = self.log.append_as(durability, TOPIC, &Event::new(payload))?;
                at..at + 1
            }
            _ => {
                let events: Vec<_> = payloads.iter().map(|payload| Event::new(payload)).collect();
                self.log.append_batch_as(durability, TOPIC, &events)?
            }
        };
        let end = offsets.end;
        for offset in offsets {
            self.appended.insert(offset, name(self.next));
            self.next += 1;
        }
        if self.epoch.is_none() {
            self.epoch = Some(self.log.status()?.epoch);
        }
        match durability {
            Durability::Durable => self.acked(end),
            _ if self.next.is_multiple_of(SEEN) => {
                self.tell_below(end, |epoch, offset, name| Line::Seen { epoch, offset, name });
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> Result<(), Trouble> {
        let durable = self.log.sync()?;
        let visible = self.appended.keys().next_back().map_or(0, |last| last + 1);
        if durable < visible {
            return Err(anyhow::anyhow!("a sync gave {durable} of {visible}").into());
        }
        self.acked(durable);
        Ok(())
    }

    /// The cursor, which is made when it is not there. `drops`: a log that is full for it drops its oldest.
    pub(super) fn cursor(&mut self, drops: bool) -> Result<CursorId, Trouble> {
        let name = cursor_name(self.thread as usize);
        Ok(match self.cursor {
            Some(cursor) => cursor,
            None => {
                let cursor = self.dropping_if_full(drops, |log| log.cursor(&name, 0))?;
                *self.cursor.insert(cursor)
            }
        })
    }

    pub(super) fn commit(&mut self, random: &mut Random, drops: bool) -> Result<(), Trouble> {
        let (cursor, name) = (self.cursor(drops)?, self.thread as usize);
        let at = self.log.cursor_state(cursor).context("the cursor is gone")?.offset;
        let mut reader = self.log.reader(Start::Offset(at))?;
        let mut order = Order::from(at);
        for _ in 0..random.below(200) {
            let Some(item) = reader.next()? else { break };
            order.take(&item)?;
        }
        let offset = reader.offset();
        tell(&Line::Committing { cursor: name, offset });
        self.dropping_if_full(drops, |log| log.commit(cursor, offset))?;
        let offset = self.log.cursor_state(cursor).context("the cursor is gone")?.offset;
        let durable = self.log.sync()?;
        if offset > durable {
            return Err(anyhow::anyhow!("the cursor is at {offset}, beyond {durable}").into());
        }
        tell(&Line::Committed { cursor: name, offset });
        self.acked(durable);
        Ok(())
    }

    /// A log that dropped its oldest and then must refuse may have left no room for cursors: the device drops once more.
    fn dropping_if_full<T>(
        &self,
        drops: bool,
        mut call: impl FnMut(&Log) -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        match call(&self.log) {
            Err(AppendError::Full) if drops => {
                self.log.set_full_policy(FullPolicy::DropOldest);
                call(&self.log)
            }
            done => done,
        }
    }

    /// Everything below is durable.
    pub(super) fn acked(&self, durable: u64) {
        self.tell_below(durable, |epoch, offset, name| Line::Acked { epoch, offset, name });
    }

    fn tell_below(&self, end: u64, line: impl Fn(u32, u64, Name) -> Line) {
        let last = self.appended.range(..end).next_back();
        if let (Some(epoch), Some((&offset, &name))) = (self.epoch, last) {
            tell(&line(epoch, offset, name));
        }
    }
}
