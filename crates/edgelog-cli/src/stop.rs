//! Ctrl-C and SIGTERM as a wish, so that a command ends with a last sync and a summary.

use anyhow::Context;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Says whether somebody wants the command to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Takes over SIGINT, SIGTERM and SIGHUP. The first one is a wish, a second one ends the process at once.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let stop = Self { shared: Arc::default() };
        let handler = stop.clone();
        ctrlc::set_handler(move || {
            let (_, changed) = &*handler.shared;
            let mut wanted = handler.wanted();
            if *wanted {
                // What was synced is durable, so giving up on the last sync loses nothing that was promised.
                std::process::exit(130);
            }
            *wanted = true;
            changed.notify_all();
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(stop)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        *self.wanted()
    }

    /// Waits until `deadline` or until the end is wanted; true for the latter.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let (_, changed) = &*self.shared;
        let timeout = deadline.saturating_duration_since(Instant::now());
        let waited = changed.wait_timeout_while(self.wanted(), timeout, |wanted| !*wanted);
        let (wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *wanted
    }

    fn wanted(&self) -> MutexGuard<'_, bool> {
        // A bool cannot be left half changed.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
