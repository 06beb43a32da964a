//! `cargo xtask crash`: the power is cut in every byte of every program and erase, and the promises are checked.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use edgelog_sim::campaign::{self, Case, Device, Plan, Plant};

/// Arguments of `crash`.
#[derive(Args, Clone, Debug)]
pub struct CrashArguments {
    /// Check at least this many states after power cuts
    #[arg(long, default_value_t = 100_000, value_name = "N")]
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

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Bug {
    /// Flash silently leaves out the last word of some programs
    DroppedWord,
    /// Disks make nothing durable when they say so
    LyingSync,
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
    });
    let report = match arguments.case {
        Some(case) => campaign::replay(case, plant),
        None => {
            let disk = (!arguments.nor).then_some(Device::Disk);
            let nor = if arguments.disk { &[][..] } else { &Device::NOR };
            let devices = disk.into_iter().chain(nor.iter().copied()).collect();
            let CrashArguments { states, seed, .. } = *arguments;
            campaign::run(&Plan { states, seed, devices, plant })
        }
    };
    println!("{report}");
    if report.failures() > 0 {
        bail!("promises were broken; a case runs again with cargo xtask crash --case CASE");
    }
    Ok(())
}
