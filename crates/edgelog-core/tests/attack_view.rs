//! Attacks on a view beside a living writer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, Rng, TestLog, create, mount, put, view_from};
use edgelog_core::{BackReader, FullPolicy, GapReason, Geometry, Item, LogView, Medium, Reader};
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

#[test]
#[ignore = "refreshing stops at torn bytes, which stay where words are programmed once"]
fn a_view_sees_what_is_appended_after_the_writer_started_anew_behind_a_torn_tail() {
    for erased in [0x00, 0xFF] {
        let medium = Bytes::new(4096, 3, 4, erased);
        let mut log = create(&medium);
        put(&mut log, b"before the cut");
        log.sync().unwrap();
        let mut view = LogView::open(medium.clone()).unwrap();
        let mut reader = Reader::at(0);
        assert_eq!(view_from(&mut view, &mut reader).len(), 1);
        let end = medium.find(b"before the cut") + 16;
        medium.bytes.borrow_mut()[end..end + 4].fill(0x12);
        let mut log = mount(&medium);
        for _ in 0..3 {
            put(&mut log, b"after the cut");
            log.sync().unwrap();
        }
        view.refresh().unwrap();
        assert_eq!(view.visible(), log.visible(), "erased value {erased:#x}");
        assert_eq!(view_from(&mut view, &mut reader).len(), 3);
    }
}

#[test]
fn a_view_that_is_refreshed_now_and_then_accounts_for_every_record() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let erased = if seed % 2 == 0 { 0 } else { 0xFF };
        let medium = Bytes::new(1024, 2 + (seed % 5) as u32, [1, 4, 32][seed as usize % 3], erased);
        let mut log = create(&medium);
        log.set_full_policy(FullPolicy::DropOldest);
        let mut view = LogView::open(medium.clone()).unwrap();
        let (mut reader, mut next) = (Reader::at(0), 0);
        for _ in 0..150 {
            match rng.below(8) {
                0 => {
                    log = mount(&medium);
                    log.set_full_policy(FullPolicy::DropOldest);
                }
                1 => {
                    log.maintain(1).unwrap();
                }
                2 => log.give_up(rng.below(4) as u32),
                3 => {
                    view.refresh().unwrap();
                    for item in view_from(&mut view, &mut reader) {
                        match item {
                            Met::Record(offset, _) => {
                                assert_eq!(offset, next, "seed {seed}");
                                next += 1;
                            }
                            Met::Gap(gap) => {
                                assert_eq!(gap.from, next, "seed {seed}");
                                next = gap.to;
                            }
                        }
                    }
                    assert_eq!(next, view.visible(), "seed {seed}");
                    if erased == 0 {
                        assert_eq!(view.visible(), log.visible(), "seed {seed}");
                    }
                }
                _ => {
                    let length = rng.below(120);
                    put(&mut log, &vec![3; length]);
                    log.sync().unwrap();
                }
            }
        }
    }
}

/// A view's handle on a medium whose writer gets turns in the middle of the view's work.
#[derive(Clone)]
struct Raced {
    inner: Bytes,
    turns: Rc<Turns>,
    /// What is mapped of each slot: as it was when it was first asked for behind the last look at its header, as a reader's files are.
    maps: Option<Vec<OnceCell<Vec<u8>>>>,
}

/// When the writer has his turns.
struct Turns {
    writer: RefCell<TestLog>,
    appends: usize,
    /// Reads up to the next turn; 0: there is none any more.
    reads_left: Cell<usize>,
    /// Turns behind the next, and the reads between two of them.
    more: Cell<usize>,
    every: usize,
}

impl Turns {
    fn count_read(&self) {
        if self.reads_left.get() == 1 {
            for _ in 0..self.appends {
                work(&mut self.writer.borrow_mut());
            }
            if self.more.get() > 0 {
                self.more.set(self.more.get() - 1);
                self.reads_left.set(self.every);
                return;
            }
        }
        self.reads_left.set(self.reads_left.get().saturating_sub(1));
    }
}

impl std::fmt::Debug for Raced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a raced medium")
    }
}

