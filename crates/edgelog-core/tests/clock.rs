//! Time is an attribute: a clock that is unset, jumps or runs backwards loses nothing and reorders nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, NOW, Rng, TestLog, create, mount};
use edgelog_core::{Class, Event, FullPolicy, Item, Log, Reader, TimeQuality};

fn put_at(log: &mut TestLog, now: u64) -> u64 {
    let topic = log.topic("t").unwrap();
    log.append(&Event { topic, class: Class::Normal, key: None, payload: &[7; 30] }, now).unwrap()
}

/// Time, quality and epoch of every record.
fn times(log: &mut TestLog) -> Vec<(u64, TimeQuality, u32)> {
    let (mut reader, mut buffer, mut times) = (Reader::at(0), [0; 256], Vec::new());
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        let Item::Record(record) = item else { panic!("{item:?}") };
        times.push((record.time_ms, record.time_quality, record.identity.epoch));
    }
    times
}

#[test]
fn a_boot_without_a_clock_keeps_the_distances_and_learns_the_time_later() {
    let medium = Bytes::new(1024, 4, 4, 0xFF);
    let mut log = create(&medium);
    put_at(&mut log, NOW);
    log.sync().unwrap();
    // The power was off for an hour, and the clock forgot.
    let mut log = mount(&medium);
    log.clock_is_unset(50);
    for uptime in [100, 350, 1350] {
        put_at(&mut log, uptime);
    }
    log.set_clock(2050, NOW + 3_600_000).unwrap();
    put_at(&mut log, 2150);
    log.sync().unwrap();
    let expected = [
        (NOW, TimeQuality::Synced),
        (NOW + 50, TimeQuality::Unset),
        (NOW + 300, TimeQuality::Unset),
        (NOW + 1300, TimeQuality::Unset),
        (NOW + 3_600_100, TimeQuality::Synced),
    ];
    for mut log in [log, mount(&medium)] {
        let times = times(&mut log);
        assert_eq!(times.iter().map(|t| (t.0, t.1)).collect::<Vec<_>>(), expected);
        let [sync] = log.time_syncs() else { panic!("{:?}", log.time_syncs()) };
        assert_eq!(sync.epoch, times[2].2);
        let utc: Vec<u64> = times[1..4].iter().map(|t| sync.utc_of(t.0)).collect();
        let began = NOW + 3_600_000 - 2000;
        assert_eq!(utc, [began + 50, began + 300, began + 1300]);
    }
}

#[test]
fn what_clocks_turned_out_to_be_survives_rolls_and_restarts_for_the_last_boots() {
    let medium = Bytes::new(1024, 3, 4, 0xFF);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    let mut known = Vec::new();
    for boot in 1..9 {
        log.clock_is_unset(0);
        put_at(&mut log, 10);
        log.set_clock(1000, NOW + boot * 100_000).unwrap();
        for n in 0..20 {
            put_at(&mut log, 1000 + n);
            let durable = log.sync().unwrap();
            log.commit(cursor, durable, 0).unwrap();
        }
        known.push(NOW + boot * 100_000);
        log.sync().unwrap();
        log = mount(&medium);
        let utc: Vec<u64> = log.time_syncs().iter().map(|sync| sync.utc_ms).collect();
        assert_eq!(utc, known[known.len().saturating_sub(4)..], "boot {boot}");
    }
}

#[test]
fn a_segment_that_is_opened_without_a_clock_says_so() {
    let medium = Bytes::new(1024, 4, 4, 0xFF);
    let mut log = create(&medium);
    log.clock_is_unset(0);
    for uptime in 0..70 {
        put_at(&mut log, uptime * 10);
    }
    assert!(log.segments().0 > 2);
    log.sync().unwrap();
    let all = times(&mut mount(&medium));
    assert!(all.iter().all(|time| time.1 == TimeQuality::Unset), "{all:?}");
    assert!(all.windows(2).all(|two| two[1].0 - two[0].0 == 10), "{all:?}");
}

#[test]
fn whatever_the_clock_says_no_record_is_lost_reordered_or_older_than_the_one_before() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let medium = Bytes::new(4096, 4, 4, [0x00, 0xFF][rng.below(2)]);
        let mut log = create(&medium);
        let mut now = NOW;
        let mut end = 0;
        for _ in 0..60 {
            match rng.below(12) {
                0 => now = rng.bits() >> rng.below(64),
                1 => now = now.saturating_sub(rng.bits() % 100_000),
                2 => {
                    log.sync().unwrap();
                    log = mount(&medium);
                }
                3 => log.clock_is_unset(now),
                4 => drop(log.set_clock(now, rng.bits() >> rng.below(64))),
                _ => now = now.saturating_add(rng.bits() % 20_000),
            }
            let topic = log.topic("t").unwrap();
            let event = Event { topic, class: Class::Normal, key: None, payload: b"x" };
            // A clock far ahead opens segments until the ring is full, which is refused in the open.
            if let Ok(offset) = log.append(&event, now) {
                assert_eq!(offset, end, "seed {seed}");
                end += 1;
            }
        }
        log.sync().unwrap();
        let before = times(&mut log);
        assert_eq!(before.len() as u64, end, "seed {seed}");
        assert!(before.windows(2).all(|two| two[0].0 <= two[1].0), "seed {seed}");
        assert_eq!(times(&mut mount(&medium)), before, "seed {seed}");
    }
}

#[test]
fn a_clock_can_be_set_on_a_log_whose_snapshot_fills_its_buffer_and_the_log_still_rolls() {
    for length in [136, 170, 200, 260, 384] {
        let medium = Bytes::new(2048, 3, 8, 0xFF);
        let mut log = Log::create(medium.clone(), vec![0; length], common::ID, NOW).unwrap();
        log.set_full_policy(FullPolicy::DropOldest);
        for n in 0..32 {
            let _ = log.topic(&format!("topic number {n}"));
        }
        log.clock_is_unset(0);
        let topic = log.topic("topic number 0").unwrap();
        let event = Event { topic, class: Class::Normal, key: None, payload: &[7; 30] };
        for boot in 1..4 {
            log.set_clock(boot * 100, NOW + boot * 1_000_000).unwrap();
            for n in 0..200 {
                log.append(&event, boot * 100 + n).unwrap();
            }
            log.sync().unwrap();
            log = Log::mount(medium.clone(), vec![0; length]).unwrap();
            log.set_full_policy(FullPolicy::DropOldest);
            log.clock_is_unset(0);
        }
    }
}
