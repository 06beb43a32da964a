//! `cargo xtask bench`: the project's figures, each again for the libraries that do the same.
//!
//! The benches are workspaces of their own under `benches/`, so that nobody who tests the project builds other people's logs.

mod compare;
mod flash;
mod micro;
mod record;
mod results;

pub use compare::HostArguments;
pub use micro::MicroArguments;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchCommand {
    /// Reads, programs and erases on simulated NOR flash, and code and memory on a Cortex-M4
    Flash(Saving),
    /// Writing and reading an event beside other encodings, and its code on a Cortex-M4
    Record(Saving),
    /// Appending, syncing, reading and opening on a host, beside plain loops and eight other logs and stores
    Host(HostArguments),
    /// One producer and many consumers in a process, beside channels
    Fanout(Saving),
    /// What segments save that are kept compressed, and what reading them costs
    Rest(Saving),
    /// Single calls in memory, by criterion, which compares with its last run: for whoever changes one
    Micro(MicroArguments),
}

/// Arguments of every bench.
#[derive(Args, Clone, Copy, Debug)]
pub struct Saving {
    /// Also write the figures, with machine and date, to benches/results
    #[arg(long)]
    save: bool,
}

impl BenchCommand {
    /// Measures, and prints one figure a line, `name = value`; `#` begins a comment.
    ///
    /// # Errors
    ///
    /// A bench does not build or fails, or its results cannot be written.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Record(saving) => results::tell("record", &record::figures()?, saving.save),
            Self::Host(arguments) => {
                results::tell("host", &compare::host(&arguments)?, arguments.saving.save)
            }
            Self::Fanout(saving) => results::tell("fanout", &compare::fanout()?, saving.save),
            Self::Rest(saving) => results::tell("rest", &compare::rest()?, saving.save),
            Self::Micro(arguments) => micro::run(&arguments),
            Self::Flash(saving) => results::tell("flash", &flash::figures()?, saving.save),
        }
    }
}
