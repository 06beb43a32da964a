//! Printing that survives a reader who has gone away: `println!` would panic.

use std::io::{self, Write};

/// Prints results on standard output. That nobody reads them any more is for the caller to judge.
pub(crate) fn result(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", text.trim_end())
}

/// Tells a person something on standard error. If nobody listens, work goes on.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
