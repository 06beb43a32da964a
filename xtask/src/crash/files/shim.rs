//! Runs a process whose file calls are written down, and fail where it is wished.

use super::disk::Files;
use super::trace::{Event, events};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The compiled shim. Its folder, and those of the processes, go away with it.
#[derive(Debug)]
pub(super) struct Shim {
    folder: TempDir,
    library: PathBuf,
}

/// One call that fails, or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Counts calls that read, not those that change something.
    pub(super) reads: bool,
    /// Which of them, from 0.
    pub(super) call: u32,
    pub(super) how: How,
    /// All later ones fail too.
    pub(super) lasts: bool,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// With this error of the system.
    Error(u32),
    /// It does a part, which it tells.
    Short,
    /// It does nothing and tells that all is well: a planted bug, which no program can stand.
    Lost,
}

/// What a process is run with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) seed: u64,
    pub(super) fault: Option<Fault>,
    /// The file system can zero ranges.
    pub(super) zeroes: bool,
    /// It is killed then, if it still runs.
    pub(super) lives: Duration,
    /// Ending before that is a failure.
    pub(super) is_endless: bool,
}

/// What a process did.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) events: Vec<Event>,
    /// It ended by itself, and well.
    pub(super) has_ended: bool,
    /// What it said about its end.
    pub(super) said: String,
}

impl Shim {
    /// Compiles it.
    pub(super) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // As the process sees it.
        let library = folder.path().canonicalize()?.join("shim.so");
        let source = folder.path().join("shim.c");
        fs::write(&source, include_str!("shim.c"))?;
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(&source);
        let status = compiler.status().context("cc, with which Rust links, compiles the shim")?;
        ensure!(status.success(), "cc failed on the shim: {status}");
        Ok(Self { folder, library })
    }

    /// A folder for one thing, which is not there yet.
    pub(super) fn room(&self, name: &str) -> Result<PathBuf> {
        Ok(self.folder.path().canonicalize()?.join(name))
    }

    /// Runs this program with `arguments` on a folder that holds `files`.
    pub(super) fn run(
        &self,
        folder: &Path,
        arguments: &[&str],
        conditions: &Conditions,
    ) -> Result<Life> {
        let trace = folder.with_extension("trace");
        let told = folder.with_extension("err");
        let _ = fs::remove_file(&trace);
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).arg(folder).env("LD_PRELOAD", &self.library);
        command.env("SHIM_FOLDER", folder).env("SHIM_TRACE", &trace).env("RUST_BACKTRACE", "0");
        command.env("SHIM_SEED", conditions.seed.to_string());
        if let Some(fault) = conditions.fault {
            let Fault { reads, call, how, lasts } = fault;
            let how = match how {
                How::Error(number) => i64::from(number),
                How::Short => 0,
                How::Lost => -1,
            };
            let fault = format!("{} {call} {how} {}", u8::from(reads), u8::from(lasts));
            command.env("SHIM_FAULT", fault);
        }
        if !conditions.zeroes {
            command.env("SHIM_NO_ZERO_RANGE", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&told)?);
        let mut child = command.spawn().context("start the process")?;
        let started = Instant::now();
        let ended = loop {
            let ended = child.try_wait()?;
            let left = conditions.lives.saturating_sub(started.elapsed());
            if ended.is_some() || left.is_zero() {
                break ended;
            }
            std::thread::sleep(left.min(Duration::from_millis(2)));
        };
        if ended.is_none() {
            child.kill().context("kill the process")?;
            child.wait()?;
        }
        let said = fs::read_to_string(&told)?;
        if let Some(status) = ended {
            let is_well = status.success() && !conditions.is_endless;
            ensure!(is_well, "the process ended with {status}: {said}");
        }
        let events = events(&fs::read(&trace)?)?;
        Ok(Life { events, has_ended: ended.is_some(), said })
    }
}

/// Makes `folder` hold exactly these files.
pub(super) fn lay_out(folder: &Path, files: &Files) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    for (name, bytes) in files {
        let path = folder.join(name);
        if let Some(inner) = path.parent() {
            fs::create_dir_all(inner)?;
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}
