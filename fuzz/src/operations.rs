//! A log's life, and whether the promises hold: the application's calls, a clock that jumps, a medium that fails, and the power.

use arbitrary::Arbitrary;
use core::ops::Range;
use edgelog_core::{BackReader, Class, GapReason, Item, LogId, LogView, NorMedium, Reader};
use edgelog_sim::model::{Content, Full, Model};
use edgelog_sim::oracle::{BUFFER, mount_and_judge};
use edgelog_sim::{
    Fault, FaultKind, NorChip, NorOp, Op, Request, Rng, Session, SimDisk, SimMedium, Stop, check,
    on_chip,
};

/// What the fuzzer chooses.
#[derive(Arbitrary, Debug)]
pub struct Life {
    /// Segment size, segment count and what the medium is.
    sizes: (u8, u8, u8),
    operations: Vec<Operation>,
}

/// One step of a life.
#[derive(Arbitrary, Debug)]
enum Operation {
    /// Appends one event.
    Append { topic: u8, class: u8, key: Option<u8>, payload: Payload },
    /// Appends a number of plain events.
    Fill { count: u8, length: u8 },
    /// Appends events in one program.
    Batch { count: u8, length: u8 },
    /// Makes everything durable.
    Sync,
    /// Chooses what a full log does; the cursors in the set are protected.
    Full { policy: u8, set: u8 },
    /// Erases ahead of time.
    Maintain(u8),
    /// Asks for a topic.
    Topic(u8),
    /// Asks for a cursor.
    Cursor(u8),
    /// Moves a cursor to so many records before the durable end.
    Commit { cursor: u8, before_durable: u8, mark: i8 },
    /// Moves a cursor to any offset.
    CommitAt { cursor: u8, offset: u64 },
    /// Sets a cursor's anchor.
    Anchor { cursor: u8, length: u8 },
    /// Moves the clock by ms.
    Tick(i32),
    /// Moves the clock to any time.
    Clock(u64),
    /// From now on only the uptime is known.
    ClockUnset(u32),
    /// The time becomes known: so many ms from the latest that the log may have.
    SetClock(i32),
    /// Gives up records.
    GiveUp(u8),
    /// A consumer that keeps its place reads so many items.
    Read(u8),
    /// One that reads newest first, from so many records before the end once it is through.
    ReadBack { before_end: u8, items: u8 },
    /// Looks for a time: so many ms from the clock's.
    Seek(i32),
    /// Reads everything and compares.
    Judge,
    /// Another process looks.
    View,
    /// The process ends and another one mounts the log; the power stays.
    Remount,
    /// The power goes now.
    Cut(u8),
    /// The power goes in the n-th change of the medium from now.
    CutIn(u16),
    /// The n-th such call from now fails.
    Fail { op: u8, call: u8, whole: bool },
    /// Gives up the oldest segment, if the policy lets it go.
    Evict,
}

/// An event's payload.
#[derive(Arbitrary, Debug)]
enum Payload {
    /// So many bytes that no other event of this life has.
    New(u16),
    /// These.
    Bytes(Vec<u8>),
}

const ENDED: &str = "the process ended";
const TOPICS: [&str; 3] = ["a", "door.open", "metrics"];
const CURSORS: [&str; 3] = ["kafka", "local", "archive"];
/// Steps after which a life ends: more say nothing new and take long.
const STEPS: usize = 120;

/// A medium that can be told to fail.
trait Faulty: SimMedium {
    /// The `call`-th such call from now fails.
    fn fail(&self, op: u8, call: u64, whole: bool);

    /// Forgets what was planned, as far as the medium can.
    fn heal(&self) {}
}

impl Faulty for SimDisk {
    fn fail(&self, op: u8, call: u64, whole: bool) {
        let counters = self.counters();
        let (op, calls) = [
            (Op::Program, counters.programs),
            (Op::Erase, counters.erases),
            (Op::Sync, counters.syncs),
        ][usize::from(op % 3)];
        let kind = if whole { FaultKind::NoSpace } else { FaultKind::Io };
        self.plan(Fault { op, call: calls + call, kind });
    }

    fn heal(&self) {
        Self::heal(self);
    }
}

impl<const WORD: usize, const ERASE: usize> Faulty for NorMedium<NorChip<WORD, ERASE>> {
    fn fail(&self, op: u8, call: u64, _whole: bool) {
        let counters = self.flash().counters();
        let (op, calls) = [(NorOp::Program, counters.programs), (NorOp::Erase, counters.erases)]
            [usize::from(op % 2)];
        self.flash().plan_fault(op, calls + call);
    }
}

