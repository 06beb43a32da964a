//! `cargo xtask fuzz`: looks for inputs that break the engine, with libFuzzer.
//!
//! It runs on stable Rust without a sanitizer: the engine has no unsafe code for one to watch, and without it a target runs three to five times
//! as often. What is found are panics, overflows, hangs, and promises that do not hold. See `fuzz/src/lib.rs` for what each target does.

use crate::cargo::{cargo, run as run_cargo, target_directory, workspace};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Arguments of `fuzz`.
#[derive(Args, Clone, Debug)]
pub struct FuzzArguments {
    /// How long each target runs
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Instead of new inputs, those that this seed makes of the corpus: the same, and as many, each time
    #[arg(long, conflicts_with_all = ["seconds", "keep"])]
    seed: Option<u32>,
    /// One target instead of all
    #[arg(long, value_enum)]
    target: Option<Target>,
    /// Runs one input once, a crash that was kept for example
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with = "keep")]
    input: Option<PathBuf>,
    /// Afterwards replaces the corpus in fuzz/corpus by the fewest short inputs that reach as much code
    #[arg(long)]
    keep: bool,
}

impl FuzzArguments {
    /// Enough to see that nothing is broken, in a minute. What a new seed finds is nothing that the change at hand broke, so that
    /// the gate has one seed, and new inputs are looked for apart.
    #[must_use]
    pub const fn short() -> Self {
        Self { seconds: 0, seed: Some(1), target: None, input: None, keep: false }
    }
}

/// What is fuzzed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Target {
    /// Appends, commits, clocks, failing disks and power cuts, against a model
    Operations,
    /// Any bytes as a medium
    Image,
    /// Any bytes as a segment's header and frames
    Frame,
    /// Any bytes as an event, beside the official FlatBuffers library
    #[value(name = "record_verify")]
    RecordVerify,
}

impl Target {
    const ALL: [Self; 4] = [Self::Operations, Self::Image, Self::Frame, Self::RecordVerify];

    const fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Image => "image",
            Self::Frame => "frame",
            Self::RecordVerify => "record_verify",
        }
    }

    /// Inputs of a run from a seed: some 20 seconds' worth.
    const fn runs(self) -> u32 {
        match self {
            Self::Operations | Self::Image => 25_000,
            Self::Frame => 200_000,
            Self::RecordVerify => 700_000,
        }
    }
}

/// The version of cargo-fuzz, which is installed into the target directory.
const CARGO_FUZZ: &str = "0.13.2";
/// Longer inputs say little more and run longer.
const INPUT_MAX: u32 = 2048;
/// Longer inputs are not kept in the corpus.
const KEPT_MAX: u32 = 512;
/// One input that takes so long is a hang.
const HANG_SECONDS: u32 = 20;

/// Runs the targets one after another, each from its corpus in `fuzz/corpus` and from what earlier runs found on this machine.
///
/// # Errors
///
/// cargo-fuzz cannot be installed, the targets do not build, or an input broke the engine; that input is kept, and the error says how to run it again.
pub fn run(arguments: &FuzzArguments) -> Result<()> {
    let started = Instant::now();
    let fuzz = CargoFuzz::installed()?;
    fuzz.build()?;
    if let (Some(target), Some(input)) = (arguments.target, &arguments.input) {
        let input = std::path::absolute(input)?;
        let ran = fuzz.run(target, &[&input], &[])?;
        println!("{}", ran.said.join("\n"));
        ensure!(ran.success, "{} broke {}", input.display(), target.name());
        return Ok(());
    }
    let targets = arguments.target.map_or_else(|| Target::ALL.to_vec(), |target| vec![target]);
    println!("built after {} s", started.elapsed().as_secs());
    for &target in &targets {
        fuzz.search(target, arguments)?;
        if arguments.keep {
            fuzz.keep(target)?;
        }
    }
    println!("took {} s", started.elapsed().as_secs());
    Ok(())
}

/// Lints the targets, which are a workspace of their own.
///
/// # Errors
///
/// What Clippy finds.
pub fn lint() -> Result<()> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--manifest-path", "fuzz/Cargo.toml", "--all-targets"]);
    clippy.arg("--target-dir").arg(target_directory()?.join("fuzz")).args(["--", "-D", "warnings"]);
    run_cargo(&mut clippy)
}

/// The program, and where it works.
struct CargoFuzz {
    program: PathBuf,
    /// The fuzz workspace's own target directory: its instrumentation would otherwise have everything built anew by turns.
    work: PathBuf,
}

/// What a run said, and whether it found nothing.
struct Ran {
    said: Vec<String>,
    success: bool,
}

