//! A log under test that does random work and keeps its model.

mod clock;
mod request;

use crate::disk::SimDisk;
use crate::headers::{headers, next_to_go};
use crate::medium::SimMedium;
use crate::model::{Attempt, ClockModel, Content, CursorModel, Full, Model};
use crate::oracle::{BUFFER, judge};
use crate::rng::Rng;
use clock::Clock;
use edgelog_core::{
    AppendError, Class, CursorId, Event, Gap, GapReason, Item, Log, LogId, Medium, MountError,
    Reader, TopicId,
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
    /// Appends several at once.
    Batch,
    /// Gives up some records, as after a refusal.
    GiveUp,
    /// Says that the clock is not set, when nothing was written since the mount.
    ClockUnset,
    /// Sets it.
    SetClock,
    /// Syncs.
    Sync,
    /// Asks for a topic, which may be new.
    Topic,
    /// Asks for a cursor, which may be new.
    Cursor,
    /// Commits a cursor, mostly at the end.
    Commit,
    /// Commits every cursor that the policy counts at the durable end, so that the ring may turn.
    Release,
    /// Sets a cursor's anchor.
    Anchor,
    /// Erases the next segment ahead of time, if it is free.
    Maintain,
    /// Gives up the oldest segment, if the policy lets it go.
    Evict,
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
    clock: Clock,
    now: u64,
    /// Whether nothing was written since the mount.
    fresh: bool,
    /// A promise that did not hold in a call that had no words for it.
    broken: Option<String>,
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
        Ok(Self::new(disk, log, Model { latest: now, ..Model::default() }, false))
    }

    /// Goes on with a disk whose model is known and was judged. What was given up and is not noted is forgotten.
    ///
    /// # Errors
    ///
    /// It does not mount.
    pub fn resume(disk: M, mut model: Model) -> Result<Self, String> {
        let mut log =
            Log::mount(disk.clone(), vec![0; BUFFER]).map_err(|e| format!("mount: {e}"))?;
        let full = model.full.policy(log.cursors());
        log.set_full_policy(full);
        let kept = u64::from(log.given_up());
        if kept > model.given_up {
            return Err(format!("{kept} records are noted as given up of {}", model.given_up));
        }
        model.given_up = kept;
        Ok(Self::new(disk, log, model, true))
    }

    fn new(disk: M, log: Log<M, Vec<u8>>, model: Model, fresh: bool) -> Self {
        let now = model.latest;
        Self { disk, log, model, clock: Clock::Utc, now, fresh, broken: None }
    }

    /// What the log does from now on when it is full.
    pub fn set_full(&mut self, full: Full) {
        self.model.dropped |= full != Full::Refuse;
        self.model.full = full;
        self.log.set_full_policy(self.model.full.policy(self.log.cursors()));
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

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
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
        if self.fresh && rng.one_in(4) {
            self.act(Action::ClockUnset, rng)?;
        }
        for _ in 0..steps {
            let action = match rng.below(28) {
                0..=9 => Action::Append,
                10..=12 => Action::Batch,
                13..=15 => Action::Sync,
                16 => Action::Topic,
                17 => Action::Cursor,
                18..=20 => Action::Commit,
                21 => Action::Anchor,
                22 => Action::Maintain,
                23 => Action::SetClock,
                24 => Action::Release,
                _ => Action::Judge,
            };
            if self.act(action, rng)? == Answer::Full && rng.one_in(3) {
                self.act(Action::GiveUp, rng)?;
            }
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
            let event =
                (topic, Content { topic: topic.get(), payload: rng.bytes(16), ..some_content() });
            let mut outcome = self.append(std::slice::from_ref(&event))?;
            // On the smallest segments one round may only make room for what it commits itself.
            for _ in 0..3 {
                if !matches!(outcome, Err(AppendError::Full)) {
                    break;
                }
                self.free()?;
                outcome = self.append(std::slice::from_ref(&event))?;
            }
            outcome.map_err(|e| format!("append: {e}"))?;
        }
        self.sync().map_err(|e| format!("sync: {e}"))?;
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Moves every cursor to the durable end, so that the log may recycle everything.
    fn free(&mut self) -> Result<(), String> {
        self.sync().map_err(|e| format!("sync on a full log: {e}"))?;
        if self.log.cursors().is_empty() {
            match self.cursor("late") {
                Ok(_) => {}
                // A log that dropped by policy kept no room for one.
                Err(AppendError::Full) if self.model.dropped => self.set_full(Full::DropOldest),
                Err(other) => return Err(format!("no cursor on a full log: {other}")),
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
        let answer = self.after(outcome)?;
        self.broken.take().map_or(Ok(answer), |why| Err(Stop::Broken(why)))
    }

    fn outcome(&mut self, action: Action, rng: &mut Rng) -> Result<Outcome<(), M>, Stop> {
        Ok(match action {
            Action::Append => return self.append_random(1, rng),
            Action::Batch => return self.append_random(2 + rng.below(5), rng),
            Action::GiveUp => {
                self.give_up(1 + u32::from(rng.one_in(2)));
                Ok(())
            }
            Action::ClockUnset => {
                if self.fresh {
                    self.clock_is_unset(rng.bits() % 100_000);
                }
                Ok(())
            }
            Action::SetClock => self.set_some_clock(rng),
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
                let Model { cursors, full, .. } = &self.model;
                let names = cursors.keys().filter(|name| full.counts(name));
                for name in names.cloned().collect::<Vec<_>>() {
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
            Action::Maintain => self.call(|log| log.maintain(1)).map(|_| ()),
            Action::Evict => self.evict(),
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

    /// Gives up the oldest segment. What went is what the oldest held, of which the policy let all go; it is the gap at the beginning from then
    /// on, and nothing else went. Where nothing goes, nothing changes.
    fn evict(&mut self) -> Outcome<(), M> {
        let headers = headers(&mut self.disk.clone());
        let before = self.log.segments().0;
        let oldest = headers.last().map_or(0, |newest| newest.generation + 1 - before);
        let mut live = headers.iter().filter(|header| header.generation >= oldest);
        // The oldest header's segment goes, with those around it that have none. Alone are those that stand before the newest: an erase failed.
        let first = live.next().filter(|header| header.generation > oldest);
        let next = live.next().or(first).map(|next| next.base_offset);
        self.model.may_evict(self.log.cursors(), next);
        let gone = self.call_between(|log| log.evict())?;
        let segments = self.log.segments().0;
        let evictable = self.model.evictable;
        let mut buffer = vec![0; BUFFER];
        let first = self.log.read(&mut Reader::at(0), u64::MAX, &mut buffer);
        let is_right = match &gone {
            None => segments == before && (self.model.full != Full::DropOldest || next.is_none()),
            Some(gone) => {
                let gap = Gap { from: 0, to: gone.end, reason: GapReason::Evicted };
                let is_gap = gone.end == 0 || matches!(first, Ok(Some(Item::Gap(it))) if it == gap);
                Some(gone.end) == next && gone.end <= evictable && segments < before && is_gap
            }
        };
        if !is_right {
            let why = format!(
                "{gone:?} was given up of {before} segments, {next:?} is next, {evictable} may go; {segments} begin with {first:?}"
            );
            self.broken.get_or_insert(why);
        }
        Ok(())
    }

    /// Calls the log for something that may write, and notes what the call may have dropped and where the log ends after it.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Log<M, Vec<u8>>) -> Outcome<T, M>,
    ) -> Outcome<T, M> {
        // Cursors alone decide what a refusing log drops, and they are looked at below.
        let refuses = self.model.full == Full::Refuse;
        let next = if refuses { None } else { next_to_go(&mut self.disk.clone()) };
        self.model.may_evict(self.log.cursors(), next);
        let writes = self.disk.writes();
        let outcome = call(&mut self.log);
        if outcome.is_ok() && self.disk.writes() != writes {
            // The log erases them before it stores anything.
            self.model.torn.clear();
        }
        self.model.may_evict(self.log.cursors(), next);
        self.fresh = false;
        outcome
    }

    /// The same for a call that appends no records.
    fn call_between<T>(
        &mut self,
        call: impl FnOnce(&mut Log<M, Vec<u8>>) -> Outcome<T, M>,
    ) -> Outcome<T, M> {
        let outcome = self.call(call);
        if let Err(why) = self.model.ends_at(self.log.visible()) {
            self.broken.get_or_insert(why);
        }
        outcome
    }

    fn append_random(&mut self, count: usize, rng: &mut Rng) -> Result<Outcome<(), M>, Stop> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            let topic = match self.some_topic(rng) {
                Ok(topic) => topic,
                Err(error) => return Ok(Err(error)),
            };
            let length = match count {
                1 if rng.one_in(30) => 3000,
                1 => rng.below(200),
                _ => rng.below(60),
            };
            let key = rng.one_in(3).then(|| {
                let length = if rng.one_in(20) { 255 } else { rng.below(20) };
                rng.bytes(length)
            });
            let class = [Class::Critical, Class::Normal, Class::Bulk][rng.below(3)];
            events.push((
                topic,
                Content { topic: topic.get(), class, key, payload: rng.bytes(length) },
            ));
        }
        self.append(&events).map_err(Stop::Broken)
    }

    /// An append with its model; the outer error is a broken promise.
    fn append(&mut self, contents: &[(TopicId, Content)]) -> Result<Outcome<(), M>, String> {
        let stamp = self.stamp();
        let attempts =
            contents.iter().map(|(_, content)| Attempt { stamp, content: content.clone() });
        let attempts: Vec<Attempt> = attempts.collect();
        let now = self.now;
        let outcome = match contents {
            [one] => {
                self.call(|log| log.append(&event_of(one), now)).map(|offset| offset..offset + 1)
            }
            many => {
                let events: Vec<Event<'_>> = many.iter().map(event_of).collect();
                self.call(|log| log.append_batch(&events, now))
            }
        };
        match outcome {
            Ok(given) => {
                self.model.ends_at(given.start)?;
                self.model.append(self.log.epoch(), attempts)?;
                if given.end != self.model.visible || given.end != self.log.visible() {
                    let Model { visible, .. } = self.model;
                    return Err(format!("an append gave {given:?}, the log ends at {visible}"));
                }
                Ok(Ok(()))
            }
            Err(error) => {
                self.model.ends_at(self.log.visible())?;
                if matches!(error, AppendError::Medium(_)) {
                    self.model.in_flight = attempts;
                }
                Ok(Err(error))
            }
        }
    }

    fn give_up(&mut self, records: u32) {
        self.log.give_up(records);
        self.model.given_up += u64::from(records);
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
        let topic = self.call_between(|log| log.topic(name))?;
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
        if new {
            let mut cursor = CursorModel::default();
            cursor.try_place(durable, 0);
            self.model.cursors.insert(String::from(name), cursor);
        }
        let id = self.call_between(|log| log.cursor(name, durable))?;
        if new && let Some(cursor) = self.model.cursors.get_mut(name) {
            cursor.acknowledge();
            // The policy may count it, and did not know its number.
            self.set_full(self.model.full.clone());
        }
        Ok(id)
    }

    fn commit(&mut self, name: &str, offset: u64, mark: i64) -> Outcome<(), M> {
        let Some(found) = self.log.cursors().iter().find(|cursor| cursor.name == name).cloned()
        else {
            return Ok(());
        };
        if offset > self.log.durable() {
            // A commit would do it, and the model is to know what it is held at.
            self.call_between(|log| log.settle())?;
        }
        let held = offset.min(self.log.durable());
        let model = self.model.cursors.entry(String::from(name)).or_default();
        if held >= found.offset {
            model.try_place(held, mark);
        }
        self.call_between(|log| log.commit(found.id, offset, mark))?;
        if let Some(model) = self.model.cursors.get_mut(name) {
            model.stored.0 = model.places.len();
        }
        Ok(())
    }

    fn anchor(&mut self, name: &str, bytes: &[u8]) -> Outcome<(), M> {
        let found = self.log.cursors().iter().find(|cursor| cursor.name == name);
        let Some(id) = found.map(|cursor| cursor.id) else { return Ok(()) };
        let model = self.model.cursors.entry(String::from(name)).or_default();
        model.anchors.push(bytes.to_vec());
        self.call_between(|log| log.set_anchor(id, bytes))?;
        if let Some(model) = self.model.cursors.get_mut(name) {
            model.stored.1 = model.anchors.len();
        }
        Ok(())
    }
}

fn event_of((topic, content): &(TopicId, Content)) -> Event<'_> {
    let Content { class, key, payload, .. } = content;
    Event { topic: *topic, class: *class, key: key.as_deref(), payload }
}

const fn some_content() -> Content {
    Content { topic: 0, class: Class::Normal, key: None, payload: Vec::new() }
}
