//! Subjects taking turns.

use crate::machine;
use crate::stats::median;
use crate::turn::{Outcome, Subject, Work};
use crate::{records::BATCH, records::Kind};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Rounds that count; one that warms up comes before them.
const ROUNDS: usize = 5;
/// Seconds that a turn is to take.
const TURN_SECONDS: f64 = 0.4;
/// And at the most, where the amount is part of the figure.
const TURN_SECONDS_MAX: f64 = 1.0;
/// Records that a turn appends at the most.
const RECORDS_MAX: f64 = 2e6;

/// Where a turn finds its folder.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// Nothing is there yet, and nothing stays.
    New,
    /// In this folder, as it is.
    In(PathBuf),
    /// In a copy of this folder: the turn changes what it finds.
    CopyOf(PathBuf),
}

/// How much is done in a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// As much as takes 0.4 seconds, found out from this much.
    From(usize),
    Exactly(usize),
    /// At the most this much, and less where a tenth of it shows that it would take longer than a second.
    AtMost(usize),
}

/// One that takes part.
#[derive(Clone, Debug)]
pub(crate) struct Entrant {
    pub(crate) subject: Subject,
    pub(crate) work: Work,
    pub(crate) records: Kind,
    pub(crate) place: Place,
    pub(crate) amount: Amount,
}

/// An entrant's outcomes, a round each.
pub(crate) type Outcomes = Vec<Outcome>;

/// The folder that everything happens in.
pub(crate) struct Arena {
    folder: tempfile::TempDir,
    /// Microseconds of a sync when the disk was fastest.
    fastest: Cell<f64>,
    /// Turns that began although it was busy.
    unquiet: Cell<usize>,
}

impl Arena {
    /// In a new folder below `under`, which is removed in the end.
    pub(crate) fn new(under: &Path) -> Result<Self> {
        fs::create_dir_all(under)?;
        let folder = tempfile::Builder::new().prefix("compare-").tempdir_in(under)?;
        Ok(Self { folder, fastest: Cell::new(f64::INFINITY), unquiet: Cell::new(0) })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A new empty folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// The outcomes of all, by entrant and round. Each round begins with another.
    pub(crate) fn rounds(&self, what: &str, entrants: &[Entrant]) -> Result<Vec<Outcomes>> {
        eprint!("{what}: ");
        let counts: Vec<usize> =
            entrants.iter().map(|entrant| self.warm_up(entrant)).collect::<Result<_>>()?;
        let mut outcomes = vec![Outcomes::new(); entrants.len()];
        for round in 0..ROUNDS {
            eprint!("{} ", round + 1);
            for turn in 0..entrants.len() {
                let at = (round + turn) % entrants.len();
                outcomes[at].push(self.turn(&entrants[at], counts[at])?);
            }
        }
        eprintln!();
        Ok(outcomes)
    }

    /// How many turns began on a busy disk since this was last asked.
    pub(crate) fn take_unquiet(&self) -> usize {
        self.unquiet.take()
    }

    /// Waits, up to a second, until nobody else keeps the disk busy.
    fn wait_for_quiet(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let now = machine::canary(self.path(), 20)?;
            self.fastest.set(self.fastest.get().min(now));
            if now <= 2.0 * self.fastest.get() {
                return Ok(());
            }
            if began.elapsed() > Duration::from_secs(1) {
                self.unquiet.set(self.unquiet.get() + 1);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A turn that does not count; gives how much those are to do that do.
    fn warm_up(&self, entrant: &Entrant) -> Result<usize> {
        let (first, seconds, most) = match entrant.amount {
            Amount::From(first) => (first, TURN_SECONDS, RECORDS_MAX),
            Amount::Exactly(count) => (count, f64::INFINITY, count as f64),
            Amount::AtMost(count) => (count / 10, TURN_SECONDS_MAX, count as f64),
        };
        let outcome = self.turn(entrant, first)?;
        let wanted = first as f64 * seconds / outcome.seconds.max(1e-6);
        Ok(rounded(wanted.min(most), entrant.work))
    }

    pub(crate) fn turn(&self, entrant: &Entrant, count: usize) -> Result<Outcome> {
        let folder = match &entrant.place {
            Place::New => self.folder("turn")?,
            Place::In(folder) => folder.clone(),
            Place::CopyOf(folder) => {
                let copy = self.folder("turn")?;
                copy_all(folder, &copy)?;
                copy
            }
        };
        if matches!(entrant.work, Work::Sync100 | Work::SyncEach | Work::Group16) {
            self.wait_for_quiet()?;
        }
        let outcome = process(entrant, count, &folder)?;
        if !matches!(entrant.place, Place::In(_)) {
            fs::remove_dir_all(&folder)?;
        }
        Ok(outcome)
    }
}

/// The name of a variant on the command line.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// How two compare over the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) largest: f64,
    /// The best round of the one divided by the best of the other: what others do on the machine only slows down.
    pub(crate) best: f64,
}

impl Ratio {
    /// Of `ours` to `theirs`, of which more is better or less.
    pub(crate) fn new(ours: &[f64], theirs: &[f64], more_is_better: bool) -> Self {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
        let best = |values| if more_is_better { largest(values) } else { least(values) };
        Self {
            median: median(ratios.iter().copied()),
            least: least(&ratios),
            largest: largest(&ratios),
            best: best(ours) / best(theirs),
        }
    }

    /// Prints it as a figure, with what else there is to say.
    pub(crate) fn print(&self, figure: &str, detail: &str) {
        let Self { median, least, largest, best } = self;
        println!("{figure} = {median:.3}");
        let separator = if detail.is_empty() { "" } else { "; " };
        println!("#   {least:.3} to {largest:.3}, best to best {best:.3}{separator}{detail}");
    }
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn rounded(count: f64, work: Work) -> usize {
    let count = count.max(1.0) as usize;
    match work {
        Work::AppendEach | Work::AppendBatch => count.next_multiple_of(BATCH),
        Work::Sync100 => count.next_multiple_of(crate::records::SYNCED),
        _ => count,
    }
}

/// A turn in a process of its own.
fn process(entrant: &Entrant, count: usize, folder: &Path) -> Result<Outcome> {
    let Entrant { subject, work, records, .. } = entrant;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["turn", "--subject", &name(subject), "--work", &name(work)]);
    command.args(["--records", &name(records), "--count", &count.to_string(), "--folder"]);
    command.arg(folder);
    // This is how it is told its folder.
    command.env("WALRUS_DATA_DIR", folder.join("walrus")).env("WALRUS_QUIET", "1");
    let output = command.stderr(Stdio::inherit()).output()?;
    // It always ends by a kill, so what it printed decides.
    Outcome::parse(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("{} failed at {}", name(subject), name(work)))
}

/// Copies the files, and leaves their holes.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["-r", "--sparse=always"]).arg(from.join(".")).arg(to);
    let status = copy.status().context("cannot run cp")?;
    anyhow::ensure!(status.success(), "cannot copy {}", from.display());
    Ok(())
}