/// Lives the life.
///
/// # Panics
///
/// When a promise does not hold.
pub fn run(life: &Life) {
    let (size, count, medium) = life.sizes;
    let count = 2 + u32::from(count % 3);
    match medium % 8 {
        0..=3 => {
            let disk = SimDisk::new([1024, 1024, 1536, 2048][usize::from(size % 4)], count);
            disk.set_sector([512, 64, 8, 1][usize::from(medium % 4)]);
            live(life, disk);
        }
        4 => live(life, chip::<1, 1024>(size, count)),
        5 => live(life, chip::<4, 1024>(size, count)),
        6 => live(life, chip::<8, 512>(size, count)),
        _ => live(life, chip::<32, 1024>(size, count)),
    }
}

/// A chip with or without error correction, whose torn words take a program, or not.
fn chip<const WORD: usize, const ERASE: usize>(
    modes: u8,
    segments: u32,
) -> NorMedium<NorChip<WORD, ERASE>> {
    let segment_size = [1024, 2048][usize::from(modes & 1)];
    let chip = NorChip::new(segments as usize * segment_size / ERASE);
    chip.set_ecc(modes & 2 != 0);
    chip.set_strict_marginal(modes & 4 == 0);
    chip.set_seed(u64::from(modes));
    on_chip(chip, segment_size as u32)
}

fn live<M: Faulty>(life: &Life, medium: M) {
    let mut world = World {
        session: Session::create(medium, LogId([0x5A; 16])).expect("an erased medium takes a log"),
        reader: Reader::at(0),
        back: (0, BackReader::before(0)),
        now: 1_000_000,
        step: 0,
    };
    for operation in life.operations.iter().take(STEPS) {
        world.step += 1;
        world.take(operation);
    }
    let medium = world.session.disk().restart(world.step);
    medium.heal();
    check(&medium, &mut world.session.end()).unwrap_or_else(|why| panic!("in the end: {why}"));
}

struct World<M: Faulty> {
    session: Session<M>,
    reader: Reader,
    /// With the offset that it began at.
    back: (u64, BackReader<3>),
    now: u64,
    step: u64,
}

impl<M: Faulty> World<M> {
    fn take(&mut self, operation: &Operation) {
        match operation {
            Operation::Append { topic, class, key, payload } => {
                let key = key.map(|length| Rng::new(7).bytes(usize::from(length)));
                let payload = match payload {
                    Payload::New(length) => self.payload(usize::from(*length) % 3000),
                    Payload::Bytes(bytes) => bytes.clone(),
                };
                let class = [Class::Critical, Class::Normal, Class::Bulk][usize::from(class % 3)];
                let topic = name_of(&TOPICS, *topic);
                let append =
                    Request::Append { topic, class, key: key.as_deref(), payload: &payload };
                self.act(&append);
            }
            Operation::Fill { count, length } => {
                for n in 0..count % 32 {
                    let mut payload = self.payload(usize::from(*length));
                    payload.push(n);
                    let class = Class::Normal;
                    self.act(&Request::Append { topic: "a", class, key: None, payload: &payload });
                }
            }
            Operation::Batch { count, length } => {
                let lengths = (0..1 + count % 6).map(|n| usize::from(length.wrapping_mul(n | 1)));
                let payloads: Vec<_> = lengths
                    .zip(0..)
                    .map(|(length, n)| [self.payload(length), vec![n]].concat())
                    .collect();
                self.act(&Request::AppendBatch { topic: "metrics", payloads: &payloads });
            }
            Operation::Full { policy, set } => {
                let cursors = CURSORS.iter().enumerate().filter(|(n, _)| set >> n & 1 != 0);
                let full = match policy % 3 {
                    0 => Full::Refuse,
                    1 => Full::DropOldest,
                    _ => Full::Protect(cursors.map(|(_, &name)| String::from(name)).collect()),
                };
                self.act(&Request::Full(&full));
            }
            Operation::Maintain(erases) => self.act(&Request::Maintain(u32::from(erases % 4))),
            Operation::Sync => self.act(&Request::Sync),
            Operation::Topic(topic) => self.act(&Request::Topic(name_of(&TOPICS, *topic))),
            Operation::Cursor(cursor) => self.act(&Request::Cursor(name_of(&CURSORS, *cursor))),
            Operation::Commit { cursor, before_durable, mark } => {
                let durable = self.session.log().durable();
                let offset = durable.saturating_sub(u64::from(*before_durable));
                let (cursor, mark) = (name_of(&CURSORS, *cursor), i64::from(*mark));
                self.act(&Request::Commit { cursor, offset, mark });
            }
            Operation::CommitAt { cursor, offset } => {
                let cursor = name_of(&CURSORS, *cursor);
                self.act(&Request::Commit { cursor, offset: *offset, mark: 0 });
            }
            Operation::Anchor { cursor, length } => {
                let bytes = self.payload(usize::from(length % 70));
                self.act(&Request::Anchor { cursor: name_of(&CURSORS, *cursor), bytes: &bytes });
            }
            Operation::Tick(ms) => self.clock(self.now.saturating_add_signed(i64::from(*ms))),
            Operation::Clock(now) => self.clock(*now),
            Operation::ClockUnset(uptime) => {
                self.now = u64::from(*uptime);
                self.act(&Request::ClockUnset(self.now));
            }
            Operation::SetClock(ms) => {
                let latest = self.session.model().latest;
                self.act(&Request::SetClock(latest.saturating_add_signed(i64::from(*ms))));
            }
            Operation::GiveUp(records) => self.act(&Request::GiveUp(u32::from(*records))),
            Operation::Read(items) => self.read(usize::from(*items)),
            Operation::ReadBack { before_end, items } => {
                self.read_back(u64::from(*before_end), usize::from(*items));
            }
            Operation::Seek(ms) => self.seek(self.now.saturating_add_signed(i64::from(*ms))),
            Operation::Judge => self.act(&Request::Judge),
            Operation::View => self.view(),
            Operation::Remount => {
                let disk = self.session.disk().clone();
                disk.end();
                self.restart(disk, ENDED);
            }
            Operation::Cut(outcome) => {
                let disk = self.session.disk().restart(u64::from(*outcome));
                self.restart(disk, "the power went");
            }
            Operation::CutIn(step) => {
                let disk = self.session.disk();
                let [.., most] = disk.some_work();
                disk.cut_in(u64::from(*step) % (3 * most), self.step);
            }
            Operation::Fail { op, call, whole } => {
                self.session.disk().fail(*op, u64::from(call % 16), *whole);
            }
            Operation::Evict => self.act(&Request::Evict),
        }
    }

