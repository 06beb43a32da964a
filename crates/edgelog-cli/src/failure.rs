//! How a failure is told: one sentence, then the causes that it does not already name.

use anyhow::Error;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// What a command was given cannot be read, where that is told apart from what it finds: the exit code is that of a wrong command line.
/// It adds no words of its own.
#[derive(Debug)]
pub(crate) struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// What the process ends with.
pub(crate) fn exit_code(error: &Error) -> ExitCode {
    if error.is::<Unreadable>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The error and its causes as one line of text.
pub(crate) fn sentence(error: &Error) -> String {
    let mut told = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // The library's sentences already contain their causes.
        if !told.contains(&text) {
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(&text);
        }
    }
    told
}

/// Whether the reader of our output has gone away.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind).or_else(|| json_io(cause));
        io == Some(io::ErrorKind::BrokenPipe)
    })
}

fn json_io(cause: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind)
}
