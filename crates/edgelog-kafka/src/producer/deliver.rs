//! Batches: announcing, acknowledging, confirming; and gaps in the caller's numbering.

use core::fmt;

use super::exchange::Step;
use super::{Action, Anchor, Durable, Event, Link, ParkReason, Producer};
use crate::error_code::Verdict;
use crate::wire::answer::Produced;
use crate::wire::{Api, Malformed};
use crate::{ErrorCode, Instant};

/// The batch that is announced or on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    index: u64,
    count: u32,
    pub(super) batch_len: usize,
    /// Whether any of it may have left.
    pub(super) sent: bool,
}

impl Flight {
    pub(super) fn end(&self) -> u64 {
        self.index.saturating_add(u64::from(self.count))
    }
}

/// A batch cannot be announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ProduceError {
    /// No batch may be announced now: wait for [`Action::ReadyFor`].
    NotReady,
    /// The batch does not start where it must.
    WrongIndex {
        /// Where it must start.
        expected: u64,
    },
    /// The batch has no records, or more than [`Producer::room`] allows.
    WrongCount {
        /// Records it may have at most.
        room: u32,
    },
    /// The batch has more bytes than the protocol can say.
    TooLong,
}

impl fmt::Display for ProduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("no batch may be announced now"),
            Self::WrongIndex { expected } => write!(f, "the batch must start at {expected}"),
            Self::WrongCount { room } => write!(f, "the batch must have 1 to {room} records"),
            Self::TooLong => f.write_str("the batch is too long for the protocol"),
        }
    }
}

impl core::error::Error for ProduceError {}

/// The numbering cannot be rebased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RebaseError {
    /// Records may be stored without being acknowledged: call `no_more` and wait for
    /// [`Action::Acknowledged`].
    Unsettled,
    /// The index lies before the one to be sent next, and so would name another record.
    Backwards {
        /// The index to be sent next.
        next: u64,
    },
}

impl fmt::Display for RebaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsettled => f.write_str("records are sent but not acknowledged yet"),
            Self::Backwards { next } => write!(f, "the index lies before {next}"),
        }
    }
}

impl core::error::Error for RebaseError {}

impl Producer {
    /// Announces a batch of `count` records, the first one being `index`, and of `batch_len` bytes.
    ///
    /// [`Action::Transmit`] follows, and then [`Action::Acknowledged`], [`Action::Rejected`], or
    /// another [`Action::ReadyFor`]. The caller keeps the records until they are acknowledged; it
    /// may cut them into batches anew each time.
    ///
    /// # Errors
    ///
    /// [`ProduceError`]; nothing has changed then.
    pub fn produce(
        &mut self,
        index: u64,
        count: u32,
        batch_len: usize,
    ) -> Result<(), ProduceError> {
        let expected = self.ready().ok_or(ProduceError::NotReady)?;
        if index != expected {
            return Err(ProduceError::WrongIndex { expected });
        }
        let room = self.room(index);
        if count == 0 || count > room || index.checked_add(u64::from(count)).is_none() {
            return Err(ProduceError::WrongCount { room });
        }
        // The request around the batch takes less than 1 KiB of what a size field can say.
        if batch_len > BATCH_LEN_MAX {
            return Err(ProduceError::TooLong);
        }
        self.confirm = false;
        self.flight = Some(Flight { index, count, batch_len, sent: false });
        self.go(Step::Produce);
        Ok(())
    }

    /// The caller has nothing to send for now: what is sent but not acknowledged is read back, and
    /// acknowledged when it is found below the high watermark. Otherwise the next batch's
    /// acknowledgement covers it.
    pub fn no_more(&mut self) {
        self.confirm = self.flight.is_none();
    }

    /// After [`Action::Rejected`]: there is nothing else that could be sent in place of the record, so
    /// only a person can help. A batch may be announced again after a long wait, as always when
    /// parked.
    pub fn park_rejected(&mut self, now: Instant, code: ErrorCode) {
        self.park(now, ParkReason::NothingAccepted { index: self.position.next, code });
    }

    /// `anchor` is durable.
    pub fn anchor_persisted(&mut self, anchor: &Anchor) {
        // A confirmation that was overtaken by a newer anchor does not count.
        if self.anchor.as_ref() == Some(anchor) && self.durable == Durable::Asked {
            self.durable = Durable::Yes;
        }
    }