    fn act(&mut self, request: &Request<'_>) {
        let disk = self.session.disk().clone();
        match self.session.request(request) {
            Ok(_) => {}
            Err(Stop::Power) => self.restart(disk.restart(self.step), "the power went"),
            Err(Stop::Poisoned) => self.restart(disk.kill(), "the disk failed"),
            Err(Stop::Broken(why)) => panic!("step {}: {why}", self.step),
        }
    }

    /// The log is mounted anew and judged; the session goes on with it. The power may go in this, too.
    fn restart(&mut self, mut disk: M, why: &str) {
        let visible = self.session.model().visible;
        let mut kept = why == ENDED;
        self.session = loop {
            disk.heal();
            let mut model = self.session.model().clone();
            let judged = mount_and_judge(&disk, &mut model);
            match judged.and_then(|_| Session::resume(disk.clone(), model)) {
                Ok(session) => break session,
                Err(_) if disk.is_dark() => (disk, kept) = (disk.restart(self.step), false),
                Err(broken) => panic!("step {}, {why}: {broken}", self.step),
            }
        };
        let found = self.session.model().visible;
        assert!(!kept || found >= visible, "step {}, {why}: {found} of {visible}", self.step);
        // What was visible and not durable may be gone, and its offsets be given again.
        self.reader = Reader::at(self.reader.offset().min(found));
        self.back = (found, BackReader::before(found));
    }

    fn clock(&mut self, now: u64) {
        self.now = now;
        self.act(&Request::Clock(now));
    }

    /// A reader that is kept over the ring's turns sees every record once, and as a gap only what every cursor had passed.
    fn read(&mut self, items: usize) {
        let mut buffer = vec![0; BUFFER];
        for _ in 0..items {
            let (step, next) = (self.step, self.reader.offset());
            let limit = self.session.log().visible();
            let Ok(item) = self.session.log_mut().read(&mut self.reader, limit, &mut buffer) else {
                assert!(self.session.disk().is_dark(), "step {step}: reading failed");
                return;
            };
            let Some(item) = item else {
                assert_eq!(next, limit, "step {step}: the reader stopped early");
                return;
            };
            expect(self.session.model(), next, &item, step);
        }
    }

