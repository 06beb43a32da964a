//! What damage costs: the damaged records, and nothing in silence.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;
#[path = "common/format.rs"]
mod format;

use common::{Bytes, ID, Met, NOW, Rng, TestLog, adds_up, create, mount, put, read_from};
use edgelog_core::{
    AppendError, BackReader, Class, Event, FullPolicy, Gap, GapReason, Log, LogId, MountError,
};

const fn gap(from: u64, to: u64) -> Met {
    Met::Gap(Gap { from, to, reason: GapReason::Damaged })
}

fn named(n: u64) -> Vec<u8> {
    format!("record number {n:>4}.").into_bytes()
}

fn record(n: u64) -> Met {
    Met::Record(n, named(n))
}

#[test]
fn a_damaged_frame_in_the_middle_of_a_sealed_segment_costs_exactly_that_record() {
    let medium = Bytes::new(1024, 4, 1, 0);
    let mut log = create(&medium);
    for n in 0..60 {
        put(&mut log, &named(n));
    }
    log.sync().unwrap();
    assert!(log.segments().0 > 2);
    medium.flip(medium.find(&named(5)) * 8 + 3);
    let mut log = mount(&medium);
    assert_eq!(
        (log.visible(), log.damaged()),
        (60, 0),
        "mounting looks at the newest segment only"
    );
    let expected: Vec<Met> = (0..60).map(|n| if n == 5 { gap(5, 6) } else { record(n) }).collect();
    assert_eq!(read_from(&mut log, 0), expected);
}

#[test]
fn a_damaged_frame_before_synced_records_is_a_gap_and_a_damaged_tail_is_the_end() {
    let medium = Bytes::new(4096, 2, 1, 0);
    let mut log = create(&medium);
    for n in 0..6 {
        put(&mut log, &named(n));
        if n % 2 == 1 {
            log.sync().unwrap();
        }
    }
    let middle = medium.copy();
    for n in [1, 2] {
        middle.flip(middle.find(&named(n)) * 8);
    }
    let mut log = mount(&middle);
    assert_eq!((log.visible(), log.damaged()), (6, 2));
    assert_eq!(read_from(&mut log, 1), [gap(1, 3), record(3), record(4), record(5)]);
    assert_eq!(put(&mut log, b"next"), 6);

    medium.flip(medium.find(&named(5)) * 8);
    let mut log = mount(&medium);
    assert_eq!((log.visible(), log.damaged()), (5, 0));
    assert_eq!(put(&mut log, &named(99)), 5);
    log.sync().unwrap();
    let met = read_from(&mut mount(&medium), 4);
    assert_eq!(met, [record(4), Met::Record(5, named(99))]);
}

#[test]
fn a_cursor_beyond_a_damaged_end_keeps_its_offsets_from_being_given_again() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    for n in 0..30 {
        put(&mut log, &named(n));
    }
    let durable = log.sync().unwrap();
    log.commit(cursor, durable, 0).unwrap();
    let segment = format::parse(&medium.bytes.borrow()).pop().unwrap();
    log.sync().unwrap();
    // Everything in the newest segment before the commit rots away.
    let slot = (segment.generation % 3) as usize * 1024;
    let last = segment.frames.iter().rfind(|frame| !frame.2).unwrap().0;
    medium.bytes.borrow_mut()[slot + segment.first_frame..slot + last].fill(0x55);
    let mut log = mount(&medium);
    assert_eq!(log.visible(), 30);
    assert!(log.damaged() > 0);
    adds_up(&read_from(&mut log, 0), 0, 30);
    assert_eq!(put(&mut log, b"next"), 30);
}

