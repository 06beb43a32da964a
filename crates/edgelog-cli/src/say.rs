//! Printing that survives a reader who has gone away: `println!` would panic.

use anyhow::Context;
use std::io::{self, Write};

/// What failed when results cannot be printed.
pub(crate) const CANNOT_WRITE: &str = "cannot write to standard output";

/// Prints results on standard output. That nobody reads them any more is for the caller to judge.
pub(crate) fn result(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{}", text.trim_end()).context(CANNOT_WRITE)
}

/// Prints results of a command that has stored something: `stored` says what, should they not come through.
pub(crate) fn result_of(stored: &str, text: &str) -> anyhow::Result<()> {
    result(text).with_context(|| format!("{stored}, but {CANNOT_WRITE}"))
}

/// Tells a person something on standard error. If nobody listens, work goes on.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
