//! Criterion's benches of single calls: from `benches/micro`.

use crate::cargo::{self, cargo, target_directory, workspace};
use anyhow::Result;
use clap::Args;

/// Arguments of the bench of single calls.
#[derive(Args, Clone, Debug)]
pub struct MicroArguments {
    /// Handed to criterion: a part of the names to run, or options such as --save-baseline NAME
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    criterion: Vec<String>,
}

/// Runs them; criterion prints, and keeps what it found below the target directory.
pub(super) fn run(arguments: &MicroArguments) -> Result<()> {
    let mut bench = cargo();
    bench.current_dir(workspace().join("benches/micro"));
    bench.args(["bench", "--locked", "--target-dir"]).arg(target_directory()?.join("benches"));
    cargo::run(bench.arg("--").args(&arguments.criterion))
}
