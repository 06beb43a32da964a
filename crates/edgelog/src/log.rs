//! The owner's handle.

use crate::bell::Bell;
use crate::commit::Committer;
use crate::durable::{Durability, Durable};
use crate::error::{AppendError, ReadError};
use crate::event::{Event, Payload, Start, now_ms};
use crate::file::FileMedium;
use crate::lock::OwnerLock;
#[cfg(feature = "zstd")]
use crate::packer::{Compression, Packer};
use crate::reader::Reader;
use crate::recent::Recent;
use crate::retention::When;
use crate::schema::{Schemas, TopicSchema};
use crate::store::Member;
#[cfg(feature = "zstd")]
use crate::sync::OnceLock;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, MutexGuard};
use crate::writer::Writer;
use edgelog_core::{Cursor, CursorId, Extent, FullPolicy, LogId, Part, Topic, TopicId};
use edgelog_record::foreign;
use edgelog_uplink::CURSOR_NAME as UPLINK_CURSOR;
use flatbuffers::Verifiable;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

pub(crate) type Engine = edgelog_core::Log<FileMedium, Vec<u8>>;

/// An open log. Clones share it; the log is closed, and its lock released, when the last clone is dropped, and the last [`Reader`], [`Durable`] and
/// [`Uplink`](crate::Uplink).
///
/// Nothing needs to be done at the end: what [`sync`](Self::sync) covered is durable, what was appended
/// [batched](Durability::Batched) is made so, and the rest is what a power cut would leave.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The engine, and what makes it durable.
    committer: Arc<Committer>,
    /// Ends its thread before the engine goes.
    _writer: Writer,
    /// The same.
    #[cfg(feature = "zstd")]
    packer: OnceLock<Packer>,
    recent: Recent,
    /// Below this everything was in the files when the log was opened.
    in_files_at_opening: u64,
    /// Rung when something was appended.
    appended: Bell,
    /// True while an uplink ships the log.
    shipping: AtomicBool,
    directory: PathBuf,
    record_bytes_max: usize,
    schemas: Schemas,
    /// Of a log in a store.
    member: Option<Member>,
    _lock: OwnerLock,
}

/// The figures of a log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The log's id.
    pub id: LogId,
    /// The epoch of the last append.
    pub epoch: u32,
    /// Offset of the oldest record that is still there.
    pub earliest: u64,
    /// Every record below this was appended.
    pub visible: u64,
    /// Every record below this survives a power cut.
    pub durable: u64,
    /// Durable records that opening found damaged near the end.
    pub damaged: u64,
    /// Bytes behind the end that opening found written and not valid: a torn write, or records at the very end that rotted.
    pub torn_bytes: u32,
    /// Records that were given up since the log was opened, read or not: by its full policy or its retention, or as its cursors had passed them.
    pub evicted: u64,
    /// Segments in use.
    pub segments: u64,
    /// Segments in the ring.
    pub segments_max: u32,
}

/// Wakes a log's waiters, if the log is still open.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Weak<Shared>);

impl Waker {
    pub(crate) fn wake(&self) {
        if let Some(shared) = self.0.upgrade() {
            Log { shared }.nudge();
        }
    }
}

/// A log that is not kept open.
#[derive(Clone, Debug)]
pub(crate) struct WeakLog(Weak<Shared>);