#[test]
fn an_oldest_segment_that_lost_its_header_is_damaged_until_the_ring_comes_to_it_and_evicted_then() {
    for records in [40, 90, 200] {
        let medium = Bytes::new(1024, 4, 1, 0);
        let mut log = create(&medium);
        log.set_full_policy(FullPolicy::DropOldest);
        for n in 0..records {
            put(&mut log, &named(n));
        }
        log.sync().unwrap();
        let segments = format::parse(&medium.bytes.borrow());
        let (from, to) = (segments[0].base_offset, segments[1].base_offset);
        assert_eq!(from > 0, records > 100, "{records} records");
        medium.flip((segments[0].generation as usize % 4 * 1024 + 20) * 8);
        let mut log = mount(&medium);
        let met = read_from(&mut log, from);
        assert_eq!(met[..2], [gap(from, to), record(to)], "{records} records");
        // What was evicted before it cannot be told from it.
        let (mut back, mut buffer) = (BackReader::<8>::before(to + 1), [0; 1024]);
        let mut met =
            |log: &mut TestLog| Met::of(log.read_back(&mut back, &mut buffer).unwrap().unwrap());
        assert_eq!([met(&mut log), met(&mut log)], [record(to), gap(0, to)]);
        log.set_full_policy(FullPolicy::DropOldest);
        let segments = log.segments_opened();
        while log.segments_opened() < segments + 4 {
            put(&mut log, &named(0));
        }
        let Met::Gap(gone) = read_from(&mut log, from)[0] else { panic!("{records} records") };
        assert_eq!(gone.reason, GapReason::Evicted, "{records} records");
    }
}

#[test]
fn any_single_bit_costs_at_most_the_record_it_stands_in_or_the_oldest_segment_whose_header_it_breaks()
 {
    let medium = Bytes::new(1024, 4, 1, 0);
    let mut log = create(&medium);
    let topic = log.topic("t").unwrap();
    let mut end = 0;
    while log.segments().0 < 3 || end % 7 != 0 {
        if end % 5 == 3 {
            log.sync().unwrap();
            log = mount(&medium);
            let cursor = log.cursor("c", 0).unwrap();
            log.commit(cursor, end / 2, 1).unwrap();
        }
        let key = (end % 4 == 0).then_some(&b"key"[..]);
        let event = Event { topic, class: Class::Bulk, key, payload: &named(end) };
        assert_eq!(log.append(&event, NOW + end).unwrap(), end);
        end += 1;
    }
    // The last record is the only thing that nothing synced stands behind.
    log.sync().unwrap();
    put(&mut log, &named(end));
    log.sync().unwrap();
    end += 1;
    let image = medium.bytes.borrow().clone();
    let segments = format::parse(&image);
    let mut outcomes = [0u32; 6];
    for bit in 0..image.len() * 8 {
        medium.flip(bit);
        let mut log = mount(&medium);
        let met = read_from(&mut log, 0);
        medium.flip(bit);
        let (slot, at) = (bit / 8 / 1024, bit / 8 % 1024);
        let index = segments.iter().position(|s| s.generation % 4 == slot as u64);
        let segment = index.map(|index| &segments[index]);
        let frame = segment.and_then(|s| s.frames.iter().position(|f| f.0 <= at && at < f.1));
        let entry = segment.zip(frame).map(|(s, frame)| &s.entries[frame]);
        // Which offsets it may cost.
        let (outcome, lost) = match (segment, entry) {
            (Some(_), Some(format::Entry::Record { offset, .. })) => (0, *offset..*offset + 1),
            (Some(s), None) if at < s.first_frame && index == Some(0) => {
                (1, s.base_offset..segments[1].base_offset)
            }
            (Some(s), None) if at < s.first_frame => (5, 0..0),
            (Some(_), Some(format::Entry::Control { .. })) => (2, 0..0),
            (Some(_), None) => (3, 0..0),
            (None, _) => (4, 0..0),
        };
        outcomes[outcome] += 1;
        let shorter = lost.end == end && outcome == 0;
        let visible = log.visible();
        assert!(visible == end || shorter && visible == lost.start, "bit {bit}: {visible}");
        adds_up(&met, 0, visible);
        for n in (0..visible).filter(|n| !lost.contains(n)) {
            assert!(met.contains(&record(n)), "bit {bit} also cost record {n}");
        }
        for item in &met {
            match item {
                Met::Record(n, payload) => assert_eq!(*payload, named(*n), "bit {bit}"),
                Met::Gap(gap) => assert_eq!(gap.reason, GapReason::Damaged, "bit {bit}"),
            }
        }
    }
    assert!(outcomes.iter().all(|&count| count > 200), "{outcomes:?}");
}

