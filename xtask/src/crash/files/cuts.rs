//! The power cuts of one life.

use super::disk::{Disk, Files};
use super::shim::lay_out;
use super::trace::Event;
use crate::chaos::Random;
use crate::crash::host::judge::{Found, Judge, Life};
use crate::crash::host::order::Order;
use crate::crash::host::{Line, append};
use anyhow::{Context, Result, bail, ensure};
use edgelog::{Log, OpenError, Options, Start, View};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How often the power is cut at one call at the most.
const CUTS_A_CALL: u64 = 8;
/// A process that is started runs its program by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// A log between two lives.
#[derive(Debug, Default)]
pub(super) struct Power {
    /// What is known of it.
    pub(super) judge: Judge,
    /// What a cut left, or a kill: that may be lost still.
    pub(super) disk: Disk,
    /// The life that a kill ended. Until the next owner has opened the log, no more is durable than it was told.
    pub(super) killed: Option<Box<Killed>>,
}

/// What was known of a log, and told by the process that was killed.
#[derive(Clone, Debug)]
pub(super) struct Killed {
    judge: Judge,
    run: u32,
    protect: bool,
    lines: Vec<Line>,
}

/// What was told, each with how many events stand before it.
pub(super) fn told(events: &[Event]) -> Result<Vec<(usize, Line)>> {
    let lines = events.iter().enumerate().filter_map(|(at, event)| match event {
        Event::Told(text) => Some((at, text)),
        _ => None,
    });
    let read = lines.map(|(at, text)| {
        Ok((at, serde_json::from_str(text).with_context(|| format!("understand {text}"))?))
    });
    read.collect()
}

/// What a process did on a disk, and where it is cut.
#[derive(Debug)]
pub(super) struct Calls<'p> {
    pub(super) before: &'p Disk,
    pub(super) events: Vec<Event>,
    pub(super) seed: u64,
    /// It is cut before each call, or one in so many, and so often in all.
    pub(super) every: usize,
    pub(super) most: u64,
}

/// Looks at what a cut before this event left in a folder.
pub(super) trait Examine: Sync {
    /// # Errors
    ///
    /// The promise that was broken.
    fn examine(&self, folder: &Path, at: usize) -> Result<()>;

    /// More to be kept of a failure.
    fn note(&self) -> String {
        String::new()
    }
}

