//! The figures of an event: times and bytes from `benches/record`, code from a program for a Cortex-M4.

use crate::cargo::{cargo, target_directory, workspace};
use crate::firmware::{ENGINE, flash_bytes_on_cortex_m4};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::process::Stdio;

/// Everything, as it is printed.
pub(super) fn figures() -> Result<String> {
    let code = flash_bytes_on_cortex_m4(ENGINE, "event")?;
    let mut bench = cargo();
    bench.current_dir(workspace().join("benches/record"));
    bench.args(["run", "--quiet", "--locked", "--release", "--target-dir"]);
    bench.arg(target_directory()?.join("benches"));
    let output = bench.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "benches/record failed");
    let mut text = String::from_utf8(output.stdout).context("benches/record prints no text")?;
    text.push_str(
        "\n# code and constants on thumbv7em, optimised for size, beyond a program that does nothing: to write a table with every\n\
         # kind of field and the envelope around it, and to verify and read both\n",
    );
    writeln!(text, "record.text.thumbv7em = {code}")?;
    Ok(text)
}
