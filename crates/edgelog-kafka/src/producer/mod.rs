//! The state machine: one lane to one topic partition, with at most one batch in flight.
//!
//! One in flight is the only window that is always inside the one that a broker remembers: after a
//! restart it knows a producer's last batch only.
//!
//! # How it goes on after a failure
//!
//! A batch whose answer did not come is *in doubt*. Then, and after every start with a [`Resume`],
//! the leader is asked for the last sequence that it holds (DescribeProducers). That moves the
//! position from which records are sent, and never acknowledges anything: the leader may still lose
//! what it merely appended. When the leader has forgotten the producer, the batch headers stored
//! since the last acknowledgement are read back (Fetch), which finds the truth as long as retention
//! has left it there. Only when it has not, records are sent again that may be there already, and
//! [`Event::PossibleDuplicates`] says which.
//!
//! # What remains
//!
//! A record can be stored twice, without a report, when the leader forgets the producer within the
//! moments between being asked and being sent to, or forgets it while its batch is appended but not
//! replicated: nothing then shows the batch to anybody. Leaders forget by the batches' timestamps,
//! hours later as a rule, and at once when the records' own timestamps are old; a topic with
//! `message.timestamp.type=LogAppendTime` closes this gap.
//!
//! Nothing is ever given up: failures are retried for ever, with capped full jitter.

mod action;
mod anchor;
mod answered;
mod backoff;
mod config;
mod connection;
mod deliver;
mod event;
mod exchange;
mod position;
mod settle;

use heapless::Deque;

pub use action::{Action, State, Target};
pub use anchor::{Anchor, BadAnchor, Resume};
pub use config::{CLIENT_ID_LEN_MAX, Config, NameTooLong, RESPONSE_GRACE_MS, TOPIC_LEN_MAX};
pub use deliver::{ProduceError, RebaseError};
pub use event::{Event, ParkReason};

use self::backoff::Backoff;
use self::connection::Link;
use self::deliver::Flight;
use self::exchange::{Answer, Step};
use self::position::Position;
use self::settle::Scan;
use crate::Instant;
use crate::batch::Stamp;
use crate::checksum::crc32c;
use crate::wire::Reader;
use crate::wire::answer::{Broker, PartitionChoice};

/// Sends the caller's records to one partition, each exactly once and in order.
///
/// It does nothing by itself. After each call of a method that takes `&mut self`, and when
/// [`poll_timeout`](Self::poll_timeout) has passed, the driver calls [`poll`](Self::poll) until it
/// answers [`Action::Idle`].
#[derive(Debug)]
pub struct Producer {
    config: Config,
    backoff: Backoff,
    link: Link,
    leader: Option<Broker>,
    /// Whether the next connection goes to the leader, not to a bootstrap address.
    to_leader: bool,
    attempt: u32,
    /// Detours since records could last be sent: connections to, and questions for, another leader.
    detours: u8,
    suspended: bool,

    step: Step,
    /// Whether the step's request is on its way; the answer is then due.
    sent: bool,
    /// Whether anything came in on this connection.
    heard: bool,
    /// Whether a Kafka broker ever answered.
    met: bool,
    correlation_id: i32,
    reader: Reader,
    answer: Answer,
    /// When the answer or the connection is overdue.
    deadline: Option<Instant>,
    /// Nothing is sent before.
    pause: Option<Instant>,
    parked: Option<ParkReason>,
    told_parked: Option<ParkReason>,
    describes: bool,

    anchor: Option<Anchor>,
    durable: Durable,
    /// Whether the anchor must be replaced once nothing is in doubt.
    renew: bool,
    partition: i32,
    cluster: u32,
    start_offset: i64,

    position: Position,
    /// Whether records from `position.acked` on may be stored without our knowing.
    doubt: bool,
    flight: Option<Flight>,
    scan: Option<Scan>,
    /// Times in a row that the partition ended before what it had acknowledged.
    shrunk: u8,
    /// Whether what was sent but not acknowledged is to be read back.
    confirm: bool,
    /// The batch that was refused last, if none was acknowledged since.
    refused: Option<Flight>,
    /// Whether a batch failed since one was last acknowledged: reaching the broker alone is then no
    /// reason to retry sooner.
    failing: bool,

    ready_told: bool,
    news: Option<Action>,
    events: Deque<Event, EVENTS_MAX>,
}

/// Reports that wait for `poll` at most; a single input never causes as many.
const EVENTS_MAX: usize = 6;

/// How far the anchor is on its way to the caller's storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Durable {
    /// The caller was not asked yet.
    No,
    /// The caller was asked.
    Asked,
    /// The caller has confirmed.
    Yes,
}