impl CargoFuzz {
    fn installed() -> Result<Self> {
        let target = target_directory()?;
        let tools = target.join("tools");
        let program = tools.join("bin").join(format!("cargo-fuzz{}", std::env::consts::EXE_SUFFIX));
        let version = Command::new(&program).args(["fuzz", "--version"]).output();
        let wanted = format!("cargo-fuzz {CARGO_FUZZ}");
        if !version.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).trim() == wanted) {
            let install = ["install", "cargo-fuzz", "--locked", "--quiet", "--version", CARGO_FUZZ];
            run_cargo(cargo().args(install).arg("--force").arg("--root").arg(&tools))?;
        }
        Ok(Self { program, work: target.join("fuzz") })
    }

    fn build(&self) -> Result<()> {
        let built = self.command("build").status().context("cannot run cargo-fuzz")?;
        ensure!(built.success(), "the fuzz targets do not build");
        Ok(())
    }

    /// Looks for a crash.
    fn search(&self, target: Target, arguments: &FuzzArguments) -> Result<()> {
        let name = target.name();
        let longest = max_len(INPUT_MAX);
        let ran = if let Some(seed) = arguments.seed {
            let (new, listed) = (tempfile::tempdir()?, tempfile::tempdir()?);
            let inputs = listed.path().join("inputs");
            std::fs::write(&inputs, in_order(&corpus(target))?)?;
            let options = [
                format!("-seed={seed}"),
                format!("-runs={}", target.runs()),
                format!("-seed_inputs=@{}", inputs.display()),
                // Otherwise it looks every second for what others found.
                String::from("-reload=0"),
                longest,
            ];
            self.run(target, &[new.path()], &options)?
        } else {
            let found = self.found(target);
            std::fs::create_dir_all(&found)?;
            let time = format!("-max_total_time={}", arguments.seconds);
            // What is new goes to the first folder; the corpus of the project stays as it is.
            self.run(target, &[&found, &corpus(target)], &[time, longest])?
        };
        let executions = ran.executions();
        println!("fuzz.{name}.executions = {}", executions.unwrap_or(0));
        if ran.success && executions.is_some_and(|count| count > 0) {
            println!("fuzz.{name}.crashes = 0");
            return Ok(());
        }
        println!("{}", ran.said.join("\n"));
        let Some(input) = ran.kept() else { bail!("{name} did not run") };
        println!("fuzz.{name}.crashes = 1");
        let input = Path::new(input);
        let input = input.strip_prefix(workspace()).unwrap_or(input).display();
        bail!(
            "{name} found an input that breaks the engine, kept as {input}\n  again:  cargo xtask fuzz --target {name} --input {input}"
        )
    }

    /// Replaces the corpus by the fewest inputs, of its own and of those that were found, that reach as much code.
    fn keep(&self, target: Target) -> Result<()> {
        let fewest = tempfile::tempdir()?;
        let corpus = corpus(target);
        let how = ["-set_cover_merge=1", "-use_counters=0", &max_len(KEPT_MAX)];
        let how = how.map(String::from);
        let ran = self.run(target, &[fewest.path(), &corpus, &self.found(target)], &how)?;
        ensure!(ran.success, "the corpus of {} cannot be merged: {:?}", target.name(), ran.said);
        std::fs::remove_dir_all(&corpus)?;
        std::fs::create_dir_all(&corpus)?;
        let mut kept = 0;
        for file in std::fs::read_dir(fewest.path())? {
            let file = file?;
            std::fs::copy(file.path(), corpus.join(file.file_name()))?;
            kept += 1;
        }
        println!("fuzz.{}.corpus = {kept}", target.name());
        Ok(())
    }

    /// Runs a target on files or folders, and takes in what it says.
    fn run(&self, target: Target, inputs: &[&Path], options: &[String]) -> Result<Ran> {
        let hang = format!("-timeout={HANG_SECONDS}");
        let mut command = self.command("run");
        command.arg(target.name()).args(inputs).args(["--", "-print_final_stats=1", &hang]);
        let command = command.args(options).stdout(Stdio::inherit()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run cargo-fuzz")?;
        let output = BufReader::new(child.stderr.take().context("cargo-fuzz has no output")?);
        let mut said = Vec::new();
        for line in output.split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            // Progress, of which there is much.
            if !line.starts_with('#') && !line.starts_with("\tNEW_FUNC") {
                said.push(line);
            }
        }
        Ok(Ran { said, success: child.wait()?.success() })
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(workspace()).args(["fuzz", what, "--sanitizer", "none"]);
        command.arg("--target-dir").arg(&self.work);
        command
    }

    fn found(&self, target: Target) -> PathBuf {
        self.work.join("found").join(target.name())
    }
}

impl Ran {
    /// How many inputs were run.
    fn executions(&self) -> Option<u64> {
        self.after("stat::number_of_executed_units:")?.parse().ok()
    }

    /// The file that a crashing input was written to.
    fn kept(&self) -> Option<&str> {
        self.after("Test unit written to ")
    }

    fn after(&self, words: &str) -> Option<&str> {
        self.said.iter().find_map(|line| Some(line.split_once(words)?.1.trim()))
    }
}

fn corpus(target: Target) -> PathBuf {
    workspace().join("fuzz/corpus").join(target.name())
}

/// The files of a folder by name, as libFuzzer takes a list: the order of a folder is another on each machine.
fn in_order(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder)? {
        files.push(file?.path().display().to_string());
    }
    files.sort();
    Ok(files.join(","))
}

fn max_len(bytes: u32) -> String {
    format!("-max_len={bytes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let said = [
            "artifact_prefix='/w/fuzz/artifacts/image/'; Test unit written to /w/fuzz/artifacts/image/crash-cd20",
            "Base64: Xf8=",
            "stat::number_of_executed_units: 16753",
        ];
        let ran = Ran { said: said.map(str::to_owned).to_vec(), success: false };
        assert_eq!(ran.executions(), Some(16753));
        assert_eq!(ran.kept(), Some("/w/fuzz/artifacts/image/crash-cd20"));
        let nothing = Ran { said: vec![String::from("error: no such target")], success: false };
        assert_eq!((nothing.executions(), nothing.kept()), (None, None));
    }

    #[test]
    fn every_target_has_a_program_and_a_corpus() {
        for target in Target::ALL {
            let program = workspace().join("fuzz/fuzz_targets").join(target.name());
            assert!(program.with_extension("rs").is_file(), "{}", program.display());
            let mut corpus = std::fs::read_dir(corpus(target)).unwrap();
            assert!(corpus.next().is_some(), "{}", target.name());
        }
    }
}
