//! Records that are composed in the frame buffer and read in the medium's own memory.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, NOW, create, put};
use edgelog_core::{
    AppendError, Class, Event, Item, Log, LogId, LogView, RamMedium, ReadError, Reader,
};

type RamLog = Log<RamMedium<4096>, [u8; 1024]>;

fn ram() -> RamLog {
    Log::create(RamMedium::new(1024), [0; 1024], LogId([3; 16]), NOW).unwrap()
}

/// Every item, as text, read through a buffer.
fn copied(log: &mut RamLog) -> Vec<String> {
    let (mut items, mut reader, mut buffer) = (Vec::new(), Reader::at(0), [0; 1024]);
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        items.push(format!("{item:?}"));
    }
    items
}

#[test]
fn what_is_read_in_place_is_what_is_read_through_a_buffer_and_stands_in_the_medium() {
    let mut log = ram();
    let topic = log.topic("t").unwrap();
    for n in 0..40u8 {
        let payload = vec![n; usize::from(n)];
        let key = (n % 3 == 0).then_some(&payload[..]);
        log.append(&Event { topic, class: Class::Bulk, key, payload: &payload }, NOW).unwrap();
    }
    log.sync().unwrap();
    // Damage in a sealed segment, so that gaps are among the items.
    let (mut medium, buffer, _) = log.into_parts();
    medium.bytes_mut()[600] ^= 1;
    let mut log: RamLog = Log::mount(medium, buffer).unwrap();
    let expected = copied(&mut log);
    assert!(expected.iter().any(|item| item.starts_with("Gap")), "{expected:?}");

    let memory = edgelog_core::Medium::mapped(log.medium(), 0).unwrap().as_ptr() as usize;
    let memory = memory..memory + 4096;
    let (mut reader, mut met) = (Reader::at(0), Vec::new());
    while let Some(item) = log.read_in_place(&mut reader, u64::MAX, &mut []).unwrap() {
        met.push(format!("{item:?}"));
        let Item::Record(record) = item else { continue };
        for bytes in [Some(record.payload), record.key].into_iter().flatten() {
            assert!(bytes.is_empty() || memory.contains(&(bytes.as_ptr() as usize)));
        }
    }
    assert_eq!(met, expected);

    let mut view = LogView::open(log.into_parts().0).unwrap();
    let (mut reader, mut met) = (Reader::at(0), Vec::new());
    while let Some(item) = view.read_in_place(&mut reader, &mut []).unwrap() {
        met.push(format!("{item:?}"));
    }
    assert_eq!(met, expected);
}

#[test]
fn a_medium_that_is_not_mapped_is_read_through_the_buffer() {
    let mut log = create(&Bytes::new(1024, 3, 4, 0xFF));
    put(&mut log, b"a payload");
    let (mut reader, mut buffer) = (Reader::at(0), [0; 64]);
    let refused = log.read_in_place(&mut reader, 1, &mut []);
    assert!(matches!(refused, Err(ReadError::BufferTooSmall { needed: 24.. })));
    assert_eq!(reader.offset(), 0);
    let item = log.read_in_place(&mut reader, 1, &mut buffer).unwrap();
    assert!(matches!(item, Some(Item::Record(record)) if record.payload == b"a payload"));
}

#[test]
fn a_payload_composed_in_the_buffer_is_stored_as_one_that_was_copied() {
    let (mut composed, mut appended) = (ram(), ram());
    let topics = (composed.topic("t").unwrap(), appended.topic("t").unwrap());
    for n in 0..24u8 {
        let payload = vec![n; usize::from(n) * 3];
        let key = (n % 2 == 0).then_some(&b"key"[..]);
        let write = |bytes: &mut [u8]| bytes.copy_from_slice(&payload);
        let offset =
            composed.append_with(topics.0, Class::Normal, key, payload.len(), NOW, write).unwrap();
        let event = Event { topic: topics.1, class: Class::Normal, key, payload: &payload };
        assert_eq!(offset, appended.append(&event, NOW).unwrap());
    }
    assert_eq!(copied(&mut composed), copied(&mut appended));
}

#[test]
fn a_payload_that_does_not_fit_is_refused_before_it_is_composed() {
    let mut log = ram();
    let topic = log.topic("t").unwrap();
    for length in [5000, usize::MAX] {
        let write = |_: &mut [u8]| panic!("there is no room to compose it in");
        let refused = log.append_with(topic, Class::Normal, None, length, NOW, write);
        assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(log.visible(), 0);
}
