//! Attacks on looking ahead: what stands behind damage is found by turning its CRC round, and must not be found where it is not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, ID, Met, NOW, Rng, adds_up, mount, put};
use edgelog_core::{Class, Event, Log, Reader};

const LARGE: usize = 512 * 1024;

fn log_of(medium: &Bytes) -> Log<Bytes, Vec<u8>> {
    Log::create(medium.clone(), vec![0; LARGE + 4096], ID, NOW).unwrap()
}

fn all(log: &mut Log<Bytes, Vec<u8>>) -> Vec<Met> {
    let (mut reader, mut buffer, mut met) = (Reader::at(0), vec![0; LARGE + 4096], Vec::new());
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        met.push(match item {
            edgelog_core::Item::Record(r) => Met::Record(r.identity.offset, r.payload.to_vec()),
            edgelog_core::Item::Gap(gap) => Met::Gap(gap),
        });
    }
    met
}

/// A host's log of default sizes. The power went while four MiB of compressed events were not synced; the disk kept all of them
/// but the first sector of the first.
#[test]
fn a_torn_tail_of_random_payloads_gives_no_records_that_nobody_appended() {
    let medium = Bytes::new(8 << 20, 2, 1, 0);
    let mut log = log_of(&medium);
    assert_eq!(put(&mut log, b"durable"), 0);
    log.sync().unwrap();
    let topic = log.topic("t").unwrap();
    let mut rng = Rng(1);
    let mut payload = vec![0; LARGE];
    for _ in 0..8 {
        rng.fill(&mut payload);
        log.append(&Event { topic, class: Class::Normal, key: None, payload: &payload }, NOW)
            .unwrap();
    }
    let tail = medium.find(b"durable") + 8;
    medium.bytes.borrow_mut()[tail..tail + 512].fill(0);
    let mut log = mount(&medium);
    let told: Vec<String> = all(&mut log)
        .iter()
        .map(|met| match met {
            Met::Record(offset, payload) => format!("record {offset} of {} bytes", payload.len()),
            Met::Gap(gap) => format!("{gap:?}"),
        })
        .collect();
    assert_eq!(told, ["record 0 of 7 bytes"], "the durable record is the last");
}

/// One bit of one large record rots; its payload is random, as compressed or encrypted events are.
#[test]
fn a_bit_flipped_in_a_large_random_record_costs_that_record_only() {
    let mut wrong = Vec::new();
    for seed in 0..40u64 {
        let medium = Bytes::new(1 << 20, 2, 1, 0);
        let mut log = log_of(&medium);
        let topic = log.topic("t").unwrap();
        let mut rng = Rng(seed);
        let mut payload = vec![0; LARGE];
        rng.fill(&mut payload);
        log.append(&Event { topic, class: Class::Normal, key: None, payload: &payload }, NOW)
            .unwrap();
        log.sync().unwrap();
        for n in 0..10 {
            put(&mut log, format!("acknowledged {n}").as_bytes());
            log.sync().unwrap();
        }
        medium.flip(medium.find(&payload[..32]) * 8);
        let mut log = mount(&medium);
        let met = all(&mut log);
        let delivered = met.iter().filter(|met| matches!(met, Met::Record(..))).count();
        let forged = met.iter().any(|met| match met {
            Met::Record(_, payload) => !payload.starts_with(b"acknowledged"),
            Met::Gap(_) => false,
        });
        if (log.visible(), log.damaged(), delivered, forged) != (11, 1, 10, false) {
            wrong.push((seed, log.visible(), log.damaged(), delivered, forged));
        }
    }
    assert_eq!(
        wrong,
        [],
        "(seed, visible, damaged, delivered, whether bytes of a payload were given as a record)"
    );
}

/// A rotten sector takes the first frames of a boot: its epoch and its first record. The short records behind them are whole.
#[test]
fn a_damaged_sector_at_the_start_of_a_boot_costs_the_records_in_it_only() {
    let medium = Bytes::new(8192, 2, 1, 0);
    let mut log = Log::create(medium.clone(), vec![0; 4096], ID, NOW).unwrap();
    put(&mut log, b"first boot");
    log.sync().unwrap();
    let mut log = mount(&medium);
    for n in 0..20 {
        put(&mut log, format!("second boot, {n:>3}").as_bytes());
        log.sync().unwrap();
    }
    let (from, to) = (medium.find(b"first boot") + 16, medium.find(b"second boot,   0") + 16);
    medium.bytes.borrow_mut()[from..to].fill(0x5A);
    let mut log = mount(&medium);
    assert_eq!((log.visible(), log.damaged()), (21, 1));
    assert_eq!(adds_up(&all(&mut log), 0, 21), 20);
}
