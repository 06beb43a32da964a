//! Both colours of the engine do the same, and a future that is dropped half way breaks no promise.
#![allow(clippy::unwrap_used, clippy::panic)]

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use edgelog_core::{
    AppendError, Class, CursorId, Event, FullPolicy, LogId, TopicId, asynch, blocking,
};
use edgelog_sim::headers::next_to_go;
use edgelog_sim::model::{Attempt, Content, Full, Model, Stamp};
use edgelog_sim::oracle::BUFFER;
use edgelog_sim::{Action, NorChip, Rng, Session, SimNorError, check, on_chip};
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use std::fmt::Debug;

const ERASE: usize = 1024;

/// A chip whose calls are pending once before they do their work and once after it, as with a driver that waits.
#[derive(Clone, Debug)]
struct Slow<const WORD: usize>(NorChip<WORD, ERASE>);

async fn pending_once() {
    let mut waited = false;
    core::future::poll_fn(|_| match std::mem::replace(&mut waited, true) {
        false => Poll::Pending,
        true => Poll::Ready(()),
    })
    .await;
}

impl<const WORD: usize> ErrorType for Slow<WORD> {
    type Error = SimNorError;
}

impl<const WORD: usize> ReadNorFlash for Slow<WORD> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), SimNorError> {
        pending_once().await;
        let done = self.0.read(offset, bytes).await;
        pending_once().await;
        done
    }

    fn capacity(&self) -> usize {
        self.0.size()
    }
}

impl<const WORD: usize> NorFlash for Slow<WORD> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = ERASE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), SimNorError> {
        pending_once().await;
        let done = self.0.erase(from, to).await;
        pending_once().await;
        done
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), SimNorError> {
        pending_once().await;
        let done = self.0.write(offset, bytes).await;
        pending_once().await;
        done
    }
}

fn slow<const WORD: usize>(chip: NorChip<WORD, ERASE>) -> asynch::NorMedium<Slow<WORD>> {
    let end = u32::try_from(chip.size()).unwrap();
    let medium = asynch::NorMedium::new(Slow(chip), 0..end, SEGMENT).unwrap();
    medium.with_unreadable(|error| matches!(error, SimNorError::Unreadable { .. }))
}

const SEGMENT: u32 = 2048;

/// Polls up to `polls` times and then drops the future.
fn poll<T>(future: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    poll(future, usize::MAX).unwrap()
}

