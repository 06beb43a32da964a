//! Attacks on segment headers: what a broken one may cost.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, NOW, adds_up, create, mount, put, read_from};
use edgelog_core::{BackReader, Class, Event, FullPolicy, Item, LogView, Reader, TimeQuality};
use std::collections::BTreeMap;

/// Takes in what the log holds; false when a name that was known is another record's now.
fn identities(medium: &Bytes, known: &mut BTreeMap<(u32, u64), Vec<u8>>) -> bool {
    let mut log = mount(medium);
    let mut unique = true;
    let (mut reader, mut buffer) = (Reader::at(0), vec![0; 4096]);
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        let Item::Record(record) = item else { continue };
        let name = (record.identity.epoch, record.identity.offset);
        let before = known.insert(name, record.payload.to_vec());
        unique &= before.is_none_or(|before| before == record.payload);
    }
    unique
}

#[test]
fn no_single_bit_of_a_header_makes_an_identity_name_two_records() {
    let medium = Bytes::new(1024, 4, 4, 0xFF);
    let mut log = create(&medium);
    while log.segments().0 < 2 {
        put(&mut log, &[1; 60]);
        log.sync().unwrap();
    }
    // The second boot's records stand in the newest segment.
    let mut log = mount(&medium);
    for _ in 0..3 {
        put(&mut log, &[2; 60]);
        log.sync().unwrap();
    }
    let mut wrong = Vec::new();
    for bit in 0..84 * 8 {
        let medium = medium.copy();
        let mut known = BTreeMap::new();
        identities(&medium, &mut known);
        medium.flip(1024 * 8 + bit);
        let mut log = mount(&medium);
        for _ in 0..8 {
            put(&mut log, &[3; 60]);
            log.sync().unwrap();
        }
        if !identities(&medium, &mut known) {
            wrong.push(bit);
        }
    }
    assert_eq!(wrong, [] as [usize; 0], "bits of the header");
}

#[test]
fn unreadable_headers_cost_their_segments_and_never_the_newest_one() {
    const COUNT: u64 = 40;
    let mut wrong = Vec::new();
    for newest in [3u64, 7, 17, 18, 20, 25, 39, 40, 41, 50, 60, 79, 80, 85] {
        let medium = Bytes::new(1024, COUNT as u32, 1, 0);
        let mut log = create(&medium);
        log.set_full_policy(FullPolicy::DropOldest);
        let mut now = NOW;
        let topic = log.topic("t").unwrap();
        let event = Event { topic, class: Class::Normal, key: None, payload: b"x" };
        for _ in 0..newest {
            now += 1 << 33;
            log.append(&event, now).unwrap();
        }
        log.append(&event, now).unwrap();
        log.sync().unwrap();
        let visible = log.visible();
        assert_eq!(mount(&medium).visible(), visible);
        let oldest = (newest + 1).saturating_sub(COUNT);
        for first in oldest..newest {
            for wide in 1..=5u64.min(newest - first) {
                let medium = medium.copy();
                for generation in first..first + wide {
                    medium.bytes.borrow_mut()[(generation % COUNT) as usize * 1024 + 40] ^= 1;
                }
                if mount(&medium).visible() != visible {
                    wrong.push((newest, first, wide));
                }
            }
        }
    }
    assert_eq!(wrong, [], "(newest generation, first broken one, broken ones)");
}

#[test]
fn a_broken_header_of_an_old_segment_does_not_spend_epochs_at_every_start() {
    let medium = Bytes::new(64 * 1024, 2, 1, 0);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    while log.segments().0 < 2 {
        put(&mut log, &[1; 3000]);
    }
    log.sync().unwrap();
    medium.flip(40 * 8);
    for _ in 0..100 {
        let mut log = mount(&medium);
        put(&mut log, b"a boot");
        log.sync().unwrap();
    }
    let epoch = mount(&medium).epoch();
    assert!(
        epoch < 5_000,
        "100 starts took the epoch to {epoch}; at 4,294,967,295 the log takes no more"
    );
}