    /// The records before `base_index` that are not sent yet will never be: sending goes on there.
    ///
    /// A new epoch begins, and its anchor must be durable before it is used.
    ///
    /// # Errors
    ///
    /// [`RebaseError`]; nothing has changed then.
    pub fn rebase(&mut self, base_index: u64) -> Result<(), RebaseError> {
        let rebased = self.rebased(base_index)?;
        self.position.restart(base_index);
        self.position.sent_end = base_index;
        self.ready_told = false;
        match rebased {
            Some(_) => {
                self.anchor = rebased;
                self.durable = Durable::No;
            }
            None if self.anchor.is_some() => {
                self.renew = true;
                if self.step == Step::Stream && matches!(self.link, Link::Up { .. }) {
                    self.advance();
                }
            }
            None => {}
        }
        Ok(())
    }

    /// The anchor that [`rebase`](Self::rebase) would make, for a caller that must know first whether it can be stored; `None` when
    /// a new producer id has to be asked for.
    ///
    /// # Errors
    ///
    /// Those of `rebase`.
    pub fn rebased(&self, base_index: u64) -> Result<Option<Anchor>, RebaseError> {
        let next = self.position.next;
        if self.doubt || self.flight.is_some() || next != self.position.acked {
            return Err(RebaseError::Unsettled);
        }
        if base_index < next {
            return Err(RebaseError::Backwards { next });
        }
        let former = self.anchor.filter(|anchor| anchor.producer_epoch < i16::MAX);
        Ok(former.map(|former| Anchor {
            producer_epoch: former.producer_epoch.saturating_add(1),
            base_index,
            start_offset: self.position.acked_offset.unwrap_or(former.start_offset),
            ..former
        }))
    }

    /// What there is to do while records may be sent.
    pub(super) fn stream(&mut self) -> Action {
        if self.durable != Durable::Yes {
            return Action::Idle;
        }
        if self.confirm && self.position.acked < self.position.next {
            self.scan_back();
            return Action::Transmit { with_batch: false };
        }
        if self.ready_told {
            return Action::Idle;
        }
        self.ready_told = true;
        Action::ReadyFor { index: self.position.next }
    }

    pub(super) fn acknowledge(
        &mut self,
        next_index: u64,
        next_offset: Option<i64>,
        log_append_time_ms: Option<i64>,
    ) {
        if self.position.acknowledge(next_index, next_offset) {
            self.news = Some(Action::Acknowledged { next_index, next_offset, log_append_time_ms });
        }
    }

    pub(super) fn on_produced(&mut self, now: Instant, answer: &Produced) {
        self.throttled(now, answer.throttle_ms);
        let (Some(flight), Some(code)) = (self.flight, answer.error) else {
            return self.malformed(now, Malformed::Field);
        };
        match code.verdict() {
            Verdict::Stored => self.stored(flight, answer),
            Verdict::Rejected => self.rejected(now, flight, code),
            Verdict::Parked => {
                self.park(now, ParkReason::Refused { api: Api::Produce, code });
            }
            Verdict::Fenced => self.replace_anchor(now, Event::Fenced),
            Verdict::UnknownProducer => self.replace_anchor(now, Event::ProducerForgotten),
            Verdict::Corrupt => {
                self.report(Event::Refused { api: Api::Produce, code });
                // The records are built anew, and another connection may spare them.
                self.lost(now, Link::Closing, true);
            }
            Verdict::Retry | Verdict::OutOfOrder => {
                self.report(Event::Refused { api: Api::Produce, code });
                self.retry(now);
            }
        }
    }

    fn stored(&mut self, flight: Flight, answer: &Produced) {
        self.flight = None;
        self.refused = None;
        self.failing = false;
        let next_offset = Some(answer.base_offset).filter(|base| *base >= 0);
        let next_offset = next_offset.and_then(|base| base.checked_add(i64::from(flight.count)));
        let time = Some(answer.log_append_time_ms).filter(|time| *time >= 0);
        self.acknowledge(flight.end(), next_offset, time);
        self.go(Step::Stream);
    }

    /// Hands the batch back, and takes no other before a wait: a caller whose every batch is refused
    /// must not be able to keep the broker busy.
    fn rejected(&mut self, now: Instant, flight: Flight, code: ErrorCode) {
        // A caller that looks for the bad record comes back with less each time, and soon ends.
        let smaller = self
            .refused
            .is_some_and(|former| former.index == flight.index && former.count > flight.count);
        self.flight = None;
        self.refused = Some(flight);
        self.failing = true;
        self.wait(now, |producer| match smaller {
            true => producer.backoff.below(producer.config.backoff_base_ms.into()),
            false => producer.backoff.failed(&producer.config),
        });
        self.news = Some(Action::Rejected { index: flight.index, count: flight.count, code });
        self.go(Step::Stream);
    }

    fn replace_anchor(&mut self, now: Instant, event: Event) {
        self.report(event);
        self.renew = true;
        self.retry(now);
    }
}

/// Bytes of a batch at most.
const BATCH_LEN_MAX: usize = i32::MAX as usize - 1024;
