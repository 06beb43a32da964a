//! The thread that writes what was appended when nobody syncs or reads, so that other processes see it.

use crate::log::Engine;
use crate::retention::Retention;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How long what was appended may stay in memory.
const WRITE_AFTER: Duration = Duration::from_millis(50);

/// Ends its thread when it is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// True from the first append on that the thread has yet to write: the others need not wake it.
    is_awake: AtomicBool,
    wish: Mutex<Wish>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    Write,
    End,
}

impl Writer {
    /// Without a thread, which the system may refuse, what was appended is written when there is enough of it, at a sync, and at the end.
    pub(crate) fn start(engine: &Arc<Mutex<Engine>>, retention: &Arc<Retention>) -> Self {
        let (wish, changed) = (Mutex::new(Wish::Nothing), Condvar::new());
        let shared = Arc::new(Shared { is_awake: AtomicBool::new(false), wish, changed });
        let (engine, wished) = (Arc::clone(engine), Arc::clone(&shared));
        let retention = Arc::clone(retention);
        let thread = Builder::new().name("edgelog-writer".to_owned());
        let thread = thread.spawn(move || run(&engine, &wished, &retention)).ok();
        Self { shared, thread }
    }

    /// Something was appended.
    pub(crate) fn wake(&self) {
        let is_awake = &self.shared.is_awake;
        if !is_awake.load(Ordering::SeqCst) && !is_awake.swap(true, Ordering::SeqCst) {
            self.shared.wish(Wish::Write);
        }
    }
}

impl Shared {
    fn wish(&self, wanted: Wish) {
        *lock(&self.wish) = wanted;
        self.changed.notify_one();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.wish(Wish::End);
        if let Some(thread) = self.thread.take() {
            // It panics on nothing that is not a fault of the program, which it has told.
            let _ = thread.join();
        }
    }
}

fn run(engine: &Mutex<Engine>, Shared { is_awake, wish, changed }: &Shared, retention: &Retention) {
    let mut wished = lock(wish);
    loop {
        let idle = |wish: &mut Wish| *wish == Wish::Nothing;
        wished = changed.wait_while(wished, idle).unwrap_or_else(PoisonError::into_inner);
        let going_on = |wish: &mut Wish| *wish != Wish::End;
        let waited = changed.wait_timeout_while(wished, WRITE_AFTER, going_on);
        wished = waited.unwrap_or_else(PoisonError::into_inner).0;
        if *wished == Wish::End {
            return;
        }
        *wished = Wish::Nothing;
        drop(wished);
        // First without the log's lock, so that nobody's append waits for a sync.
        let syncs = lock(engine).medium().syncs();
        if syncs.wait().is_ok() {
            // Before the write: who appends behind it wakes this thread again.
            is_awake.store(false, Ordering::SeqCst);
            // What fails is told to the next who appends or syncs.
            let mut engine = lock(engine);
            let _ = engine.medium_mut().write_out();
            retention.at_leisure(&mut engine);
        }
        wished = lock(wish);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
