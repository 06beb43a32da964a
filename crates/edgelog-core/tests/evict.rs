//! Segments that are given up before their slots are needed, and media that have no space for another one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{
    Bytes, ID, Met, NOW, TestLog, adds_up, create, fill, mount, put, read_from, view_from,
};
use edgelog_core::{
    AppendError, Class, CursorId, Event, FullPolicy, Gap, GapReason, Log, LogView, Reader,
};

/// Three of these fill a segment.
const THIRD: [u8; 280] = [9; 280];

fn thirds(log: &mut TestLog, count: u64) {
    for _ in 0..count {
        put(log, &THIRD);
    }
    log.sync().unwrap();
}

fn protect(log: &mut TestLog, cursor: CursorId) {
    log.set_full_policy(FullPolicy::Protect([cursor].into_iter().collect()));
}

#[test]
fn what_is_given_up_is_a_gap_and_the_newest_segment_stays() {
    for (word, erased) in [(1, 0x00), (4, 0xFF), (32, 0xFF)] {
        let medium = Bytes::new(1024, 8, word, erased);
        let mut log = create(&medium);
        log.set_full_policy(FullPolicy::DropOldest);
        thirds(&mut log, 14);
        let before = log.segments().0;
        let oldest = log.oldest().unwrap().unwrap();
        assert!(oldest.is_free && oldest.offsets.start == 0 && oldest.until_ms == NOW);
        assert_eq!(log.evict().unwrap(), Some(oldest.offsets.clone()));
        assert_eq!(log.segments().0, before - 1);
        for mut log in [log, mount(&medium)] {
            log.set_full_policy(FullPolicy::DropOldest);
            assert_eq!(log.earliest().unwrap(), oldest.offsets.end);
            let met = read_from(&mut log, 0);
            let gap = Gap { from: 0, to: oldest.offsets.end, reason: GapReason::Evicted };
            assert_eq!(met[0], Met::Gap(gap));
            assert_eq!(adds_up(&met, 0, 14), 14 - oldest.offsets.end);
        }
        let mut log = mount(&medium);
        log.set_full_policy(FullPolicy::DropOldest);
        let mut next = oldest.offsets.end;
        while let Some(gone) = log.evict().unwrap() {
            assert_eq!(gone.start, next, "one behind the other");
            next = gone.end;
        }
        assert_eq!((log.segments().0, log.oldest().unwrap()), (1, None));
        assert_eq!(log.visible(), 14, "the end is where it was");
        thirds(&mut log, 30);
        assert_eq!(
            adds_up(&read_from(&mut mount(&medium), 0), 0, 44),
            44 - log.earliest().unwrap()
        );
    }
}

#[test]
fn nothing_is_given_up_that_a_cursor_which_counts_has_not_passed() {
    let medium = Bytes::new(1024, 8, 4, 0xFF);
    let mut log = create(&medium);
    thirds(&mut log, 12);
    assert!(!log.oldest().unwrap().unwrap().is_free, "without a cursor nobody has read it");
    assert_eq!(log.evict().unwrap(), None);
    let (uplink, screen) = (log.cursor("uplink", 0).unwrap(), log.cursor("screen", 0).unwrap());
    assert_eq!(log.evict().unwrap(), None);
    let first = log.oldest().unwrap().unwrap().offsets;
    log.commit(uplink, first.end - 1, 0).unwrap();
    protect(&mut log, uplink);
    assert_eq!(log.evict().unwrap(), None);
    log.commit(uplink, first.end, 0).unwrap();
    assert_eq!(log.evict().unwrap(), Some(first.clone()));
    assert_eq!(log.evict().unwrap(), None, "the next one is still wanted");
    log.set_full_policy(FullPolicy::Refuse);
    log.commit(uplink, 12, 0).unwrap();
    assert_eq!(log.evict().unwrap(), None, "the screen counts again");
    log.commit(screen, 12, 0).unwrap();
    assert!(log.evict().unwrap().is_some());
    let mut log = mount(&medium);
    let kept = log.cursors().iter().map(|cursor| cursor.offset).min();
    assert_eq!(kept, Some(12), "what let it go is durable before it goes");
    let earliest = log.earliest().unwrap();
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, 12), 12 - earliest);
}

#[test]
fn a_failure_to_give_up_may_be_tried_again() {
    let medium = Bytes::new(1024, 8, 4, 0xFF);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    thirds(&mut log, 9);
    *medium.failing_erases.borrow_mut() = 1;
    assert!(matches!(log.evict(), Err(AppendError::Medium(_))));
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, 9), 9);
    thirds(&mut log, 1);
    assert_eq!(log.evict().unwrap(), Some(0..3));
}

#[test]
fn a_segment_that_lost_its_header_goes_with_the_one_before_it() {
    let medium = Bytes::new(1024, 8, 1, 0x00);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    thirds(&mut log, 12);
    medium.flip((1024 + 33) * 8);
    let first = log.oldest().unwrap().unwrap().offsets;
    assert_eq!(first, 0..6);
    assert_eq!(log.evict().unwrap(), Some(first));
    assert_eq!((log.segments().0, log.earliest().unwrap()), (2, 6));
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, 12), 6);
}

