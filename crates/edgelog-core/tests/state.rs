//! Topics, cursors, anchors, and the full log.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, NOW, adds_up, create, fill, mount, put, read_from};
use edgelog_core::{AppendError, CURSORS_MAX, Class, Event, Log, MountError, TOPICS_MAX};

#[test]
fn topics_cursors_and_anchors_persist_over_rolls_and_mounts() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let door = log.topic("door").unwrap();
    let kafka = log.cursor("kafka", 0).unwrap();
    log.set_anchor(kafka, b"producer 7").unwrap();
    for n in 0..100u64 {
        put(&mut log, &[3; 60]);
        let durable = log.sync().unwrap();
        log.commit(kafka, durable, n.cast_signed()).unwrap();
        if n % 9 == 0 {
            log.sync().unwrap();
            log = mount(&medium);
        }
        assert_eq!(log.topic("door").unwrap(), door);
        assert_eq!(log.cursor("kafka", 0).unwrap(), kafka);
        let cursor = &log.cursors()[0];
        assert_eq!((cursor.offset, cursor.mark), (n + 1, n.cast_signed()));
        assert_eq!(cursor.anchor, b"producer 7");
    }
    assert_eq!(log.topics().len(), 2);
    assert!(log.earliest().unwrap() > 50, "the frames that made them are long gone");
}

#[test]
fn a_commit_is_idempotent_monotone_and_held_at_the_durable_offset() {
    let medium = Bytes::new(4096, 2, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    for _ in 0..5 {
        put(&mut log, b"x");
    }
    log.commit(cursor, 3, 1).unwrap();
    assert_eq!(log.cursors()[0].offset, 0, "nothing is durable yet");
    log.sync().unwrap();
    log.commit(cursor, 99, 7).unwrap();
    assert_eq!((log.cursors()[0].offset, log.cursors()[0].mark), (5, 7));
    let before = *medium.programs.borrow();
    log.commit(cursor, 99, 7).unwrap();
    log.commit(cursor, 2, 8).unwrap();
    assert_eq!(*medium.programs.borrow(), before, "nothing new is nothing written");
    log.sync().unwrap();
    let log = mount(&medium);
    assert_eq!((log.cursors()[0].offset, log.cursors()[0].mark), (5, 7));
}

#[test]
fn a_full_log_refuses_and_takes_records_again_when_every_cursor_has_passed() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let (slow, fast) = (log.cursor("slow", 0).unwrap(), log.cursor("fast", 0).unwrap());
    let topic = log.topic("t").unwrap();
    let end = fill(&mut log);
    let event = Event { topic, class: Class::Critical, key: None, payload: &[1; 60] };
    log.commit(fast, end, 0).unwrap();
    assert!(matches!(log.append(&event, NOW), Err(AppendError::Full)), "one cursor is not all");
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, end), end, "refusing lost nothing");
    log.commit(slow, end, 0).unwrap();
    assert_eq!(log.append(&event, NOW).unwrap(), end);
    log.sync().unwrap();
    assert_eq!(mount(&medium).visible(), end + 1);
}

#[test]
fn a_log_that_filled_up_without_a_cursor_still_takes_one_with_its_anchor() {
    for word in [1, 32] {
        let medium = Bytes::new(1024, 3, word, 0xFF);
        let end = fill(&mut create(&medium));
        let mut log = mount(&medium);
        let cursor = log.cursor("kafka", 0).unwrap();
        log.set_anchor(cursor, &[9; 64]).unwrap();
        log.commit(cursor, end, 5).unwrap();
        log.sync().unwrap();
        let mut log = mount(&medium);
        assert_eq!((log.cursors()[0].offset, log.cursors()[0].mark), (end, 5));
        assert_eq!(log.cursors()[0].anchor, [9; 64]);
        assert_eq!(put(&mut log, b"goes on"), end);
    }
}

#[test]
fn restarts_of_a_full_log_do_not_eat_what_is_reserved_for_cursors() {
    let medium = Bytes::new(1024, 2, 1, 0);
    let end = fill(&mut create(&medium));
    let image = medium.bytes.borrow().clone();
    for n in 0..100 {
        let mut log = mount(&medium);
        let topic = log.topic("t").unwrap();
        let event = Event { topic, class: Class::Normal, key: None, payload: &[0; 60] };
        assert!(matches!(log.append(&event, NOW), Err(AppendError::Full)), "restart {n}");
        assert!(matches!(log.topic("another"), Err(AppendError::Full)), "restart {n}");
    }
    assert_eq!(*medium.bytes.borrow(), image, "a refusal leaves no trace");
    let mut log = mount(&medium);
    let cursor = log.cursor("kafka", end).unwrap();
    assert_eq!(log.cursors()[0].id, cursor);
    put(&mut log, b"goes on");
}

