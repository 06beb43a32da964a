//! One image that never changes, read and written from both ends: by the engine and by a second implementation of the format.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;
#[path = "common/format.rs"]
mod format;

use common::{Bytes, ID, NOW};
use edgelog_core::{Class, Event, Geometry, Item, Log, Reader};
use format::Entry;

const GOLDEN: &[u8] = include_bytes!("golden/version-2.img");

/// Two segments on 4-byte words, three epochs, a roll, keys, classes, a cursor with its anchor.
fn written() -> Vec<u8> {
    let medium = Bytes::new(1024, 2, 4, 0xFF);
    let mut log = Log::create(medium.clone(), vec![0; 1024], ID, NOW).unwrap();
    let kafka = log.cursor("kafka", 0).unwrap();
    for n in 0..14u64 {
        if n % 5 == 4 {
            log.sync().unwrap();
            log = Log::mount(medium.clone(), vec![0; 1024]).unwrap();
        }
        let topic = log.topic(["door", "metrics"][n as usize % 2]).unwrap();
        let key = n.to_le_bytes();
        let key = (n % 3 == 0).then_some(&key[..n as usize % 8]);
        let class = [Class::Critical, Class::Normal, Class::Bulk][n as usize % 3];
        let payload: Vec<u8> = (0..n * 7).map(|i| (i * n) as u8).collect();
        let event = Event { topic, class, key, payload: &payload };
        assert_eq!(log.append(&event, NOW + n * n).unwrap(), n);
        if n == 6 {
            log.sync().unwrap();
            log.commit(kafka, 5, -7).unwrap();
            log.set_anchor(kafka, b"anchor").unwrap();
        }
    }
    log.sync().unwrap();
    medium.bytes.take()
}

/// A new version of the format writes its image with `EDGELOG_WRITE_GOLDEN=1 cargo test -p edgelog-core --test golden`.
#[test]
fn the_engine_still_writes_the_golden_image_byte_for_byte() {
    let written = written();
    if std::env::var_os("EDGELOG_WRITE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/version-2.img");
        std::fs::write(path, &written).unwrap();
    }
    assert!(written == GOLDEN, "the format changed: raise its version");
}

#[test]
fn the_engine_and_the_page_read_the_same_from_the_golden_image() {
    let segments = format::parse(GOLDEN);
    assert_eq!(segments.len(), 2);
    assert!(segments[1].base_offset > 5);
    assert!(segments[1].snapshot.contains(&(3, 0, b"kafka".to_vec())));
    assert!(segments[1].snapshot.contains(&(5, 0, b"anchor".to_vec())));
    let commit: Vec<u8> = [5u64.to_le_bytes(), (-7i64).to_le_bytes()].concat();
    assert!(segments[1].snapshot.contains(&(4, 0, commit)));
    let entries: Vec<&Entry> = segments.iter().flat_map(|segment| &segment.entries).collect();
    let mut records = entries.iter().filter(|entry| matches!(entry, Entry::Record { .. }));

    let medium = Bytes::with(Geometry::new(1024, 2, 4, 0xFF).unwrap(), GOLDEN.to_vec());
    let mut log = Log::mount(medium, vec![0; 1024]).unwrap();
    let (mut reader, mut buffer) = (Reader::at(0), [0; 1024]);
    for n in 0..14 {
        let Some(Item::Record(record)) = log.read(&mut reader, 14, &mut buffer).unwrap() else {
            panic!("record {n} is missing")
        };
        let read = Entry::Record {
            offset: record.identity.offset,
            epoch: record.identity.epoch,
            topic: record.topic.get(),
            class: record.class as u8,
            time: record.time_ms,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.to_vec(),
        };
        assert_eq!(Some(&&read), records.next());
        let Entry::Record { offset, epoch, .. } = read else { unreachable!() };
        assert_eq!((offset, u64::from(epoch)), (n, 1 + (n + 1) / 5));
    }
    assert!(records.next().is_none());
    let cursor = &log.cursors()[0];
    assert_eq!((cursor.offset, cursor.mark, &cursor.anchor[..]), (5, -7, &b"anchor"[..]));
}

#[test]
fn the_page_reads_whatever_the_engine_writes() {
    for seed in 0..50u64 {
        let mut rng = common::Rng(seed);
        let word = 1 << rng.below(6);
        let medium = Bytes::new(2048, 4, word, [0x00, 0xFF][rng.below(2)]);
        let mut log = common::create(&medium);
        let mut payloads = Vec::new();
        while log.segments().0 < 4 {
            let mut payload = vec![0; rng.below(200)];
            rng.fill(&mut payload);
            common::put(&mut log, &payload);
            payloads.push(payload);
            if rng.below(4) == 0 {
                log.sync().unwrap();
            }
            if rng.below(9) == 0 {
                log.sync().unwrap();
                log = common::mount(&medium);
            }
        }
        let image = medium.bytes.borrow().clone();
        let entries = format::parse(&image).into_iter().flat_map(|segment| segment.entries);
        let read: Vec<Vec<u8>> = entries
            .filter_map(|entry| match entry {
                Entry::Record { payload, .. } => Some(payload),
                Entry::Control { .. } => None,
            })
            .collect();
        assert!(read == payloads, "seed {seed}, word {word}: {} of {}", read.len(), payloads.len());
    }
}