#[test]
fn a_few_segments_anywhere_in_a_large_ring_are_found_in_few_reads() {
    for segments in [17_u32, 40, 64, 512] {
        for kept in [1, 2, 3, 9, segments - 2] {
            let every = if segments < 100 { 1 } else { 31 };
            let most = 2 * (2 * u64::from(segments.ilog2()) + 16) + 8;
            let medium = Bytes::new(1024, segments, 1, 0x00);
            let mut log = create(&medium);
            log.set_full_policy(FullPolicy::DropOldest);
            let mut known = LogView::open(medium.clone()).unwrap();
            for n in 0..3 * 3 * u64::from(segments) {
                put(&mut log, &THIRD);
                while log.segments().0 > u64::from(kept) {
                    log.evict().unwrap();
                }
                log.sync().unwrap();
                if n % every > 0 {
                    continue;
                }
                let live = (log.segments().0, log.earliest().unwrap(), n + 1);
                let some = n / 3 - (n % log.segments().0);
                for likely in [0, (some % u64::from(segments)) as u32] {
                    *medium.likely.borrow_mut() = likely;
                    let before = *medium.header_reads.borrow();
                    let mut found = mount(&medium);
                    let reads = *medium.header_reads.borrow() - before;
                    let found = (found.segments().0, found.earliest().unwrap(), found.visible());
                    assert_eq!(found, live, "{kept} of {segments} segments");
                    assert!(likely == 0 || reads <= most, "{reads} header reads, not {most}");
                }
                if n % 7 == 0 {
                    known.refresh().unwrap();
                    assert_eq!((known.visible(), known.earliest().unwrap()), (n + 1, live.1));
                }
            }
        }
    }
}

#[test]
fn somebody_elses_segment_among_the_empty_slots_does_not_take_the_log_over() {
    let (medium, other) = (Bytes::new(1024, 40, 1, 0x00), Bytes::new(1024, 40, 1, 0x00));
    let mut foreign = Log::create(other.clone(), vec![0; 4096], edgelog_core::LogId([3; 16]), NOW);
    thirds(foreign.as_mut().unwrap(), 100);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    thirds(&mut log, 60);
    while log.segments().0 > 3 {
        log.evict().unwrap();
    }
    for slot in [0, 1, 5, 15, 16, 20, 21, 30, 39] {
        let both = medium.copy();
        let segment = slot * 1024..(slot + 1) * 1024;
        both.bytes.borrow_mut()[segment.clone()].copy_from_slice(&other.bytes.borrow()[segment]);
        // Where a ring begins, a medium that does not know better takes it for this log's.
        for likely in if slot == 0 { vec![18, 19] } else { vec![0, 18, 19] } {
            *both.likely.borrow_mut() = likely;
            let mut found = mount(&both);
            assert_eq!((found.id(), found.visible()), (ID, 60), "foreign in slot {slot}");
            assert_eq!(found.earliest().unwrap(), log.earliest().unwrap());
        }
    }
}

#[test]
fn a_view_that_stood_in_a_segment_that_went_meets_a_gap_and_goes_on() {
    let medium = Bytes::new(1024, 40, 4, 0xFF);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    thirds(&mut log, 30);
    let mut view = LogView::open(medium.clone()).unwrap();
    let mut stale = LogView::open(medium.clone()).unwrap();
    let (mut reader, mut buffer) = (Reader::at(0), vec![0; 2048]);
    for _ in 0..4 {
        view.read(&mut reader, &mut buffer).unwrap();
    }
    while log.segments().0 > 3 {
        log.evict().unwrap();
    }
    let earliest = log.earliest().unwrap();
    // Once with what it knew, once with what is so.
    let met = view_from(&mut stale, &mut reader.clone());
    assert!(adds_up(&met, 4, 30) >= 30 - earliest);
    view.refresh().unwrap();
    let met = view_from(&mut view, &mut reader);
    assert_eq!(adds_up(&met, 4, 30), 30 - earliest);
    assert!(met.iter().all(|met| match met {
        Met::Gap(gap) => gap.reason == GapReason::Evicted,
        Met::Record(..) => true,
    }));
}

#[test]
fn without_space_for_a_segment_the_log_is_full_and_its_cursors_still_move() {
    for full in [FullPolicy::Refuse, FullPolicy::DropOldest] {
        let medium = Bytes::new(1024, 40, 4, 0xFF);
        let mut log = create(&medium);
        log.set_full_policy(full);
        thirds(&mut log, 7);
        *medium.has_space.borrow_mut() = false;
        let (end, segments) = (fill(&mut log), log.segments());
        assert_eq!(log.segments(), segments);
        for _ in 0..3 {
            // A full log refuses over restarts, too, and keeps its reserve.
            log = mount(&medium);
            log.set_full_policy(full);
            let topic = log.topic("t").unwrap();
            let event = Event { topic, class: Class::Normal, key: None, payload: &THIRD };
            assert!(matches!(log.append(&event, NOW), Err(AppendError::Full)));
        }
        let cursor = log.cursor("late", 0).unwrap();
        log.commit(cursor, end, 0).unwrap();
        log.set_anchor(cursor, &[1; 40]).unwrap();
        log.sync().unwrap();
        let mut log = mount(&medium);
        log.set_full_policy(full);
        assert_eq!(log.cursors()[0].offset, end);
        assert_eq!(adds_up(&read_from(&mut log, 0), 0, end), end);
        assert!(!log.maintain(1).unwrap(), "there is no space to make ready");
        *medium.has_space.borrow_mut() = true;
        thirds(&mut log, 6);
        assert_eq!(adds_up(&read_from(&mut log, 0), 0, end + 6), end + 6);
    }
}
