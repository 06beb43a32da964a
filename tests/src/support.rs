//! The one way in which this crate panics.

use core::fmt::Debug;

/// Unwraps with a word about what was being done.
pub(crate) trait OrFail<T> {
    fn or_fail(self, doing: &str) -> T;
}

impl<T, E: Debug> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self, doing: &str) -> T {
        match self {
            Ok(value) => value,
            Err(error) => fail(&format!("cannot {doing}: {error:?}")),
        }
    }
}

impl<T> OrFail<T> for Option<T> {
    #[track_caller]
    fn or_fail(self, doing: &str) -> T {
        self.unwrap_or_else(|| fail(&format!("cannot {doing}")))
    }
}

/// Ends the test.
#[track_caller]
pub(crate) fn fail(message: &str) -> ! {
    panic!("{message}")
}

/// Ends the test unless the condition holds.
#[track_caller]
pub(crate) fn require(condition: bool, message: &str) {
    if !condition {
        fail(message);
    }
}
