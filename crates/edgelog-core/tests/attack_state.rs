//! Attacks on snapshots and on reading them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, ID, NOW, mount, put};
use edgelog_core::{Class, Event, FullPolicy, Geometry, Log, Medium};
use std::cell::Cell;
use std::rc::Rc;

fn lapping(medium: &Bytes, buffer: usize) -> Result<(), String> {
    let mut log = Log::mount(medium.clone(), vec![0; buffer]).map_err(|e| e.to_string())?;
    log.set_full_policy(FullPolicy::DropOldest);
    let topic = log.topic("0").map_err(|e| e.to_string())?;
    let event = Event { topic, class: Class::Normal, key: None, payload: &[5; 24] };
    for n in 0..100 {
        log.append(&event, NOW).map_err(|e| format!("append {n}: {e}"))?;
    }
    Ok(())
}

#[test]
fn a_clock_that_is_set_never_makes_a_snapshot_outgrow_the_buffer_or_the_segment() {
    const BUFFER: usize = 384;
    for names in 1..24 {
        let medium = Bytes::new(1024, 3, 4, 0xFF);
        let mut log = Log::create(medium.clone(), vec![0; BUFFER], ID, NOW).unwrap();
        log.set_full_policy(FullPolicy::DropOldest);
        log.topic("0").unwrap();
        let cursor = log.cursor("uplink", 0).unwrap();
        log.set_anchor(cursor, &[7; 64]).unwrap();
        let mut n = 1;
        while log.topic(&format!("{n:>names$}")).is_ok() && n < 30 {
            n += 1;
        }
        log.sync().unwrap();
        lapping(&medium, BUFFER).unwrap();
        for boot in 0..3 {
            let mut log = Log::mount(medium.clone(), vec![0; BUFFER]).unwrap();
            log.set_full_policy(FullPolicy::DropOldest);
            log.clock_is_unset(0);
            log.set_clock(10, NOW + boot).unwrap();
            log.sync().unwrap();
            let _ = log.into_parts();
        }
        let done = lapping(&medium, BUFFER);
        assert!(done.is_ok(), "{n} topics with names of {names} bytes: {done:?}");
    }
}

/// A medium of which one read gives one wrong bit, once, as a noisy bus does.
#[derive(Clone, Debug)]
struct Noisy {
    inner: Bytes,
    reads: Rc<Cell<usize>>,
    wrong: usize,
    bit: usize,
}

impl Medium for Noisy {
    type Error = <Bytes as Medium>::Error;
    fn geometry(&self) -> Geometry {
        self.inner.geometry()
    }
    fn is_write_once(&self) -> bool {
        self.inner.is_write_once()
    }
    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.inner.read(slot, position, bytes)?;
        if self.reads.get() == self.wrong && !bytes.is_empty() {
            let bit = self.bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        self.reads.set(self.reads.get() + 1);
        Ok(())
    }
    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.inner.program(slot, position, bytes)
    }
    fn erase(&mut self, slot: u32) -> Result<(), Self::Error> {
        self.inner.erase(slot)
    }
    fn sync(&mut self) -> Result<(), Self::Error> {
        self.inner.sync()
    }
}

#[test]
fn a_read_that_was_wrong_once_moves_no_cursor_and_renames_no_topic() {
    let medium = Bytes::new(1024, 3, 4, 0xFF);
    let mut log = common::create(&medium);
    let cursor = log.cursor("uplink", 0).unwrap();
    while log.segments().0 < 2 {
        put(&mut log, &[5; 60]);
        log.sync().unwrap();
        log.commit(cursor, 3, 1).unwrap();
    }
    log.sync().unwrap();
    let visible = log.visible();
    let mut wrong = Vec::new();
    for read in 0..40 {
        for bit in (0..2048).step_by(1) {
            let noisy = Noisy { inner: medium.copy(), reads: Rc::default(), wrong: read, bit };
            let Ok(log) = Log::mount(noisy, vec![0; 2048]) else { continue };
            let moved =
                log.cursors().iter().any(|cursor| cursor.offset > 3 || cursor.name != "uplink");
            let renamed = log.topics().iter().any(|topic| topic.name != "t");
            if moved || renamed || log.visible() > visible {
                wrong.push((read, bit));
            }
        }
    }
    assert!(wrong.is_empty(), "{} (read, bit), first {:?}", wrong.len(), wrong.first());
    mount(&medium);
}

#[test]
fn a_read_that_was_wrong_once_takes_no_acknowledged_record_away() {
    let medium = Bytes::new(1024, 3, 4, 0xFF);
    let mut log = common::create(&medium);
    for n in 0..6 {
        put(&mut log, format!("acknowledged {n}").as_bytes());
        log.sync().unwrap();
    }
    let mut wrong = Vec::new();
    for read in 0..60 {
        let copy = medium.copy();
        let noisy = Noisy { inner: copy.clone(), reads: Rc::default(), wrong: read, bit: 50 };
        let Ok(mut log) = Log::mount(noisy, vec![0; 2048]) else { continue };
        let Ok(topic) = log.topic("t") else { continue };
        for n in 0..5 {
            let payload = format!("next {n}");
            let event =
                Event { topic, class: Class::Normal, key: None, payload: payload.as_bytes() };
            log.append(&event, NOW).unwrap();
            log.sync().unwrap();
        }
        let met = common::read_from(&mut mount(&copy), 0);
        let lost = (0..6)
            .map(|n| format!("acknowledged {n}").into_bytes())
            .chain((0..5).map(|n| format!("next {n}").into_bytes()))
            .filter(|payload| {
                !met.iter().any(|met| matches!(met, common::Met::Record(_, p) if p == payload))
            })
            .count();
        if lost > 0 {
            wrong.push((read, lost));
        }
    }
    assert_eq!(wrong, [], "(read, acknowledged records lost)");
}
