//! A log under test that does random work, or what it is told, and keeps its model.

mod request;

use crate::disk::SimDisk;
use crate::medium::SimMedium;
use crate::model::{Attempt, Content, CursorModel, Model, Stored};
use crate::oracle::{BUFFER, judge};
use crate::rng::Rng;
use edgelog_core::{
    AppendError, Class, CursorId, Event, FullPolicy, Log, LogId, Medium, MountError, TopicId,
};

pub use request::Request;

/// Why a session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The power is gone.
    Power,
    /// The log refuses writes until it is mounted again.
    Poisoned,
    /// A promise does not hold.
    Broken(String),
}

/// One thing that a session can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Appends a random event to a random topic.
    Append,
    /// Syncs.
    Sync,
    /// Asks for a topic, which may be new.
    Topic,
    /// Asks for a cursor, which may be new.
    Cursor,
    /// Commits a cursor, mostly at the end.
    Commit,
    /// Commits every cursor at the durable end, so that the ring may turn.
    Release,
    /// Sets a cursor's anchor.
    Anchor,
    /// Erases the next segment ahead of time, if it is free.
    Maintain,
    /// Reads everything and compares it with the model.
    Judge,
}

/// What the log said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// The log is full.
    Full,
    /// Refused for another reason.
    Refused,
}

/// A log, its medium, and what it should hold.
#[derive(Debug)]
pub struct Session<M: SimMedium = SimDisk> {
    disk: M,
    log: Log<M, Vec<u8>>,
    model: Model,
    now: u64,
    policy: Policy,
}

/// What a full log does: [`FullPolicy`](edgelog_core::FullPolicy) as the model needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Refuse while a cursor needs the oldest segment.
    #[default]
    Refuse,
    /// Drop the oldest segment.
    DropOldest,
    /// Refuse while one of these needs the oldest segment.
    Protect(Vec<CursorId>),
}

type Outcome<T, M> = Result<T, AppendError<<M as Medium>::Error>>;

impl<M: SimMedium> Session<M> {
    /// A new log on an erased disk.
    ///
    /// # Errors
    ///
    /// The power goes, or a fault was planned, while the log is created.
    pub fn create(disk: M, id: LogId) -> Result<Self, MountError<M::Error>> {
        let now = 1_000_000;
        let log = Log::create(disk.clone(), vec![0; BUFFER], id, now)?;
        let model = Model { latest_now: now, ..Model::default() };
        Ok(Self { disk, log, model, now, policy: Policy::default() })
    }

