//! `cargo xtask crash --files`: the power is cut under the files of a process that uses the log.
//!
//! `--host` kills a process, which leaves every write that it made. Here each call that the same process makes is written down, with
//! what it tells of its log in between, and then, at each of these calls, states are built that a disk may hold after a power cut
//! there (see [`disk`]). Each is opened, compared with what the process was told until then, appended to, and opened again. Some are
//! lived on from by another process, whose calls are cut in turn: those that open a log after a power cut too.
//!
//! CrashMonkey and ALICE do the like for file systems and whole programs; they are research tools of Linux 4 and Python 2. dm-log-writes
//! needs root and a kernel with its target, and cuts between flushes only. So this is 200 lines of C, and the model of a disk.

mod disk;
mod shim;
mod trace;

use super::host::judge::{Found, Judge, Life};
use super::host::order::Order;
use super::host::{Line, append, options};
use super::{Bug, CrashArguments};
use crate::chaos::Random;
use anyhow::{Context, Result, ensure};
use disk::{Disk, Files};
use edgelog::{OpenError, Start, View};
use shim::{Conditions, Shim, lay_out};
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use trace::Event;

/// So many lives follow each other on a log, each but the first on what a cut of the one before left.
const LIVES_A_LOG: u32 = 4;
/// How often the power is cut at one call at the most, and in a life that makes many.
const CUTS_A_CALL: u64 = 8;
const CUTS_A_LIFE: u64 = 800;

/// Cuts the power until it is enough, or a promise is broken.
///
/// # Errors
///
/// A promise was broken: its seed and the folder, which is kept, are told. Or a process could not be started.
pub(super) fn run(arguments: &CrashArguments) -> Result<()> {
    let CrashArguments { seed, states, plant, .. } = *arguments;
    println!("crash.files.seed = {seed}");
    let shim = Shim::new()?;
    let (mut random, started) = (Random(seed), Instant::now());
    let mut figures = Figures::default();
    while figures.states < states {
        let mut power = Power { judge: Judge::default(), files: Files::new() };
        for life in 0..LIVES_A_LOG {
            let chosen = Chosen { run: 2 * life, seed: random.next(), plant };
            power = power.live(&shim, &chosen, &mut figures).inspect_err(|_| {
                println!("crash.files.failures = 1");
            })?;
            if figures.states >= states {
                break;
            }
        }
        println!("crash.files.log = {}", power.judge.figures());
    }
    let Figures { states, calls, lives } = figures;
    println!("crash.files.lives = {lives}");
    println!("crash.files.calls = {calls}");
    println!("crash.files.states = {states}");
    println!("crash.files.failures = 0");
    println!("crash.files.seconds = {}", started.elapsed().as_secs());
    Ok(())
}

#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    lives: u32,
    calls: u64,
    states: u64,
}

/// What is chosen for one life.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    run: u32,
    seed: u64,
    plant: Option<Bug>,
}

/// A log between two lives.
#[derive(Debug)]
struct Power {
    /// What is known of it.
    judge: Judge,
    /// What the last cut left.
    files: Files,
}

impl Power {
    /// One life, cut at each of its calls. Gives one of the logs that this left.
    fn live(self, shim: &Shim, chosen: &Chosen, figures: &mut Figures) -> Result<Self> {
        let mut random = Random(chosen.seed);
        let folder = shim.room("log")?;
        lay_out(&folder, &self.files)?;
        let (run, seed) = (chosen.run.to_string(), chosen.seed.to_string());
        let mut arguments = vec!["crash-victim", "--run", &run, "--seed", &seed];
        let protect = random.below(2) == 0;
        if protect {
            arguments.push("--protect");
        }
        if chosen.plant == Some(Bug::EarlyAck) {
            arguments.extend(["--plant", "early-ack"]);
        }
        let conditions = Conditions {
            seed: random.next(),
            fault: None,
            zeroes: random.below(2) == 0,
            lives: Duration::from_millis(20 + random.below(100)),
            is_endless: true,
        };
        let life = shim.run(&folder, &arguments, &conditions)?;
        let cuts = Cuts {
            lines: told(&life.events)?,
            events: life.events,
            run: chosen.run,
            protect,
            seed: random.next(),
            before: &self,
            lies: chosen.plant == Some(Bug::LyingSync),
        };
        // The states of one life, by as many threads as there are processors.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let counted: Result<Vec<u64>> = std::thread::scope(|scope| {
            let cuts = &cuts;
            let parts: Vec<_> =
                (0..threads).map(|part| scope.spawn(move || cuts.part(part, threads))).collect();
            let joined = parts.into_iter().map(|part| part.join());
            joined.map(|part| part.unwrap_or_else(|_| anyhow::bail!("opening panicked"))).collect()
        });
        let counted = counted.with_context(|| format!("--seed of this life {chosen:?}"))?;
        figures.states += counted.iter().sum::<u64>();
        figures.calls +=
            cuts.events.iter().filter(|event| !matches!(event, Event::Told(_))).count() as u64;
        figures.lives += 1;
        cuts.one(&mut random)
    }
}

/// What was told, each with how many events stand before it.
fn told(events: &[Event]) -> Result<Vec<(usize, Line)>> {
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
struct Cuts<'p> {
    before: &'p Power,
    events: Vec<Event>,
    lines: Vec<(usize, Line)>,
    run: u32,
    protect: bool,
    seed: u64,
    lies: bool,
}

impl Cuts<'_> {
    /// Cuts the power before each of this share of the calls, when everything that was told before it was heard, and gives how many different states that left.
    fn part(&self, part: usize, parts: usize) -> Result<u64> {
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
    fn calls(&self) -> u64 {
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
        let log = options().open(folder).context("open the log after the cut")?;
        let found = Found::of(&log)?;
        agree(seen, &found)?;
        let mut judge = self.judged(at, &found)?;
        let run = self.run + 1;
        let lines = append(&log, run).context("append after the cut")?;
        drop(log);
        let log = options().open(folder).context("open the log once more")?;
        judge.life(&Life { run, protect: false, lines: &lines }, &Found::of(&log)?)
    }

    /// A log that a cut left somewhere in this life.
    fn one(&self, random: &mut Random) -> Result<Power> {
        let at = usize::try_from(random.below(self.events.len().max(1) as u64))?;
        let mut disk = Disk::of(&self.before.files, self.lies);
        self.events.iter().take(at).try_for_each(|event| disk.take(event))?;
        let files = disk.cut(random);
        let folder = Scratch::new()?;
        lay_out(&folder.path, &files)?;
        let judge = self.judged(at, &Found::of(&options().open(&folder.path)?)?)?;
        Ok(Power { judge, files })
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
fn agree(seen: Result<View, OpenError>, found: &Found) -> Result<()> {
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
    let mut order = Order::from(view.offset());
    let mut records = 0;
    while let Some(item) = view.next()? {
        let offset = order.next;
        if let Some(record) = order.take(&item)? {
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
struct Scratch {
    _folder: TempDir,
    path: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }?;
        let path = folder.path().join("log");
        Ok(Self { _folder: folder, path })
    }
}
