//! Running cargo, and reading what it says.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The workspace's folder.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new(".")).to_owned()
}

/// `cargo` in the workspace.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// The folder that cargo builds into, wherever the environment or a configuration puts it.
///
/// # Errors
///
/// Cargo's metadata cannot be read.
pub fn target_directory() -> Result<PathBuf> {
    static KNOWN: OnceLock<PathBuf> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(known.clone());
    }
    let found = target_directory_of(&metadata(&mut cargo())?)?;
    Ok(KNOWN.get_or_init(|| found).clone())
}

fn target_directory_of(metadata: &Value) -> Result<PathBuf> {
    let folder = metadata["target_directory"].as_str();
    folder.map(PathBuf::from).context("cargo metadata names no target directory")
}

fn metadata(cargo: &mut Command) -> Result<Value> {
    let output = cargo.args(["metadata", "--format-version", "1", "--no-deps"]).output();
    let output = output.context("cannot run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata")
}

/// Runs it, with its output where ours goes.
///
/// # Errors
///
/// It failed.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot run {}", shown(command)))?;
    if status.success() { Ok(()) } else { bail!("failed: {}", shown(command)) }
}

/// What test runs came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub ignored: u64,
    /// Whether a run ended badly, also without a failing test: a crash, or code that does not build.
    pub broken: bool,
}

/// Runs tests, passes their output on, and counts.
///
/// # Errors
///
/// Cargo could not be started.
pub fn run_tests(command: &mut Command, tally: &mut Tally) -> Result<()> {
    println!("$ {}", shown(command));
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what the tests say")?;
        count(&line, tally);
        // A reader that has gone away must not stop the tests.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    tally.broken |= !child.wait()?.success();
    Ok(())
}

/// The test targets of a package.
///
/// # Errors
///
/// Cargo's metadata cannot be read.
pub fn test_targets(package: &str) -> Result<Vec<String>> {
    let metadata = metadata(&mut cargo())?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages
        .filter(|it| it["name"] == package)
        .flat_map(|it| it["targets"].as_array().into_iter().flatten())
        .filter(|target| {
            target["kind"].as_array().is_some_and(|kinds| kinds.iter().any(|k| k == "test"))
        });
    Ok(targets.filter_map(|target| target["name"].as_str().map(str::to_owned)).collect())
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
fn count(line: &str, tally: &mut Tally) {
    let Some(result) = line.strip_prefix("test result: ") else { return };
    let figure = |word: &str| -> u64 {
        let before = result.split(word).next().unwrap_or_default().trim_end();
        before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    tally.passed += figure(" passed");
    tally.failed += figure(" failed");
    tally.ignored += figure(" ignored");
}

fn shown(command: &Command) -> String {
    let words = command.get_args().map(|word| word.to_string_lossy());
    format!("cargo {}", words.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_where_the_environment_puts_it() {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut cargo = cargo();
        let told = metadata(cargo.env("CARGO_TARGET_DIR", elsewhere.path())).unwrap();
        assert_eq!(target_directory_of(&told).unwrap(), elsewhere.path());
    }

    #[test]
    fn the_figures_of_a_result_line_are_added_up() {
        let mut tally = Tally::default();
        count(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out",
            &mut tally,
        );
        count("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured", &mut tally);
        count("test result_is_fine ... ok", &mut tally);
        assert_eq!((tally.passed, tally.failed, tally.ignored), (7, 2, 1));
    }
}
