//! Appending and reading records.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, NOW, adds_up, create, mount, put, read_from, view_from};
use edgelog_core::{
    AppendError, CONTROL_RESERVE, Class, Event, GapReason, Item, KEY_LEN_MAX, Log, LogView,
    ReadError, Reader,
};

#[test]
fn records_come_back_in_order_with_topic_class_key_time_and_identity() {
    for (word, erased) in [(1, 0x00), (4, 0xFF), (8, 0xFF), (32, 0xFF)] {
        let medium = Bytes::new(4096, 3, word, erased);
        let mut log = create(&medium);
        let topic = log.topic("door").unwrap();
        let long = [7u8; KEY_LEN_MAX];
        let keys: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"key"), Some(&long)];
        let classes = [Class::Critical, Class::Normal, Class::Bulk];
        for n in 0..12u64 {
            let (key, class) = (keys[n as usize % 4], classes[n as usize % 3]);
            let payload = vec![n as u8; n as usize * 5];
            let event = Event { topic, class, key, payload: &payload };
            assert_eq!(log.append(&event, NOW + n).unwrap(), n);
        }
        log.sync().unwrap();
        let mut log = mount(&medium);
        let mut reader = Reader::at(0);
        let bytes: &mut [u8] = &mut vec![0; 64 + 8192];
        let skew = bytes.as_ptr().align_offset(64);
        for n in 0..12u64 {
            let buffer = &mut bytes[skew..];
            let Some(Item::Record(record)) = log.read(&mut reader, 12, buffer).unwrap() else {
                panic!("word {word}: record {n} is missing")
            };
            let identity = record.identity;
            assert_eq!((identity.log, identity.epoch, identity.offset), (log.id(), 1, n));
            assert_eq!((record.topic, record.time_ms), (topic, NOW + n));
            assert_eq!(record.key, keys[n as usize % 4]);
            assert_eq!(record.class, classes[n as usize % 3]);
            assert_eq!(record.payload, vec![n as u8; n as usize * 5]);
            let align = word.max(8) as usize;
            assert_eq!(record.payload.as_ptr().align_offset(align), 0, "word {word}");
        }
        assert!(log.read(&mut reader, 99, &mut bytes[skew..]).unwrap().is_none());
    }
}

#[test]
fn the_durable_watermark_follows_sync_and_the_visible_one_follows_append() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    assert_eq!((log.visible(), log.durable(), log.epoch()), (0, 0, 1));
    put(&mut log, b"one");
    put(&mut log, b"two");
    assert_eq!((log.visible(), log.durable()), (2, 0));
    assert_eq!(log.sync().unwrap(), 2);
    assert_eq!(log.durable(), 2);
    put(&mut log, b"three");
    assert_eq!((log.visible(), log.durable()), (3, 2));
    let (durable, mut buffer, mut reader) = (log.durable(), [0; 256], Reader::at(1));
    assert!(log.read(&mut reader, durable, &mut buffer).unwrap().is_some());
    assert!(log.read(&mut reader, durable, &mut buffer).unwrap().is_none(), "the limit holds");
    assert!(log.read(&mut reader, 3, &mut buffer).unwrap().is_some());
}