#[test]
fn damage_over_many_epochs_costs_only_the_records_in_it() {
    for damaged in [1, 3, 8, 12, 20] {
        let medium = Bytes::new(4096, 2, 1, 0);
        create(&medium);
        for n in 0..30 {
            let mut log = mount(&medium);
            put(&mut log, &named(n));
            log.sync().unwrap();
        }
        let (from, to) = (medium.find(&named(5)), medium.find(&named(5 + damaged - 1)));
        medium.bytes.borrow_mut()[from..to + 1].fill(0xEE);
        let mut log = mount(&medium);
        assert_eq!(log.visible(), 30, "{damaged} records");
        let mut expected: Vec<Met> = (0..5).map(record).collect();
        expected.push(gap(5, 5 + damaged));
        expected.extend((5 + damaged..30).map(record));
        assert_eq!(read_from(&mut log, 0), expected, "{damaged} records");
        assert_eq!(log.epoch(), 31);
    }
}

#[test]
fn what_a_crash_left_in_a_sealed_segment_never_comes_back_when_the_segment_rots() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    for n in 0..13 {
        put(&mut log, &named(n));
    }
    log.sync().unwrap();
    for n in 13..18 {
        put(&mut log, &named(n));
    }
    // The crash: record 13 never arrived, those behind it did.
    let lost = medium.find(&named(13));
    medium.bytes.borrow_mut()[lost - 8..lost + 16].fill(0);
    let mut log = mount(&medium);
    assert_eq!(log.visible(), 13);
    let topic = log.topic("t").unwrap();
    // So long that it opens the next segment, and the leftovers stay.
    let long = [7; 370];
    let event = Event { topic, class: Class::Normal, key: None, payload: &long };
    assert_eq!(log.append(&event, NOW).unwrap(), 13);
    for n in 14..18 {
        put(&mut log, &named(n + 1000));
    }
    log.sync().unwrap();
    medium.flip(medium.find(&named(12)) * 8);
    let mut log = mount(&medium);
    let mut expected: Vec<Met> = (0..12).map(record).collect();
    expected.extend([gap(12, 13), Met::Record(13, long.to_vec())]);
    expected.extend((14..18).map(|n| Met::Record(n, named(n + 1000))));
    assert_eq!(read_from(&mut log, 0), expected);
}

#[test]
fn a_header_that_failed_and_arrived_all_the_same_takes_no_acknowledged_record_away() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let topic = log.topic("t").unwrap();
    for n in 0..20 {
        put(&mut log, &named(n));
    }
    log.sync().unwrap();
    let next = *medium.programs.borrow();
    medium.failing_programs.borrow_mut().push(next);
    let long = [7; 370];
    let event = Event { topic, class: Class::Normal, key: None, payload: &long };
    assert!(matches!(log.append(&event, NOW), Err(AppendError::Medium(_))));
    let short = Event { payload: b"short", ..event };
    assert!(matches!(log.append(&short, NOW), Err(AppendError::Poisoned)));
    let mut log = mount(&medium);
    assert_eq!((log.append(&short, NOW).unwrap(), log.segments().0), (20, 2));
    log.sync().unwrap();
    assert_eq!(read_from(&mut mount(&medium), 20), [Met::Record(20, b"short".to_vec())]);
}

