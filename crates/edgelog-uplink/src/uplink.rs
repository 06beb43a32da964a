//! The state machine between the log and the producer.

use crate::batch::{Built, Replaced, Start, build};
use crate::headers::Reason;
use core::borrow::BorrowMut;
use core::fmt;
use edgelog_core::{AppendError, CursorId, GapReason, Log, Medium, Memory, ReadError, Reader};
use edgelog_kafka::producer::RebaseError;
use edgelog_kafka::wire::RequestError;
use edgelog_kafka::{Action, Anchor, Config, Event, Producer, Resume, State, Target};
use edgelog_kafka::{ErrorCode, Instant};

/// The durable cursor that an uplink keeps in its log.
pub const CURSOR_NAME: &str = "kafka";

/// The smallest batch buffer that can hold a batch with one empty record.
pub const BATCH_BYTES_MIN: usize = 512;

/// Ships one log to one Kafka partition.
///
/// `B` are the caller's buffers: one for a batch, one for a frame of the log. A record whose batch does not fit the first is replaced
/// by a gap record and reported, so the batch buffer should be at least the log's largest record and 512 bytes.
///
/// After each call of a `handle` method, when [`poll_timeout`](Self::poll_timeout) has passed, and when records became durable, the
/// driver calls [`poll`](Self::poll) until it gives [`Step::Idle`].
#[derive(Debug)]
pub struct Uplink<B> {
    producer: Producer,
    cursor: CursorId,
    place: Reader,
    batch: B,
    batch_len: usize,
    frame: B,
    /// Records in the next batch at most: halved when the broker refuses one, so that the bad record is found.
    count_max: u32,
    /// Whether the batch that was given to the producer last starts with a gap record.
    starts_with_gap: bool,
    /// What a gap record is sent for though the log may hold it.
    replaced: Option<Replaced>,
    /// An anchor that is not yet durable in the log.
    unpersisted: Option<Anchor>,
    /// The index for which a read-back was asked, so that it is asked once.
    confirming: Option<u64>,
    /// Whether a commit was written that no sync has covered.
    unsynced: bool,
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Step {
    /// Open a connection, then call `handle_connected` or `connect_failed`.
    Connect(Target),
    /// Close the connection.
    Disconnect,
    /// Send what [`Uplink::transmit`] writes, and right behind it [`Uplink::batch`] if `with_batch`.
    Transmit {
        /// Whether the batch follows the request.
        with_batch: bool,
    },
    /// Tell a person.
    Report(Notice),
    /// Nothing to do until the next input, durable record or timeout.
    Idle,
}

/// Something that a person should know. `Display` is a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// From the producer.
    Producer(Event),
    /// A record was replaced by a gap record, because the broker refuses it for good.
    RecordRefused {
        /// The record's offset.
        offset: u64,
        /// The broker's reason.
        code: ErrorCode,
    },
    /// A record was replaced by a gap record, because it does not fit a batch.
    RecordTooLarge {
        /// The record's offset.
        offset: u64,
    },
    /// Records are gone from the log, and Kafka is told so.
    Gap {
        /// First missing offset.
        from: u64,
        /// First offset after the gap.
        to: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Producer(event) => event.fmt(f),
            Self::RecordRefused { offset, code } => write!(
                f,
                "the broker refuses record {offset} with {code}; it stays in the log, and a gap record takes its place in Kafka"
            ),
            Self::RecordTooLarge { offset } => write!(
                f,
                "record {offset} does not fit a batch; it stays in the log, and a gap record takes its place in Kafka: raise the batch size"
            ),
            Self::Gap { from, to } => write!(
                f,
                "records {from} to {to} (exclusive) are gone from the log; a gap record tells it to Kafka"
            ),
        }
    }
}