/// A cut erase may leave a segment as anything, also so that the header which a cut program left there is whole.
#[test]
fn a_torn_header_that_a_cut_erase_leaves_whole_takes_no_record_away() {
    // With a snapshot of one topic.
    const SECOND: core::ops::Range<usize> = 1024..1024 + 96;
    let medium = Bytes::new(1024, 3, 4, 0xFF);
    let mut log = create(&medium);
    let mut before = medium.copy();
    while log.segments().0 < 2 {
        before = medium.copy();
        put(&mut log, &[1; 200]);
        log.sync().unwrap();
    }
    // The power went near the end of the second segment's header.
    let header = medium.bytes.borrow()[SECOND].to_vec();
    medium.bytes.borrow_mut().copy_from_slice(&before.bytes.borrow());
    medium.bytes.borrow_mut()[SECOND].copy_from_slice(&header);
    medium.bytes.borrow_mut()[SECOND.end - 8..SECOND.end].fill(0xFF);
    // The first record still fits the first segment. The first erase is cut.
    let mut log = mount(&medium);
    let topic = log.topic("t").unwrap();
    *medium.failing_erases.borrow_mut() = 1;
    let mut acknowledged = log.durable();
    for payload in [&[2; 8][..], &[3; 200]] {
        let event = Event { topic, class: Class::Normal, key: None, payload };
        if log.append(&event, NOW).is_err() {
            break;
        }
        acknowledged = log.sync().unwrap();
    }
    assert_eq!(*medium.failing_erases.borrow(), 0, "an erase was cut");
    medium.bytes.borrow_mut()[SECOND].copy_from_slice(&header);
    let mut log = mount(&medium);
    assert_eq!((log.segments().0, log.visible()), (2, acknowledged));
    assert_eq!(adds_up(&read_from(&mut log, 0), 0, acknowledged), acknowledged);
}

/// Everything that stands in the log, read forwards by the owner; a view and a walk backwards must find the same.
fn payloads(medium: &Bytes) -> Vec<(u64, u8)> {
    let (mut log, mut met, mut buffer) = (mount(medium), Vec::new(), vec![0; 4096]);
    let mut reader = Reader::at(0);
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        let Item::Record(record) = item else { continue };
        met.push((record.identity.offset, record.payload[0]));
    }
    let mut view = LogView::open(medium.clone()).unwrap();
    let (mut seen, mut reader) = (Vec::new(), Reader::at(0));
    while let Some(item) = view.read(&mut reader, &mut buffer).unwrap() {
        let Item::Record(record) = item else { continue };
        seen.push((record.identity.offset, record.payload[0]));
    }
    assert_eq!(seen, met, "a view beside its owner");
    let (mut back, mut reader) = (Vec::new(), BackReader::<3>::before(log.visible()));
    while let Some(item) = log.read_back(&mut reader, &mut buffer).unwrap() {
        let Item::Record(record) = item else { continue };
        back.push((record.identity.offset, record.payload[0]));
    }
    back.reverse();
    assert_eq!(back, met, "backwards and forwards");
    met
}

/// A log whose newest segment is its third, with a few records and two boots in it.
fn three_segments(erased: u8) -> (Bytes, u64) {
    let medium = Bytes::new(1024, 5, 4, erased);
    let mut log = create(&medium);
    let cursor = log.cursor("uplink", 0).unwrap();
    while log.segments().0 < 3 {
        let next = log.visible();
        put(&mut log, &[next as u8; 60]);
    }
    log.sync().unwrap();
    let mut log = mount(&medium);
    for _ in 0..3 {
        let next = log.visible();
        put(&mut log, &[next as u8; 60]);
    }
    let durable = log.sync().unwrap();
    log.commit(cursor, durable - 1, 0).unwrap();
    (medium, log.sync().unwrap())
}