impl Calls<'_> {
    /// Cuts the power before its calls, when everything that was told before it was heard, with as many threads as there are processors.
    /// Gives how many different states that left.
    pub(super) fn cut(&self, examine: &impl Examine) -> Result<u64> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let counted: Result<Vec<u64>> = std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| scope.spawn(move || self.part(part, threads, examine)))
                .collect();
            let joined = parts.into_iter().map(|part| part.join());
            joined.map(|part| part.unwrap_or_else(|_| bail!("opening panicked"))).collect()
        });
        Ok(counted?.iter().sum())
    }

    fn part(&self, part: usize, parts: usize, examine: &impl Examine) -> Result<u64> {
        let folder = Scratch::new()?;
        let mut disk = self.before.clone();
        let (mut states, mut last) = (0, 0);
        let all = self.count() / self.every as u64;
        let cuts_a_call = (self.most / all.max(1)).clamp(1, CUTS_A_CALL);
        let mut calls = 0;
        for (at, event) in self.events.iter().enumerate() {
            if matches!(event, Event::Told(_)) {
                continue;
            }
            let is_ours = calls % parts == part && (calls / parts).is_multiple_of(self.every);
            calls += 1;
            let cuts = match is_ours {
                true if disk.is_settled() => 1,
                true => cuts_a_call,
                false => 0,
            };
            for cut in 0..cuts {
                let files = disk.cut(&mut self.random(at, cut));
                let hash = self.hash(&files, at);
                // The calls differ, what they leave does not.
                if std::mem::replace(&mut last, hash) == hash {
                    continue;
                }
                states += 1;
                lay_out(&folder.path, &files)?;
                if let Err(error) = examine.examine(&folder.path, at) {
                    return Err(error.context(self.keep(&files, at, cut, &examine.note())?));
                }
            }
            disk.take(event)?;
        }
        Ok(states)
    }

    /// All of them.
    pub(super) fn count(&self) -> u64 {
        self.events.iter().filter(|event| !matches!(event, Event::Told(_))).count() as u64
    }

    fn random(&self, at: usize, cut: u64) -> Random {
        Random(self.seed ^ (at as u64) << 8 ^ cut)
    }

    fn hash(&self, files: &Files, at: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        files.hash(&mut hasher);
        let told = self.events.iter().take(at).filter(|event| matches!(event, Event::Told(_)));
        told.count().hash(&mut hasher);
        hasher.finish()
    }

    /// Before this event.
    pub(super) fn disk(&self, at: usize) -> Result<Disk> {
        let mut disk = self.before.clone();
        self.events.iter().take(at).try_for_each(|event| disk.take(event))?;
        Ok(disk)
    }

    /// Cuts the power once, somewhere.
    pub(super) fn cut_once(
        &self,
        scratch: &Scratch,
        at: usize,
        random: &mut Random,
        examine: &impl Examine,
    ) -> Result<()> {
        let files = self.disk(at)?.cut(random);
        lay_out(&scratch.path, &files)?;
        let examined = examine.examine(&scratch.path, at);
        examined.or_else(|error| Err(error.context(self.keep(&files, at, 0, &examine.note())?)))
    }

    /// Keeps what a cut left, and tells where.
    fn keep(&self, files: &Files, at: usize, cut: u64, note: &str) -> Result<String> {
        let kept = tempfile::tempdir()?.keep();
        lay_out(&kept.join("before"), &self.before.seen())?;
        lay_out(&kept.join("after"), files)?;
        let calls = self.events.iter().take(at).map(|event| format!("{event}\n"));
        fs::write(kept.join("calls"), calls.collect::<String>())?;
        fs::write(kept.join("killed"), note)?;
        let kept = kept.display();
        Ok(format!(
            "cut {cut} before event {at} broke a promise; what it left, and the calls before it, are kept in {kept}"
        ))
    }
}

/// A life whose calls are cut.
#[derive(Debug)]
pub(super) struct Cuts<'p> {
    pub(super) before: &'p Power,
    pub(super) calls: Calls<'p>,
    pub(super) lines: Vec<(usize, Line)>,
    pub(super) run: u32,
    pub(super) protect: bool,
    pub(super) options: Options,
}

impl Cuts<'_> {
    /// How many lines were told before this event.
    fn lines_until(&self, at: usize) -> usize {
        self.lines.partition_point(|(told, _)| *told < at)
    }

    fn judged(&self, at: usize, found: &Found) -> Result<Judge> {
        let lines = self.lines_until(at);
        if let (0, Some(killed)) = (lines, &self.before.killed) {
            let Killed { mut judge, run, protect, lines } = Killed::clone(killed);
            judge.life(&Life { run, protect, lines: &lines }, found)?;
            return Ok(judge);
        }
        let mut judge = self.before.judge.clone();
        let lines: Vec<Line> = self.lines.iter().take(lines).map(|(_, it)| it.clone()).collect();
        judge.life(&Life { run: self.run, protect: self.protect, lines: &lines }, found)?;
        Ok(judge)
    }

    /// What the process had let go at this event: everything below this offset. A segment is cleared before it is used anew, and until
    /// its new header is durable a cut may leave its old one, with holes behind it.
    fn evicted(&self, at: usize) -> Result<u64> {
        let scratch = Scratch::new()?;
        lay_out(&scratch.path, &self.calls.disk(at)?.seen())?;
        let log =
            open(&self.options, &scratch.path).context("open the log as the process saw it")?;
        Ok(log.status()?.earliest)
    }

    /// The log as the kill left it that ended this life, or a cut somewhere in it: not one in the middle of clearing, because what comes next
    /// does not know of that.
    pub(super) fn one(&self, random: &mut Random) -> Result<Power> {
        let folder = Scratch::new()?;
        // Who was killed before the log was open knows no more than the one before, who may have been killed too.
        if random.below(2) == 0 && !self.lines.is_empty() {
            let at = self.calls.events.len();
            let mut disk = self.calls.disk(at)?;
            disk.kill();
            lay_out(&folder.path, &disk.seen())?;
            let found = Found::of(&open(&self.options, &folder.path)?)?;
            let killed = Killed {
                judge: self.before.judge.clone(),
                run: self.run,
                protect: self.protect,
                lines: self.lines.iter().map(|(_, line)| line.clone()).collect(),
            };
            let judge = self.judged(at, &found)?;
            return Ok(Power { judge, disk, killed: Some(Box::new(killed)) });
        }
        loop {
            let at = usize::try_from(random.below(self.calls.events.len().max(1) as u64))?;
            let disk = self.calls.disk(at)?;
            let files = disk.cut(random);
            lay_out(&folder.path, &files)?;
            if let Ok(found) = Found::of(&open(&self.options, &folder.path)?) {
                let disk = Disk::of(&files, disk.habits());
                return Ok(Power { judge: self.judged(at, &found)?, disk, killed: None });
            }
        }
    }
}

