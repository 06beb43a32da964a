//! Two logs of one store that make room for each other and are trimmed, under the same power cuts and failing calls.
//!
//! Besides what must hold of each log: all segment files together stay within the budget, at every call; who grows never takes room from a
//! log of a higher class, nor from one of its own while a lower one has something to give; and nothing goes that a cursor needs.

use super::cuts::{Calls, Examine, Scratch, agree, told};
use super::disk::{Disk, Files, Habits};
use super::shim::{Conditions, Shim, lay_out};
use super::voyage::{Failures, PATIENCE, Ship, Trouble, failed};
use crate::chaos::Random;
use crate::crash::host::judge::{Found, Judge, Life};
use crate::crash::host::order::Name;
use crate::crash::host::{Line, TOPIC, tell};
use anyhow::{Context, Result, ensure};
use clap::Args;
use edgelog::{AppendError, Class, Durability, FullPolicy, Log, OpenError, Options, Start};
use edgelog::{Store, StoreOptions, View};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What one life of a store is told.
#[derive(Args, Clone, Debug)]
pub struct StoreArguments {
    /// The store
    directory: PathBuf,
    /// Which life it is
    #[arg(long)]
    run: u32,
    #[arg(long)]
    seed: u64,
    /// Which kind of store
    #[arg(long)]
    kind: u64,
    /// No call fails, so a log is full only where none has anything to give
    #[arg(long)]
    sound: bool,
}

/// The log that makes room last, and the one that drops its oldest whenever it is asked to.
pub(super) const LOGS: [&str; 2] = ["alarms", "readings"];
const OPENINGS: u32 = 3;
const STEPS: u32 = 24;
/// A life that takes longer hangs.
const LIFE: Duration = Duration::from_secs(60);
/// So many lives follow each other on a store.
const LIVES: u32 = 2;
/// And are cut at so many of their calls or so, and so often: there are many kinds of stores.
const CALLS_A_LIFE: usize = 150;
const CUTS_A_LIFE: u64 = 250;

/// What a store is, for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(pub(super) u64);

impl Kind {
    /// Larger ones have a spare file beside them.
    const fn segment(self) -> u32 {
        if self.0 % 5 == 4 { 64 << 10 } else { 8 << 10 }
    }

    const fn budget(self) -> u64 {
        self.segment() as u64 * if self.0 % 5 == 4 { 4 } else { 7 }
    }

    /// The logs are of one class, and both drop their oldest. Otherwise one keeps what its cursor needs, and is of a higher class.
    const fn are_equal(self) -> bool {
        self.0 % 3 == 2
    }

    const fn compresses(self) -> bool {
        self.0 % 2 == 1
    }

    const fn class(self, log: usize) -> Class {
        if log == 0 && !self.are_equal() { Class::Critical } else { Class::Bulk }
    }

    const fn protects(self, log: usize) -> bool {
        log == 0 && !self.are_equal()
    }

    /// The most that all files may take: a store that was within its budget stays there, but for what is being compressed.
    fn most(self, before: u64) -> u64 {
        let packing =
            if self.compresses() { LOGS.len() as u64 * u64::from(self.segment()) } else { 0 };
        self.budget().max(before) + packing
    }

    fn open(self, directory: &Path) -> Result<Store, OpenError> {
        StoreOptions::new().budget_bytes(self.budget()).open(directory)
    }

    fn log(self, store: &Store, log: usize, options: Options) -> Result<Log, OpenError> {
        let full = if self.protects(log) { FullPolicy::Refuse } else { FullPolicy::DropOldest };
        let options = options.segment_bytes(self.segment()).full(full);
        let options = if self.compresses() { options.compress(1) } else { options };
        store.log(LOGS[log], self.class(log), &options.batch(Duration::from_millis(2), 2 << 10))
    }
}

