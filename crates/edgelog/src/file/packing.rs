//! Between the one who compresses segments and the engine, which erases them.
#![cfg_attr(not(feature = "zstd"), expect(dead_code, reason = "nobody compresses in this build"))]

use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who compresses segments takes one at a time, and gives it up when it is to be erased.
#[derive(Debug, Default)]
pub(crate) struct Packing {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The slot that is being compressed, and whether it is to be given up.
    slot: Option<(u32, bool)>,
    /// A segment was opened, so another one has been sealed.
    news: bool,
    ended: bool,
}

impl Packing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a segment was opened.
    pub(crate) fn tell(&self) {
        self.state().news = true;
        self.changed.notify_all();
    }

    /// Returns when nobody compresses the slot, nor begins to before the engine is let go of: segments are taken under its lock.
    pub(super) fn give_up(&self, slot: u32) {
        let mut state = self.state();
        if let Some((taken, given_up)) = &mut state.slot
            && *taken == slot
        {
            *given_up = true;
        }
        let busy = |state: &mut State| state.slot.is_some_and(|(taken, _)| taken == slot);
        drop(self.changed.wait_while(state, busy).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until a segment was opened; false when it is over.
    pub(crate) fn wait(&self) -> bool {
        let idle = |state: &mut State| !state.news && !state.ended;
        let state = self.changed.wait_while(self.state(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.news = false;
        !state.ended
    }

    /// Takes a slot to compress it, until [`put_back`](Self::put_back); false when it is over. To be called under the engine's lock.
    pub(crate) fn take(&self, slot: u32) -> bool {
        let mut state = self.state();
        if !state.ended {
            state.slot = Some((slot, false));
        }
        !state.ended
    }

    /// Whether what was taken may still be compressed.
    pub(crate) fn goes_on(&self) -> bool {
        let state = self.state();
        !state.ended && state.slot.is_some_and(|(_, given_up)| !given_up)
    }

    /// Whoever waits for the slot goes on.
    pub(crate) fn put_back(&self) {
        self.state().slot = None;
        self.changed.notify_all();
    }

    /// It is over.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }
}