#[test]
fn an_erase_that_fails_leaves_the_log_as_it_was_and_may_be_tried_again() {
    let medium = Bytes::new(1024, 2, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    let topic = log.topic("t").unwrap();
    let long = [7; 280];
    let event = Event { topic, class: Class::Normal, key: None, payload: &long };
    let mut failed = 0;
    for n in 0..10 {
        *medium.failing_erases.borrow_mut() = 1;
        let offset = match log.append(&event, NOW) {
            Err(AppendError::Medium(_)) => {
                failed += 1;
                assert_eq!(log.visible(), n);
                log.append(&event, NOW).unwrap()
            }
            other => other.unwrap(),
        };
        assert_eq!(offset, n);
        let durable = log.sync().unwrap();
        *medium.failing_erases.borrow_mut() = 0;
        log.commit(cursor, durable, 0).unwrap();
    }
    assert!(failed > 2, "{failed}");
    log.sync().unwrap();
    assert_eq!(mount(&medium).visible(), 10);
}

#[test]
fn the_earliest_offset_is_that_of_the_first_segment_that_can_still_be_read() {
    let medium = Bytes::new(1024, 4, 1, 0);
    let mut log = create(&medium);
    while log.segments().0 < 4 {
        let n = log.visible();
        put(&mut log, &named(n));
    }
    log.sync().unwrap();
    let second = format::parse(&medium.bytes.borrow())[1].base_offset;
    medium.flip(40 * 8);
    assert_eq!(log.earliest().unwrap(), second, "while it is open");
    let mut log = mount(&medium);
    assert_eq!(log.earliest().unwrap(), second, "and after a restart");
    let end = log.visible();
    adds_up(&read_from(&mut log, 0), 0, end);
}

#[test]
fn a_segment_of_another_log_with_a_higher_generation_does_not_take_the_log_over() {
    for slot in 0..4 {
        let (medium, other) = (Bytes::new(1024, 4, 1, 0), Bytes::new(1024, 4, 1, 0));
        let mut log = create(&medium);
        while log.segments().0 < 4 {
            let n = log.visible();
            put(&mut log, &named(n));
        }
        log.sync().unwrap();
        let mut foreign = Log::create(other.clone(), vec![0; 1024], LogId([9; 16]), NOW).unwrap();
        let cursor = foreign.cursor("c", 0).unwrap();
        for _ in 0..200 {
            put(&mut foreign, b"not yours");
            let durable = foreign.sync().unwrap();
            foreign.commit(cursor, durable, 0).unwrap();
        }
        let place = slot * 1024..(slot + 1) * 1024;
        medium.bytes.borrow_mut()[place.clone()].copy_from_slice(&other.bytes.borrow()[place]);
        let mut log = mount(&medium);
        assert_eq!(log.id(), ID);
        let (met, end) = (read_from(&mut log, 0), log.visible());
        assert!(adds_up(&met, 0, end) > 10);
        assert!(!met.iter().any(|met| matches!(met, Met::Record(_, p) if p == b"not yours")));
    }
}

#[test]
fn a_newer_version_is_named_unless_there_is_a_log_beside_it() {
    let medium = Bytes::new(1024, 2, 1, 0);
    let mut log = create(&medium);
    put(&mut log, b"x");
    log.sync().unwrap();
    let newer = medium.copy();
    newer.bytes.borrow_mut()[8] = 3;
    let found = Log::mount(newer.clone(), vec![0; 512]);
    assert!(matches!(found, Err(MountError::Version { found: 3 })));
    let created = Log::create(newer.clone(), vec![0; 512], ID, NOW);
    assert!(matches!(created, Err(MountError::Version { found: 3 })), "nor is it overwritten");
    medium.bytes.borrow_mut()[1024..1034].copy_from_slice(&newer.bytes.borrow()[..10]);
    assert_eq!(mount(&medium).visible(), 1);
}

#[test]
fn random_garbage_in_random_slots_costs_what_stood_there() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let medium = Bytes::new(1024, 5, 1, 0);
        let mut log = create(&medium);
        while log.segments().0 < 5 {
            let n = log.visible();
            put(&mut log, &named(n));
        }
        log.sync().unwrap();
        let end = log.visible();
        let base = format::parse(&medium.bytes.borrow())[4].base_offset;
        let (slot, from) = (rng.below(4), rng.below(1024));
        let place = slot * 1024 + from..slot * 1024 + from + rng.below(1024 - from);
        rng.fill(&mut medium.bytes.borrow_mut()[place.clone()]);
        let mut log = mount(&medium);
        assert_eq!(log.visible(), end, "seed {seed}");
        let met = read_from(&mut log, 0);
        adds_up(&met, 0, end);
        assert!(met.contains(&record(base)), "seed {seed}");
        let gone: usize = met.iter().map(|met| usize::from(matches!(met, Met::Gap(_)))).sum();
        assert!(gone <= 1, "seed {seed}: one hole is one gap, got {gone}");
        for item in met {
            let Met::Record(n, payload) = item else { continue };
            assert_eq!(payload, named(n), "seed {seed}");
        }
    }
}

