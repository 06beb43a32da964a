//! `cargo xtask crash`: the power is cut in every byte of every program and erase, and the promises are checked.

use anyhow::{Result, bail};
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
    /// Plant a bug in the simulator: the run must then fail
    #[arg(long, value_enum, value_name = "BUG")]
    pub plant: Option<Bug>,
}

/// What the gate runs.
impl Default for CrashArguments {
    fn default() -> Self {
        Self { states: STATES, seed: 1, disk: false, nor: false, case: None, plant: None }
    }
}

/// As many as the design asks of the gate.
const STATES: u64 = 100_000;

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Bug {
    /// Flash silently leaves out the last word of some programs
    DroppedWord,
    /// Disks make nothing durable when they say so
    LyingSync,
    /// A batch that was cut is there without its first record
    HeadlessBatch,
    /// The oldest segment is erased although the policy keeps it
    GreedyRing,
}

/// Runs it and prints one figure a line.
///
/// # Errors
///
/// A promise was broken; the reproducing cases are printed.
pub fn run(arguments: &CrashArguments) -> Result<()> {
    let plant = arguments.plant.map(|bug| match bug {
        Bug::DroppedWord => Plant::DroppedWord,
        Bug::LyingSync => Plant::LyingSync,
        Bug::HeadlessBatch => Plant::HeadlessBatch,
        Bug::GreedyRing => Plant::GreedyRing,
    });
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
