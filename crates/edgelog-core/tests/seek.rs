//! Finding places: by offset, by time, from the newest backwards, and the newest segment itself, in few reads.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, ID, NOW, Rng, TestLog, create, mount, read_from};
use edgelog_core::{
    BackReader, Class, Event, FullPolicy, Gap, GapReason, Item, Log, LogView, Reader,
};

fn put_at(log: &mut TestLog, payload: &[u8], now: u64) -> u64 {
    let topic = log.topic("t").unwrap();
    log.append(&Event { topic, class: Class::Normal, key: None, payload }, now).unwrap()
}

/// A ring of `segments` that went round `laps` times and a part, with records 100 ms apart.
fn ring(segments: u32, records: u64) -> (Bytes, TestLog) {
    let medium = Bytes::new(1024, segments, 4, 0xFF);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    for n in 0..records {
        assert_eq!(put_at(&mut log, &n.to_le_bytes(), NOW + n * 100), n);
    }
    log.sync().unwrap();
    (medium, log)
}

fn header_reads(medium: &Bytes, work: impl FnOnce()) -> u64 {
    let before = *medium.header_reads.borrow();
    work();
    *medium.header_reads.borrow() - before
}

#[test]
fn every_length_of_every_lap_mounts_at_its_end_with_few_header_reads() {
    let segments = 64;
    let medium = Bytes::new(1024, segments, 4, 0xFF);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    let most = 2 * 6 + 8;
    for n in 0..220u64 {
        // Three records fill a segment.
        put_at(&mut log, &[n as u8; 280], NOW);
        if n % 5 == 0 {
            log.maintain(1).unwrap();
        }
        log.sync().unwrap();
        let copy = medium.copy();
        let reads = header_reads(&copy, || {
            let log = mount(&copy);
            assert_eq!(log.visible(), n + 1);
            assert_eq!(log.torn_bytes(), 0);
        });
        assert!(reads <= most, "{reads} header reads after {n} records");
    }
}

#[test]
fn a_rotten_header_anywhere_in_a_large_ring_costs_its_segment_and_never_newer_ones() {
    for records in [700u64, 5000] {
        let (medium, log) = ring(40, records);
        let (end, earliest) = (log.visible(), { log }.earliest().unwrap());
        for slot in 0..40usize {
            for bit in [3, 33 * 8, 80 * 8] {
                let place = slot * 1024 * 8 + bit;
                medium.flip(place);
                let mut log = mount(&medium);
                let met = read_from(&mut log, earliest);
                let lost: u64 = met
                    .iter()
                    .map(|met| if let common::Met::Gap(gap) = met { gap.count() } else { 0 })
                    .sum();
                medium.flip(place);
                assert!(
                    end - log.visible() + lost <= 60,
                    "{records} records, slot {slot}: {lost} lost"
                );
            }
        }
        assert_eq!(mount(&medium).visible(), end);
    }
}

#[test]
fn blank_foreign_and_older_segments_in_a_large_ring_do_not_hide_the_newest() {
    let (medium, log) = ring(40, 5000);
    let end = log.visible();
    let (other, _) = {
        let other = Bytes::new(1024, 40, 4, 0xFF);
        let mut log =
            Log::create(other.clone(), vec![0; 1024], edgelog_core::LogId([9; 16]), NOW).unwrap();
        log.set_full_policy(FullPolicy::DropOldest);
        let topic = log.topic("x").unwrap();
        for _ in 0..9000 {
            log.append(
                &Event { topic, class: Class::Normal, key: None, payload: b"not yours" },
                NOW,
            )
            .unwrap();
        }
        (other, log)
    };
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let broken = medium.copy();
        let mut newest_hit = false;
        let newest = format_newest(&medium);
        for _ in 0..=rng.below(4) {
            let slot = rng.below(40);
            newest_hit |= slot == newest;
            let place = slot * 1024..(slot + 1) * 1024;
            match rng.below(2) {
                0 => broken.bytes.borrow_mut()[place].fill(0xFF),
                _ => broken.bytes.borrow_mut()[place.clone()]
                    .copy_from_slice(&other.bytes.borrow()[place]),
            }
        }
        let log = mount(&broken);
        assert_eq!(log.id(), ID, "seed {seed}");
        assert!(newest_hit || log.visible() == end, "seed {seed}: {} of {end}", log.visible());
    }
}