/// Uses a store in every way that changes files, and goes on after failures as a program would.
///
/// # Errors
///
/// Something was wrong that no failing call excuses.
pub fn keep(arguments: &StoreArguments) -> Result<()> {
    std::panic::set_hook(Box::new(|panic| tell(&Line::Broken(panic.to_string()))));
    let mut random = Random(arguments.seed);
    let (mut openings, mut failures) = (0, 0);
    while openings < OPENINGS && failures < PATIENCE {
        match Keeper::open(arguments, &mut random) {
            Ok(keeper) => {
                openings += 1;
                keeper.keep(&mut random)?;
            }
            Err(trouble) => {
                failures += 1;
                failed("open", &trouble);
            }
        }
    }
    Ok(())
}

/// A store in use.
struct Keeper {
    kind: Kind,
    is_sound: bool,
    store: Store,
    ships: [Ship; 2],
    /// How many segments each log keeps at the most.
    retains: [Option<u64>; 2],
}

/// A log at one moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    earliest: u64,
    visible: u64,
    segments: u64,
}

impl Keeper {
    fn open(arguments: &StoreArguments, random: &mut Random) -> Result<Self, Trouble> {
        let kind = Kind(arguments.kind);
        let store = kind.open(&arguments.directory).map_err(Trouble::Open)?;
        let mut retains = [None; 2];
        let mut open = |log: usize| {
            let retain = (random.below(3) == 0).then(|| 1 + random.below(4));
            retains[log] = retain;
            let options =
                retain.map_or(Options::new(), |most| Options::new().retain_segments(most));
            let opened = kind.log(&store, log, options).map_err(Trouble::Open)?;
            let mut ship = Ship::new(opened, arguments.run, u32::from(log > 0));
            ship.look()?;
            ship.cursor(false)?;
            Ok::<Ship, Trouble>(ship)
        };
        let ships = [open(0)?, open(1)?];
        Ok(Self { kind, is_sound: arguments.sound, store, ships, retains })
    }

