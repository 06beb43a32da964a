//! What a power cut leaves behind segments that were given up.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog_core::{Class, CursorId, Event, FullPolicy, Item, Log, LogId, Reader};
use edgelog_sim::SimDisk;

type DiskLog = Log<SimDisk, Vec<u8>>;

/// Three fill a segment.
const THIRD: [u8; 280] = [9; 280];
const RECORDS: u64 = 18;

/// A log with a cursor, six segments of three records, all durable.
fn full(disk: &SimDisk) -> (DiskLog, CursorId) {
    let mut log = Log::create(disk.clone(), vec![0; 2048], LogId([7; 16]), 1).unwrap();
    let (cursor, topic) = (log.cursor("uplink", 0).unwrap(), log.topic("t").unwrap());
    for _ in 0..RECORDS {
        let event = Event { topic, class: Class::Normal, key: None, payload: &THIRD };
        log.append(&event, 1).unwrap();
    }
    log.sync().unwrap();
    (log, cursor)
}

fn mount(disk: SimDisk) -> DiskLog {
    Log::mount(disk, vec![0; 2048]).unwrap()
}

/// The offsets that are still there.
fn delivered(log: &mut DiskLog) -> Vec<u64> {
    let (mut reader, mut buffer, mut offsets) = (Reader::at(0), vec![0; 2048], Vec::new());
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        if let Item::Record(record) = item {
            offsets.push(record.identity.offset);
        }
    }
    offsets
}

#[test]
fn what_let_a_segment_go_is_durable_before_it_goes() {
    for seed in 0..200 {
        let disk = SimDisk::new(1024, 8);
        let (mut log, cursor) = full(&disk);
        log.commit(cursor, RECORDS, 0).unwrap();
        log.evict().unwrap().unwrap();
        let log = mount(disk.cut(seed));
        assert_eq!(log.cursors()[0].offset, RECORDS, "seed {seed}");
    }
}

#[test]
fn segments_go_one_behind_the_other_so_that_no_cut_leaves_a_hole() {
    let mut kept = 0;
    for seed in 0..200 {
        let disk = SimDisk::new(1024, 8);
        let (mut log, _) = full(&disk);
        log.set_full_policy(FullPolicy::DropOldest);
        let gone: Vec<_> = (0..3).map(|_| log.evict().unwrap().unwrap()).collect();
        let there = delivered(&mut mount(disk.cut(seed)));
        // Of the last one the erase may be torn; what stands before it is gone, and what stands behind it is whole.
        assert!(there[0] >= gone[2].start, "seed {seed}: {there:?}, {gone:?}");
        let mut behind = gone[2].end..RECORDS;
        assert!(behind.all(|offset| there.contains(&offset)), "seed {seed}: {there:?}, {gone:?}");
        kept += u64::from(there[0] < gone[2].end);
    }
    assert!(kept > 20, "{kept} cuts came before the last one was gone");
}