impl Examine for Cuts<'_> {
    /// Opens what a cut left, compares, appends, and opens it again.
    fn examine(&self, folder: &Path, at: usize) -> Result<()> {
        let seen = View::open(folder, Start::Earliest);
        let log = open(&self.options, folder).context("open the log after the cut")?;
        // Only where it matters: this takes as long as all the rest.
        let (evicted, found) = match Found::of(&log) {
            Ok(found) => (0, found),
            Err(_) => {
                let evicted = self.evicted(at)?;
                (evicted, Found::cut_below(&log, evicted)?)
            }
        };
        agree(seen, &found, evicted)?;
        let mut judge = self.judged(at, &found)?;
        let run = self.run + 1;
        let lines = append(&log, run).context("append after the cut")?;
        drop(log);
        let log = open(&self.options, folder).context("open the log once more")?;
        let found = Found::cut_below(&log, evicted)?;
        judge.life(&Life { run, protect: false, lines: &lines }, &found)
    }

    fn note(&self) -> String {
        format!("{:#?}", self.before.killed)
    }
}

/// Opens a log that nobody else owns. Another thread may just be starting a process, which has our files, and so our locks, until it runs
/// its own program.
pub(super) fn open(options: &Options, folder: &Path) -> Result<Log, OpenError> {
    patiently(|| options.open(folder))
}

/// The same of anything that is locked.
pub(super) fn patiently<T>(open: impl Fn() -> Result<T, OpenError>) -> Result<T, OpenError> {
    let started = Instant::now();
    loop {
        match open() {
            Err(OpenError::Locked { .. }) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened,
        }
    }
}

/// A view, of before the owner opened, sees what he does.
pub(super) fn agree(seen: Result<View, OpenError>, found: &Found, evicted: u64) -> Result<()> {
    let mut view = match seen {
        Ok(view) => view,
        // The log was being created.
        Err(error) => {
            ensure!(
                found.is_empty(),
                "nobody can view it ({error}), but its owner finds {found:?}"
            );
            return Ok(());
        }
    };
    let mut order = Order::from(view.offset()).cut_below(evicted);
    let mut records = 0;
    while let Some(item) = view.next()? {
        let offset = order.next;
        if let Some(record) = order.take(&item)?
            && offset >= found.earliest()
        {
            ensure!(
                found.has(offset, &record),
                "a view sees {record:?} at {offset}, its owner does not"
            );
            records += 1;
        }
    }
    ensure!(records == found.count(), "a view sees {records} records, its owner {}", found.count());
    Ok(())
}

/// A folder in memory, where there is one for that: states are many.
#[derive(Debug)]
pub(super) struct Scratch {
    _folder: TempDir,
    pub(super) path: PathBuf,
}

impl Scratch {
    pub(super) fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
        let path = folder.path().join("log");
        Ok(Self { _folder: folder, path })
    }
}