#[test]
fn a_reader_starts_anywhere_and_waits_beyond_the_end() {
    let medium = Bytes::new(1024, 4, 1, 0);
    let mut log = create(&medium);
    for n in 0..20u8 {
        put(&mut log, &[n; 100]);
    }
    assert!(log.segments().0 > 2, "the log rolled");
    for from in 0..=20 {
        let met = read_from(&mut log, from);
        assert_eq!(adds_up(&met, from, 20), 20 - from);
    }
    let (mut reader, mut buffer) = (Reader::at(22), [0; 256]);
    assert!(log.read(&mut reader, u64::MAX, &mut buffer).unwrap().is_none());
    for n in 20..23u8 {
        put(&mut log, &[n; 10]);
    }
    match log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        Some(Item::Record(record)) => assert_eq!(record.payload, [22; 10]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recycled_segment_is_a_gap_that_names_the_range() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    let mut early = Reader::at(0);
    let mut buffer = [0; 256];
    assert!(log.read(&mut early, u64::MAX, &mut buffer).unwrap().is_none());
    for n in 0..40u8 {
        put(&mut log, &[n; 100]);
        let durable = log.sync().unwrap();
        log.commit(cursor, durable, 0).unwrap();
    }
    let earliest = log.earliest().unwrap();
    assert!(earliest > 20);
    let met = read_from(&mut log, 3);
    let Met::Gap(gap) = met[0] else { panic!("{met:?}") };
    assert_eq!((gap.from, gap.to, gap.reason), (3, earliest, GapReason::Evicted));
    assert_eq!(adds_up(&met, 3, 40), 40 - earliest);
}

#[test]
fn a_small_buffer_is_told_the_size_and_the_reader_stays() {
    let medium = Bytes::new(4096, 2, 1, 0);
    let mut log = create(&medium);
    put(&mut log, &[1; 500]);
    put(&mut log, &[2; 20]);
    let mut reader = Reader::at(0);
    for length in [0, 1, 15, 16, 17, 100, 507] {
        match log.read(&mut reader, 2, &mut vec![0; length]) {
            Err(ReadError::BufferTooSmall { needed }) => assert_eq!(needed, 512),
            other => panic!("{length}: {other:?}"),
        }
        assert_eq!(reader.offset(), 0);
    }
    let mut buffer = [0; 520];
    assert!(matches!(log.read(&mut reader, 2, &mut buffer), Ok(Some(Item::Record(_)))));
    // The long record before it and control entries need no room.
    let mut reader = Reader::at(1);
    match log.read(&mut reader, 2, &mut [0; 40]).unwrap() {
        Some(Item::Record(record)) => assert_eq!(record.payload, [2; 20]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_that_no_segment_could_hold_are_refused_and_the_longest_one_fits() {
    let medium = Bytes::new(2048, 3, 32, 0xFF);
    let mut log = create(&medium);
    log.cursor("c", 0).unwrap();
    let topic = log.topic("t").unwrap();
    let big = vec![1; 4096];
    let append = |log: &mut common::TestLog, length: usize| {
        let event = Event { topic, class: Class::Bulk, key: None, payload: &big[..length] };
        log.append(&event, NOW)
    };
    let Err(AppendError::TooLarge { frame_bytes, limit }) = append(&mut log, 4096) else {
        panic!("a record longer than a segment was taken")
    };
    assert!(frame_bytes > 4096 && limit < 2048 - CONTROL_RESERVE as usize, "{limit}");
    let longest = limit / 32 * 32 - 32;
    assert!(append(&mut log, longest + 1).is_err());
    for n in 0..2 {
        assert_eq!(append(&mut log, longest).unwrap(), n);
    }
    assert_eq!(log.segments().0, 2, "each took a segment of its own");
    let small = Log::create(Bytes::new(2048, 3, 1, 0), vec![0; 200], log.id(), NOW);
    let mut small = small.unwrap();
    let topic = small.topic("t").unwrap();
    let event = Event { topic, class: Class::Bulk, key: None, payload: &[0; 200] };
    assert!(matches!(small.append(&event, NOW), Err(AppendError::TooLarge { limit: 200, .. })));
    let event = Event { key: Some(&[0; 256]), ..event };
    assert!(matches!(small.append(&event, NOW), Err(AppendError::BadLength { .. })));
}

#[test]
fn a_view_follows_while_the_log_rolls_under_it() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    let mut view = LogView::open(medium.clone()).unwrap();
    let (mut reader, mut met) = (Reader::at(0), Vec::new());
    for n in 0..60u8 {
        put(&mut log, &[n; 90]);
        let durable = log.sync().unwrap();
        log.commit(cursor, durable, i64::from(n)).unwrap();
        view.refresh().unwrap();
        assert_eq!(view.visible(), log.visible());
        assert_eq!(view.earliest().unwrap(), log.earliest().unwrap());
        assert_eq!((view.cursors(), view.topics()), (log.cursors(), log.topics()));
        met.extend(view_from(&mut view, &mut reader));
    }
    assert_eq!(adds_up(&met, 0, 60), 60, "a view that keeps up misses nothing");
    let mut late = LogView::open(medium.clone()).unwrap();
    for n in 60..80u8 {
        put(&mut log, &[n; 90]);
        let durable = log.sync().unwrap();
        log.commit(cursor, durable, i64::from(n)).unwrap();
    }
    let mut reader = Reader::at(0);
    let met = view_from(&mut late, &mut reader);
    adds_up(&met, 0, 60);
    late.refresh().unwrap();
    let met = view_from(&mut late, &mut reader);
    adds_up(&met, 60, 80);
}

#[test]
fn a_clock_that_is_unset_jumps_or_runs_backwards_loses_and_reorders_nothing() {
    let medium = Bytes::new(1024, 8, 1, 0);
    let mut log = Log::create(medium.clone(), vec![0; 1024], common::ID, 0).unwrap();
    let topic = log.topic("t").unwrap();
    let year = 365 * 86_400_000;
    let clock = [0, 5, NOW, NOW - year, 0, NOW + 1, NOW + 3 * year, NOW + 2 * year, u64::MAX, 0];
    let mut expected = Vec::new();
    for (n, &now) in clock.iter().enumerate() {
        let event = Event { topic, class: Class::Normal, key: None, payload: &[n as u8] };
        assert_eq!(log.append(&event, now).unwrap(), n as u64);
        expected.push(now.max(expected.last().copied().unwrap_or(0)));
    }
    assert_eq!(log.segments().0, 4, "each jump of more than 49 days opened a segment");
    log.sync().unwrap();
    for _ in 0..2 {
        let mut log = Log::mount(medium.clone(), vec![0; 1024]).unwrap();
        let (mut reader, mut buffer, mut times) = (Reader::at(0), [0; 256], Vec::new());
        while let Some(Item::Record(record)) = log.read(&mut reader, 10, &mut buffer).unwrap() {
            times.push(record.time_ms);
        }
        assert_eq!(times, expected);
    }
}

#[test]
fn the_epoch_grows_with_each_mount_that_appends_and_with_no_other() {
    let medium = Bytes::new(1024, 4, 1, 0);
    create(&medium);
    for n in 0..50u32 {
        let mut log = mount(&medium);
        assert_eq!(log.epoch(), 1 + n);
        log.sync().unwrap();
        let mut log = mount(&medium);
        let cursor = log.cursor("c", 0).unwrap();
        put(&mut log, b"x");
        assert_eq!(log.epoch(), 2 + n, "through rolls as well");
        let durable = log.sync().unwrap();
        log.commit(cursor, durable, 0).unwrap();
        log.sync().unwrap();
    }
    let mut log = mount(&medium);
    let (mut reader, mut buffer) = (Reader::at(log.earliest().unwrap()), [0; 256]);
    let mut seen = 0;
    while let Some(Item::Record(record)) = log.read(&mut reader, 50, &mut buffer).unwrap() {
        assert_eq!(u64::from(record.identity.epoch), 2 + record.identity.offset);
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}