#[test]
fn a_damaged_record_whose_payload_looks_like_thousands_of_frames_hides_nothing_behind_it() {
    for seed in 0..400 {
        let mut rng = Rng(seed);
        // Mostly zero bits, and the lowest two as in a frame: what repetitive data looks like.
        let sparse = (rng.bits() & rng.bits() & 0x00FF_FFFC) as u32 | [1, 2][seed as usize % 2];
        let word = [0x0002_4109, 0x0026_0425, 0x0046_0B61].get(seed as usize).unwrap_or(&sparse);
        let payload: Vec<u8> =
            (0..1000).flat_map(|_| [[0; 4], word.to_le_bytes()].concat()).collect();
        let medium = Bytes::new(65536, 2, 1, 0);
        let mut log = Log::create(medium.clone(), vec![0; 16384], ID, NOW).unwrap();
        put(&mut log, &payload);
        log.sync().unwrap();
        for n in 1..11 {
            put(&mut log, &named(n));
            log.sync().unwrap();
        }
        medium.flip((medium.find(&payload) - 3) * 8);
        let mut log = mount(&medium);
        assert_eq!((log.visible(), log.damaged()), (11, 1), "seed {seed}, {word:#x}");
        let mut expected = vec![gap(0, 1)];
        expected.extend((1..11).map(record));
        assert_eq!(read_from(&mut log, 0), expected, "seed {seed}, {word:#x}");
    }
}

#[test]
fn an_epoch_frame_that_rots_behind_a_torn_tail_costs_no_record() {
    for torn in [1, 40, 100, 200, 364, 800] {
        for erased in [0x00, 0xFF] {
            let medium = Bytes::new(4096, 2, 1, erased);
            let mut log = create(&medium);
            for n in 0..3 {
                put(&mut log, &named(n));
            }
            log.sync().unwrap();
            let end = medium.find(&named(2)) + named(2).len().next_multiple_of(8);
            medium.bytes.borrow_mut()[end..end + torn].fill(0x55);
            let mut log = mount(&medium);
            for n in 3..13 {
                put(&mut log, &named(n));
                log.sync().unwrap();
            }
            let first = medium.find(&named(3));
            for at in first - 56..first - 16 {
                let broken = medium.copy();
                broken.flip(at * 8 + 1);
                let mut log = mount(&broken);
                assert_eq!(log.visible(), 13, "{torn} torn bytes, {at}");
                let expected: Vec<Met> = (0..13).map(record).collect();
                assert_eq!(read_from(&mut log, 0), expected, "{torn} torn bytes, {at}");
            }
        }
    }
}

#[test]
fn what_was_appended_behind_a_cursor_that_stood_beyond_the_end_is_still_there_after_the_next_mounts()
 {
    for erased in [0x00, 0xFF] {
        let medium = Bytes::new(4096, 3, 1, erased);
        let mut log = create(&medium);
        let cursor = log.cursor("c", 0).unwrap();
        for n in 0..30 {
            put(&mut log, &named(n));
        }
        let durable = log.sync().unwrap();
        log.commit(cursor, durable, 0).unwrap();
        let from = medium.find(&named(20));
        let commit = medium.find(&30u64.to_le_bytes());
        medium.bytes.borrow_mut()[from..commit - 16].fill(0x55);
        for n in 30..40 {
            let mut log = mount(&medium);
            assert_eq!(
                (log.visible(), log.damaged()),
                (n, if n == 30 { 10 } else { log.damaged() })
            );
            assert_eq!(put(&mut log, &named(n)), n);
            log.sync().unwrap();
        }
        let mut log = mount(&medium);
        let mut expected: Vec<Met> = (0..20).map(record).collect();
        expected.push(gap(20, 30));
        expected.extend((30..40).map(record));
        assert_eq!(read_from(&mut log, 0), expected, "erased value {erased:#x}");
    }
}