impl Producer {
    /// A producer that is not connected.
    ///
    /// `records` are the indices that the caller holds: without an anchor, sending starts at
    /// `records.start`. `records.end` is the index behind the last record that may ever have been
    /// given to a producer; a broker that holds more betrays a cloned or rolled-back storage.
    #[must_use]
    pub fn new(config: Config, resume: Option<Resume>, records: core::ops::Range<u64>) -> Self {
        let mut producer = Self {
            backoff: Backoff::new(config.seed),
            link: Link::Down,
            leader: None,
            to_leader: false,
            attempt: 0,
            detours: 0,
            suspended: false,
            step: Step::Versions,
            sent: false,
            heard: false,
            met: false,
            correlation_id: 0,
            reader: Reader::new(),
            answer: Answer::None,
            deadline: None,
            pause: None,
            parked: None,
            told_parked: None,
            describes: false,
            anchor: None,
            durable: Durable::No,
            renew: false,
            partition: -1,
            cluster: 0,
            start_offset: 0,
            position: Position::at(records.start),
            doubt: false,
            flight: None,
            scan: None,
            shrunk: 0,
            confirm: false,
            refused: None,
            failing: false,
            ready_told: false,
            news: None,
            events: Deque::new(),
            config,
        };
        // A random start makes it unlikely that a stray answer carries the expected number.
        producer.correlation_id = i32::try_from(producer.backoff.below(1 << 30)).unwrap_or(0);
        if let Some(resume) = resume {
            producer.resume_from(resume, records.end);
        }
        producer
    }

    /// The next thing to do; to be called until it is [`Action::Idle`].
    ///
    /// [`Action::Transmit`] is repeated until `poll_transmit` has succeeded; all others are said
    /// once.
    pub fn poll(&mut self, now: Instant) -> Action {
        if let Some(news) = self.news.take() {
            return news;
        }
        if let Some(event) = self.events.pop_front() {
            return Action::Report(event);
        }
        if self.link == Link::Closing {
            self.link = Link::Down;
            return Action::Disconnect;
        }
        if let (Some(anchor), Durable::No) = (self.anchor, self.durable) {
            self.durable = Durable::Asked;
            return Action::PersistAnchor(anchor);
        }
        if self.suspended || self.pause.is_some_and(|until| now < until) {
            return Action::Idle;
        }
        self.pause = None;
        match self.link {
            Link::Down => self.connect(now),
            Link::Up { .. } if self.step == Step::Stream => self.stream(),
            Link::Up { .. } if !self.sent => {
                Action::Transmit { with_batch: self.step == Step::Produce }
            }
            Link::Up { .. } | Link::Dialing { .. } | Link::Closing => Action::Idle,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) and `poll` are to be called though nothing
    /// else happens. It changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let pause = self.pause.filter(|_| !self.suspended);
        pause.into_iter().chain(self.deadline).min()
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.suspended, self.parked, self.pause) {
            (true, ..) => return State::Suspended,
            (_, Some(reason), _) => return State::Parked(reason),
            (_, _, Some(until)) => return State::Backoff { until },
            _ => {}
        }
        match (self.link, self.step) {
            (Link::Down | Link::Closing, _) => State::Disconnected,
            (Link::Dialing { .. }, _) => State::Connecting,
            (Link::Up { .. }, Step::Versions) => State::Negotiating,
            (Link::Up { .. }, Step::Stream | Step::Produce) => State::Streaming,
            (Link::Up { .. }, _) => State::Resolving,
        }
    }

    /// The leader's address, once known; the one that [`Target::Leader`] means.
    ///
    /// A driver behind a proxy or an address translation maps it as it needs.
    #[must_use]
    pub fn leader(&self) -> Option<&Broker> {
        self.leader.as_ref()
    }

    /// The anchor in use, durable or not.
    #[must_use]
    pub fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }

    /// First index that is not acknowledged, as [`Action::Acknowledged`] said it last.
    #[must_use]
    pub fn acked_index(&self) -> u64 {
        self.position.acked
    }

    /// The index that [`Action::ReadyFor`] named last, while a batch may be announced for it.
    #[must_use]
    pub fn ready(&self) -> Option<u64> {
        self.ready_told.then_some(self.position.next)
    }

    /// The identity of a batch that starts at `index`; `None` while there is no anchor.
    #[must_use]
    pub fn stamp(&self, index: u64) -> Option<Stamp> {
        self.anchor.map(|anchor| anchor.stamp(index))
    }

    /// Records that a batch starting at `index` may have; 0 while there is no anchor.
    #[must_use]
    pub fn room(&self, index: u64) -> u32 {
        self.anchor.map_or(0, |anchor| anchor.room(index))
    }

    fn resume_from(&mut self, resume: Resume, end: u64) {
        let Resume { anchor, acked_index, acked_offset } = resume;
        // An anchor is only ever made at the first index that is not settled, so a lower one is
        // stale. An offset that is no newer than the anchor may be of the cluster before this one.
        let stale = acked_index <= anchor.base_index;
        self.position = Position::at(acked_index.max(anchor.base_index));
        let moved =
            matches!(self.config.partition, PartitionChoice::Fixed(p) if p != anchor.partition);
        if moved || anchor.topic != crc32c(self.config.topic.as_bytes()) {
            self.report(Event::TopicChanged);
            return;
        }
        if self.position.acked > end {
            self.report(Event::AheadOfLog { held: self.position.acked, end });
            self.position = Position::at(end);
            return;
        }
        self.position.acked_offset = acked_offset.filter(|_| !stale);
        self.position.sent_end = end;
        self.anchor = Some(anchor);
        self.durable = Durable::Yes;
        self.doubt = true;
    }

    fn report(&mut self, event: Event) {
        // The newest report is the one that explains the present, so the oldest makes room.
        if self.events.is_full() {
            self.events.pop_front();
        }
        let _ = self.events.push_back(event);
    }
}