impl Medium for Raced {
    type Error = <Bytes as Medium>::Error;
    fn geometry(&self) -> Geometry {
        self.inner.geometry()
    }
    fn is_write_once(&self) -> bool {
        self.inner.is_write_once()
    }
    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        let map = self.maps.as_ref()?.get(slot as usize)?.get_or_init(|| {
            self.turns.count_read();
            let size = self.inner.geometry().segment_size() as usize;
            self.inner.bytes.borrow()[slot as usize * size..][..size].to_vec()
        });
        Some(map)
    }
    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.turns.count_read();
        if position == 0
            && let Some(maps) = &mut self.maps
        {
            maps[slot as usize] = OnceCell::new();
        }
        self.inner.read(slot, position, bytes)
    }
    fn program(&mut self, _: u32, _: u32, _: &[u8]) -> Result<(), Self::Error> {
        panic!("a view writes nothing")
    }
    fn erase(&mut self, _: u32) -> Result<(), Self::Error> {
        panic!("a view erases nothing")
    }
    fn sync(&mut self) -> Result<(), Self::Error> {
        panic!("a view syncs nothing")
    }
}

fn raced(
    medium: Bytes,
    writer: TestLog,
    appends: usize,
    every: Option<usize>,
) -> (Rc<Turns>, Raced) {
    let (reads_left, more) = (Cell::new(0), Cell::new(every.map_or(0, |_| 3)));
    let every = every.unwrap_or(0);
    let turns = Rc::new(Turns { writer: RefCell::new(writer), appends, reads_left, more, every });
    (turns.clone(), Raced { inner: medium, turns, maps: None })
}

/// One record whose bytes tell its offset, and a commit behind it.
fn work(log: &mut TestLog) {
    let offset = log.visible();
    assert_eq!(put(log, format!("{offset:>40}").as_bytes()), offset);
    let durable = log.sync().unwrap();
    let cursor = log.cursor("c", 0).unwrap();
    log.commit(cursor, durable, 0).unwrap();
}

#[test]
fn a_view_whose_writer_goes_on_in_the_middle_of_it_tells_nothing_wrong() {
    let (mut wrong, mut raced_cases) = (Vec::new(), 0);
    for (segments, erased, appends) in
        [(2, 0, 1), (2, 0, 9), (2, 0, 40), (3, 0, 15), (3, 0xFF, 15), (5, 0, 60)]
    {
        for stop in 1..160 {
            let medium = Bytes::new(1024, segments, 4, erased);
            let mut log = create(&medium);
            log.set_full_policy(FullPolicy::DropOldest);
            for _ in 0..30 {
                work(&mut log);
            }
            let (turns, raced) = raced(medium, log, appends, None);
            let mut view = LogView::open(raced).unwrap();
            for _ in 0..12 {
                work(&mut turns.writer.borrow_mut());
            }
            turns.reads_left.set(stop);
            let mut tell = |what: String| wrong.push((segments, erased, appends, stop, what));
            if let Err(error) = view.refresh() {
                tell(format!("refresh: {error}"));
            }
            let (mut reader, mut buffer, mut next) = (Reader::at(0), vec![0; 2048], 0);
            loop {
                match view.read(&mut reader, &mut buffer) {
                    Ok(None) => break,
                    Ok(Some(Item::Gap(gap))) => {
                        if gap.from != next || gap.reason != GapReason::Evicted {
                            tell(format!("{gap:?} at {next}"));
                        }
                        next = gap.to;
                    }
                    Ok(Some(Item::Record(record))) => {
                        let right = record.identity.offset == next
                            && record.payload == format!("{next:>40}").as_bytes();
                        if !right {
                            tell(format!("record {} at {next}", record.identity.offset));
                        }
                        next = record.identity.offset + 1;
                    }
                    Err(error) => {
                        tell(format!("read: {error}"));
                        break;
                    }
                }
            }
            raced_cases += u32::from(turns.reads_left.get() == 0);
            let writer = &turns.writer;
            if next != view.visible() || next > writer.borrow().visible() {
                tell(format!(
                    "ended at {next}, visible {}, written {}",
                    view.visible(),
                    writer.borrow().visible()
                ));
            }
            if view.damaged() > 0 || view.topics().len() != 1 || view.cursors().len() != 1 {
                tell(format!(
                    "{} damaged, topics {:?} cursors {:?}",
                    view.damaged(),
                    view.topics(),
                    view.cursors()
                ));
            } else if view.cursors()[0].offset > writer.borrow().visible() {
                tell(format!("cursor at {}", view.cursors()[0].offset));
            }
        }
    }
    assert!(raced_cases > 300, "{raced_cases} cases in which the writer had its turn");
    for line in wrong.iter().take(12) {
        println!("{line:?}");
    }
    assert!(wrong.is_empty(), "{} of (segments, erased, appends, stop, what)", wrong.len());
}

