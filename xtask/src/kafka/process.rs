//! A process that is certainly the one that was started, whatever its number is used for later.

use core::time::Duration;
use std::time::Instant;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(20);

/// A process number with the time it started, which together are not used twice.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Process {
    pid: i32,
    started: String,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn of(pid: i32) -> Result<Self> {
        let started = start_time(pid).with_context(|| format!("process {pid} is gone"))?;
        Ok(Self { pid, started })
    }

    pub(super) const fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs; a process that ended and was not yet reaped does not.
    pub(super) fn is_alive(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub(super) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits for its end and says whether it came in time.
    pub(super) fn ended_within(&self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        while self.is_alive() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.is_alive()) {
            // It may end between the look and the signal, which is what was wanted.
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(target_os = "linux")]
fn start_time(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may hold anything, so count the fields from the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(not(target_os = "linux"))]
fn start_time(pid: i32) -> Option<String> {
    let listing = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8(listing.stdout).ok()?;
    let (state, started) = line.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}
