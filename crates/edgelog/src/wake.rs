//! Who waits, and how he is woken.

use crate::sync::thread::Thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// A thread or a task that waits.
#[derive(Debug)]
pub(crate) enum Wake {
    Thread(Thread),
    Task(Waker),
}

impl Wake {
    /// To be called without a lock: a waker may do anything. Where it panics, the program has been told of its fault by then, and nobody
    /// else, neither who wakes nor who is woken next, is to miss anything for that.
    pub(crate) fn wake(self) {
        match self {
            Self::Thread(thread) => thread.unpark(),
            Self::Task(waker) => drop(catch_unwind(AssertUnwindSafe(|| waker.wake()))),
        }
    }
}
