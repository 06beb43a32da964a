//! Stands in for the log and its engine: as far as what was appended is written and made durable.

use crate::commit::Committer;
use crate::durable::Durable;
use crate::error::AppendError;
use crate::file::Medium;
use crate::recent::Recent;
use crate::retention::Retention;
use crate::sync::{Arc, MutexGuard};
use crate::writer::{Orders, Writer};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Engine {
    appended: u64,
    durable: u64,
    is_poisoned: bool,
    medium: Medium,
}

impl Engine {
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    pub(crate) fn begin_sync(&self) -> Result<u64, AppendError> {
        if self.is_poisoned { Err(AppendError::Poisoned) } else { Ok(self.appended) }
    }

    pub(crate) fn end_sync(&mut self, offset: u64, is_done: bool) {
        if is_done {
            self.durable = self.durable.max(offset);
        } else {
            self.is_poisoned = true;
        }
    }

    pub(crate) const fn poison(&mut self) {
        self.is_poisoned = true;
    }

    pub(crate) const fn is_poisoned(&self) -> bool {
        self.is_poisoned
    }

    pub(crate) const fn medium(&self) -> &Medium {
        &self.medium
    }

    pub(crate) const fn medium_mut(&mut self) -> &mut Medium {
        &mut self.medium
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    committer: Arc<Committer>,
    _writer: Writer,
    recent: Recent,
}

impl Log {
    /// `batch`: how long, and for how many bytes, what is batched may wait.
    pub(crate) fn open(batch: (Duration, u64)) -> Self {
        let orders = Orders::new(batch.0, batch.1);
        let committer = Arc::new(Committer::new(Engine::default(), orders, Retention));
        let writer = Writer::start(Arc::clone(&committer)).unwrap();
        Self(Arc::new(Shared { committer, _writer: writer, recent: Recent::new(0) }))
    }

    /// Gives the record's offset.
    pub(crate) fn append(&self) -> u64 {
        let mut engine = self.engine();
        let offset = engine.appended;
        engine.appended += 1;
        engine.medium.program(engine.appended);
        self.recent().show(engine.appended);
        offset
    }

    pub(crate) fn durable(&self, offset: u64) -> Durable {
        Durable::new(self.clone(), offset)
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.committer().engine()
    }

    pub(crate) fn medium(&self) -> Medium {
        self.engine().medium.clone()
    }

    pub(crate) fn recent(&self) -> &Recent {
        &self.0.recent
    }

    pub(crate) fn committer(&self) -> &Arc<Committer> {
        &self.0.committer
    }
}