#[test]
fn a_full_log_whose_reserve_is_spent_is_freed_by_a_commit() {
    let medium = Bytes::new(1024, 2, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("kafka", 0).unwrap();
    let end = fill(&mut log);
    let mut mark = 0;
    while log.commit(cursor, 1, mark).is_ok() {
        mark += 1;
    }
    // Commits leave room for anchors; when those have taken it too, nothing is left.
    assert!(log.set_anchor(cursor, b"a").is_ok());
    while log.set_anchor(cursor, b"a").is_ok() {}
    log.sync().unwrap();
    // A restart must find its way out too, although not even its epoch has room.
    let mut log = mount(&medium);
    assert!(matches!(log.set_anchor(cursor, b"a"), Err(AppendError::Full)));
    log.commit(cursor, end, -1).unwrap();
    log.sync().unwrap();
    assert_eq!(put(&mut log, b"goes on"), end);
    log.sync().unwrap();
    let log = mount(&medium);
    assert_eq!((log.cursors()[0].offset, log.cursors()[0].mark, log.visible()), (end, -1, end + 1));
}

#[test]
fn a_commit_that_found_no_room_is_not_called_done_when_it_is_repeated() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("kafka", 0).unwrap();
    let end = fill(&mut log);
    while log.commit(cursor, 1, end.cast_signed() - log.cursors()[0].mark).is_ok() {}
    assert!(matches!(log.commit(cursor, 2, 0), Err(AppendError::Full)));
    assert!(matches!(log.commit(cursor, 2, 0), Err(AppendError::Full)), "it is still not stored");
    assert!(matches!(log.commit(cursor, 1, 0), Err(AppendError::Full)), "nor is a later place");
    log.sync().unwrap();
    assert!(mount(&medium).cursors()[0].offset < 2);
    log.commit(cursor, end, 0).unwrap();
    log.sync().unwrap();
    assert_eq!(mount(&medium).cursors()[0].offset, end);
}

#[test]
fn topics_and_cursors_are_refused_before_their_snapshot_outgrows_a_segment_or_the_buffer() {
    for (segment, buffer) in [(1024, 4096), (1024, 300), (8192, 512), (8192, 8192)] {
        let medium = Bytes::new(segment, 3, 1, 0);
        let mut log = Log::create(medium.clone(), vec![0; buffer], common::ID, NOW).unwrap();
        let mut names = 0;
        let refused = loop {
            match log.topic(&format!("topic number {names:<40}")) {
                Ok(_) => names += 1,
                Err(error) => break error,
            }
        };
        let AppendError::TooMany { limit, .. } = refused else { panic!("{refused}") };
        assert_eq!(limit, names);
        assert!(names > 1 && names <= TOPICS_MAX);
        let cursor = log.cursor("c", 0);
        for n in 0..100u64 {
            let topic = log.topics()[0].id;
            let event = Event { topic, class: Class::Normal, key: None, payload: &[1; 40] };
            match log.append(&event, NOW) {
                Ok(offset) => assert_eq!(offset, n),
                Err(AppendError::Full) if cursor.is_err() => break,
                Err(other) => panic!("segment {segment}, buffer {buffer}, record {n}: {other}"),
            }
            if let Ok(cursor) = &cursor {
                let durable = log.sync().unwrap();
                log.set_anchor(*cursor, &[7; 64]).unwrap();
                log.commit(*cursor, durable, 0).unwrap();
            }
        }
        assert!(log.segments().0 > 1 || segment == 8192, "it rolled");
        assert_eq!(mount(&medium).topics().len(), names);
    }
}

