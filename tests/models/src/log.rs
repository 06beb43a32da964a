//! Stands in for the log and its engine: as far as what was appended is written and made durable.

use crate::commit::Committer;
use crate::durable::Durable;
use crate::error::AppendError;
use crate::file::Medium;
use crate::recent::Recent;
use crate::retention::Retention;
use crate::store::Share;
use crate::sync::{Arc, MutexGuard};
use crate::writer::{Orders, Writer};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Engine {
    appended: u64,
    durable: u64,
    is_poisoned: bool,
    medium: Medium,
    /// Of a log in a store.
    segments: u64,
    opened: u64,
}

/// What of a segment counts for who is to give one up.
pub(crate) struct Oldest {
    pub(crate) is_free: bool,
    pub(crate) until_ms: u64,
}

impl Engine {
    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    pub(crate) const fn visible(&self) -> u64 {
        self.appended
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

    /// The newest segment stays.
    #[expect(clippy::unnecessary_wraps, reason = "as the log's own")]
    pub(crate) fn oldest(&self) -> Result<Option<Oldest>, AppendError> {
        let until_ms = self.appended;
        Ok((self.segments > 1).then_some(Oldest { is_free: true, until_ms }))
    }

    pub(crate) const fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) const fn open_segment(&mut self) {
        self.opened += 1;
        self.segments += 1;
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
    _writer: Option<Writer>,
    recent: Recent,
    share: Option<Share>,
}

/// It keeps the log open: the model checker knows no other.
#[derive(Debug)]
pub(crate) struct WeakLog(pub(crate) Log);

impl WeakLog {
    #[expect(clippy::unnecessary_wraps, reason = "as the log's own")]
    pub(crate) fn upgrade(&self) -> Option<Log> {
        Some(self.0.clone())
    }

    #[expect(clippy::unused_self, reason = "as the log's own")]
    pub(crate) const fn is_open(&self) -> bool {
        true
    }
}

impl Log {
    /// `batch`: how long, and for how many bytes, what is batched may wait.
    pub(crate) fn open(batch: (Duration, u64)) -> Self {
        let orders = Orders::new(batch.0, batch.1);
        let committer = Arc::new(Committer::new(Engine::default(), orders, Retention));
        let writer = Writer::start(Arc::clone(&committer)).unwrap();
        let _writer = Some(writer);
        Self(Arc::new(Shared { committer, _writer, recent: Recent::new(0), share: None }))
    }

    /// A log that is all sealed segments, in a store.
    pub(crate) fn sealed(segments: u64, share: Share) -> Self {
        share.set_files(segments);
        let engine = Engine { segments, ..Engine::default() };
        let orders = Orders::new(Duration::MAX, u64::MAX);
        let committer = Arc::new(Committer::new(engine, orders, Retention));
        let (_writer, share) = (None, Some(share));
        Self(Arc::new(Shared { committer, _writer, recent: Recent::new(0), share }))
    }

    /// Gives up the oldest segment, and its space.
    #[expect(clippy::unnecessary_wraps, reason = "as the log's own")]
    pub(crate) fn evict(&self) -> Result<bool, AppendError> {
        let mut engine = self.engine();
        if engine.segments < 2 {
            return Ok(false);
        }
        engine.segments -= 1;
        if let Some(share) = &self.0.share {
            share.gone(1);
        }
        Ok(true)
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
