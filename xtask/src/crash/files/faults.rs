//! Lets each call of a voyage fail in turn, and looks at what is told and what is left.

use super::cuts::{Calls, Cuts, Examine, Power, Scratch, agree, open, told};
use super::disk::{Disk, Files, Habits};
use super::shim::{Conditions, Fault, How, Life, Shim, lay_out};
use super::store::{self, Kind, Left};
use super::trace::Event;
use super::voyage::options;
use crate::chaos::Random;
use crate::crash::Bug;
use crate::crash::host::judge::{self, Found, Judge};
use crate::crash::host::{Line, append};
use anyhow::{Context, Result, bail, ensure};
use edgelog::{Start, View};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is done at each call: the first ones at calls that change something, the others at those that read.
const FAULTS: [(bool, How, bool); 9] = [
    (false, How::Error(ENOSPC), false),
    (false, How::Error(EIO), false),
    (false, How::Error(ENOSPC), true),
    (false, How::Error(EIO), true),
    (false, How::Short, false),
    (false, How::Error(EDQUOT), false),
    (true, How::Error(EIO), false),
    (true, How::Error(EIO), true),
    (true, How::Short, true),
];
const EIO: u32 = 5;
const ENOSPC: u32 = 28;
const EDQUOT: u32 = 122;
/// A voyage that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the power is cut behind a failure.
const CUTS: u64 = 4;
/// One log in so many is looked at by the command as well.
const VERIFIED: u64 = 20;
const RUN: u32 = 0;

/// What meets failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Log,
    Store,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Voyages with a failure, and power cuts after one.
    pub(super) faults: AtomicU64,
    pub(super) states: AtomicU64,
    verified: AtomicU64,
}

/// Sails until so many voyages met a failure.
pub(super) fn run(
    shim: &Shim,
    subject: Subject,
    seed: u64,
    faults: u64,
    plant: Option<Bug>,
    verify: Option<&Path>,
) -> Result<Figures> {
    let figures = Figures::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let loses = plant == Some(Bug::LostCall);
    let campaign = Campaign { shim, subject, figures: &figures, faults, loses, verify };
    let ends: Vec<Result<()>> = std::thread::scope(|scope| {
        let campaign = &campaign;
        let parts: Vec<_> = (0..threads)
            .map(|part| scope.spawn(move || campaign.part(seed, part, threads)))
            .collect();
        let ends = parts.into_iter().map(|part| part.join());
        ends.map(|end| end.unwrap_or_else(|_| bail!("opening panicked"))).collect()
    });
    ends.into_iter().collect::<Result<()>>()?;
    Ok(figures)
}

struct Campaign<'c> {
    shim: &'c Shim,
    subject: Subject,
    figures: &'c Figures,
    /// So many are enough.
    faults: u64,
    /// The planted bug: what fails is lost in silence.
    loses: bool,
    /// The command, to look at logs.
    verify: Option<&'c Path>,
}