#[test]
fn names_and_anchors_have_limits_that_are_told() {
    let medium = Bytes::new(8192, 2, 1, 0);
    let mut log = create(&medium);
    assert!(matches!(log.topic(""), Err(AppendError::BadLength { .. })));
    assert!(matches!(log.topic(&"x".repeat(65)), Err(AppendError::BadLength { limit: 64, .. })));
    assert!(matches!(log.cursor(&"x".repeat(33), 0), Err(AppendError::BadLength { .. })));
    for n in 0..CURSORS_MAX {
        log.cursor(&format!("c{n}"), 0).unwrap();
    }
    assert!(matches!(log.cursor("more", 0), Err(AppendError::TooMany { limit: CURSORS_MAX, .. })));
    let cursor = log.cursor("c0", 9).unwrap();
    assert!(matches!(log.set_anchor(cursor, &[]), Err(AppendError::BadLength { .. })));
    assert!(matches!(log.set_anchor(cursor, &[0; 65]), Err(AppendError::BadLength { .. })));
    let other = create(&Bytes::new(1024, 2, 1, 0)).topic("t").unwrap();
    let medium = Bytes::new(1024, 2, 1, 0);
    let event = Event { topic: other, class: Class::Normal, key: None, payload: b"" };
    assert!(matches!(create(&medium).append(&event, NOW), Err(AppendError::Unknown { .. })));
}

#[test]
fn a_new_cursor_needs_no_free_segment_to_open_the_next_one() {
    // Wherever in the segment it is made, a cursor that starts at the end is never in its own way.
    for (padding, records) in (0..35).flat_map(|n| (10..20).map(move |records| (n, records))) {
        let medium = Bytes::new(1024, 2, 1, 0);
        let mut log = create(&medium);
        let first = log.cursor("first", 0).unwrap();
        for _ in 0..records {
            put(&mut log, &[1; 100]);
            let durable = log.sync().unwrap();
            log.commit(first, durable, 0).unwrap();
        }
        put(&mut log, &vec![2; padding * 8]);
        let durable = log.sync().unwrap();
        log.commit(first, durable, 1).unwrap();
        let second = log.cursor("second", durable);
        assert!(second.is_ok(), "padding {padding}: {second:?}");
        log.sync().unwrap();
        let log = mount(&medium);
        assert_eq!(log.cursors()[1].offset, durable, "padding {padding}");
    }
}

#[test]
fn a_number_of_a_topic_whose_frame_was_damaged_is_not_given_to_another_name() {
    let medium = Bytes::new(4096, 2, 1, 0);
    let mut log = create(&medium);
    let _first = log.topic("first").unwrap();
    let lost = log.topic("to be damaged").unwrap();
    let last = log.topic("last").unwrap();
    put(&mut log, b"x");
    log.sync().unwrap();
    put(&mut log, b"y");
    log.sync().unwrap();
    medium.flip(medium.find(b"to be damaged") * 8);
    let mut log = mount(&medium);
    let new = log.topic("new").unwrap();
    let others = [lost, last, log.topic("t").unwrap(), log.topic("first").unwrap()];
    assert!(!others.contains(&new), "{new:?} of {others:?}");
    assert_eq!(log.topic("last").unwrap(), last);
    log.sync().unwrap();
    assert_eq!(mount(&medium).topic("new").unwrap(), new);
}

#[test]
fn the_number_of_the_last_topic_is_not_given_again_while_records_carry_it() {
    let medium = Bytes::new(4096, 2, 1, 0);
    let mut log = create(&medium);
    let lost = log.topic("to be damaged").unwrap();
    let event = Event { topic: lost, class: Class::Normal, key: None, payload: b"x" };
    log.append(&event, NOW).unwrap();
    log.sync().unwrap();
    log.append(&event, NOW).unwrap();
    log.sync().unwrap();
    medium.flip(medium.find(b"to be damaged") * 8);
    let mut log = mount(&medium);
    assert_ne!(log.topic("new").unwrap(), lost);
}

#[test]
fn creating_needs_room_for_a_header_and_never_replaces_a_log() {
    let medium = Bytes::new(1024, 2, 1, 0);
    let small = Log::create(medium.clone(), vec![0; 83], common::ID, NOW);
    assert!(matches!(small, Err(MountError::BufferTooSmall { needed: 88 })));
    let blank = Log::mount(medium.clone(), vec![0; 512]);
    assert!(matches!(blank, Err(MountError::NoLog { blank: true })));
    create(&medium);
    let again = Log::create(medium.clone(), vec![0; 512], common::ID, NOW);
    assert!(matches!(again, Err(MountError::Exists(id)) if id == common::ID));
}
