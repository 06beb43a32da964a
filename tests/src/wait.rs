//! Waiting for a condition, with a bound.

use core::time::Duration;
use std::time::Instant;

use crate::support::fail;

const POLL: Duration = Duration::from_millis(25);

/// Asks until there is an answer, and fails the test after `bound`, saying what was awaited.
#[track_caller]
pub fn until<T>(bound: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        if Instant::now() > deadline {
            fail(&format!("not within {bound:?}: {what}"));
        }
        std::thread::sleep(POLL);
    }
}
