//! `cargo xtask <command>`: a thin dispatch; each command lives in its own module.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::bench::BenchCommand;
use xtask::chaos::{self, ChaosArguments};
use xtask::crash::CrashArguments;
use xtask::crash::files::{self, StoreArguments, VoyageArguments};
use xtask::crash::host::{self, VictimArguments};
use xtask::firmware::{self, FirmwareArguments};
use xtask::fuzz::{self, FuzzArguments};
use xtask::kafka::KafkaCommand;
use xtask::test::TestArguments;
use xtask::{ci, crash, test};

/// The project's commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// One variant a command; a new command is a module and a line here.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a real Apache Kafka on loopback: up, status, topic, down
    #[command(subcommand, arg_required_else_help = true)]
    Kafka(KafkaCommand),
    /// Run all tests, with a real Kafka that is started for them and ended
    Test(TestArguments),
    /// Kill the process and the broker again and again, and count what arrived
    Chaos(ChaosArguments),
    /// Cut the power in every byte that is programmed or erased, kill a process again and again, or let its file calls fail, and check the promises
    Crash(CrashArguments),
    /// The process that `crash --host` kills
    #[command(hide = true)]
    CrashVictim(VictimArguments),
    /// The process whose file calls `crash --files` lets fail
    #[command(hide = true)]
    CrashVoyage(VoyageArguments),
    /// The process that `crash --files` cuts, and lets fail, with several logs
    #[command(hide = true)]
    CrashStore(StoreArguments),
    /// Look for inputs that break the engine
    Fuzz(FuzzArguments),
    /// Build the crates for microcontrollers, and measure what they take there
    Firmware(FirmwareArguments),
    /// Measure, beside other libraries that do the same
    #[command(subcommand, arg_required_else_help = true)]
    Bench(BenchCommand),
    /// The gate: formatting, lints, documentation, layers, all tests, firmware, power cuts, kills, short fuzzing and chaos
    Ci,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Kafka(command) => command.run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Crash(arguments) => crash::run(&arguments),
        Command::CrashVictim(arguments) => host::live(&arguments),
        Command::CrashVoyage(arguments) => files::sail(&arguments),
        Command::CrashStore(arguments) => files::keep(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Firmware(arguments) => firmware::run(&arguments),
        Command::Bench(command) => command.run(),
        Command::Ci => ci::gate(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes is for the user; a backtrace is not.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
