//! `cargo xtask crash --files`: the power is cut under the files of a process that uses the log, and each of its file calls fails.
//!
//! `--host` kills a process, which leaves every write that it made. Here each call that the same process makes is written down, with
//! what it tells of its log in between, and then, at each of these calls, states are built that a disk may hold after a power cut
//! there (see `disk`). Each is opened, compared with what the process was told until then, appended to, and opened again. Some are
//! lived on from by another process, whose calls are cut in turn: those that open a log after a power cut, or a kill, too.
//!
//! Then a `voyage` is made again and again, each time with another call that fails: see `faults`. Both are done to a `store` of two logs, too.
//!
//! CrashMonkey and ALICE do the like for file systems and whole programs; they are research tools of Linux 4 and Python 2. dm-log-writes
//! needs root and a kernel with its target, and cuts between flushes only. So this is 200 lines of C, and the model of a disk.

mod cuts;
mod disk;
mod faults;
mod shim;
mod store;
mod trace;
mod voyage;

pub use store::{StoreArguments, keep};
pub use voyage::{VoyageArguments, sail};

use super::host::options;
use super::{Bug, CrashArguments};
use crate::chaos::Random;
use anyhow::{Context, Result};
use cuts::{Calls, Cuts, Power, told};
use disk::{Disk, Files, Habits};
use faults::Subject;
use shim::{Conditions, Shim, lay_out};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// So many lives follow each other on a log, each but the first on what the kill of the one before left, or a cut in it.
const LIVES_A_LOG: u32 = 4;
/// How often a life is cut that makes many calls.
const CUTS_A_LIFE: u64 = 800;
/// A failing call for so many states.
const STATES_A_FAULT: u64 = 8;
/// A store has one state for so many of a log's.
const A_STORES_PART: u64 = 5;

/// Cuts the power until it is enough, or a promise is broken.
///
/// # Errors
///
/// A promise was broken: its seed and the folder, which is kept, are told. Or a process could not be started.
pub(super) fn run(arguments: &CrashArguments) -> Result<()> {
    let CrashArguments { seed, states, faults, plant, .. } = *arguments;
    println!("crash.files.seed = {seed}");
    let shim = Shim::new()?;
    let (mut random, started) = (Random(seed), Instant::now());
    let mut figures = Figures::default();
    while figures.states < states {
        let habits = Habits { lies: plant == Some(Bug::LyingSync) };
        let disk = Disk::of(&Files::new(), habits);
        let mut power = Power { disk, ..Power::default() };
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
    let failing = |_: &anyhow::Error| println!("crash.files.failures = 1");
    let habits = Habits { lies: plant == Some(Bug::LyingSync) };
    let store = store::run(&shim, seed, states.div_ceil(A_STORES_PART), habits);
    let store = store.inspect_err(failing)?;
    let faults = faults.unwrap_or_else(|| states.div_ceil(STATES_A_FAULT));
    let verify = faults::command()?;
    let meet = |subject, faults| faults::run(&shim, subject, seed, faults, plant, Some(&verify));
    let failed = meet(Subject::Log, faults).inspect_err(failing)?;
    let store_failed = meet(Subject::Store, faults.div_ceil(A_STORES_PART)).inspect_err(failing)?;
    let Figures { states, calls, lives } = figures;
    println!("crash.files.lives = {lives}");
    println!("crash.files.calls = {calls}");
    println!("crash.files.states = {states}");
    println!("crash.files.faults = {}", failed.faults.load(Ordering::SeqCst));
    println!("crash.files.faults.states = {}", failed.states.load(Ordering::SeqCst));
    println!("crash.files.store.lives = {}", store.lives);
    println!("crash.files.store.calls = {}", store.calls);
    println!("crash.files.store.states = {}", store.states);
    println!("crash.files.store.faults = {}", store_failed.faults.load(Ordering::SeqCst));
    println!("crash.files.store.faults.states = {}", store_failed.states.load(Ordering::SeqCst));
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

impl Power {
    /// One life, cut at each of its calls. Gives one of the logs that this left.
    fn live(self, shim: &Shim, chosen: &Chosen, figures: &mut Figures) -> Result<Self> {
        let mut random = Random(chosen.seed);
        let folder = shim.room("log")?;
        lay_out(&folder, &self.disk.seen())?;
        let (run, seed) = (chosen.run.to_string(), chosen.seed.to_string());
        let mut arguments = vec!["crash-victim", "--run", &run, "--seed", &seed];
        let protect = random.below(2) == 0;
        if protect {
            arguments.push("--protect");
        }
        if random.below(2) == 0 {
            arguments.push("--compress");
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
            calls: Calls {
                before: &self.disk,
                events: life.events,
                seed: random.next(),
                every: 1,
                most: CUTS_A_LIFE,
            },
            run: chosen.run,
            protect,
            before: &self,
            options: options(),
        };
        let states = cuts.calls.cut(&cuts);
        figures.states += states.with_context(|| format!("--seed of this life {chosen:?}"))?;
        figures.calls += cuts.calls.count();
        figures.lives += 1;
        cuts.one(&mut random)
    }
}