    /// Goes on with a disk whose model is known and was judged.
    ///
    /// # Errors
    ///
    /// It does not mount.
    pub fn resume(disk: M, model: Model) -> Result<Self, String> {
        let log = Log::mount(disk.clone(), vec![0; BUFFER]).map_err(|e| format!("mount: {e}"))?;
        let now = model.latest_now;
        Ok(Self { disk, log, model, now, policy: Policy::default() })
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &M {
        &self.disk
    }

    /// The log.
    #[must_use]
    pub const fn log(&self) -> &Log<M, Vec<u8>> {
        &self.log
    }

    /// Ends the session and gives the model.
    #[must_use]
    pub fn end(self) -> Model {
        self.model
    }

    /// Does `steps` random things, or stops early.
    ///
    /// # Errors
    ///
    /// [`Stop`].
    pub fn work(&mut self, rng: &mut Rng, steps: usize) -> Result<(), Stop> {
        for _ in 0..steps {
            let action = match rng.below(20) {
                0..=9 => Action::Append,
                10..=12 => Action::Sync,
                13 => Action::Topic,
                14 => Action::Cursor,
                15..=17 => Action::Commit,
                18 => Action::Anchor,
                _ => Action::Judge,
            };
            self.act(action, rng)?;
        }
        Ok(())
    }

    /// Appends `count` records and syncs them; a full log is freed first by moving every cursor.
    ///
    /// # Errors
    ///
    /// Says what the log refuses.
    pub fn must_append(&mut self, count: usize) -> Result<(), String> {
        let mut rng = Rng::new(self.model.visible ^ u64::from(self.log.epoch()));
        for _ in 0..count {
            let mut topic = self.some_topic(&mut rng);
            if matches!(topic, Err(AppendError::Full)) {
                self.free()?;
                topic = self.some_topic(&mut rng);
            }
            let topic = topic.map_err(|e| format!("topic: {e}"))?;
            let content = Content { topic: topic.get(), payload: rng.bytes(40), ..some_content() };
            let mut outcome = self.append(topic, content.clone(), self.now)?;
            if matches!(outcome, Err(AppendError::Full)) {
                self.free()?;
                outcome = self.append(topic, content, self.now)?;
            }
            outcome.map_err(|e| format!("append: {e}"))?;
        }
        self.sync().map_err(|e| format!("sync: {e}"))
    }

    /// Moves every cursor to the durable end, so that the log may recycle everything.
    fn free(&mut self) -> Result<(), String> {
        self.sync().map_err(|e| format!("sync on a full log: {e}"))?;
        if self.log.cursors().is_empty() {
            match self.cursor("late") {
                Ok(_) => {}
                Err(AppendError::Full) if self.model.dropped => {
                    self.set_policy(&Policy::DropOldest)
                }
                Err(error) => return Err(format!("no cursor on a full log: {error}")),
            }
        }
        let names: Vec<String> = self.model.cursors.keys().cloned().collect();
        for name in names {
            match self.commit(&name, self.log.durable(), -1) {
                // It holds in memory, which is what frees the next segment.
                Ok(()) | Err(AppendError::Full) => {}
                Err(other) => return Err(format!("commit on a full log: {other}")),
            }
        }
        self.may_evict();
        Ok(())
    }

    /// Does one thing, with random details.
    ///
    /// # Errors
    ///
    /// [`Stop`].
    pub fn act(&mut self, action: Action, rng: &mut Rng) -> Result<Answer, Stop> {
        self.tick(rng);
        let outcome = self.outcome(action, rng)?;
        self.after(outcome)
    }

    fn outcome(&mut self, action: Action, rng: &mut Rng) -> Result<Outcome<(), M>, Stop> {
        Ok(match action {
            Action::Append => return self.append_random(rng),
            Action::Sync => self.sync(),
            Action::Topic => self.some_topic(rng).map(|_| ()),
            Action::Cursor => self.cursor(["kafka", "local", "archive"][rng.below(3)]).map(|_| ()),
            Action::Commit => {
                let Some(name) = self.some_cursor(rng) else { return Ok(Ok(())) };
                // Mostly the end, so that the ring turns; sometimes late, repeated or too far.
                let offset = match rng.below(4) {
                    0 => self.log.durable().saturating_sub(rng.bits() % 4),
                    1 => self.log.visible() + 3,
                    _ => self.log.durable(),
                };
                self.commit(&name, offset, i64::try_from(rng.below(5)).unwrap_or(0))
            }
            Action::Release => {
                for name in self.model.cursors.keys().cloned().collect::<Vec<_>>() {
                    match self.commit(&name, self.log.durable(), -2) {
                        // It holds in memory, which is what frees the next segment.
                        Ok(()) | Err(AppendError::Full) => {}
                        other => return Ok(other),
                    }
                }
                Ok(())
            }
            Action::Anchor => {
                let Some(name) = self.some_cursor(rng) else { return Ok(Ok(())) };
                let length = 1 + rng.below(64);
                self.anchor(&name, &rng.bytes(length))
            }
            Action::Maintain => self.log.maintain(1).map(|_| ()),
            Action::Judge => {
                judge(&mut self.log, &mut self.model).map_err(|why| match self.disk.is_dark() {
                    true => Stop::Power,
                    false => Stop::Broken(why),
                })?;
                Ok(())
            }
        })
    }

    /// Takes in what a step did. Refusals are answers; device errors end the session when the log says so.
    fn after(&mut self, outcome: Outcome<(), M>) -> Result<Answer, Stop> {
        self.may_evict();
        self.model.durable = self.model.durable.max(self.log.durable());
        if let Some(why) = self.disk.misuse() {
            return Err(Stop::Broken(why));
        }
        match outcome {
            Err(_) if self.disk.is_dark() => Err(Stop::Power),
            Err(AppendError::Poisoned) => Err(Stop::Poisoned),
            Err(AppendError::Unknown { what }) => Err(Stop::Broken(format!("unknown {what}"))),
            Err(AppendError::Full) => Ok(Answer::Full),
            Err(_) => Ok(Answer::Refused),
            Ok(()) => Ok(Answer::Done),
        }
    }

    fn set_policy(&mut self, policy: &Policy) {
        self.policy = policy.clone();
        self.model.dropped |= self.policy != Policy::Refuse;
        self.log.set_full_policy(match policy {
            Policy::Refuse => FullPolicy::Refuse,
            Policy::DropOldest => FullPolicy::DropOldest,
            Policy::Protect(cursors) => FullPolicy::Protect(cursors.iter().copied().collect()),
        });
    }

    /// What the policy lets go now; nothing takes it back.
    fn may_evict(&mut self) {
        match &self.policy {
            Policy::Refuse => self.model.may_evict(self.log.cursors()),
            Policy::DropOldest => self.model.may_evict_below(self.model.visible),
            Policy::Protect(cursors) => {
                let counts = self.log.cursors().iter().filter(|it| cursors.contains(&it.id));
                let least = counts.map(|cursor| cursor.offset).min();
                self.model.may_evict_below(least.unwrap_or(self.model.visible));
            }
        }
    }

    /// The clock: mostly forward, sometimes back, far ahead or unset.
    fn tick(&mut self, rng: &mut Rng) {
        self.now = match rng.below(40) {
            0 => 0,
            1 => self.now.saturating_sub(86_400_000),
            2 => self.now + (1 << 33),
            _ => self.now + rng.bits() % 1000,
        };
        self.model.latest_now = self.model.latest_now.max(self.now);
    }

    fn append_random(&mut self, rng: &mut Rng) -> Result<Outcome<(), M>, Stop> {
        let topic = match self.some_topic(rng) {
            Ok(topic) => topic,
            Err(error) => return Ok(Err(error)),
        };
        let length = if rng.one_in(30) { 3000 } else { rng.below(200) };
        let key = rng.one_in(3).then(|| {
            let length = if rng.one_in(20) { 255 } else { rng.below(20) };
            rng.bytes(length)
        });
        let class = [Class::Critical, Class::Normal, Class::Bulk][rng.below(3)];
        let content = Content { topic: topic.get(), class, key, payload: rng.bytes(length) };
        self.append(topic, content, self.now).map_err(Stop::Broken)
    }

    /// An append with its model; the outer error is a broken promise.
    fn append(
        &mut self,
        topic: TopicId,
        content: Content,
        now: u64,
    ) -> Result<Outcome<(), M>, String> {
        self.append_batch(topic, vec![content], now)
    }

    fn append_batch(
        &mut self,
        topic: TopicId,
        contents: Vec<Content>,
        now: u64,
    ) -> Result<Outcome<(), M>, String> {
        let events = contents.iter().map(|Content { class, key, payload, .. }| Event {
            topic,
            class: *class,
            key: key.as_deref(),
            payload,
        });
        let events: Vec<Event<'_>> = events.collect();
        let expected = self.model.visible..self.model.visible + contents.len() as u64;
        match self.log.append_batch(&events, now) {
            Ok(offsets) if offsets == expected => {
                let epoch = self.log.epoch();
                for (offset, content) in offsets.zip(contents) {
                    self.model.name(epoch, offset, &content)?;
                    self.model.records.insert(offset, Stored { epoch, now, content });
                }
                self.model.visible = expected.end;
                self.model.in_flight.clear();
                Ok(Ok(()))
            }
            Ok(offsets) => Err(format!("append gave {offsets:?}, expected {expected:?}")),
            Err(error) => {
                if matches!(error, AppendError::Medium(_)) {
                    let attempt = |content| Attempt { now, content };
                    self.model.in_flight = contents.into_iter().map(attempt).collect();
                }
                Ok(Err(error))
            }
        }
    }

    fn sync(&mut self) -> Outcome<(), M> {
        let durable = self.log.sync()?;
        self.model.synced(durable);
        Ok(())
    }

    fn some_topic(&mut self, rng: &mut Rng) -> Outcome<TopicId, M> {
        self.topic(["a", "door.open", "metrics"][rng.below(3)])
    }

    fn topic(&mut self, name: &str) -> Outcome<TopicId, M> {
        let topic = self.log.topic(name)?;
        let id = topic.get();
        self.model.topics.entry(String::from(name)).or_insert_with(|| (id, false));
        Ok(topic)
    }

    fn some_cursor(&self, rng: &mut Rng) -> Option<String> {
        let count = self.model.cursors.len();
        self.model.cursors.keys().nth(rng.below(count)).cloned()
    }

    fn cursor(&mut self, name: &str) -> Outcome<CursorId, M> {
        let durable = self.log.durable();
        let new = self.log.cursors().iter().all(|cursor| cursor.name != name);
        let cursor = self.model.cursors.entry(String::from(name)).or_default();
        if new {
            *cursor = CursorModel::default();
            cursor.try_place(durable, 0);
        }
        let id = self.log.cursor(name, durable)?;
        if new {
            cursor.acknowledge();
        }
        Ok(id)
    }

    fn commit(&mut self, name: &str, offset: u64, mark: i64) -> Outcome<(), M> {
        let Some(found) = self.log.cursors().iter().find(|cursor| cursor.name == name).cloned()
        else {
            return Ok(());
        };
        let held = offset.min(self.log.durable());
        let model = self.model.cursors.entry(String::from(name)).or_default();
        if held >= found.offset {
            model.try_place(held, mark);
        }
        self.log.commit(found.id, offset, mark)?;
        model.stored.0 = model.places.len();
        Ok(())
    }

    fn anchor(&mut self, name: &str, bytes: &[u8]) -> Outcome<(), M> {
        let found = self.log.cursors().iter().find(|cursor| cursor.name == name);
        let Some(id) = found.map(|cursor| cursor.id) else { return Ok(()) };
        let model = self.model.cursors.entry(String::from(name)).or_default();
        model.anchors.push(bytes.to_vec());
        self.log.set_anchor(id, bytes)?;
        model.stored.1 = model.anchors.len();
        Ok(())
    }
}

const fn some_content() -> Content {
    Content { topic: 0, class: Class::Normal, key: None, payload: Vec::new() }
}
