//! What a full log does, and how it says what is gone.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, NOW, TestLog, adds_up, create, fill, mount, put, read_from};
use edgelog_core::{AppendError, BackReader, Class, Event, FullPolicy, Gap, GapReason, Item, Log};

/// So long that a segment has room for one when the log is full, and not for two.
const BEFORE: [u8; 280] = [6; 280];
const AFTER: [u8; 280] = [7; 280];

/// Appends `count` records and makes each durable.
fn appends(log: &mut TestLog, count: u64) {
    for _ in 0..count {
        let n = log.visible();
        put(log, format!("{n:<40}").as_bytes());
        log.sync().unwrap();
    }
}

#[test]
fn a_log_that_drops_its_oldest_always_takes_more_and_counts_what_it_dropped() {
    for (segments, erased) in [(2, 0x00), (3, 0xFF), (5, 0xFF)] {
        let medium = Bytes::new(1024, segments, 4, erased);
        let mut log = create(&medium);
        let slow = log.cursor("slow", 0).unwrap();
        log.set_full_policy(FullPolicy::DropOldest);
        appends(&mut log, 300);
        let earliest = log.earliest().unwrap();
        assert!(earliest > 200, "{segments} segments: {earliest}");
        let met = read_from(&mut log, 0);
        let evicted = Gap { from: 0, to: earliest, reason: GapReason::Evicted };
        assert_eq!(met[0], Met::Gap(evicted));
        assert_eq!(adds_up(&met, 0, 300), 300 - earliest);
        let cursor = log.cursors().iter().find(|cursor| cursor.id == slow).unwrap();
        assert_eq!(cursor.offset, 0, "a cursor stays where its consumer left it");
        // The policy is not stored: the next start protects every cursor again.
        let mut log = mount(&medium);
        fill(&mut log);
        assert_eq!(log.earliest().unwrap(), earliest.max(log.earliest().unwrap()));
    }
}

#[test]
fn a_protected_cursor_keeps_its_records_and_the_others_see_a_gap() {
    let medium = Bytes::new(1024, 4, 4, 0xFF);
    let mut log = create(&medium);
    let (uplink, screen) = (log.cursor("uplink", 0).unwrap(), log.cursor("screen", 0).unwrap());
    log.set_full_policy(FullPolicy::Protect([uplink].into_iter().collect()));
    for _ in 0..200 {
        appends(&mut log, 1);
        let durable = log.durable();
        log.commit(uplink, durable, 0).unwrap();
    }
    assert!(log.earliest().unwrap() > 100, "the screen's cursor holds nothing back");
    assert_eq!(log.cursors().iter().find(|c| c.id == screen).unwrap().offset, 0);
    let before = log.visible();
    let end = fill(&mut log);
    assert!(end > before);
    let met = read_from(&mut log, before);
    assert_eq!(adds_up(&met, before, end), end - before, "nothing that the uplink needs is gone");
    let set = [uplink, screen].into_iter().collect();
    log.set_full_policy(FullPolicy::Protect(set));
    log.commit(uplink, end, 0).unwrap();
    let topic = log.topic("t").unwrap();
    let event = Event { topic, class: Class::Normal, key: None, payload: &[1; 100] };
    assert!(matches!(log.append(&event, NOW), Err(AppendError::Full)));
    log.commit(screen, end, 0).unwrap();
    log.append(&event, NOW).unwrap();
}

/// A full log that gave seven records up and was released, with one record before the gap and one behind it. Gives the gap.
fn given_up(medium: &Bytes) -> (TestLog, Gap) {
    let mut log = create(medium);
    let cursor = log.cursor("c", 0).unwrap();
    let end = fill(&mut log);
    log.give_up(5);
    log.give_up(2);
    log.commit(cursor, end, 0).unwrap();
    assert_eq!(put(&mut log, &BEFORE), end, "they have no offsets yet");
    assert_eq!(put(&mut log, &AFTER), end + 8);
    log.sync().unwrap();
    (log, Gap { from: end + 1, to: end + 8, reason: GapReason::Refused })
}

