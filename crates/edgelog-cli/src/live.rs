//! One line that shows how things stand: redrawn in place on a terminal, printed now and then elsewhere.

use crate::say;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How often a log file gets a line.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A status line.
#[derive(Debug)]
pub(crate) struct Live {
    bar: ProgressBar,
    stderr: bool,
    printed: Option<Instant>,
}

impl Live {
    /// On standard output, for commands whose status is their output.
    pub(crate) fn new() -> Self {
        Self::on(ProgressDrawTarget::stdout(), false)
    }

    /// On standard error, for commands whose output somebody may parse.
    pub(crate) fn on_stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr(), true)
    }

    fn on(target: ProgressDrawTarget, stderr: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, stderr, printed: None }
    }

    /// How things stand now.
    pub(crate) fn show(&mut self, text: String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(text);
            self.bar.tick();
        } else if self.printed.is_none_or(|printed| printed.elapsed() >= LINE_EVERY) {
            self.printed = Some(Instant::now());
            self.print(&text);
        }
    }

    /// A line that stays.
    pub(crate) fn tell(&self, text: &str) {
        self.bar.suspend(|| self.print(text));
    }

    /// Something that happened, once, on standard error.
    pub(crate) fn warn(&self, text: &str) {
        self.bar.suspend(|| say::note(&format!("edgelog: {text}")));
    }

    /// Takes the line away and prints the last word.
    pub(crate) fn finish(self, text: &str) {
        self.clear();
        self.print(text);
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn print(&self, text: &str) {
        if self.stderr {
            say::note(text);
        } else {
            // Nobody looks any more, but what is being done is more than its status.
            let _ = say::result(text);
        }
    }
}

/// A progress bar on standard error, seen on terminals only.
pub(crate) fn progress(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