impl Campaign<'_> {
    /// Its share of the calls of one voyage after the other.
    fn part(&self, seed: u64, part: usize, parts: usize) -> Result<()> {
        let folder = self.shim.room(&format!("voyage-{part}"))?;
        for voyage in seed.. {
            // In each round another failure meets each call; in the end every failure has met it.
            for round in 0..FAULTS.len() {
                let mut ended = [false; 2];
                for call in (0..).skip(part).step_by(parts) {
                    if self.figures.faults.load(Ordering::SeqCst) >= self.faults {
                        return Ok(());
                    }
                    let (reads, how, lasts) = FAULTS[(call as usize + round) % FAULTS.len()];
                    let how = if self.loses && !reads { How::Lost } else { how };
                    let fault = Fault { reads, call, how, lasts };
                    if ended[usize::from(reads)] {
                        if ended == [true; 2] {
                            break;
                        }
                        continue;
                    }
                    let met = self.sail(&folder, voyage, fault);
                    let met = met.with_context(|| format!("voyage {voyage} with {fault:?}"))?;
                    ended[usize::from(reads)] = !met;
                }
            }
        }
        Ok(())
    }

    /// One voyage; whether the failure met it.
    fn sail(&self, folder: &Path, voyage: u64, fault: Fault) -> Result<bool> {
        let all = match self.subject {
            Subject::Log => vec!["crash-voyage".into(), "--seed".into(), voyage.to_string()],
            Subject::Store => store::arguments(Kind(voyage), RUN, voyage),
        };
        lay_out(folder, &Files::new())?;
        let mut random = Random(
            voyage ^ u64::from(fault.call) << 32 ^ self.figures.faults.load(Ordering::SeqCst),
        );
        let conditions = Conditions {
            seed: random.next(),
            fault: Some(fault),
            zeroes: random.below(2) == 0,
            lives: PATIENCE,
            is_endless: false,
        };
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let life = self.shim.run(folder, &all, &conditions)?;
        let at = life.events.iter().position(|event| matches!(event, Event::Fault { .. }));
        let call = at.and_then(|at| life.events.get(at)).map_or(String::new(), Event::to_string);
        ensure!(life.has_ended, "it hangs; {}", life.said);
        ensure!(!life.said.contains("panicked"), "{}", life.said);
        let lines = told(&life.events)?;
        told_well(folder, fault, lines.iter().map(|(_, line)| line)).context(call.clone())?;
        match self.subject {
            Subject::Log => self.judge(folder, voyage, fault, life, at),
            Subject::Store => self.judge_store(folder, voyage, fault, life, at),
        }
        .context(call)?;
        if at.is_some() {
            self.figures.faults.fetch_add(1, Ordering::SeqCst);
        }
        Ok(at.is_some())
    }

    fn judge(
        &self,
        folder: &Path,
        voyage: u64,
        fault: Fault,
        life: Life,
        at: Option<usize>,
    ) -> Result<()> {
        let lines = told(&life.events)?;
        let mut judge = Judge::default();
        let disk = Disk::of(&Files::new(), Habits::default());
        let (power, options) = (Power { disk, ..Power::default() }, options(voyage));
        let cuts = Cuts {
            lines,
            calls: Calls {
                before: &power.disk,
                events: life.events,
                seed: voyage,
                every: 1,
                most: CUTS,
            },
            run: RUN,
            protect: false,
            before: &power,
            options,
        };
        if let Some(at) = at {
            self.cut(&cuts.calls, at, fault, &cuts)?;
        }
        // With the failure gone, the log is there.
        let seen = View::open(folder, Start::Earliest);
        let log = open(&cuts.options, folder).context("open the log without the failure")?;
        let found = Found::of(&log)?;
        agree(seen, &found, 0)?;
        let lines: Vec<Line> = cuts.lines.iter().map(|(_, line)| line.clone()).collect();
        judge.life(&judge::Life { run: RUN, protect: false, lines: &lines }, &found)?;
        let lines = append(&log, RUN + 1).context("append without the failure")?;
        drop(log);
        let log = open(&cuts.options, folder).context("open the log once more")?;
        judge.life(
            &judge::Life { run: RUN + 1, protect: false, lines: &lines },
            &Found::of(&log)?,
        )?;
        drop(log);
        self.verify(folder)
    }

    fn judge_store(
        &self,
        folder: &Path,
        voyage: u64,
        fault: Fault,
        life: Life,
        at: Option<usize>,
    ) -> Result<()> {
        let disk = Disk::of(&Files::new(), Habits::default());
        let judges = [Judge::default(), Judge::default()];
        let calls =
            Calls { before: &disk, events: life.events, seed: voyage, every: 1, most: CUTS };
        let left = Left::new(&judges, calls, RUN, Kind(voyage))?;
        if let Some(at) = at {
            self.cut(&left.calls, at, fault, &left)?;
        }
        left.examine_whole(folder).context("the store without the failure")?;
        store::LOGS.iter().try_for_each(|log| self.verify(&folder.join(log)))
    }

    /// The power fails some time after the call did.
    fn cut(
        &self,
        calls: &Calls<'_>,
        at: usize,
        fault: Fault,
        examine: &impl Examine,
    ) -> Result<()> {
        let mut random = Random(calls.seed ^ u64::from(fault.call) << 16);
        let scratch = Scratch::new()?;
        for _ in 0..CUTS {
            let behind = random.below((calls.events.len() - at) as u64 + 1);
            let at = at + usize::try_from(behind)?;
            calls.cut_once(&scratch, at, &mut random, examine)?;
            self.figures.states.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// The command finds nothing wrong with the log either.
    fn verify(&self, folder: &Path) -> Result<()> {
        let Some(command) = self.verify else { return Ok(()) };
        if !self.figures.verified.fetch_add(1, Ordering::SeqCst).is_multiple_of(VERIFIED) {
            return Ok(());
        }
        let output = Command::new(command).arg("--dir").arg(folder).arg("verify").output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "edgelog verify: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// Every failure that was told names a place and the system's reason, and what is to pass passed.
fn told_well<'l>(folder: &Path, fault: Fault, lines: impl Iterator<Item = &'l Line>) -> Result<()> {
    let place = folder.display().to_string();
    let mut passes = false;
    for line in lines {
        let Line::Failed { error, ends, doing } = line else {
            passes = false;
            continue;
        };
        let is_clear = error.contains(&place) && error.contains("os error");
        ensure!(is_clear, "it cannot {doing}, and says only: {error}");
        ensure!(!passes, "there is room again, and it fails once more: {error}");
        passes = !fault.lasts && error.contains("make room for") && !ends;
    }
    Ok(())
}

/// Builds the command.
pub(super) fn command() -> Result<PathBuf> {
    crate::cargo::run(crate::cargo::cargo().args([
        "build",
        "--quiet",
        "--package",
        "edgelog-cli",
    ]))?;
    Ok(crate::cargo::target_directory()?.join("debug/edgelog"))
}