/// The log failed the uplink. Nothing is lost: the same step is tried at the next poll.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error<E> {
    /// The log could not be read.
    Read(ReadError<E>),
    /// The anchor or the cursor could not be stored in the log.
    Store(AppendError<E>),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "cannot read the log: {error}"),
            Self::Store(error) => write!(f, "cannot store the shipping state in the log: {error}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Store(error) => Some(error),
        }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Uplink<B> {
    /// An uplink that goes on where the log's cursor [`CURSOR_NAME`] stands; a new log begins at its oldest record.
    ///
    /// Costs two small frames in a log that has no such cursor.
    ///
    /// # Errors
    ///
    /// The log cannot store the cursor.
    pub fn new<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        config: Config,
        log: &mut Log<M, L, S>,
        batch: B,
        frame: B,
    ) -> Result<Self, Error<M::Error>> {
        let earliest = log.earliest().map_err(|error| Error::Read(ReadError::Medium(error)))?;
        let cursor = log.cursor(CURSOR_NAME, earliest).map_err(Error::Store)?;
        log.sync().map_err(Error::Store)?;
        let state = log.cursors().iter().find(|known| known.id == cursor);
        let (acked, mark) = state.map_or((earliest, 0), |cursor| (cursor.offset, cursor.mark));
        let anchor = state
            .and_then(|cursor| cursor.anchor.first_chunk())
            .and_then(|bytes| Anchor::from_bytes(bytes).ok());
        // A cursor that was never committed to has mark 0, which tells no partition offset.
        let acked_offset = (mark > 0).then_some(mark);
        let resume = anchor.map(|anchor| Resume { anchor, acked_index: acked, acked_offset });
        Ok(Self {
            producer: Producer::new(config, resume, acked..log.outbound().max(acked)),
            cursor,
            place: Reader::at(acked),
            batch,
            batch_len: 0,
            frame,
            count_max: u32::MAX,
            starts_with_gap: false,
            replaced: None,
            unpersisted: None,
            confirming: None,
            unsynced: false,
        })
    }

    /// The next thing for the driver to do.
    ///
    /// `wall_ms` is the wall clock in ms since 1970: no record is sent with a later timestamp, which brokers refuse. A clock that
    /// shows less than 2020 is taken to be unset; records then keep their times.
    ///
    /// # Errors
    ///
    /// The log failed; call again a little later.
    pub fn poll<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        now: Instant,
        wall_ms: u64,
        log: &mut Log<M, L, S>,
    ) -> Result<Step, Error<M::Error>> {
        self.persist_anchor(log)?;
        loop {
            match self.producer.poll(now) {
                Action::Connect(target) => return Ok(Step::Connect(target)),
                Action::Disconnect => return Ok(Step::Disconnect),
                Action::Transmit { with_batch } => return Ok(Step::Transmit { with_batch }),
                Action::Report(event) => return Ok(Step::Report(Notice::Producer(event))),
                Action::PersistAnchor(anchor) => {
                    self.unpersisted = Some(anchor);
                    self.persist_anchor(log)?;
                }
                Action::ReadyFor { .. } => {}
                Action::Acknowledged { next_index, next_offset, .. } => {
                    let told = self.acknowledged(next_index);
                    self.commit(next_index, next_offset, log)?;
                    if let Some(notice) = told {
                        return Ok(Step::Report(notice));
                    }
                }
                Action::Rejected { index, count, code } => {
                    self.rejected(now, index, count, code);
                }
                Action::Idle => match self.feed(wall_ms, log)? {
                    Fed::Yes => {}
                    Fed::Notice(notice) => return Ok(Step::Report(notice)),
                    Fed::Nothing => return Ok(Step::Idle),
                },
            }
        }
    }

    /// Writes the request of [`Step::Transmit`] and gives its length. 1 KiB is room enough.
    ///
    /// # Errors
    ///
    /// The buffer is too small.
    pub fn transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Result<usize, RequestError> {
        self.producer.poll_transmit(now, buffer)
    }

    /// The batch of [`Step::Transmit`].
    #[must_use]
    pub fn batch(&self) -> &[u8] {
        self.batch.as_ref().get(..self.batch_len).unwrap_or_default()
    }

    /// A connection was opened.
    pub fn handle_connected(&mut self) {
        self.producer.handle_connected();
    }

    /// No connection could be opened.
    pub fn connect_failed(&mut self, now: Instant) {
        self.producer.connect_failed(now);
    }

    /// The connection ended.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.producer.handle_disconnected(now);
    }

    /// Bytes came in.
    pub fn handle_input(&mut self, now: Instant, bytes: &[u8]) {
        self.producer.handle_input(now, bytes);
    }

    /// Time passed. Calling it too often is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.producer.handle_timeout(now);
    }

    /// When `handle_timeout` and `poll` are to be called though nothing else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.producer.poll_timeout()
    }

    /// What the producer is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.producer.state()
    }

    /// The producer, for its leader's address and its anchor.
    #[must_use]
    pub const fn producer(&self) -> &Producer {
        &self.producer
    }

    /// The cursor in the log.
    #[must_use]
    pub const fn cursor(&self) -> CursorId {
        self.cursor
    }

    /// The offset that must become durable in the log before there is anything new to send.
    #[must_use]
    pub fn waits_for(&self) -> Option<u64> {
        self.producer.ready()
    }

    /// Stored first, used afterwards: an anchor that a crash could take away would let its sequences be used again.
    fn persist_anchor<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        log: &mut Log<M, L, S>,
    ) -> Result<(), Error<M::Error>> {
        if let Some(anchor) = self.unpersisted {
            self.store(&anchor, log).map_err(Error::Store)?;
            self.producer.anchor_persisted(&anchor);
            self.unpersisted = None;
        }
        Ok(())
    }

    fn store<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        anchor: &Anchor,
        log: &mut Log<M, L, S>,
    ) -> Result<(), AppendError<M::Error>> {
        let known = log.cursors().iter().find(|cursor| cursor.id == self.cursor);
        let stored = known.is_some_and(|cursor| *cursor.anchor == anchor.to_bytes());
        if let (Some(cursor), false) = (known, stored) {
            // An anchor behind the cursor promises a gap record for what lies between: a cursor that is stored must not be older
            // than it was when that was promised.
            let (offset, mark) = (cursor.offset, cursor.mark);
            log.commit(self.cursor, offset, mark)?;
            log.set_anchor(self.cursor, &anchor.to_bytes())?;
        }
        log.sync()?;
        self.unsynced = false;
        Ok(())
    }

    fn commit<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        acked: u64,
        next_offset: Option<i64>,
        log: &mut Log<M, L, S>,
    ) -> Result<(), Error<M::Error>> {
        self.unsynced = true;
        match log.commit(self.cursor, acked, next_offset.unwrap_or(0)) {
            // A full log stores the commit as soon as the commits themselves have freed a segment.
            Ok(()) | Err(AppendError::Full) => Ok(()),
            Err(error) => Err(Error::Store(error)),
        }
    }

    /// Everything before `acked` has arrived; what a gap record took the place of is worth a notice.
    fn acknowledged(&mut self, acked: u64) -> Option<Notice> {
        let told = self.replaced.take_if(|replaced| replaced.offset < acked);
        let Some(Replaced { offset, reason }) = told else {
            self.count_max = grown(self.count_max);
            return None;
        };
        self.count_max = u32::MAX;
        Some(match reason {
            Reason::Refused(code) => Notice::RecordRefused { offset, code: ErrorCode(code) },
            Reason::TooLarge => Notice::RecordTooLarge { offset },
            Reason::Log(_) => Notice::Gap { from: offset, to: offset + 1 },
        })
    }

    /// Halves the batch until the bad record stands alone, then puts a gap record in its place. When that is refused as well,
    /// nothing can be sent that tells what is missing: the lane waits for a person, and then begins with the record itself.
    fn rejected(&mut self, now: Instant, index: u64, count: u32, code: ErrorCode) {
        if count > 1 {
            self.count_max = count / 2;
        } else if self.starts_with_gap {
            self.replaced = None;
            self.producer.park_rejected(now, code);
        } else {
            self.count_max = 1;
            self.replaced = Some(Replaced { offset: index, reason: Reason::Refused(code.0) });
        }
    }

    /// Gives the producer a batch, if it wants one and there are durable records.
    fn feed<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        wall_ms: u64,
        log: &mut Log<M, L, S>,
    ) -> Result<Fed, Error<M::Error>> {
        let Some(index) = self.producer.ready() else { return Ok(Fed::Nothing) };
        if index >= log.durable() {
            return self.settle(index, log);
        }
        if self.place.offset() != index {
            self.place = Reader::at(index);
        }
        let room = self.producer.room(index).min(self.count_max);
        let Some(stamp) = self.producer.stamp(index) else { return Ok(Fed::Nothing) };
        let gap_from = self.gap_from(index, log);
        let start = Start { index, gap_from, room, wall_ms, replaced: self.replaced };
        let buffers = (self.batch.as_mut(), self.frame.as_mut());
        match build(log, &mut self.place, start, stamp, buffers).map_err(Error::Read)? {
            Built::Batch { count, len, starts_with_gap } => {
                self.batch_len = len;
                self.starts_with_gap = starts_with_gap;
                self.confirming = None;
                // The producer asked for this index and room, so it takes the batch; if not, it asks again.
                log.mark_outbound(index + u64::from(count));
                let taken = self.producer.produce(index, count, len).is_ok();
                Ok(if taken { Fed::Yes } else { Fed::Nothing })
            }
            Built::Gap { from, to, reason } => self.tell_gap(from, to, reason, log),
            Built::TooLarge { offset } => {
                self.replaced = Some(Replaced { offset, reason: Reason::TooLarge });
                Ok(Fed::Yes)
            }
            Built::Nothing => self.settle(index, log),
        }
    }

    /// Moves the anchor to the last of several missing records, where one gap record tells them all.
    ///
    /// The first of them is told alone, under the old anchor, when that cannot be: when reading back did not tell whether what is
    /// before the gap is stored (its acknowledgement settles that), and when the log is too full for another anchor.
    fn tell_gap<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        from: u64,
        to: u64,
        reason: GapReason,
        log: &mut Log<M, L, S>,
    ) -> Result<Fed, Error<M::Error>> {
        let alone = match self.producer.rebased(to - 1) {
            Ok(None) => false,
            Ok(Some(anchor)) => match self.store(&anchor, log) {
                Ok(()) => false,
                Err(AppendError::Full) => true,
                Err(error) => return Err(Error::Store(error)),
            },
            Err(RebaseError::Unsettled) if self.confirming == Some(from) => true,
            Err(RebaseError::Unsettled) => return self.settle(from, log),
            Err(_) => return Ok(Fed::Nothing),
        };
        if alone {
            self.replaced = Some(Replaced { offset: from, reason: Reason::Log(reason) });
            return Ok(Fed::Yes);
        }
        match self.producer.rebase(to - 1) {
            Ok(()) => Ok(Fed::Notice(Notice::Gap { from, to })),
            Err(_) => Ok(Fed::Nothing),
        }
    }

    /// Where a gap that ends with the record at `index` began: an anchor starts at the last record of a gap, and the cursor still
    /// stands at its first.
    fn gap_from<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &self,
        index: u64,
        log: &Log<M, L, S>,
    ) -> u64 {
        let at_base = self.producer.anchor().is_some_and(|anchor| anchor.base_index == index);
        let cursor = log.cursors().iter().find(|cursor| cursor.id == self.cursor);
        match cursor {
            Some(cursor) if at_base => cursor.offset.min(index),
            _ => index,
        }
    }

    /// Nothing to send now: what is sent and not acknowledged is read back, and what was acknowledged is made durable.
    fn settle<M: Medium, L: AsRef<[u8]> + AsMut<[u8]>, S: BorrowMut<Memory>>(
        &mut self,
        index: u64,
        log: &mut Log<M, L, S>,
    ) -> Result<Fed, Error<M::Error>> {
        if self.producer.acked_index() < index && self.confirming != Some(index) {
            self.confirming = Some(index);
            self.producer.no_more();
            return Ok(Fed::Yes);
        }
        if self.unsynced {
            log.sync().map_err(Error::Store)?;
            self.unsynced = false;
        }
        Ok(Fed::Nothing)
    }
}

/// Records in a batch at most, after one of `count_max` was acknowledged: a limit of the broker is met again soon, so it is approached
/// slowly.
const fn grown(count_max: u32) -> u32 {
    count_max.saturating_add(count_max / 4 + 1)
}

/// What feeding the producer came to.
enum Fed {
    Yes,
    Notice(Notice),
    Nothing,
}