    /// Until it is enough, or a log takes no more.
    fn keep(mut self, random: &mut Random) -> Result<()> {
        let mut failures = Failures::default();
        for _ in 0..STEPS {
            let log = usize::try_from(random.below(2)).unwrap_or(0);
            let (doing, done) = self.step(random, log);
            let Err(trouble) = done else { continue };
            if failures.are_the_end(&self.ships[log], doing, trouble)? {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self, random: &mut Random, log: usize) -> (&'static str, Result<(), Trouble>) {
        let many = if self.kind.segment() > 8 << 10 { 400 } else { 70 };
        let doing = ["append", "append durable", "append many", "sync", "commit", "trim"];
        let what =
            [0, 0, 1, 2, 2, 2, 2, 3, 4, 4, 5][usize::try_from(random.below(11)).unwrap_or(0)];
        let done = self.moments().and_then(|before| {
            let done = match what {
                0 => self.append(log, Durability::Visible, 1 + random.below(9)),
                1 => self.append(log, Durability::Durable, 1),
                2 => (0..many).try_for_each(|_| self.append(log, Durability::Visible, 1)),
                3 => self.ships[log].sync(),
                4 => self.full_for_good(log, |ship| ship.commit(random, false)),
                _ => self.trim(log),
            };
            // Whatever came of it.
            let kept = self.is_kept(log, before, what == 5);
            done.and(kept)
        });
        (doing[what], done)
    }

    fn moments(&self) -> Result<[Moment; 2], Trouble> {
        let moment = |ship: &Ship| {
            let status = ship.log.status()?;
            let (earliest, visible) = (status.earliest, status.visible);
            Ok::<Moment, Trouble>(Moment { earliest, visible, segments: status.segments })
        };
        let [alarms, readings] = &self.ships;
        Ok([moment(alarms)?, moment(readings)?])
    }

    fn append(&mut self, log: usize, durability: Durability, count: u64) -> Result<(), Trouble> {
        self.full_for_good(log, |ship| ship.try_append(durability, count))
    }

    /// A log may be full where no log of its class or below has anything to give, and nothing more is to be told of that.
    fn full_for_good(
        &mut self,
        log: usize,
        call: impl FnOnce(&mut Ship) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        match call(&mut self.ships[log]) {
            Err(Trouble::Append(AppendError::Full)) => {}
            done => return done,
        }
        let moments = self.moments()?;
        let gives = |other: usize| {
            let is_below = self.kind.class(other) >= self.kind.class(log);
            is_below && !self.kind.protects(other) && moments[other].segments > 1
        };
        if self.is_sound && (gives(0) || gives(1)) {
            return Err(anyhow::anyhow!("{} is full, of {moments:?}", LOGS[log]).into());
        }
        Ok(())
    }

    /// What was done to one log went by the classes, and the budget is kept.
    fn is_kept(&self, log: usize, before: [Moment; 2], is_trim: bool) -> Result<(), Trouble> {
        let now = self.moments()?;
        let other = 1 - log;
        let went = |log: usize| now[log].earliest > before[log].earliest;
        let (own, theirs) = (self.kind.class(log), self.kind.class(other));
        let took = format!("{} had {before:?} and has {now:?}", LOGS[log]);
        if went(other) && (is_trim || theirs < own) {
            return Err(anyhow::anyhow!("{took}: {} had to go", LOGS[other]).into());
        }
        let is_last = theirs <= own || now[other].segments == 1;
        // What is to go and cannot, because a call fails, leaves the turn to the next.
        let is_next = self.is_sound && !is_last;
        if went(log) && !is_trim && self.retains[log].is_none() && is_next {
            return Err(anyhow::anyhow!("{took}: {} was to go", LOGS[other]).into());
        }
        let (bytes, most) = (self.store.status()?.bytes, self.kind.most(0));
        // After a power cut there may be more, until a log grows.
        if self.is_sound && now[log].earliest > before[log].earliest && bytes > most {
            return Err(anyhow::anyhow!("{took}: {bytes} bytes of {most}").into());
        }
        Ok(())
    }

    /// What went is told, nothing else changed, and no more is kept than was asked for unless the policy says so.
    fn trim(&mut self, log: usize) -> Result<(), Trouble> {
        let before = self.moments()?[log];
        let gone = self.ships[log].log.trim()?;
        let now = self.moments()?[log];
        let is_told = now.earliest - before.earliest == gone && now.visible == before.visible;
        let retains = self.retains[log].filter(|_| !self.kind.protects(log));
        let is_done = retains.is_none_or(|most| now.segments <= most);
        if !is_told || !is_done {
            let why =
                anyhow::anyhow!("{before:?} was trimmed to {retains:?}: {gone} went, {now:?}");
            return Err(why.into());
        }
        Ok(())
    }
}

/// A store between two lives.
#[derive(Debug)]
struct Between {
    judges: [Judge; 2],
    disk: Disk,
}

/// What a life left, wherever it is cut.
#[derive(Debug)]
pub(super) struct Left<'p> {
    judges: &'p [Judge; 2],
    pub(super) calls: Calls<'p>,
    lines: Vec<(usize, Line)>,
    run: u32,
    kind: Kind,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) lives: u32,
    pub(super) calls: u64,
    pub(super) states: u64,
}

/// Cuts the power until it is enough.
///
/// # Errors
///
/// A promise was broken: the life and the folder, which is kept, are told.
pub(super) fn run(shim: &Shim, seed: u64, states: u64, habits: Habits) -> Result<Figures> {
    let (mut random, mut figures) = (Random(seed), Figures::default());
    for kind in (seed..).map(Kind) {
        let disk = Disk::of(&Files::new(), habits);
        let mut between = Between { judges: [Judge::default(), Judge::default()], disk };
        for life in 0..LIVES {
            if figures.states >= states {
                return Ok(figures);
            }
            let seed = random.next();
            between = between
                .live(shim, kind, 2 * life, seed, &mut figures)
                .with_context(|| format!("store {kind:?}, life {life} with seed {seed}"))?;
        }
    }
    Ok(figures)
}

/// A process's arguments.
pub(super) fn arguments(kind: Kind, run: u32, seed: u64) -> Vec<String> {
    let numbers = [run.into(), seed, kind.0].map(|number| number.to_string());
    let [run, seed, kind] = numbers;
    let all = ["crash-store", "--run", &run, "--seed", &seed, "--kind", &kind];
    all.map(str::to_owned).to_vec()
}

