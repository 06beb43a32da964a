//! What threads meet at. All of the crate takes it from here, so that a model checker can stand in for it.

pub(crate) use std::sync::atomic;
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
pub(crate) use std::thread;
pub(crate) use std::time::Instant;