impl WeakLog {
    pub(crate) fn upgrade(&self) -> Option<Log> {
        Some(Log { shared: self.0.upgrade()? })
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Log {
    pub(crate) fn new(
        committer: Committer,
        lock: OwnerLock,
        directory: PathBuf,
        record_bytes_max: usize,
        member: Option<Member>,
    ) -> io::Result<Self> {
        let committer = Arc::new(committer);
        let visible = committer.engine().visible();
        if committer.group().durable() < visible {
            committer.orders().settle();
        }
        let recent = Recent::new(visible);
        let shared = Shared {
            _writer: Writer::start(Arc::clone(&committer))?,
            #[cfg(feature = "zstd")]
            packer: OnceLock::new(),
            committer,
            recent,
            in_files_at_opening: visible,
            appended: Bell::default(),
            shipping: AtomicBool::new(false),
            directory,
            record_bytes_max,
            schemas: Schemas::default(),
            member,
            _lock: lock,
        };
        let shared = Arc::new(shared);
        if let Some(member) = &shared.member {
            member.join(WeakLog(Arc::downgrade(&shared)));
        }
        Ok(Self { shared })
    }

    /// Begins to compress what is sealed. To be called before anybody else has the log.
    #[cfg(feature = "zstd")]
    pub(crate) fn compressing(self, level: Option<i32>) -> io::Result<Self> {
        if let Some(level) = level {
            let committer = Arc::clone(&self.shared.committer);
            let packer = Packer::start(committer, &self.shared.directory, level)?;
            // There is none yet.
            let _ = self.shared.packer.set(packer);
        }
        Ok(self)
    }

    /// What [compressing](crate::Options::compress) did since the log was opened; `None` when it is off.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.shared.packer.get().map(Packer::done)
    }

    /// Appends an event to `topic`, which is created when it is new, and gives the record's offset. As
    /// [`append_as`](Self::append_as) with [`Durability::Visible`]: durable after the next [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// As [`append_as`](Self::append_as).
    pub fn append<P: Payload>(
        &self,
        topic: &str,
        event: &Event<'_, P>,
    ) -> Result<u64, AppendError> {
        self.append_as(Durability::Visible, topic, event)
    }

    /// Appends an event to `topic`, which is created when it is new, and gives the record's offset when what `durability` says holds.
    ///
    /// It is visible to readers of this process at once, and to those of others at most 50 ms later. The record's time is the wall clock's.
    /// Costs a copy into memory, and one write call, of another thread, for each 256 KiB, besides what the [`Durability`] costs; the first append of a process costs
    /// one sync more, and the first of a segment two, and the erasing of its file: by the file system where it can, otherwise the writing of
    /// zeros. [`Options`](crate::Options#limits) has a table of all limits.
    /// Power loss before it is durable: the record is whole or absent.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; the event was not stored, though its topic may have been. `Full` and a failure to make room for a segment pass
    /// when there is room again; after any other failure of the file system the log takes no more until it is opened again. Where the sync of
    /// a durable append fails, the event is visible until then and may or may not be there afterwards.
    pub fn append_as<P: Payload>(
        &self,
        durability: Durability,
        topic: &str,
        event: &Event<'_, P>,
    ) -> Result<u64, AppendError> {
        match self.shared.schemas.of(topic) {
            Some(schema) => {
                let mut bytes = Vec::new();
                let verified = schema.verified(&event.payload, &mut bytes)?;
                self.store(durability, topic, event, &verified)
            }
            None => self.store(durability, topic, event, &event.payload),
        }
    }

    /// Appends several events to `topic` as one. As [`append_batch_as`](Self::append_batch_as) with [`Durability::Visible`].
    ///
    /// # Errors
    ///
    /// As [`append_batch_as`](Self::append_batch_as).
    pub fn append_batch(
        &self,
        topic: &str,
        events: &[Event<'_>],
    ) -> Result<Range<u64>, AppendError> {
        self.append_batch_as(Durability::Visible, topic, events)
    }

    /// Appends several events to `topic` as one: nobody else's stand between them. Otherwise as [`append_as`](Self::append_as), for less each.
    ///
    /// Together they must not take more than the [largest record](crate::Options::record_bytes_max).
    /// Power loss before they are durable: the first of them, some or all, are there; each is whole.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; none of the events was stored, but for a sync that fails as with [`append_as`](Self::append_as).
    pub fn append_batch_as(
        &self,
        durability: Durability,
        topic: &str,
        events: &[Event<'_>],
    ) -> Result<Range<u64>, AppendError> {
        let Some(schema) = self.shared.schemas.of(topic) else {
            return self.store_batch(durability, topic, events.iter().copied());
        };
        let mut composed = Vec::new();
        for event in events {
            let mut bytes = Vec::new();
            let verified = schema.verified(&event.payload, &mut bytes)?;
            let mut stored = vec![0; verified.len()];
            verified.write(&mut stored);
            composed.push(stored);
        }
        let stored = events.iter().zip(&composed);
        self.store_batch(
            durability,
            topic,
            stored.map(|(event, payload)| Event { payload: &payload[..], ..*event }),
        )
    }

    /// Appends an event whose payload must be a finished FlatBuffer with the root `T`, a type that `flatc` generated, bare or in an
    /// envelope. Otherwise as [`append`](Self::append): [`durable`](Self::durable) waits for more. Costs one verification more.
    ///
    /// # Errors
    ///
    /// `Invalid` when the payload does not verify, and as [`append`](Self::append).
    pub fn append_event<T: Verifiable>(
        &self,
        topic: &str,
        event: &Event<'_>,
    ) -> Result<u64, AppendError> {
        let is_valid = edgelog_record::Event::of(event.payload)
            .is_ok_and(|content| foreign::verify::<T>(content.payload()).is_ok());
        if !is_valid {
            return Err(AppendError::Invalid { what: Part::Payload });
        }
        self.append(topic, event)
    }

    /// Tells the log what the events of a topic are, as far as it is to refuse others: from now on, [`append`](Self::append) verifies each
    /// payload of the topic, bare or in an envelope, and stores it in an envelope with the schema's fingerprint, which thus travels
    /// with the record. An envelope that tells a fingerprint, say of the older schema that a device knows, is verified and stored as it is;
    /// one that tells none is written anew, without fields that this version of edgelog does not know.
    /// It is not stored: tell it after each opening. `None` takes anything again. An append that another thread has begun before may
    /// still go by what held then.
    ///
    /// Costs a verification and a copy for each event.
    pub fn set_schema(&self, topic: &str, schema: Option<TopicSchema>) {
        self.shared.schemas.set(topic, schema);
    }

    fn store(
        &self,
        durability: Durability,
        topic: &str,
        event: &Event<'_, impl Payload>,
        payload: &impl Payload,
    ) -> Result<u64, AppendError> {
        let (class, key, bytes) = (event.class, event.key, payload.len());
        // Asked once: who joins after that finds the event in the files.
        let is_followed = self.shared.recent.is_followed();
        let (engine, stored) = self.with_room(|engine| {
            let topic = engine.topic(topic).map_err(Box::new)?;
            let mut composed = Vec::new();
            let write = |bytes: &mut [u8]| {
                payload.write(bytes);
                if is_followed && payload.bytes().is_none() {
                    composed.extend_from_slice(bytes);
                }
            };
            let offset = engine.append_with(topic, class, key, bytes, now_ms(), write);
            let offset = offset.map_err(Box::new)?;
            if is_followed {
                let payload = payload.bytes().unwrap_or(&composed);
                let event = edgelog_core::Event { topic, class, key, payload };
                self.shared.recent.keep([engine.as_read(&event, offset)]);
            }
            Ok(offset)
        });
        match stored {
            Ok(offset) => self.stored(engine, offset + 1, durability, bytes).map(|()| offset),
            Err(error) => Err(self.refused(engine, *error)),
        }
    }

    fn store_batch<'e>(
        &self,
        durability: Durability,
        topic: &str,
        events: impl Iterator<Item = Event<'e>>,
    ) -> Result<Range<u64>, AppendError> {
        let (mut events, mut batch, mut bytes) = (events, Vec::new(), 0);
        let (engine, stored) = self.with_room(|engine| {
            let topic = engine.topic(topic).map_err(Box::new)?;
            // At the first try.
            batch.extend(events.by_ref().map(|Event { class, key, payload }| {
                bytes += payload.len();
                edgelog_core::Event { topic, class, key, payload }
            }));
            let offsets = engine.append_batch(&batch, now_ms()).map_err(Box::new)?;
            if self.shared.recent.is_followed() {
                let records = batch.iter().zip(offsets.clone());
                let records = records.map(|(event, offset)| engine.as_read(event, offset));
                self.shared.recent.keep(records);
            }
            Ok(offsets)
        });
        match stored {
            Ok(offsets) => {
                self.stored(engine, offsets.end, durability, bytes)?;
                Ok(offsets)
            }
            Err(error) => Err(self.refused(engine, *error)),
        }
    }

    /// Calls the engine for something that may need a segment. It is tried again as long as room can be made for one, in a store's budget or on a
    /// disk that has less space than the budget.
    fn with_room<T>(
        &self,
        mut call: impl FnMut(&mut Engine) -> Result<T, Box<AppendError>>,
    ) -> (MutexGuard<'_, Engine>, Result<T, Box<AppendError>>) {
        let mut engine = self.engine();
        let member = self.shared.member.as_ref();
        loop {
            let before = member.map(|member| (member.share().refusals(), member.given_up()));
            let mut done = call(&mut engine);
            let Err(error) = &mut done else { return (engine, done) };
            if matches!(**error, AppendError::Full)
                && let Some(lack) = engine.medium_mut().take_lack()
            {
                **error = AppendError::Medium(lack);
            }
            let is_disk_full = match &**error {
                AppendError::Full => false,
                AppendError::Medium(error) => error.is_want_of_space(),
                _ => return (engine, done),
            };
            if engine.is_poisoned() {
                return (engine, done);
            }
            let made = match member.zip(before) {
                Some((member, (refusals, given))) => {
                    let is_budget_full = member.share().refusals() != refusals;
                    let bytes = engine.extent().geometry().segment_size().into();
                    // Room is made with one log's lock at a time.
                    drop(engine);
                    let made = match (is_budget_full, is_disk_full) {
                        (true, _) => member.make_room(bytes, given),
                        (false, true) => member.give_up_one(given),
                        (false, false) => Ok(false),
                    };
                    engine = self.engine();
                    made
                }
                None if is_disk_full => engine.evict().map(|evicted| evicted.is_some()),
                None => Ok(false),
            };
            match made {
                Ok(true) => {}
                Ok(false) => return (engine, done),
                Err(error) => return (engine, Err(Box::new(error))),
            }
        }
    }

    /// Gives up the oldest segment, if the full policy lets it go; whether one went.
    pub(crate) fn evict(&self) -> Result<bool, AppendError> {
        let mut engine = self.engine();
        let evicted = engine.evict();
        let evicted = evicted.map_err(|error| self.committer().explained(&engine, error))?;
        Ok(evicted.is_some())
    }

    /// After something was stored, up to `below`: lets go of the engine, tells those who write and those who wait, and returns when what
    /// `durability` says holds.
    #[inline]
    fn stored(
        &self,
        engine: MutexGuard<'_, Engine>,
        below: u64,
        durability: Durability,
        bytes: usize,
    ) -> Result<(), AppendError> {
        self.show(engine);
        self.shared.appended.ring();
        let committer = &self.shared.committer;
        match durability {
            Durability::Visible => committer.orders().write(),
            Durability::Batched => {
                committer.orders().write();
                committer.orders().batch(below, bytes);
            }
            Durability::Durable => {
                committer.sync(below)?;
            }
        }
        Ok(())
    }

    /// Why nothing was stored, as it is to be told.
    #[cold]
    fn refused(&self, engine: MutexGuard<'_, Engine>, error: AppendError) -> AppendError {
        let error = self.committer().explained(&engine, error);
        // A segment may have begun all the same.
        self.show(engine);
        error
    }

    /// Shows readers what was appended, and gives up what a new segment has made too much.
    #[inline]
    fn show(&self, mut engine: MutexGuard<'_, Engine>) {
        self.shared.recent.show(engine.visible());
        self.committer().trim(&mut engine, When::ASegmentWasOpened);
    }

    /// Makes everything appended so far durable and gives the durable offset. Costs one write and one fdatasync when anything was appended;
    /// threads that sync at the same time share them, and others append meanwhile.
    ///
    /// # Errors
    ///
    /// The file system failed: the log takes no more until it is opened again, which needs all clones, readers, uplinks and [`Durable`]s of it
    /// dropped first; what was durable still is, and the error [says](crate::FileError::durable) what that is. From then on every append
    /// and sync gives the same error.
    pub fn sync(&self) -> Result<u64, AppendError> {
        self.shared.committer.sync(u64::MAX)
    }

    /// What gets ready when the record at `offset`, which an append gave, survives a power cut, and everything before it: to be waited for,
    /// polled or awaited.
    pub fn durable(&self, offset: u64) -> Durable {
        Durable::new(self.clone(), offset)
    }

    /// A reader in this process. It sees records as soon as they are visible.
    ///
    /// # Errors
    ///
    /// The file system failed while looking for the start.
    pub fn reader(&self, start: Start) -> Result<Reader, ReadError> {
        Reader::start(self.clone(), start)
    }

    /// The durable cursor `name` (1 to 32 bytes; 8 in a log), created at `start`, or at the durable offset if that is lower, when it is new.
    /// The name `kafka` belongs to shipping.
    ///
    /// # Errors
    ///
    /// [`AppendError`]: the name's length, too many cursors, a full log, or the file system's.
    pub fn cursor(&self, name: &str, start: u64) -> Result<CursorId, AppendError> {
        if name == UPLINK_CURSOR {
            return Err(AppendError::Reserved { what: Part::Cursor });
        }
        let (engine, cursor) =
            self.with_room(|engine| engine.cursor(name, start).map_err(Box::new));
        // A segment may have begun, behind records that were given up.
        self.shared.recent.show(engine.visible());
        cursor.map_err(|error| self.committer().explained(&engine, *error))
    }

    /// Moves a cursor: everything below `offset` is done. An offset above the durable one is held at it: [`sync`](Self::sync) first. Durable with the next [`sync`](Self::sync); committing late, twice or out of order is harmless.
    ///
    /// A segment that it lets go may make room for the next one at once. Power loss before that sync: the cursor is at its old place, and its consumer meets a gap,
    /// evicted, of records that it had committed.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; the cursor then holds in memory at the most.
    pub fn commit(&self, cursor: CursorId, offset: u64) -> Result<(), AppendError> {
        let (engine, committed) = self.with_room(|engine| {
            // What was not acknowledged must not be passed over: this one cursor is moved by Kafka alone.
            let is_uplinks = |known: &Cursor| known.id == cursor && known.name == UPLINK_CURSOR;
            if engine.cursors().iter().any(is_uplinks) {
                return Err(Box::new(AppendError::Reserved { what: Part::Cursor }));
            }
            engine.commit(cursor, offset, 0).map_err(Box::new)
        });
        // As above.
        self.shared.recent.show(engine.visible());
        committed.map_err(|error| self.committer().explained(&engine, *error))
    }

    /// The cursor as it stands; `None` for one of another log.
    #[must_use]
    pub fn cursor_state(&self, cursor: CursorId) -> Option<Cursor> {
        self.engine().cursors().iter().find(|known| known.id == cursor).cloned()
    }

    /// What to do when the log is full, and what its [retention](crate::Options::retain_bytes) may give up: refuse (the default), drop the oldest
    /// records, or protect some cursors. It is not stored: set it after each opening, or with [`Options::full`](crate::Options::full). Dropped records are gaps to whoever has not read them.
    pub fn set_full_policy(&self, full: FullPolicy) {
        self.engine().set_full_policy(full);
    }

    /// Gives up what the [retention](crate::Options::retain_bytes) no longer keeps, as far as the full policy lets it go, and gives how many records
    /// went. Appends do this when a segment is full; call it, say once an hour, in a log that seldom fills one, or whose cursors move late.
    ///
    /// Costs two small reads, and for each segment that goes up to three syncs and the removal of a file.
    /// Power loss: what went is gone, oldest first.
    ///
    /// # Errors
    ///
    /// [`AppendError`]: the file system failed. Removing may be tried again.
    pub fn trim(&self) -> Result<u64, AppendError> {
        let mut engine = self.engine();
        let trimmed = self.committer().retention().trim(&mut engine);
        trimmed.map_err(|error| self.committer().explained(&engine, error))
    }

    /// Says that `records` events were given up because the log refused them. They take offsets when the next segment is opened, and readers
    /// and Kafka get a gap with the reason [`GapReason::Refused`](crate::GapReason::Refused). Power loss before that: they are not counted.
    pub fn give_up(&self, records: u32) {
        self.engine().give_up(records);
    }

    /// All cursors.
    #[must_use]
    pub fn cursors(&self) -> Vec<Cursor> {
        self.engine().cursors().to_vec()
    }

    /// All topics.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        self.engine().topics().to_vec()
    }

    /// A topic's name.
    #[must_use]
    pub fn topic_name(&self, id: TopicId) -> Option<String> {
        self.engine()
            .topics()
            .iter()
            .find(|topic| topic.id == id)
            .map(|t| t.name.as_str().to_owned())
    }

    /// The figures of this moment. Asked right after opening, it waits until what a killed process left is durable, as that counts.
    ///
    /// # Errors
    ///
    /// The file system failed.
    pub fn status(&self) -> Result<Status, ReadError> {
        let mut engine = self.engine();
        // A failure leaves the figures as they are, and is told to the next who appends or waits.
        let _ = engine.settle().map_err(|error| self.committer().explained(&engine, error));
        let earliest = engine.earliest()?;
        let (segments, segments_max) = engine.segments();
        Ok(Status {
            id: engine.id(),
            epoch: engine.epoch(),
            earliest,
            visible: engine.visible(),
            durable: engine.durable(),
            damaged: engine.damaged(),
            torn_bytes: engine.torn_bytes(),
            evicted: self.committer().retention().gone(earliest),
            segments,
            segments_max,
        })
    }

    /// The log's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Takes the log for shipping; false when it is shipped already.
    pub(crate) fn begin_shipping(&self) -> bool {
        !self.shared.shipping.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn end_shipping(&self) {
        self.shared.shipping.store(false, Ordering::SeqCst);
    }

    /// Waits until `ready` says so of the engine, asked whenever something became durable or was told by a [nudge](Self::nudge), or
    /// until the time is over; gives what it said last.
    pub(crate) fn wait_until(&self, timeout: Duration, ready: impl Fn(&Engine) -> bool) -> bool {
        self.committer().moved().wait(timeout, || ready(&self.engine()))
    }

    /// What was appended last.
    pub(crate) fn recent(&self) -> &Recent {
        &self.shared.recent
    }

    /// Rung when something was appended.
    pub(crate) fn appended(&self) -> &Bell {
        &self.shared.appended
    }

    /// How far the log reaches, and up to where its files have everything: all, or, in a log that has failed, what is durable or was there when
    /// it was opened. Nothing when that is not beyond `offset`.
    pub(crate) fn written_beyond(&self, offset: u64) -> Result<Option<(Extent, u64)>, ReadError> {
        let engine = self.engine();
        if engine.visible() <= offset {
            return Ok(None);
        }
        let extent = engine.extent();
        let in_files = engine.durable().max(self.shared.in_files_at_opening);
        match self.shared.committer.write_out(engine) {
            Ok(()) => Ok(Some((extent, extent.visible()))),
            Err(_) if in_files > offset => Ok(Some((extent, in_files))),
            Err(error) => Err(error.into()),
        }
    }

    /// Wakes everybody who waits, after something that they may wait for has changed elsewhere.
    pub(crate) fn nudge(&self) {
        self.committer().moved().ring();
    }

    /// A way to wake the waiters that does not keep the log open.
    pub(crate) fn waker(&self) -> Waker {
        Waker(Arc::downgrade(&self.shared))
    }

    /// The largest frame that can be appended.
    pub(crate) fn record_bytes_max(&self) -> usize {
        self.shared.record_bytes_max
    }

    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.shared.committer.engine()
    }

    pub(crate) fn committer(&self) -> &Arc<Committer> {
        &self.shared.committer
    }
}
