//! The process that is killed.

use super::Random;
use anyhow::{Context, Result, bail};
use edgelog::{Start, View};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How it is started.
pub(super) struct Victim {
    pub(super) program: PathBuf,
    pub(super) log: PathBuf,
    pub(super) data: PathBuf,
    pub(super) bootstrap: String,
    pub(super) topic: String,
}

/// When it is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// So long after its start: while it opens the log or connects.
    After(Duration),
    /// So long after this many more records were appended, or shipped, than at its start.
    Progress { shipped: bool, records: u64, then: Duration },
}

/// A run that makes no progress is killed after this anyway: the broker may be down.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_WITHOUT_BROKER: Duration = Duration::from_secs(2);

impl Moment {
    /// One in four early, the rest by progress of the import or of the shipping. `rows_left` are not imported yet: each kill takes
    /// its share of them, so that the last kill still meets a running import.
    pub(super) fn random(
        random: &mut Random,
        rows_left: u64,
        kills_left: u64,
        broker_down: bool,
    ) -> Self {
        let then = Duration::from_micros(random.below(2_000));
        // With nothing left to import it would end by itself after its start.
        if random.below(4) == 0 || rows_left == 0 {
            let bound = if rows_left == 0 { 8 } else { 25 };
            return Self::After(Duration::from_millis(random.below(bound)));
        }
        // Half of it, because a kill comes later than it was meant to.
        let share = rows_left / kills_left.max(1) / 2;
        let shipped = random.below(2) == 0 && !broker_down;
        Self::Progress { shipped, records: 1 + random.below(share.max(1)), then }
    }
}

impl Victim {
    /// Starts it, waits for the moment, kills it; true when it was still running then.
    pub(super) fn run_and_kill(&self, moment: Moment) -> Result<bool> {
        let mut progress = Progress::of(self);
        let before = progress.now();
        let mut child = self.start()?;
        match moment {
            Moment::After(time) => std::thread::sleep(time),
            Moment::Progress { shipped, records, then } => {
                let patience = if shipped { PATIENCE } else { PATIENCE_WITHOUT_BROKER };
                let deadline = Instant::now() + patience;
                let pick = |(visible, acknowledged)| if shipped { acknowledged } else { visible };
                while pick(progress.now()) < pick(before) + records
                    && Instant::now() < deadline
                    && child.try_wait()?.is_none()
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                std::thread::sleep(then);
            }
        }
        let running = child.try_wait()?;
        child.kill().context("kill the process")?;
        let status = child.wait()?;
        // Ended by itself, it must have said success: everything was imported and acknowledged.
        match running {
            Some(_) if !status.success() => bail!("the process failed by itself with {status}"),
            running => Ok(running.is_none()),
        }
    }

    /// Starts it and lets it finish; false when it does not in time.
    pub(super) fn run_to_the_end(&self, bound: Duration) -> Result<bool> {
        let mut child = self.start()?;
        let deadline = Instant::now() + bound;
        loop {
            match child.try_wait()? {
                Some(status) if status.success() => return Ok(true),
                Some(status) => bail!("the last run failed with {status}"),
                None if Instant::now() > deadline => {
                    child.kill()?;
                    child.wait()?;
                    return Ok(false);
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn start(&self) -> Result<Child> {
        Command::new(&self.program)
            .arg("--dir")
            .arg(&self.log)
            .arg("import")
            .arg(&self.data)
            .args(["--topic", "machine", "--resume", "--sync-every", "1"])
            .args(["--kafka", &self.bootstrap, "--kafka-topic", &self.topic])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("start the import")
    }

    /// Rows imported so far.
    pub(super) fn imported(&self) -> u64 {
        Progress::of(self).now().0
    }
}

/// Watches the log from outside. It opens the log once and then looks at what is new: opening anew each time would take so long
/// that the import is over before the moment is seen.
struct Progress<'a> {
    victim: &'a Victim,
    view: Option<View>,
}

impl<'a> Progress<'a> {
    const fn of(victim: &'a Victim) -> Self {
        Self { victim, view: None }
    }

    /// Records appended and acknowledged so far; zeros while there is no log yet.
    fn now(&mut self) -> (u64, u64) {
        let view = match self.view.take() {
            Some(mut view) => view.refresh().ok().map(|()| view),
            None => View::open(&self.victim.log, Start::Latest).ok(),
        };
        self.view = view;
        self.view.as_ref().map_or((0, 0), |view| {
            let acknowledged = view.cursors().iter().map(|cursor| cursor.offset).max();
            (view.visible(), acknowledged.unwrap_or(0))
        })
    }
}