/// Random work, done and told in the same way by both colours: every answer and everything that is read.
macro_rules! colour {
    ($name:ident, $colour:ident, $medium:expr, [$($async:tt)?], [$($await:tt)*]) => {
        $($async)? fn $name<const WORD: usize>(chip: NorChip<WORD, ERASE>, seed: u64) -> Vec<String> {
            let medium = $medium;
            let mut rng = Rng::new(seed);
            let mut told = Vec::new();
            let id = LogId([7; 16]);
            let mut log = $colour::Log::create(medium(chip.clone()), vec![0; BUFFER], id, 0)$($await)*.unwrap();
            for step in 0..400 {
                let (now, bytes) = (step * 1000 + rng.bits() % 5000, rng.bytes(120));
                let topics: Vec<TopicId> = log.topics().iter().map(|topic| topic.id).collect();
                let cursors: Vec<CursorId> = log.cursors().iter().map(|cursor| cursor.id).collect();
                let (topic, cursor) = (topics.get(rng.below(topics.len())), cursors.get(rng.below(cursors.len())));
                let durable = log.durable();
                let mut buffer = vec![0; BUFFER];
                let answer = match (rng.below(18), topic, cursor) {
                    (0, ..) => tell(log.topic(["a", "b", "c"][rng.below(3)])$($await)*),
                    (1, ..) => tell(log.cursor(["x", "y"][rng.below(2)], durable)$($await)*),
                    (2..=6, Some(&topic), _) => {
                        let payload = &bytes[..rng.below(120)];
                        let event = Event { topic, class: Class::Normal, key: None, payload };
                        tell(log.append(&event, now)$($await)*)
                    }
                    (7, Some(&topic), _) => {
                        let event = |from: usize| {
                            let (key, payload) = (Some(&bytes[..from]), &bytes[from..2 * from]);
                            Event { topic, class: Class::Bulk, key, payload }
                        };
                        tell(log.append_batch(&[event(3), event(40), event(0)], now)$($await)*)
                    }
                    (8 | 9, ..) => tell(log.sync()$($await)*),
                    (10, _, Some(&cursor)) => tell(log.commit(cursor, durable, 5)$($await)*),
                    (11, _, Some(&cursor)) => tell(log.set_anchor(cursor, &bytes[..9])$($await)*),
                    (12, ..) => tell(log.maintain(1)$($await)*),
                    (13, _, Some(&cursor)) => {
                        let full = [
                            FullPolicy::Refuse,
                            FullPolicy::DropOldest,
                            FullPolicy::Protect([cursor].into_iter().collect()),
                        ][rng.below(3)];
                        log.set_full_policy(full);
                        log.give_up(1);
                        String::new()
                    }
                    (14, ..) => tell(log.set_clock(now, now * 3)$($await)*),
                    (15, ..) => tell(log.seek_time(rng.bits() % (now + 1))$($await)*),
                    (16, ..) => {
                        let limit = log.visible();
                        let mut reader = $colour::Reader::at(0);
                        let mut back = $colour::BackReader::<3>::before(limit);
                        let mut read = String::new();
                        while let Some(item) = log.read(&mut reader, limit, &mut buffer)$($await)*.unwrap() {
                            read += &format!("{item:?}");
                        }
                        while let Some(item) = log.read_back(&mut back, &mut buffer)$($await)*.unwrap() {
                            read += &format!("{item:?}");
                        }
                        read
                    }
                    (17, ..) if rng.one_in(4) => {
                        drop(log);
                        log = $colour::Log::mount(medium(chip.clone()), vec![0; BUFFER])$($await)*.unwrap();
                        if rng.one_in(2) {
                            log.clock_is_unset(now);
                        }
                        format!("{:?} {:?}", log.epoch(), log.earliest()$($await)*)
                    }
                    _ => String::new(),
                };
                let counters = chip.counters();
                told.push(format!("{step}: {answer} {} {} {counters:?}", log.visible(), log.durable()));
            }
            told
        }
    };
}

colour!(run_blocking, blocking, |chip| on_chip(chip, SEGMENT), [], []);
colour!(run_async, asynch, slow, [async], [.await]);

fn tell<T: Debug, E: Debug>(answer: Result<T, E>) -> String {
    format!("{answer:?}")
}

#[test]
fn both_colours_leave_the_same_bytes_at_the_same_cost_and_say_the_same() {
    fn same<const WORD: usize>() {
        for seed in 0..25 {
            let chips = [(); 2].map(|()| NorChip::<WORD, ERASE>::new(8));
            let blocking = run_blocking(chips[0].clone(), seed);
            let asynch = run(run_async(chips[1].clone(), seed));
            for (blocking, asynch) in blocking.iter().zip(&asynch) {
                assert_eq!(blocking, asynch, "word {WORD}, seed {seed}");
            }
            assert_eq!(blocking.len(), asynch.len());
            assert!(chips[0].image() == chips[1].image(), "word {WORD}, seed {seed}");
            assert_eq!(chips[0].counters(), chips[1].counters());
            assert!(chips[0].counters().erases > 4, "word {WORD}, seed {seed}: the ring turned");
        }
    }
    same::<1>();
    same::<4>();
    same::<8>();
    same::<16>();
    same::<32>();
}

/// What became of logs whose append was dropped.
#[derive(Debug, Default)]
struct Dropped {
    poisoned: u32,
    worked_on: u32,
    /// Appends among them that erased and opened a segment.
    opened: u32,
}

/// Records of random payloads, as the model and as the engine take them.
struct Records {
    contents: Vec<Content>,
    topic: TopicId,
}

impl Records {
    fn new(topic: TopicId, count: usize, rng: &mut Rng) -> Self {
        let mut content = || {
            // Now and then the next segment has to be opened for it.
            let payload = rng.bytes(250);
            Content { topic: topic.get(), class: Class::Normal, key: None, payload }
        };
        Self { contents: (0..count).map(|_| content()).collect(), topic }
    }