impl Between {
    /// One life, cut at each of its calls. Gives one of the stores that this left.
    fn live(
        self,
        shim: &Shim,
        kind: Kind,
        run: u32,
        seed: u64,
        figures: &mut Figures,
    ) -> Result<Self> {
        let mut random = Random(seed);
        let folder = shim.room("store")?;
        lay_out(&folder, &self.disk.seen())?;
        let mut all = arguments(kind, run, seed);
        all.push("--sound".to_owned());
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let zeroes = random.below(2) == 0;
        let conditions =
            Conditions { seed: random.next(), fault: None, zeroes, lives: LIFE, is_endless: false };
        let life = shim.run(&folder, &all, &conditions)?;
        ensure!(life.has_ended, "it hangs; {}", life.said);
        let every = life.events.len().div_ceil(CALLS_A_LIFE);
        let (events, seed, most) = (life.events, random.next(), CUTS_A_LIFE);
        let calls = Calls { before: &self.disk, events, seed, every, most };
        let left = Left::new(&self.judges, calls, run, kind)?;
        left.keeps_budget()?;
        figures.states += left.calls.cut(&left)?;
        figures.calls += left.calls.count();
        figures.lives += 1;
        left.one(&mut random)
    }
}

impl<'p> Left<'p> {
    pub(super) fn new(
        judges: &'p [Judge; 2],
        calls: Calls<'p>,
        run: u32,
        kind: Kind,
    ) -> Result<Self> {
        Ok(Self { judges, lines: told(&calls.events)?, calls, run, kind })
    }

    /// At every call all segment files together are within the budget.
    fn keeps_budget(&self) -> Result<()> {
        let is_segment = |name: &str| !name.ends_with("lock");
        let bytes = |disk: &Disk| {
            let segments = disk.lengths().filter(|(name, _)| is_segment(name));
            segments.map(|(_, length)| length as u64).sum::<u64>()
        };
        let mut disk = self.calls.before.clone();
        let most = self.kind.most(bytes(&disk));
        for (at, event) in self.calls.events.iter().enumerate() {
            disk.take(event)?;
            let (bytes, files) = (bytes(&disk), disk.lengths().collect::<Vec<_>>());
            ensure!(bytes <= most, "{bytes} bytes of {most} after event {at}, {event}: {files:?}");
        }
        Ok(())
    }

    /// A cut somewhere in it: not one in the middle of clearing, because what comes next does not know of that.
    fn one(&self, random: &mut Random) -> Result<Between> {
        let scratch = Scratch::new()?;
        loop {
            let at = usize::try_from(random.below(self.calls.events.len() as u64 + 1))?;
            let disk = self.calls.disk(at)?;
            let files = disk.cut(random);
            lay_out(&scratch.path, &files)?;
            let store = Opened::open(self.kind, &scratch.path)?;
            let found = store.logs.each_ref().map(Found::of);
            if let [Ok(alarms), Ok(readings)] = found {
                let disk = Disk::of(&files, disk.habits());
                return Ok(Between { judges: self.judged(at, &[alarms, readings])?, disk });
            }
        }
    }

    /// Compares both logs with what was told of them before this event.
    fn judged(&self, at: usize, found: &[Found; 2]) -> Result<[Judge; 2]> {
        let mut judges = self.judges.clone();
        for ((log, judge), found) in judges.iter_mut().enumerate().zip(found) {
            let is_ours = |line: &Line| match line {
                Line::Acked { name, .. } | Line::Seen { name, .. } => name.thread as usize == log,
                Line::Committing { cursor, .. } | Line::Committed { cursor, .. } => *cursor == log,
                Line::Opened { .. } | Line::Failed { .. } | Line::Broken(_) => true,
            };
            let lines = self.lines.iter().take_while(|(told, _)| *told < at);
            let lines: Vec<Line> =
                lines.map(|(_, line)| line.clone()).filter(|line| is_ours(line)).collect();
            let life = Life { run: self.run, protect: self.kind.protects(log), lines: &lines };
            judge.life(&life, found).context(LOGS[log])?;
        }
        Ok(judges)
    }

