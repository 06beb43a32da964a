//! The models, each named as what it shows.

mod bell;
mod group;
mod recent;
mod writer;

use crate::sync::Instant;
use crate::sync::thread::Thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};

/// Tries every order there is of one model, and says how many that were. What does not hold, ends the program.
pub(crate) type Model = fn() -> u64;

pub(crate) fn all() -> impl Iterator<Item = (&'static str, Model)> {
    let (outbox, store) = (crate::file::models::MODELS, crate::store::models::MODELS);
    let packing = crate::file::packing_models::MODELS;
    let all = [bell::MODELS, group::MODELS, recent::MODELS, writer::MODELS, outbox, packing, store];
    all.concat().into_iter()
}

/// What a model's threads take their time from.
#[derive(Clone, Copy)]
pub(crate) enum Time {
    /// Who waits is woken, or waits for ever.
    Stands,
    /// Whatever is waited for with a timeout does not come in time.
    Passes,
}

/// Runs `model` in every order, up to `preemptions` of threads that could have gone on.
pub(crate) fn check(
    time: Time,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) -> u64 {
    let orders = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Instant::start(matches!(time, Time::Passes));
        model();
    });
    orders.load(Ordering::Relaxed)
}

/// Wakes the thread that runs a task.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Waker::from(Arc::new(Unpark(crate::sync::thread::current())))
}

macro_rules! models {
    ($($name:ident),* $(,)?) => {
        pub(crate) const MODELS: &[(&str, $crate::models::Model)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use models;