    fn events(&self) -> Vec<Event<'_>> {
        let event = |it| event_of(self.topic, it);
        self.contents.iter().map(event).collect()
    }

    fn attempts(&self) -> Vec<Attempt> {
        let stamp = Stamp { floor: 0, unset: false, uptime: None };
        self.contents.iter().map(|it| Attempt { stamp, content: it.clone() }).collect()
    }
}

fn event_of(topic: TopicId, content: &Content) -> Event<'_> {
    Event { topic, class: content.class, key: None, payload: &content.payload }
}

/// Drops an append after `polls` polls, goes on if the log does, and judges what a mount finds. False when it was done by then.
fn drop_after<const WORD: usize>(
    chip: &NorChip<WORD, ERASE>,
    mut model: Model,
    polls: usize,
    seed: u64,
    dropped: &mut Dropped,
) -> Result<bool, String> {
    let chip = chip.power_on();
    let mut rng = Rng::new(seed);
    let mut log = run(asynch::Log::mount(slow(chip.clone()), vec![0; BUFFER])).unwrap();
    log.set_full_policy(FullPolicy::DropOldest);
    let topic = log.topics()[0].id;
    let now = model.latest;
    let may_evict = |model: &mut Model, cursors: &[edgelog_core::Cursor]| {
        model.may_evict(cursors, next_to_go(&mut on_chip(chip.clone(), SEGMENT)));
    };
    if rng.one_in(2) {
        let warm = Records::new(topic, 1, &mut rng);
        may_evict(&mut model, log.cursors());
        run(log.append_batch(&warm.events(), now)).map_err(|e| e.to_string())?;
        model.append(log.epoch(), warm.attempts())?;
    }
    let records = Records::new(topic, 1 + rng.below(3), &mut rng);
    may_evict(&mut model, log.cursors());
    let erases = chip.counters().erases;
    let done = poll(log.append_batch(&records.events(), now), polls);
    if let Some(done) = done {
        done.map_err(|e| e.to_string())?;
        dropped.opened += u32::from(chip.counters().erases > erases);
        return Ok(false);
    }
    let later = Records::new(topic, 1, &mut rng);
    may_evict(&mut model, log.cursors());
    match run(log.append_batch(&later.events(), now)) {
        Ok(given) => {
            if given.start != model.visible {
                return Err(format!("the next record got {given:?}, not {}", model.visible));
            }
            dropped.worked_on += 1;
            model.append(log.epoch(), later.attempts())?;
            model.synced(run(log.sync()).map_err(|e| e.to_string())?);
        }
        Err(AppendError::Poisoned) => {
            dropped.poisoned += 1;
            model.in_flight = records.attempts();
        }
        Err(other) => return Err(other.to_string()),
    }
    check(&on_chip(chip.power_on(), SEGMENT), &mut model).map(|_| true)
}

#[test]
fn an_append_that_is_dropped_at_any_await_breaks_no_promise() {
    fn drops<const WORD: usize>(seeds: u64) -> Dropped {
        let mut dropped = Dropped::default();
        for seed in 0..seeds {
            let mut rng = Rng::new(seed);
            let chip = NorChip::<WORD, ERASE>::new(6);
            let id = LogId([8; 16]);
            let mut session = Session::create(on_chip(chip.clone(), SEGMENT), id).unwrap();
            session.set_full(Full::DropOldest);
            session.act(Action::Append, &mut rng).unwrap();
            let age = rng.below(60);
            session.work(&mut rng, age).unwrap();
            session.act(Action::Sync, &mut rng).unwrap();
            let model = session.end();
            for polls in 1.. {
                let name = format!("word {WORD}, seed {seed}, dropped after {polls} polls");
                match drop_after(&chip, model.clone(), polls, seed, &mut dropped) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => panic!("{name}: {why}"),
                }
            }
        }
        dropped
    }
    for dropped in
        [drops::<1>(60), drops::<4>(60), drops::<8>(60), drops::<16>(60), drops::<32>(60)]
    {
        println!("{dropped:?}");
        assert!(dropped.poisoned > 100 && dropped.worked_on > 5, "{dropped:?}");
        assert!(dropped.opened > 5, "{dropped:?}");
    }
}