#[test]
fn a_segment_that_lost_its_header_keeps_its_records_unless_it_is_the_oldest() {
    for (erased, slot) in [(0xFF, 1), (0, 1), (0xFF, 2), (0, 2)] {
        let (medium, durable) = three_segments(erased);
        let all: Vec<_> = (0..durable).map(|n| (n, n as u8)).collect();
        for damaged in [0..1, 10..11, 12..16, 32..40, 40..44, 56..60, 64..68, 68..72, 0..84] {
            let medium = medium.copy();
            medium.bytes.borrow_mut()[slot * 1024..][damaged.clone()].fill(0x5A);
            assert_eq!(payloads(&medium), all, "slot {slot}, bytes {damaged:?}");
            let mut log = mount(&medium);
            assert_eq!((log.visible(), log.damaged()), (durable, 0));
            // What follows goes on behind it, now and after the next start.
            assert_eq!(put(&mut log, &[durable as u8; 60]), durable);
            log.sync().unwrap();
            let more: Vec<_> = (0..=durable).map(|n| (n, n as u8)).collect();
            assert_eq!(payloads(&medium), more, "slot {slot}, bytes {damaged:?}, one more record");
        }
    }
}

#[test]
fn two_newest_segments_that_lost_their_headers_are_read_one_after_the_other() {
    let (medium, durable) = three_segments(0xFF);
    for slot in [1, 2] {
        medium.flip((slot * 1024 + 40) * 8);
    }
    let all: Vec<_> = (0..durable).map(|n| (n, n as u8)).collect();
    assert_eq!(payloads(&medium), all);
    let mut log = mount(&medium);
    assert_eq!(log.cursors()[0].offset, durable - 1);
    assert_eq!(put(&mut log, b"next"), durable);
}

#[test]
fn a_newest_segment_without_its_header_and_first_frames_is_damage_and_its_offsets_stay_taken() {
    let (medium, durable) = three_segments(0xFF);
    medium.bytes.borrow_mut()[2 * 1024..][..400].fill(0x5A);
    let met = payloads(&medium);
    let mut log = mount(&medium);
    assert_eq!(log.visible(), durable);
    assert_eq!(log.damaged(), durable - met.len() as u64);
    assert!(log.damaged() > 0);
    assert_eq!(put(&mut log, b"next"), durable);
}

#[test]
fn refused_records_in_a_header_that_is_gone_do_not_hide_its_segment() {
    for refused in [1, 40, 3000] {
        let medium = Bytes::new(1024, 4, 4, 0xFF);
        let mut log = create(&medium);
        while log.segments().0 < 2 {
            put(&mut log, &[1; 60]);
        }
        log.give_up(refused);
        while log.segments().0 < 3 {
            put(&mut log, &[2; 60]);
        }
        let durable = log.sync().unwrap();
        medium.flip((2 * 1024 + 40) * 8);
        let mut log = mount(&medium);
        assert_eq!((log.visible(), log.damaged()), (durable, u64::from(refused)));
        assert!(put(&mut log, b"next") >= durable);
    }
}

#[test]
fn times_behind_a_header_that_is_gone_are_estimated_and_never_go_back() {
    let (medium, durable) = three_segments(0xFF);
    medium.flip((2 * 1024 + 40) * 8);
    let mut log = mount(&medium);
    let (mut last, mut estimated, mut buffer) = (0, 0, vec![0; 4096]);
    let mut reader = Reader::at(0);
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        let Item::Record(record) = item else { panic!("a gap") };
        assert!(record.time_ms >= last);
        last = record.time_ms;
        estimated += u32::from(record.time_quality == TimeQuality::Estimated);
    }
    assert!(estimated >= 4, "{estimated} of {durable}");
}

#[test]
fn a_newest_segment_that_lost_its_header_is_not_lost_in_silence() {
    let medium = Bytes::new(1024, 4, 4, 0xFF);
    let mut log = create(&medium);
    let cursor = log.cursor("uplink", 0).unwrap();
    while log.segments().0 < 2 {
        put(&mut log, &[1; 60]);
    }
    put(&mut log, &[2; 60]);
    let durable = log.sync().unwrap();
    log.commit(cursor, durable, 0).unwrap();
    log.sync().unwrap();
    medium.flip((1024 + 40) * 8);
    let mut log = mount(&medium);
    // An owner can report no more than this.
    let told = (log.damaged(), log.torn_bytes(), log.visible());
    let next = put(&mut log, b"next");
    assert!(
        next >= durable,
        "offset {next} was durable below {durable}, is given again, and (damaged, torn bytes, visible) are {told:?}"
    );
}