#[test]
fn records_that_were_given_up_are_a_gap_of_their_own_in_both_directions() {
    for erased in [0x00, 0xFF] {
        let medium = Bytes::new(1024, 3, 4, erased);
        let (log, refused) = given_up(&medium);
        let after = Met::Record(refused.to, AFTER.to_vec());
        for mut log in [log, mount(&medium)] {
            let before = Met::Record(refused.from - 1, BEFORE.to_vec());
            let met = read_from(&mut log, refused.from - 1);
            assert_eq!(met, [before, Met::Gap(refused), after.clone()]);
            let middle = Gap { from: refused.from + 3, ..refused };
            assert_eq!(read_from(&mut log, middle.from), [Met::Gap(middle), after.clone()]);
            let (mut back, mut buffer) = (BackReader::<4>::before(refused.to), [0; 512]);
            match log.read_back(&mut back, &mut buffer).unwrap() {
                Some(Item::Gap(gap)) => assert_eq!(gap, refused),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn damage_before_records_that_were_given_up_is_told_apart_from_them() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let (_, refused) = given_up(&medium);
    medium.flip(medium.find(&BEFORE) * 8);
    let met = read_from(&mut mount(&medium), refused.from - 1);
    let damaged = Gap { from: refused.from - 1, to: refused.from, reason: GapReason::Damaged };
    let after = Met::Record(refused.to, AFTER.to_vec());
    assert_eq!(met, [Met::Gap(damaged), Met::Gap(refused), after]);
}

#[test]
fn a_maintained_log_never_erases_in_an_append_and_erases_a_segment_once_over_many_boots() {
    let medium = Bytes::new(4096, 3, 4, 0xFF);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    let (mut erases, mut opened) = (0, 1);
    for n in 0..2000u64 {
        if n % 3 == 0 {
            log = mount(&medium);
            log.set_full_policy(FullPolicy::DropOldest);
        }
        let (before, earliest) = (*medium.erases.borrow(), log.earliest().unwrap());
        assert!(!log.maintain(0).unwrap() || before == *medium.erases.borrow());
        // A boot whose segment has no room for the note leaves the erase to the append.
        let ready = log.maintain(1).unwrap();
        assert_eq!(log.maintain(1).unwrap(), ready, "twice is once");
        let now = *medium.erases.borrow();
        put(&mut log, &[n as u8; 60]);
        log.sync().unwrap();
        assert!(!ready || *medium.erases.borrow() == now, "no erase in append {n}");
        erases += *medium.erases.borrow() - before;
        opened += u64::from(log.earliest().unwrap() != earliest);
    }
    assert!(opened > 30, "{opened}");
    assert!(erases <= opened + opened / 10, "{erases} erases for {opened} segments");
}

#[test]
fn maintaining_a_full_log_takes_nothing_that_a_cursor_needs() {
    let medium = Bytes::new(1024, 3, 4, 0xFF);
    let mut log = create(&medium);
    log.cursor("c", 0).unwrap();
    let end = fill(&mut log);
    assert!(!log.maintain(1).unwrap());
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, end), end);
    let parts = log.into_parts();
    let mut log = Log::mount(parts.0, parts.1).unwrap();
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, end), end);
}

#[test]
fn records_that_were_given_up_over_many_boots_are_told_at_least_in_part() {
    for erased in [0x00, 0xFF] {
        let medium = Bytes::new(1024, 3, 4, erased);
        let mut log = create(&medium);
        let cursor = log.cursor("c", 0).unwrap();
        let end = fill(&mut log);
        let mut given = 0;
        for _ in 0..5 {
            for _ in 0..20 {
                log.give_up(1);
                given += 1;
                log.sync().unwrap();
            }
            log = mount(&medium);
        }
        log.commit(cursor, end, 0).unwrap();
        put(&mut log, &BEFORE);
        put(&mut log, &AFTER);
        log.sync().unwrap();
        let mut log = mount(&medium);
        let met = read_from(&mut log, 0);
        let refused: u64 = met
            .iter()
            .map(|met| match met {
                Met::Gap(gap) if gap.reason == GapReason::Refused => gap.count(),
                _ => 0,
            })
            .sum();
        // A full log has no room to note each: after restarts the gap tells at least some of them, and never more.
        assert!((given / 8..=given).contains(&refused), "{refused} of {given} are told");
        adds_up(&met, 0, log.visible());
    }
}
