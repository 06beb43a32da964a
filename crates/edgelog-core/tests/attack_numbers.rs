//! Attacks at the ends of the numbers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;
#[path = "common/format.rs"]
mod format;

use common::{Bytes, ID, NOW, adds_up, mount, put, read_from};
use edgelog_core::{FullPolicy, Geometry};

fn image(base_offset: u64, epoch: u32) -> Bytes {
    let header = format::Header {
        log: ID.0,
        segment_size: 1024,
        segment_count: 3,
        generation: 0,
        base_offset,
        base_time: NOW,
        epoch,
    };
    let mut bytes = header.bytes();
    bytes.resize(3 * 1024, 0);
    Bytes::with(Geometry::new(1024, 3, 1, 0).unwrap(), bytes)
}

#[test]
fn records_that_were_given_up_at_the_last_offsets_hide_no_acknowledged_record() {
    let from = (1u64 << 63) - 1 - 40;
    let medium = image(from, 1);
    let mut log = mount(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    for _ in 0..5 {
        put(&mut log, &[1; 100]);
    }
    log.give_up(60);
    let topic = log.topic("t").unwrap();
    let event = edgelog_core::Event {
        topic,
        class: edgelog_core::Class::Normal,
        key: None,
        payload: &[1; 100],
    };
    while log.append(&event, NOW).is_ok() && log.visible() < from + 38 {}
    log.sync().ok();
    let (visible, met) = (log.visible(), read_from(&mut log, from));
    let delivered = adds_up(&met, from, visible);
    assert!(delivered >= 5, "{delivered} delivered, {met:?}");
}

#[test]
fn a_log_at_its_last_epoch_still_gives_its_records_and_says_why_it_takes_none() {
    for epoch in [u32::MAX - 3, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
        let medium = image(7, epoch);
        let mut log = mount(&medium);
        let topic = log.topic("t");
        assert_eq!(topic.is_ok(), epoch < u32::MAX - 1, "{epoch} {topic:?}");
        log.maintain(1).unwrap();
        let mut log = mount(&medium);
        assert!(read_from(&mut log, 0).len() <= 1);
    }
}
