//! `cargo xtask crash --host`: a process of eight threads that append and four that read is killed at random moments, and what it was
//! told is compared with what its log then holds.
//!
//! A kill leaves what was written to files, synced or not: this shows that nothing is told before it was written, that threads and the
//! recycling of segments do not get in each other's way, and that opening finds the end. What a power cut leaves is shown by the simulator.

pub(in crate::crash) mod judge;
pub(in crate::crash) mod order;
mod victim;

pub use victim::{VictimArguments, live};
pub(in crate::crash) use victim::{cursor_name, tell};

use super::{Bug, CrashArguments};
use crate::chaos::Random;
use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use edgelog::{Event, FullPolicy, Log, Options};
use judge::{Found, Judge, Life};
use order::Name;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(in crate::crash) const TOPIC: &str = "kills";
const PRODUCERS: u32 = 8;
const CONSUMERS: usize = 4;
/// Those whose cursors are protected in every second life or so: the slow one, which lets the log get full, among them.
const PROTECTED: [usize; 2] = [0, CONSUMERS - 1];
/// So many kills a log: the creation of logs is to be killed too.
const KILLS_A_LOG: u32 = 100;

/// What a victim tells, one a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::crash) enum Line {
    /// It opened the log, of which so much was visible.
    Opened { visible: u64 },
    /// This record, and every one that its thread appended before, is durable: it was synced, waited for, or became so by itself.
    Acked { epoch: u32, offset: u64, name: Name },
    /// It was appended, or a consumer read it; it may not be durable yet.
    Seen { epoch: u32, offset: u64, name: Name },
    /// A cursor is about to be moved there: from then on what is below may be evicted.
    Committing { cursor: usize, offset: u64 },
    /// A cursor's place was synced.
    Committed { cursor: usize, offset: u64 },
    /// Something was not done because a file call failed; `ends`: the log takes no more until it is opened again.
    Failed { doing: String, error: String, ends: bool },
    /// It saw for itself that a promise was broken.
    Broken(String),
}

/// Kills until it is enough, or a promise is broken.
///
/// # Errors
///
/// A promise was broken: its life, seed and folder, which is kept, are told. Or a process could not be started.
pub(super) fn run(arguments: &CrashArguments) -> Result<()> {
    let CrashArguments { seed, kills, plant, .. } = *arguments;
    println!("crash.host.seed = {seed}");
    let mut random = Random(seed);
    let (mut done, mut acked) = (0, 0);
    let started = Instant::now();
    while done < kills {
        let folder = tempfile::tempdir()?;
        let mut judge = Judge::default();
        for life in 0..KILLS_A_LOG.min(kills - done) {
            let chosen = Chosen::random(&mut random, 2 * life, plant);
            match live_and_judge(folder.path(), &chosen, &mut judge) {
                Ok(more) => acked += more,
                Err(error) => {
                    println!("crash.host.failures = 1");
                    let kept = folder.keep();
                    let kept = kept.display();
                    let context = format!(
                        "kill {done} of --seed {seed} ({chosen:?}) broke a promise; its log is kept in {kept}"
                    );
                    return Err(error.context(context));
                }
            }
            done += 1;
        }
        println!("crash.host.log = {}", judge.figures());
    }
    ensure!(kills == 0 || acked > 0, "no process lived long enough to sync anything");
    println!("crash.host.kills = {done}");
    println!("crash.host.acked = {acked}");
    println!("crash.host.failures = 0");
    println!("crash.host.seconds = {}", started.elapsed().as_secs());
    Ok(())
}

/// What is chosen for one life.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    run: u32,
    seed: u64,
    protect: bool,
    compress: bool,
    lives: Duration,
    plant: Option<Bug>,
}

impl Chosen {
    /// Every second one compresses what is sealed. One in four ends while the log is opened, mounted or first appended to.
    fn random(random: &mut Random, run: u32, plant: Option<Bug>) -> Self {
        let (seed, protect) = (random.next(), random.below(2) == 0);
        let compress = random.below(2) == 0;
        let is_early = random.below(4) == 0;
        let micros = if is_early { random.below(20_000) } else { 20_000 + random.below(180_000) };
        Self { run, seed, protect, compress, lives: Duration::from_micros(micros), plant }
    }
}

/// One life, its end, and the log after it; gives how many syncs were told.
fn live_and_judge(folder: &Path, chosen: &Chosen, judge: &mut Judge) -> Result<u64> {
    let lines = live_and_die(folder, chosen)?;
    let Chosen { run, protect, .. } = *chosen;
    let acked = lines.iter().filter(|line| matches!(line, Line::Acked { .. })).count();
    let log = options().open(folder).context("open the log after the kill")?;
    judge.life(&Life { run, protect, lines: &lines }, &Found::of(&log)?)?;
    let lines = append(&log, run + 1).context("append after the kill")?;
    judge.life(&Life { run: run + 1, protect: false, lines: &lines }, &Found::of(&log)?)?;
    Ok(acked as u64)
}

/// Starts the victim, kills it, and gives what it told until then.
fn live_and_die(folder: &Path, chosen: &Chosen) -> Result<Vec<Line>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("crash-victim").arg(folder);
    command.args(["--run", &chosen.run.to_string(), "--seed", &chosen.seed.to_string()]);
    if chosen.protect {
        command.arg("--protect");
    }
    if chosen.compress {
        command.arg("--compress");
    }
    if let Some(bug) = chosen.plant.and_then(|bug| bug.to_possible_value()) {
        command.args(["--plant", bug.get_name()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("start the process")?;
    let told = child.stdout.take().context("the process has no output")?;
    let reading = std::thread::spawn(move || lines_of(told));
    std::thread::sleep(chosen.lives);
    let ended = child.try_wait()?;
    child.kill().context("kill the process")?;
    let status = child.wait()?;
    let Ok(lines) = reading.join() else { bail!("reading from the process panicked") };
    let lines = lines?;
    // It says why, before its threads' end is its own.
    let broken = lines.iter().any(|line| matches!(line, Line::Broken(_)));
    ensure!(broken || ended.is_none(), "the process ended by itself with {status}");
    Ok(lines)
}

/// A last line that the kill cut short was never told.
fn lines_of(told: impl Read) -> Result<Vec<Line>> {
    let (mut told, mut lines, mut line) = (BufReader::new(told), Vec::new(), String::new());
    while told.read_line(&mut line)? > 0 && line.ends_with('\n') {
        lines.push(serde_json::from_str(&line).with_context(|| format!("understand {line}"))?);
        line.clear();
    }
    Ok(lines)
}

/// The log goes on after a kill.
pub(in crate::crash) fn append(log: &Log, run: u32) -> Result<Vec<Line>> {
    log.set_full_policy(FullPolicy::DropOldest);
    let name = Name { run, thread: 0, number: 0 };
    let offset = log.append(TOPIC, &Event::new(&name.payload()))?;
    let durable = log.sync()?;
    ensure!(durable > offset, "a sync gave {durable} for the record {offset} appended before it");
    Ok(vec![Line::Acked { epoch: log.status()?.epoch, offset, name }])
}

/// A small ring, so that it goes round in every few lives.
pub(in crate::crash) const fn options() -> Options {
    let options = Options::new().segment_bytes(64 << 10).budget_bytes(1 << 20);
    // So that batches end by their time as well as by their bytes.
    options.batch(Duration::from_millis(5), 8 << 10)
}