    /// What the process had let go of each log at this event.
    fn evicted(&self, at: usize) -> Result<[u64; 2]> {
        let scratch = Scratch::new()?;
        lay_out(&scratch.path, &self.calls.disk(at)?.seen())?;
        let store = Opened::open(self.kind, &scratch.path)?;
        let [alarms, readings] = &store.logs;
        Ok([alarms.status()?.earliest, readings.status()?.earliest])
    }

    /// The same of a folder that no cut left in the middle of clearing.
    pub(super) fn examine_whole(&self, folder: &Path) -> Result<()> {
        self.compare(folder, self.calls.events.len(), false)
    }

    fn compare(&self, folder: &Path, at: usize, is_cut: bool) -> Result<()> {
        let seen = LOGS.map(|name| View::open(folder.join(name), Start::Earliest));
        let store = Opened::open(self.kind, folder).context("open the store")?;
        let (evicted, found) = match store.found([0; 2]) {
            Err(_) if is_cut => {
                let evicted = self.evicted(at)?;
                (evicted, store.found(evicted)?)
            }
            found => ([0; 2], found?),
        };
        for ((seen, found), evicted) in seen.into_iter().zip(&found).zip(evicted) {
            agree(seen, found, evicted)?;
        }
        let mut judges = self.judged(at, &found)?;
        let run = self.run + 1;
        let lines = store.grow(run).context("append")?;
        drop(store);
        let store = Opened::open(self.kind, folder).context("open the store once more")?;
        let found = store.found(evicted)?;
        for (((judge, lines), found), name) in judges.iter_mut().zip(&lines).zip(&found).zip(LOGS) {
            judge.life(&Life { run, protect: false, lines }, found).context(name)?;
        }
        Ok(())
    }
}

impl Examine for Left<'_> {
    fn examine(&self, folder: &Path, at: usize) -> Result<()> {
        self.compare(folder, at, true)
    }
}

/// A store that is looked at.
struct Opened {
    kind: Kind,
    store: Store,
    logs: [Log; 2],
}

impl Opened {
    fn open(kind: Kind, folder: &Path) -> Result<Self> {
        let store = super::cuts::patiently(|| kind.open(folder))?;
        let open = |log| super::cuts::patiently(|| kind.log(&store, log, Options::new()));
        let logs = [open(0)?, open(1)?];
        Ok(Self { kind, store, logs })
    }

    fn found(&self, evicted: [u64; 2]) -> Result<[Found; 2]> {
        let [alarms, readings] = &self.logs;
        Ok([Found::cut_below(alarms, evicted[0])?, Found::cut_below(readings, evicted[1])?])
    }

    /// Both logs take a segment's worth of records each. From then on the budget is kept. What a log of a higher class holds the other one
    /// does not get.
    fn grow(&self, run: u32) -> Result<[Vec<Line>; 2]> {
        let grow = |log: usize| {
            let grown = &self.logs[log];
            grown.set_full_policy(FullPolicy::DropOldest);
            let name = |number| Name { run, thread: u32::from(log > 0), number };
            let (mut number, mut bytes, mut last) = (0, 0, None);
            while bytes <= self.kind.segment() as usize {
                let payload = name(number).payload();
                match grown.append(TOPIC, &edgelog::Event::new(&payload)) {
                    Ok(offset) => last = Some((offset, name(number))),
                    Err(AppendError::Full) if self.kind.class(0) < self.kind.class(log) => {
                        let segments = grown.status()?.segments;
                        ensure!(segments == 1, "{} is full, of {segments}", LOGS[log]);
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
                (number, bytes) = (number + 1, bytes + payload.len());
            }
            let (durable, epoch) = (grown.sync()?, grown.status()?.epoch);
            ensure!(
                last.is_none_or(|(offset, _)| durable > offset),
                "a sync gave {durable} for the record {last:?} before it"
            );
            let acked = last.map(|(offset, name)| Line::Acked { epoch, offset, name });
            Ok(acked.into_iter().collect())
        };
        let lines = [grow(0)?, grow(1)?];
        let (bytes, most) = (self.store.status()?.bytes, self.kind.most(0));
        ensure!(bytes <= most, "{bytes} bytes of {most} after both logs grew");
        Ok(lines)
    }
}