/// What is wrong with what a view meets that reads a ring of `segments` while its writer has turns.
fn read_beside_a_writer(
    (segments, mapped, back): (u32, bool, bool),
    (appends, stop, every): (usize, usize, usize),
) -> (Option<String>, bool) {
    let medium = Bytes::new(1024, segments, 4, 0);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    (0..30).for_each(|_| work(&mut log));
    let (turns, mut raced) = raced(medium, log, appends, Some(every));
    raced.maps = mapped.then(|| vec![OnceCell::new(); segments as usize]);
    let mut view = LogView::open(raced).unwrap();
    turns.reads_left.set(stop);
    let mut wrong = None;
    let mut buffer = vec![0; 2048];
    let mut newer = BackReader::<4>::before(view.visible());
    let mut older = Reader::at(0);
    let mut at = if back { view.visible() } else { 0 };
    for _ in 0..500 {
        let item = match (back, mapped) {
            (true, _) => view.read_back(&mut newer, &mut buffer).unwrap(),
            (_, true) => view.read_in_place(&mut older, &mut buffer).unwrap(),
            _ => view.read(&mut older, &mut buffer).unwrap(),
        };
        let (from, to, is_right) = match item {
            None => break,
            Some(Item::Gap(gap)) => (gap.from, gap.to, gap.reason == GapReason::Evicted),
            Some(Item::Record(record)) => {
                let offset = record.identity.offset;
                (offset, offset + 1, record.payload == format!("{offset:>40}").as_bytes())
            }
        };
        let (begins, ends) = if back { (to, from) } else { (from, to) };
        if begins != at || !is_right {
            wrong = Some(format!("{item:?} at {at}"));
        }
        at = ends;
        // It ends where the view began, but a following one goes on.
        if !back && at == view.visible() {
            view.refresh().unwrap();
        }
    }
    (wrong, turns.reads_left.get() == 0)
}

#[test]
fn what_is_recycled_while_it_is_read_is_told_as_evicted_forwards_and_backwards() {
    let (mut wrong, mut raced_cases) = (Vec::new(), 0);
    for ring in [(2, false), (2, true), (3, false), (3, true), (5, true)] {
        for back in [false, true] {
            for (appends, every) in [(5, 1), (9, 1), (9, 2), (20, 3), (40, 2)] {
                for stop in 1..60 {
                    let (ring, turns) = ((ring.0, ring.1, back), (appends, stop, every));
                    let (what, has_raced) = read_beside_a_writer(ring, turns);
                    raced_cases += u32::from(has_raced);
                    wrong.extend(what.map(|what| (ring, turns, what)));
                }
            }
        }
    }
    assert!(raced_cases > 1000, "{raced_cases} cases in which the writer had his turns");
    for line in wrong.iter().take(12) {
        println!("{line:?}");
    }
    assert!(
        wrong.is_empty(),
        "{} of (segments, mapped, back), (appends, stop, every)",
        wrong.len()
    );
}

#[test]
fn a_view_is_opened_whatever_its_writer_does_meanwhile() {
    let (mut wrong, mut raced_cases) = (Vec::new(), 0);
    for segments in [2, 3, 5] {
        for (appends, every) in [(1, 1), (9, 1), (9, 2), (20, 1), (20, 3), (40, 2)] {
            for stop in 1..60 {
                let medium = Bytes::new(1024, segments, 4, 0);
                let mut log = create(&medium);
                log.set_full_policy(FullPolicy::DropOldest);
                (0..30).for_each(|_| work(&mut log));
                let (turns, raced) = raced(medium, log, appends, Some(every));
                turns.reads_left.set(stop);
                let view = LogView::open(raced);
                raced_cases += u32::from(turns.reads_left.get() == 0);
                let what = match view {
                    Err(error) => error.to_string(),
                    Ok(view) if view.damaged() == 0 => continue,
                    Ok(view) => format!("{} damaged", view.damaged()),
                };
                wrong.push((segments, (appends, stop, every), what));
            }
        }
    }
    assert!(raced_cases > 300, "{raced_cases} cases in which the writer had his turns");
    for line in wrong.iter().take(12) {
        println!("{line:?}");
    }
    assert!(wrong.is_empty(), "{} of segments, (appends, stop, every), what", wrong.len());
}
