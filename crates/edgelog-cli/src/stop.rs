//! Ctrl-C and SIGTERM as a wish, so that a command ends with a last sync and a summary.

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::c_int;
use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Signals that come this soon after the first are the same wish: timeout(1) signals its child and then its group, a terminal that is
/// closed sends SIGHUP and the shell another.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Says whether somebody wants the command to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    /// When it was wanted first.
    shared: Arc<(Mutex<Option<Instant>>, Condvar)>,
}

impl Stop {
    /// Takes over SIGINT and SIGTERM, and SIGHUP unless the caller has it ignored, as nohup(1) does. The first one is a wish; one that
    /// comes more than a second later ends the process at once, with exit code 130.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let stop = Self { shared: Arc::default() };
        let taken = [SIGINT, SIGTERM, SIGHUP];
        let taken = taken.into_iter().filter(|signal| *signal != SIGHUP || !is_ignored(SIGHUP));
        let mut signals = Signals::new(taken).context("cannot listen for Ctrl-C")?;
        let handler = stop.clone();
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || signals.forever().for_each(|_| handler.take_signal()))
            .context("cannot listen for Ctrl-C")?;
        Ok(stop)
    }

    fn take_signal(&self) {
        let mut wanted = self.wanted();
        match *wanted {
            None => {
                *wanted = Some(Instant::now());
                self.shared.1.notify_all();
            }
            // What was synced is durable, so giving up on the last sync loses nothing that was promised.
            Some(first) if first.elapsed() > SAME_WISH => std::process::exit(130),
            Some(_) => {}
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted().is_some()
    }

    /// Waits until `deadline` or until the end is wanted; true for the latter.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let (_, changed) = &*self.shared;
        let timeout = deadline.saturating_duration_since(Instant::now());
        let waited = changed.wait_timeout_while(self.wanted(), timeout, |wanted| wanted.is_none());
        let (wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        wanted.is_some()
    }

    fn wanted(&self) -> MutexGuard<'_, Option<Instant>> {
        // It is set in one step and cannot be left half changed.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this process was started with `signal` ignored. Asking the system itself would need `unsafe`; Linux also tells in a file.
/// Where there is no such file, nothing counts as ignored.
fn is_ignored(signal: c_int) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    mask_has(&status, signal)
}

fn mask_has(status: &str, signal: c_int) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask.checked_shr(signal.unsigned_abs().saturating_sub(1)).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_counts_from_one() {
        let status =
            "SigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(mask_has(status, SIGHUP));
        assert!(!mask_has(status, SIGINT) && !mask_has(status, SIGTERM));
        assert!(!mask_has("", SIGHUP) && !mask_has("SigIgn:\tmuch\n", SIGHUP));
    }
}
