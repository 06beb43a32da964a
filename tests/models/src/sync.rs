//! Stands in for crates/edgelog/src/sync.rs: what threads meet at, as the model checker has it.

pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
use std::cell::Cell;
use std::ops::Add;
pub(crate) use std::sync::PoisonError;
use std::time::Duration;

pub(crate) mod atomic {
    //! loom takes `SeqCst` for acquire and release. What only reads or writes is therefore a change here, of which there is one order.

    pub(crate) use loom::sync::atomic::Ordering;

    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            #[derive(Debug, Default)]
            pub(crate) struct $name(loom::sync::atomic::$name);

            impl $name {
                pub(crate) fn new(value: $value) -> Self {
                    Self(loom::sync::atomic::$name::new(value))
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    if order == Ordering::SeqCst {
                        return self.0.fetch_or(<$value>::default(), order);
                    }
                    self.0.load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    if order == Ordering::SeqCst {
                        self.0.swap(value, order);
                    } else {
                        self.0.store(value, order);
                    }
                }

                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.0.swap(value, order)
                }
            }
        };
    }

    macro_rules! counting {
        ($name:ident, $value:ty) => {
            impl $name {
                pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_add(value, order)
                }

                pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_sub(value, order)
                }

                pub(crate) fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                    self.0.fetch_max(value, order)
                }
            }
        };
    }

    atomic!(AtomicBool, bool);
    atomic!(AtomicU64, u64);
    atomic!(AtomicUsize, usize);
    counting!(AtomicU64, u64);
    counting!(AtomicUsize, usize);
}

pub(crate) mod thread {
    //! Parking as std promises it. loom's own would also wake who waits for a lock.

    use super::{Arc, Condvar, Mutex};
    pub(crate) use loom::thread::ThreadId;
    use std::time::Duration;
    use std::{fmt, io};

    #[derive(Clone, Debug)]
    pub(crate) struct Thread {
        id: ThreadId,
        token: Arc<(Mutex<bool>, Condvar)>,
    }

    loom::thread_local! {
        static CURRENT: Thread = Thread { id: loom::thread::current().id(), token: Arc::default() };
    }

    impl Thread {
        pub(crate) const fn id(&self) -> ThreadId {
            self.id
        }

        pub(crate) fn unpark(&self) {
            *self.token.0.lock().unwrap() = true;
            self.token.1.notify_one();
        }
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(Clone::clone)
    }

    pub(crate) fn park() {
        let (token, changed) = &*current().token;
        *changed.wait_while(token.lock().unwrap(), |token| !*token).unwrap() = false;
    }

    pub(crate) fn park_timeout(timeout: Duration) {
        let (token, changed) = &*current().token;
        let mut token = token.lock().unwrap();
        if !*token {
            token = changed.wait_timeout(token, timeout).unwrap().0;
        }
        *token = false;
    }

    pub(crate) struct JoinHandle<T>(loom::thread::JoinHandle<T>);

    impl<T> JoinHandle<T> {
        pub(crate) fn join(self) -> std::thread::Result<T> {
            self.0.join()
        }

        pub(crate) fn thread(&self) -> &loom::thread::Thread {
            self.0.thread()
        }
    }

    impl<T> fmt::Debug for JoinHandle<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.thread().fmt(f)
        }
    }

    pub(crate) fn spawn<T: 'static>(run: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
        JoinHandle(loom::thread::spawn(run))
    }

    #[derive(Debug, Default)]
    pub(crate) struct Builder;

    impl Builder {
        pub(crate) const fn new() -> Self {
            Self
        }

        pub(crate) fn name(self, _: String) -> Self {
            self
        }

        #[expect(clippy::unused_self, reason = "as std's")]
        pub(crate) fn spawn<T: 'static>(
            self,
            run: impl FnOnce() -> T + 'static,
        ) -> io::Result<JoinHandle<T>> {
            Ok(spawn(run))
        }
    }

    /// Whatever may run next is tried anyway.
    pub(crate) const fn yield_now() {}
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

type Waited<G> = Result<G, PoisonError<G>>;

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'g, T>(&self, guard: MutexGuard<'g, T>) -> Waited<MutexGuard<'g, T>> {
        self.0.wait(guard)
    }

    pub(crate) fn wait_while<'g, T>(
        &self,
        mut guard: MutexGuard<'g, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> Waited<MutexGuard<'g, T>> {
        while condition(&mut guard) {
            guard = self.0.wait(guard)?;
        }
        Ok(guard)
    }

    /// While the time stands still nothing ends it but a notification; otherwise it ends at once, when its time is over.
    pub(crate) fn wait_timeout<'g, T>(
        &self,
        guard: MutexGuard<'g, T>,
        timeout: Duration,
    ) -> Waited<(MutexGuard<'g, T>, ())> {
        if !TIME.get().1 {
            return Ok((self.wait(guard).unwrap(), ()));
        }
        Instant::forward(timeout);
        Ok((guard, ()))
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// As std's, whose look loom does not know of.
#[derive(Debug, Default)]
pub(crate) struct OnceLock<T> {
    value: std::sync::OnceLock<T>,
    touched: atomic::AtomicUsize,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { value: std::sync::OnceLock::new(), touched: atomic::AtomicUsize::new(0) }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.touched.fetch_add(1, atomic::Ordering::AcqRel);
        self.value.get()
    }

    pub(crate) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
        self.touched.fetch_add(1, atomic::Ordering::AcqRel);
        self.value.get_or_init(value)
    }
}

thread_local! {
    /// What time it is, and whether waiting makes it pass. All threads of a model are in one of the system's.
    static TIME: Cell<(Duration, bool)> = const { Cell::new((Duration::ZERO, false)) };
}

/// The time in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    /// A model begins; does what waits with a timeout wait for ever, or no time at all?
    pub(crate) fn start(passes: bool) {
        TIME.set((Duration::from_secs(1), passes));
    }

    fn forward(by: Duration) {
        let (now, passes) = TIME.get();
        TIME.set((now.saturating_add(by), passes));
    }

    pub(crate) fn now() -> Self {
        Self(TIME.get().0)
    }

    pub(crate) fn checked_add(self, other: Duration) -> Option<Self> {
        self.0.checked_add(other).map(Self)
    }

    pub(crate) fn saturating_duration_since(self, other: Self) -> Duration {
        self.0.saturating_sub(other.0)
    }

    pub(crate) fn duration_since(self, other: Self) -> Duration {
        self.saturating_duration_since(other)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, other: Duration) -> Self {
        Self(self.0.saturating_add(other))
    }
}
