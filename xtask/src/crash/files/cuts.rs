//! The power cuts of one life.

use super::disk::{Disk, Files};
use super::shim::lay_out;
use super::trace::Event;
use crate::chaos::Random;
use crate::crash::host::judge::{Found, Judge, Life};
use crate::crash::host::order::Order;
use crate::crash::host::{Line, append};
use anyhow::{Context, Result, ensure};
use edgelog::{OpenError, Options, Start, View};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// How often the power is cut at one call at the most, and in a life that makes many.
const CUTS_A_CALL: u64 = 8;
const CUTS_A_LIFE: u64 = 800;

/// A log between two lives.
#[derive(Debug, Default)]
pub(super) struct Power {
    /// What is known of it.
    pub(super) judge: Judge,
    /// What the last cut left.
    pub(super) files: Files,
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

/// A life whose calls are cut.
#[derive(Debug)]
pub(super) struct Cuts<'p> {
    pub(super) before: &'p Power,
    pub(super) events: Vec<Event>,
    pub(super) lines: Vec<(usize, Line)>,
    pub(super) run: u32,
    pub(super) protect: bool,
    pub(super) seed: u64,
    /// Syncs make nothing durable, as a planted bug.
    pub(super) lies: bool,
    pub(super) options: Options,
}

impl Cuts<'_> {
    /// Cuts the power before each of this share of the calls, when everything that was told before it was heard, and gives how many different states that left.
    pub(super) fn part(&self, part: usize, parts: usize) -> Result<u64> {
        let folder = Scratch::new()?;
        let mut disk = Disk::of(&self.before.files, self.lies);
        let (mut states, mut last) = (0, 0);
        let all = self.calls();
        let cuts_a_call = (CUTS_A_LIFE / all.max(1)).clamp(1, CUTS_A_CALL);
        let mut calls = 0;
        for (at, event) in self.events.iter().enumerate() {
            if matches!(event, Event::Told(_)) {
                continue;
            }
            let is_ours = calls % parts == part;
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
                if let Err(error) = self.examine(&folder.path, at) {
                    return Err(error.context(self.keep(&files, at, cut)?));
                }
            }
            disk.take(event)?;
        }
        Ok(states)
    }

    /// All of them.
    pub(super) fn calls(&self) -> u64 {
        self.events.iter().filter(|event| !matches!(event, Event::Told(_))).count() as u64
    }

    fn random(&self, at: usize, cut: u64) -> Random {
        Random(self.seed ^ (at as u64) << 8 ^ cut)
    }

    fn hash(&self, files: &Files, at: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        files.hash(&mut hasher);
        self.lines_until(at).hash(&mut hasher);
        hasher.finish()
    }

    /// How many lines were told before this event.
    fn lines_until(&self, at: usize) -> usize {
        self.lines.partition_point(|(told, _)| *told < at)
    }

    fn judged(&self, at: usize, found: &Found) -> Result<Judge> {
        let mut judge = self.before.judge.clone();
        let lines: Vec<Line> =
            self.lines.iter().take(self.lines_until(at)).map(|(_, line)| line.clone()).collect();
        judge.life(&Life { run: self.run, protect: self.protect, lines: &lines }, found)?;
        Ok(judge)
    }

    /// Opens what a cut left, compares, appends, and opens it again.
    fn examine(&self, folder: &Path, at: usize) -> Result<()> {
        let seen = View::open(folder, Start::Earliest);
        let log = self.options.open(folder).context("open the log after the cut")?;
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
        let log = self.options.open(folder).context("open the log once more")?;
        let found = Found::cut_below(&log, evicted)?;
        judge.life(&Life { run, protect: false, lines: &lines }, &found)
    }

    /// What the process had let go at this event: everything below this offset. A segment is cleared before it is used anew, and until
    /// its new header is durable a cut may leave its old one, with holes behind it.
    fn evicted(&self, at: usize) -> Result<u64> {
        let scratch = Scratch::new()?;
        lay_out(&scratch.path, &self.disk(at)?.seen())?;
        let log = self.options.open(&scratch.path).context("open the log as the process saw it")?;
        Ok(log.status()?.earliest)
    }

    /// Before this event.
    fn disk(&self, at: usize) -> Result<Disk> {
        let mut disk = Disk::of(&self.before.files, self.lies);
        self.events.iter().take(at).try_for_each(|event| disk.take(event))?;
        Ok(disk)
    }

    /// Cuts the power once, somewhere.
    pub(super) fn examine_one(
        &self,
        scratch: &Scratch,
        at: usize,
        random: &mut Random,
    ) -> Result<()> {
        let files = self.disk(at)?.cut(random);
        lay_out(&scratch.path, &files)?;
        self.examine(&scratch.path, at)
            .or_else(|error| Err(error.context(self.keep(&files, at, 0)?)))
    }

    /// A log that a cut left somewhere in this life, and not in the middle of clearing: what comes next does not know of that.
    pub(super) fn one(&self, random: &mut Random) -> Result<Power> {
        let folder = Scratch::new()?;
        loop {
            let at = usize::try_from(random.below(self.events.len().max(1) as u64))?;
            let files = self.disk(at)?.cut(random);
            lay_out(&folder.path, &files)?;
            if let Ok(found) = Found::of(&self.options.open(&folder.path)?) {
                return Ok(Power { judge: self.judged(at, &found)?, files });
            }
        }
    }

    /// Keeps what a cut left, and tells where.
    fn keep(&self, files: &Files, at: usize, cut: u64) -> Result<String> {
        let kept = tempfile::tempdir()?.keep();
        lay_out(&kept.join("before"), &self.before.files)?;
        lay_out(&kept.join("after"), files)?;
        let calls = self.events.iter().take(at).map(|event| format!("{event}\n"));
        fs::write(kept.join("calls"), calls.collect::<String>())?;
        let kept = kept.display();
        Ok(format!(
            "cut {cut} before event {at} broke a promise; what it left, and the calls before it, are kept in {kept}"
        ))
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
    path: PathBuf,
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
