//! Connections: opening, losing, closing and waiting.

use super::exchange::{Answer, Step};
use super::{Action, Event, ParkReason, Producer, Target};
use crate::Instant;
use crate::wire::Malformed;

/// The connection, as far as the producer knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// There is none.
    Down,
    /// The driver is opening one, to this node unless to a bootstrap address.
    Dialing { node: Option<i32> },
    /// It is open.
    Up { node: Option<i32> },
    /// The driver is to close it.
    Closing,
}

impl Producer {
    /// The connection that was asked for is open.
    pub fn handle_connected(&mut self) {
        if let Link::Dialing { node } = self.link {
            self.link = Link::Up { node };
            self.deadline = None;
            self.heard = false;
            self.go(Step::Versions);
        }
    }

    /// The connection that was asked for could not be opened.
    pub fn connect_failed(&mut self, now: Instant) {
        if matches!(self.link, Link::Dialing { .. }) {
            self.lost(now, Link::Down, false);
        }
    }

    /// The connection was closed by the peer, or failed.
    pub fn handle_disconnected(&mut self, now: Instant) {
        match self.link {
            Link::Dialing { .. } => self.connect_failed(now),
            Link::Up { .. } => {
                if self.step == Step::Versions && self.sent && !self.heard && !self.met {
                    self.report(Event::NotKafka(Malformed::Closed));
                }
                let worked = matches!(self.step, Step::Stream | Step::Produce);
                self.lost(now, Link::Down, worked);
            }
            Link::Down | Link::Closing => {}
        }
    }

    /// Bytes came in, in any portions.
    pub fn handle_input(&mut self, now: Instant, input: &[u8]) {
        if !matches!(self.link, Link::Up { .. }) || input.is_empty() {
            return;
        }
        self.heard = true;
        if !self.sent {
            return self.malformed(now, Malformed::Unasked);
        }
        self.deadline = Some(self.overdue(now));
        match self.reader.feed(input, &mut self.answer) {
            Err(why) => self.malformed(now, why),
            Ok(progress) if progress.done => {
                self.deadline = None;
                self.sent = false;
                self.answered(now);
                if progress.consumed < input.len() && matches!(self.link, Link::Up { .. }) {
                    self.malformed(now, Malformed::Unasked);
                }
            }
            Ok(_) => {}
        }
    }

    /// Time has passed; harmless at any moment.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        let up = matches!(self.link, Link::Up { .. });
        self.report(Event::TimedOut { api: self.step.api().filter(|_| up) });
        self.lost(now, Link::Closing, false);
    }

    /// Closes the connection and opens none until [`resume`](Self::resume), for instance outside the
    /// hours in which the link is cheap. A batch in flight becomes in doubt.
    pub fn suspend(&mut self, now: Instant) {
        if matches!(self.link, Link::Up { .. } | Link::Dialing { .. }) {
            let worked = self.step == Step::Stream;
            self.lost(now, Link::Closing, worked);
            self.backoff.reset();
            self.pause = None;
        }
        self.suspended = true;
    }

    /// Ends what [`suspend`](Self::suspend) began.
    pub fn resume(&mut self) {
        self.suspended = false;
    }

    pub(super) fn connect(&mut self, now: Instant) -> Action {
        let node = self.leader.as_ref().map(|leader| leader.node).filter(|_| self.to_leader);
        self.link = Link::Dialing { node };
        self.deadline = Some(self.overdue(now));
        Action::Connect(match node {
            Some(_) => Target::Leader,
            None => {
                let attempt = self.attempt;
                self.attempt = attempt.wrapping_add(1);
                Target::Bootstrap { attempt }
            }
        })
    }

    /// Leaves for the leader, which is another node.
    pub(super) fn redirect(&mut self) {
        self.close_books();
        self.link = Link::Closing;
        self.to_leader = true;
    }

    /// Waits, then finds the leader again and settles what is in doubt.
    pub(super) fn retry(&mut self, now: Instant) {
        self.failing |= matches!(self.step, Step::Produce | Step::Scan);
        self.close_books();
        self.parked = None;
        self.wait(now, |producer| producer.backoff.failed(&producer.config));
        self.go(Step::Metadata);
    }

    /// Waits long, because only a person can help.
    pub(super) fn park(&mut self, now: Instant, reason: ParkReason) {
        self.failing |= self.step == Step::Produce;
        self.close_books();
        if self.told_parked != Some(reason) {
            self.report(Event::Parked(reason));
        }
        self.told_parked = Some(reason);
        self.parked = Some(reason);
        self.wait(now, |producer| producer.backoff.parked(&producer.config));
        self.go(Step::Metadata);
    }

    /// The broker asked for silence of `millis`.
    pub(super) fn throttled(&mut self, now: Instant, millis: u32) {
        if millis > 0 {
            self.wait(now, |_| u64::from(millis));
        }
    }

    pub(super) fn malformed(&mut self, now: Instant, why: Malformed) {
        self.report(match self.step {
            Step::Versions => Event::NotKafka(why),
            step => Event::Malformed { api: step.api(), why },
        });
        self.lost(now, Link::Closing, false);
    }

    /// When an answer that is asked for now is overdue.
    pub(super) fn overdue(&self, now: Instant) -> Instant {
        now.after(u64::from(self.config.request_timeout_ms)).after(super::RESPONSE_GRACE_MS)
    }

    /// The connection is gone or going; `worked` when records could be sent over it.
    pub(super) fn lost(&mut self, now: Instant, link: Link, worked: bool) {
        self.failing |= self.flight.is_some_and(|flight| flight.sent);
        self.close_books();
        self.link = link;
        self.to_leader = worked;
        self.parked = None;
        self.wait(now, |producer| producer.backoff.failed(&producer.config));
        self.go(Step::Versions);
    }

    /// Ends the exchange that is under way; what it may have stored is in doubt.
    fn close_books(&mut self) {
        let unanswered = self.flight.take().is_some_and(|flight| flight.sent);
        // What a leader appended without acknowledging, the next leader may lack.
        self.doubt |= unanswered || self.position.next > self.position.acked;
        self.scan = None;
        self.sent = false;
        self.deadline = None;
        self.answer = Answer::None;
    }

    pub(super) fn wait(&mut self, now: Instant, millis: impl FnOnce(&mut Self) -> u64) {
        let until = now.after(millis(self));
        self.pause = self.pause.into_iter().chain([until]).max();
    }
}
