//! Settling what is in doubt: asking the broker what it holds, or reading it back.

use super::exchange::Step;
use super::position::Located;
use super::{Anchor, Event, Producer};
use crate::wire::Malformed;
use crate::wire::answer::{LastBatch, Producers, Stored};
use crate::{ErrorCode, Instant};

/// Reading back the headers of stored batches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan {
    /// Offset that is read next.
    pub(super) at: i64,
    /// Offset at which reading ends.
    end: i64,
    /// Bytes read so far.
    bytes: u64,
    /// The last batch of ours.
    last: Option<LastBatch>,
    /// Whether retention removed records between the starting point and the first one left.
    cut: bool,
    /// Whether reading ended before `end`.
    unfinished: bool,
}

impl Producer {
    /// Takes the shortest way to certainty.
    pub(super) fn settle(&mut self) {
        if self.describes && !self.renew {
            self.go(Step::Describe);
        } else {
            self.scan_back();
        }
    }

    pub(super) fn on_described(&mut self, now: Instant, answer: &Producers) {
        self.throttled(now, answer.throttle_ms);
        if !self.accept(now, answer.error) {
            return;
        }
        let Some(anchor) = self.anchor else { return self.advance() };
        let Some(held) = answer.held else { return self.scan_back() };
        let epoch = i32::from(anchor.producer_epoch);
        if held.epoch > epoch {
            self.report(Event::Fenced);
            self.renew = true;
            return self.scan_back();
        }
        if held.epoch == epoch && held.last_sequence >= -1 {
            match self.position.locate(anchor.base_index, held.last_sequence) {
                Located::At(index) => self.appended(&anchor, index),
                elsewhere => self.unexpected(elsewhere),
            }
        } else if anchor.base_index < self.position.acked {
            // An older epoch: nothing of this one is there.
            self.unexpected(Located::Lost(anchor.base_index));
        } else {
            self.position.next = self.position.acked;
        }
        self.doubt = false;
        self.advance();
    }

    /// The leader has appended everything before `index`.
    fn appended(&mut self, anchor: &Anchor, index: u64) {
        self.position.next = index;
        // While nothing of this anchor is replicated, a new leader would not know the producer and
        // take any sequence: a batch sent now could hide the loss of the one before it.
        self.confirm |= self.position.acked == anchor.base_index;
    }

    /// Reads back from the last acknowledged record, if anything can have been sent since.
    pub(super) fn scan_back(&mut self) {
        let Some(anchor) = self.anchor else { return self.advance() };
        if self.doubt && self.position.sent_end <= self.position.acked {
            self.position.next = self.position.acked;
            self.doubt = false;
            return self.advance();
        }
        let at = self.position.acked_offset.unwrap_or(anchor.start_offset);
        self.scan = Some(Scan { at, end: 0, bytes: 0, last: None, cut: false, unfinished: false });
        // A leader answers this only once its high watermark has caught up with what it inherited,
        // so nothing that was appended under an earlier leader can lie behind the end.
        self.go(Step::ScanEnd);
    }

    pub(super) fn scan_up_to(&mut self, now: Instant, end: i64) {
        let Some(mut scan) = self.scan else { return self.retry(now) };
        scan.end = end;
        self.scan = Some(scan);
        if scan.at > end {
            self.shrunk = self.shrunk.saturating_add(1);
            // A leader that was just elected may not know yet how far it had come.
            if self.shrunk < SHRUNK_TRIES {
                self.failing = true;
                return self.retry(now);
            }
            let acknowledged = scan.at;
            self.report(Event::PartitionShrank { end, acknowledged });
            // The anchor's offsets mean nothing in the partition as it is now.
            self.position.acked_offset = None;
            self.renew = true;
        }
        self.scan_on(now, scan);
    }

    pub(super) fn scan_from(&mut self, now: Instant, start: i64) {
        let Some(mut scan) = self.scan else { return self.retry(now) };
        scan.cut = true;
        scan.at = start.max(scan.at);
        self.scan = Some(scan);
        self.scan_on(now, scan);
    }

    pub(super) fn on_scanned(&mut self, now: Instant, answer: &Stored) {
        self.throttled(now, answer.throttle_ms);
        let Some(mut scan) = self.scan else { return self.retry(now) };
        if answer.error == Some(ErrorCode::OFFSET_OUT_OF_RANGE) && !scan.cut {
            return self.go(Step::ScanStart);
        }
        if !self.accept(now, answer.error) {
            return;
        }
        scan.last = answer.last.or(scan.last);
        scan.bytes = scan.bytes.saturating_add(answer.bytes);
        match answer.next_offset.filter(|next| *next > scan.at) {
            Some(next) => scan.at = next,
            // Bytes that lead nowhere are no batches; no bytes at all may just need time.
            None if answer.bytes > 0 => return self.malformed(now, Malformed::Field),
            None => return self.retry(now),
        }
        self.scan = Some(scan);
        self.scan_on(now, scan);
    }

    /// Reads on, or draws the conclusion.
    fn scan_on(&mut self, now: Instant, mut scan: Scan) {
        if scan.at < scan.end && scan.bytes < self.config.scan_bytes_max {
            return self.go(Step::Scan);
        }
        scan.unfinished = scan.at < scan.end;
        self.scan = None;
        match self.anchor {
            Some(anchor) => self.scan_ended(now, &anchor, &scan),
            None => self.advance(),
        }
    }

    fn scan_ended(&mut self, now: Instant, anchor: &Anchor, scan: &Scan) {
        let confirming = !self.doubt;
        let sent_end = if confirming { self.position.next } else { self.position.sent_end };
        let located = scan.last.map(|last| {
            (self.position.locate(anchor.base_index, last.last_sequence), last.next_offset)
        });
        match located {
            Some((Located::At(index), offset)) => self.acknowledge(index, Some(offset), None),
            // What is missing may stand behind the place at which reading ended.
            Some((Located::Lost(_), _)) if scan.unfinished => {}
            Some((elsewhere, _)) => {
                self.unexpected(elsewhere);
                self.doubt = false;
                return self.advance();
            }
            None => {}
        }
        let (from, to) = (self.position.acked, sent_end);
        let uncertain = scan.unfinished || (scan.cut && located.is_none());
        if confirming && from < to && !uncertain {
            // The high watermark is not there yet, or a leader has lost them: ask anew.
            return self.retry_confirming(now);
        }
        if confirming {
            self.confirm = false;
        } else {
            self.position.next = from;
            self.doubt = false;
        }
        if uncertain && from < to {
            self.report(if confirming {
                Event::Unconfirmed { from, to }
            } else {
                Event::PossibleDuplicates { from, to }
            });
        }
        self.advance();
    }

    fn retry_confirming(&mut self, now: Instant) {
        self.failing = true;
        self.retry(now);
    }

    /// Deals with a broker that holds less than it acknowledged, or more than it was given.
    fn unexpected(&mut self, located: Located) {
        match located {
            Located::At(_) => {}
            Located::Lost(from) => {
                self.report(Event::DataLossOnBroker { from, to: self.position.acked });
                self.position.restart(from);
            }
            Located::Ahead(held) => {
                let end = self.position.sent_end;
                self.report(Event::AheadOfLog { held, end });
                self.position.restart(self.position.acked.min(end));
                self.renew = true;
            }
        }
        self.position.acked_offset = None;
    }
}

/// Times that a partition must end before what it had acknowledged, until that is believed.
const SHRUNK_TRIES: u8 = 6;
