//! The models of the hand-over points, which are a workspace of their own: `tests/models`.

use crate::cargo::{Tally, cargo, run as run_cargo, run_tests, target_directory};
use anyhow::Result;
use std::process::Command;

const MANIFEST: &str = "tests/models/Cargo.toml";

/// Tries every order in which threads can meet; counts models as tests.
///
/// # Errors
///
/// Cargo could not be started.
pub fn run(tally: &mut Tally) -> Result<()> {
    run_tests(&mut command("run")?, tally)
}

/// Lints them.
///
/// # Errors
///
/// What Clippy finds.
pub fn lint() -> Result<()> {
    run_cargo(command("clippy")?.args(["--", "-D", "warnings"]))
}

fn command(verb: &str) -> Result<Command> {
    let mut command = cargo();
    command.args([verb, "--quiet", "--locked", "--manifest-path", MANIFEST]);
    command.arg("--target-dir").arg(target_directory()?.join("models"));
    Ok(command)
}
