//! `cargo xtask crash`: the power is cut in every byte of every program and erase, and the promises are checked. With `--host` a
//! process that uses the log is killed instead, with `--files` the power is cut under its files, and its file calls fail.

pub mod files;
pub mod host;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};
use edgelog_sim::campaign::{self, Case, Device, Plan, Plant, Scenario};

/// Arguments of `crash`.
#[derive(Args, Clone, Debug)]
pub struct CrashArguments {
    /// Check at least this many states after power cuts
    #[arg(long, default_value_t = STATES, value_name = "N")]
    pub states: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only disks
    #[arg(long, conflicts_with = "nor")]
    pub disk: bool,
    /// Only NOR flash
    #[arg(long)]
    pub nor: bool,
    /// Run one case again, as a failure names it
    #[arg(long, conflicts_with_all = ["states", "seed", "disk", "nor"])]
    pub case: Option<Case>,
    /// Kill a process of many threads again and again instead
    #[arg(long, conflicts_with_all = ["states", "disk", "nor", "case"])]
    pub host: bool,
    /// Cut the power under the files of a process instead, at each of its calls, and let each call fail
    #[arg(long, conflicts_with_all = ["host", "disk", "nor", "case"])]
    pub files: bool,
    /// With --files: how many calls fail; one for 8 states if it is not said
    #[arg(long, value_name = "N", requires = "files")]
    pub faults: Option<u64>,
    /// How often the process is killed
    #[arg(long, default_value_t = KILLS, value_name = "N", requires = "host")]
    pub kills: u32,
    /// Plant a bug in the simulator, or in the process that is killed: the run must then fail
    #[arg(long, value_enum, value_name = "BUG")]
    pub plant: Option<Bug>,
}

/// What the gate runs.
impl Default for CrashArguments {
    fn default() -> Self {
        let (states, kills) = (STATES, KILLS);
        let (disk, nor, host, files) = (false, false, false, false);
        Self {
            states,
            seed: 1,
            disk,
            nor,
            case: None,
            host,
            files,
            faults: None,
            kills,
            plant: None,
        }
    }
}

impl CrashArguments {
    /// Enough kills to see that nothing is broken, in half a minute.
    #[must_use]
    pub fn short_host() -> Self {
        Self { host: true, kills: KILLS_SHORT, ..Self::default() }
    }

    /// Enough power cuts under files, and failing calls, to see that nothing is broken, in a minute.
    #[must_use]
    pub fn short_files() -> Self {
        Self { files: true, states: STATES_FILES, ..Self::default() }
    }
}

/// As many as the design asks of the gate.
const STATES: u64 = 100_000;
/// Some minutes.
const KILLS: u32 = 1000;
const KILLS_SHORT: u32 = 100;
/// Each is read some times as a whole.
const STATES_FILES: u64 = 4000;

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Bug {
    /// Flash silently leaves out the last word of some programs
    DroppedWord,
    /// Disks, those of --files too, make nothing durable when they say so
    LyingSync,
    /// Disks keep no order between what is written before a barrier and behind it
    ForgottenBarrier,
    /// A batch that was cut is there without its first record
    HeadlessBatch,
    /// The oldest segment is erased although the policy keeps it
    GreedyRing,
    /// With --host or --files: records are told as durable before a sync
    EarlyAck,
    /// With --host: batched records are told as durable before their batch is synced
    EarlyBatch,
    /// With --files: calls that are to fail do nothing, and tell that all is well
    LostCall,
    /// With --host: a thread leaves out one of its records now and then
    SkippedNumber,
    /// With --host: cursors are told as durable before they are committed
    EarlyCommit,
}

impl Bug {
    /// Nothing for those of the process that is killed.
    const fn of_simulator(self) -> Option<Plant> {
        match self {
            Self::DroppedWord => Some(Plant::DroppedWord),
            Self::LyingSync => Some(Plant::LyingSync),
            Self::ForgottenBarrier => Some(Plant::ForgottenBarrier),
            Self::HeadlessBatch => Some(Plant::HeadlessBatch),
            Self::GreedyRing => Some(Plant::GreedyRing),
            Self::EarlyAck
            | Self::EarlyBatch
            | Self::LostCall
            | Self::SkippedNumber
            | Self::EarlyCommit => None,
        }
    }
}

/// Runs it and prints one figure a line.
///
/// # Errors
///
/// A promise was broken; the reproducing cases, or the seed, are printed.
pub fn run(arguments: &CrashArguments) -> Result<()> {
    if arguments.files {
        let bugs = [Bug::LyingSync, Bug::EarlyAck, Bug::LostCall];
        ensure!(
            arguments.plant.is_none_or(|bug| bugs.contains(&bug)),
            "this bug is not one of file calls: leave out --files"
        );
        return files::run(arguments);
    }
    let plant = arguments.plant.and_then(Bug::of_simulator);
    if arguments.host {
        ensure!(plant.is_none(), "this bug is planted in the simulator: leave out --host");
        return host::run(arguments);
    }
    let is_planted = arguments.plant.is_none() || plant.is_some();
    ensure!(is_planted, "this bug is planted in a process that is killed: add --host");
    let report = match arguments.case {
        Some(case) => campaign::replay(case, plant),
        None => {
            let disk = (!arguments.nor).then_some(Device::Disk);
            let nor = if arguments.disk { &[][..] } else { &Device::NOR };
            let devices = disk.into_iter().chain(nor.iter().copied()).collect();
            let CrashArguments { states, seed, .. } = *arguments;
            let scenarios = Scenario::ALL.to_vec();
            campaign::run(&Plan { states, seed, devices, scenarios, plant })
        }
    };
    println!("{report}");
    if report.failures() > 0 {
        bail!("promises were broken; a case runs again with cargo xtask crash --case CASE");
    }
    Ok(())
}