/// The slot with the greatest generation.
fn format_newest(medium: &Bytes) -> usize {
    let bytes = medium.bytes.borrow();
    let generation =
        |slot: &usize| u64::from_le_bytes(bytes[slot * 1024 + 32..][..8].try_into().unwrap());
    (0..40).filter(|slot| bytes[slot * 1024] == b'e').max_by_key(generation).unwrap()
}

#[test]
fn seeking_an_offset_or_a_time_reads_a_logarithm_of_the_headers() {
    let (medium, mut log) = ring(64, 6000);
    let earliest = log.earliest().unwrap();
    let (mut reader_most, mut time_most) = (0, 0);
    for offset in (earliest..6000).step_by(7) {
        reader_most = reader_most.max(header_reads(&medium, || {
            let mut buffer = [0; 256];
            match log.read(&mut Reader::at(offset), 6000, &mut buffer).unwrap() {
                Some(Item::Record(record)) => assert_eq!(record.identity.offset, offset),
                other => panic!("{offset}: {other:?}"),
            }
        }));
        for (time, found) in
            [(offset * 100, offset), (offset * 100 - 99, offset), (offset * 100 + 1, offset + 1)]
        {
            time_most = time_most.max(header_reads(&medium, || {
                assert_eq!(log.seek_time(NOW + time).unwrap(), found, "time {time}");
            }));
        }
    }
    assert!(reader_most <= 12 && time_most <= 12, "{reader_most} and {time_most} header reads");
    assert_eq!(log.seek_time(0).unwrap(), earliest, "older than everything");
    assert_eq!(log.seek_time(NOW + 599_901).unwrap(), 6000, "newer than everything");
    let mut view = LogView::open(medium.clone()).unwrap();
    assert_eq!(view.seek_time(NOW + 550_000).unwrap(), 5500);
}

#[test]
fn reading_backwards_gives_the_reverse_of_reading_forwards_gaps_and_all() {
    for seed in 0..40 {
        let mut rng = Rng(seed);
        let (medium, log) = ring(4, 150 + seed);
        drop(log);
        for _ in 0..rng.below(6) {
            let bit = (84 + rng.below(1024 - 84) + 1024 * rng.below(4)) * 8;
            medium.flip(bit);
        }
        let mut log = mount(&medium);
        let mut forward = Vec::new();
        let (mut reader, mut buffer) = (Reader::at(0), vec![0; 1024]);
        while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
            forward.push(flat(item));
        }
        assert_eq!(backwards::<1>(&mut log), forward, "seed {seed}");
        assert_eq!(backwards::<8>(&mut log), forward, "seed {seed}");
        assert_eq!(backwards::<50>(&mut log), forward, "seed {seed}");
    }
}

type Flat = (u64, u64, Option<(u64, Vec<u8>, GapReason)>);

fn flat(item: Item<'_>) -> Flat {
    match item {
        Item::Record(record) => {
            let offset = record.identity.offset;
            (
                offset,
                offset + 1,
                Some((record.time_ms, record.payload.to_vec(), GapReason::Evicted)),
            )
        }
        Item::Gap(Gap { from, to, .. }) => (from, to, None),
    }
}

/// Everything, read newest first and turned round; gaps that touch are one.
fn backwards<const N: usize>(log: &mut TestLog) -> Vec<Flat> {
    let (mut reader, mut buffer) = (BackReader::<N>::before(u64::MAX), vec![0; 1024]);
    let mut items: Vec<Flat> = Vec::new();
    while let Some(item) = log.read_back(&mut reader, &mut buffer).unwrap() {
        let item = flat(item);
        assert_eq!(reader.offset(), item.0);
        match items.last_mut() {
            Some(last) if last.2.is_none() && item.2.is_none() => last.0 = item.0,
            _ => items.push(item),
        }
    }
    items.reverse();
    items
}
