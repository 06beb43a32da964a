//! Attacks on a view beside a living writer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, Rng, TestLog, create, mount, put, view_from};
use edgelog_core::{FullPolicy, Geometry, Item, LogView, Medium, Reader};
use std::cell::{Cell, RefCell};
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

/// A view's handle on a medium whose writer gets a turn in the middle of the view's work.
#[derive(Clone)]
struct Raced {
    inner: Bytes,
    reads_left: Rc<Cell<usize>>,
    writer: Rc<RefCell<TestLog>>,
    appends: usize,
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
    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        if self.reads_left.get() == 1 {
            for _ in 0..self.appends {
                work(&mut self.writer.borrow_mut());
            }
        }
        self.reads_left.set(self.reads_left.get().saturating_sub(1));
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
            let writer = Rc::new(RefCell::new(log));
            let reads_left = Rc::new(Cell::new(0));
            let raced = Raced {
                inner: medium,
                reads_left: reads_left.clone(),
                writer: writer.clone(),
                appends,
            };
            let mut view = LogView::open(raced).unwrap();
            for _ in 0..12 {
                work(&mut writer.borrow_mut());
            }
            reads_left.set(stop);
            let mut tell = |what: String| wrong.push((segments, erased, appends, stop, what));
            if let Err(error) = view.refresh() {
                tell(format!("refresh: {error}"));
            }
            let (mut reader, mut buffer, mut next) = (Reader::at(0), vec![0; 2048], 0);
            loop {
                match view.read(&mut reader, &mut buffer) {
                    Ok(None) => break,
                    Ok(Some(Item::Gap(gap))) => {
                        if gap.from != next || gap.reason != edgelog_core::GapReason::Evicted {
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
            raced_cases += u32::from(reads_left.get() == 0);
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