    /// The same newest first; records that are appended meanwhile are not its business.
    fn read_back(&mut self, before_end: u64, items: usize) {
        let mut buffer = vec![0; BUFFER];
        for _ in 0..items {
            let step = self.step;
            let (began, back) = &mut self.back;
            let next = back.offset();
            let Ok(item) = self.session.log_mut().read_back(back, &mut buffer) else {
                assert!(self.session.disk().is_dark(), "step {step}: reading back failed");
                return;
            };
            let Some(item) = item else {
                assert_eq!(next, 0, "step {step}: reading back stopped early");
                *began = self.session.log().visible().saturating_sub(before_end);
                *back = BackReader::before(*began);
                continue;
            };
            assert_eq!(range(&item).end, next, "step {step}: reading back left something out");
            let (from, began) = (range(&item).start, *began);
            assert_eq!(self.back.1.offset(), from, "step {step}");
            expect_below(self.session.model(), from, began, &item, step);
        }
    }

    /// What is found is not older than the time, and what stands before it is.
    fn seek(&mut self, time: u64) {
        let (step, mut buffer) = (self.step, vec![0; BUFFER]);
        let log = self.session.log_mut();
        let visible = log.visible();
        let sought = log.seek_time(time).and_then(|found| {
            let at = log.read(&mut Reader::at(found), visible, &mut buffer)?.map(|it| time_of(&it));
            let mut back = BackReader::<3>::before(found);
            let mut before = None;
            while let Some(item) = log.read_back(&mut back, &mut buffer)? {
                before = time_of(&item);
                if before.is_some() {
                    break;
                }
            }
            Ok((found, at, before))
        });
        let Ok((found, at, before)) = sought else {
            assert!(self.session.disk().is_dark(), "step {step}: seeking failed");
            return;
        };
        let name = format!("step {step}: {time} is at {found} of {visible}: {before:?}, {at:?}");
        assert!(before.is_none_or(|it| it < time), "{name}");
        match at {
            Some(at) => assert!(at.is_some_and(|it| it >= time), "{name}"),
            None => assert_eq!(found, visible, "{name}"),
        }
    }

    fn view(&mut self) {
        let step = self.step;
        let Ok(mut view) = LogView::open(self.session.disk().clone()) else {
            assert!(self.session.disk().is_dark(), "step {step}: no view");
            return;
        };
        let model = self.session.model();
        // An append that failed may be there all the same, or the header that counts what was given up before it.
        let most = model.visible + model.given_up + model.in_flight.len() as u64;
        let visible = view.visible();
        assert!(
            (model.visible..=most).contains(&visible),
            "step {step}: a view sees {visible} of {most}"
        );
        let (mut reader, mut buffer) = (Reader::at(0), vec![0; BUFFER]);
        while reader.offset() < model.visible {
            let next = reader.offset();
            let item = view.read(&mut reader, &mut buffer).expect("the medium reads");
            expect(model, next, &item.expect("something below what is visible"), step);
        }
    }

    /// Bytes that belong to this step.
    fn payload(&self, length: usize) -> Vec<u8> {
        Rng::new(self.step).bytes(length)
    }
}

/// A record is given as it was appended; a gap is only what was released or given up.
fn expect(model: &Model, next: u64, item: &Item<'_>, step: u64) {
    expect_below(model, next, u64::MAX, item, step);
}

/// The same of what stands at `next`, read by one that knows nothing from `began` on.
fn expect_below(model: &Model, next: u64, began: u64, item: &Item<'_>, step: u64) {
    match item {
        Item::Record(record) => {
            assert_eq!(record.identity.offset, next, "step {step}");
            let known = model.records.get(&next).map(|it| (it.epoch, &it.attempt.content));
            let found = Content::of(record);
            assert_eq!(known, Some((record.identity.epoch, &found)), "step {step}");
        }
        Item::Gap(gap) => {
            let refused = model.refused.get(&next).map(|&to| to.min(began));
            let right = match gap.reason {
                GapReason::Refused => refused == Some(gap.to),
                // Damaged, when the power went while it was recycled.
                _ => gap.to <= model.evictable,
            };
            assert!(right && gap.from == next && gap.to > next, "step {step}: {gap:?}");
        }
    }
}

const fn range(item: &Item<'_>) -> Range<u64> {
    match item {
        Item::Record(record) => record.identity.offset..record.identity.offset + 1,
        Item::Gap(gap) => gap.from..gap.to,
    }
}

const fn time_of(item: &Item<'_>) -> Option<u64> {
    match item {
        Item::Record(record) => Some(record.time_ms),
        Item::Gap(_) => None,
    }
}

fn name_of<'a>(names: &[&'a str], choice: u8) -> &'a str {
    names[usize::from(choice) % names.len()]
}
