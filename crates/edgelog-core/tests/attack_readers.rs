//! Attacks on readers: backwards and forwards must tell the same story, whatever was damaged.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, NOW, Rng, TestLog, adds_up, create, mount, read_from};
use edgelog_core::{BackReader, Class, Event, FullPolicy, Item};
use std::collections::BTreeMap;

fn life(rng: &mut Rng, medium: &Bytes) -> (TestLog, BTreeMap<u64, Vec<u8>>) {
    let (mut log, mut now, mut known) = (create(medium), NOW, BTreeMap::new());
    log.set_full_policy(FullPolicy::DropOldest);
    for _ in 0..20 + rng.below(80) {
        now += rng.bits() % 20_000;
        match rng.below(12) {
            0 => {
                log = mount(medium);
                log.set_full_policy(FullPolicy::DropOldest);
                if rng.below(2) == 0 {
                    log.clock_is_unset(now);
                }
            }
            1 => log.give_up(rng.below(5) as u32),
            2 => _ = log.maintain(1).unwrap(),
            3 => now += 1 << 32,
            4 => {
                let cursor = log.cursor("c", 0).unwrap();
                let durable = log.durable();
                log.commit(cursor, durable, 1).unwrap();
            }
            5 => log.set_clock(now, now).unwrap(),
            _ => {
                let topic = log.topic("t").unwrap();
                let mut payload = vec![0; rng.below(150)];
                rng.fill(&mut payload);
                let key = (rng.below(4) == 0).then_some(&b"key"[..]);
                let event = Event { topic, class: Class::Normal, key, payload: &payload };
                let offset = log.append(&event, now).unwrap();
                log.sync().unwrap();
                known.insert(offset, payload);
            }
        }
    }
    (log, known)
}

fn backwards(log: &mut TestLog) -> Vec<Met> {
    let (mut reader, mut buffer, mut met) =
        (BackReader::<3>::before(log.visible()), vec![0; 4096], Vec::new());
    while let Some(item) = log.read_back(&mut reader, &mut buffer).unwrap() {
        met.push(match item {
            Item::Record(r) => Met::Record(r.identity.offset, r.payload.to_vec()),
            Item::Gap(gap) => Met::Gap(gap),
        });
    }
    met.reverse();
    met
}

#[test]
fn reading_backwards_meets_the_records_that_reading_forwards_meets_and_no_reader_gives_a_wrong_one()
{
    for seed in 0..400 {
        let mut rng = Rng(seed);
        let erased = if seed % 2 == 0 { 0 } else { 0xFF };
        let word = [1, 4, 32][seed as usize % 3];
        let medium = Bytes::new(1024, 2 + (seed % 6) as u32, word, erased);
        let (mut log, known) = life(&mut rng, &medium);
        for round in 0..3 {
            if round > 0 {
                for _ in 0..=rng.below(3) {
                    let length = medium.bytes.borrow().len();
                    let (at, wide) = (rng.below(length), 1 + rng.below(40));
                    for byte in &mut medium.bytes.borrow_mut()[at..(at + wide).min(length)] {
                        *byte = rng.bits() as u8;
                    }
                }
                match edgelog_core::Log::mount(medium.clone(), vec![0; 4096]) {
                    Ok(mounted) => log = mounted,
                    Err(_) => break,
                }
            }
            let (visible, forwards) = (log.visible(), read_from(&mut log, 0));
            adds_up(&forwards, 0, visible);
            let back = backwards(&mut log);
            adds_up(&back, 0, visible);
            let records = |met: &[Met]| -> Vec<Met> {
                met.iter().filter(|met| matches!(met, Met::Record(..))).cloned().collect()
            };
            assert_eq!(records(&forwards), records(&back), "seed {seed} round {round}");
            for met in records(&forwards) {
                let Met::Record(offset, payload) = met else { continue };
                assert_eq!(known.get(&offset), Some(&payload), "seed {seed} round {round}");
            }
        }
    }
}

#[test]
fn seeking_a_time_finds_what_a_walk_finds() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let erased = if seed % 2 == 0 { 0 } else { 0xFF };
        let medium = Bytes::new(1024, 2 + (seed % 6) as u32, 4, erased);
        let (mut log, _) = life(&mut rng, &medium);
        let mut times = Vec::new();
        let (mut reader, mut buffer) = (edgelog_core::Reader::at(0), vec![0; 4096]);
        while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
            if let Item::Record(record) = item {
                times.push((record.time_ms, record.identity.offset));
            }
        }
        assert!(times.is_sorted(), "seed {seed}");
        for &(time, _) in &times {
            for time in [time - 1, time, time + 1] {
                let first = times.iter().find(|(at, _)| *at >= time).map(|(_, offset)| *offset);
                assert_eq!(
                    log.seek_time(time).unwrap(),
                    first.unwrap_or_else(|| log.visible()),
                    "seed {seed}"
                );
            }
        }
    }
}
