//! Bytes that nobody's log wrote: mounting and reading end, do not panic, and cost no more than they should.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;
#[path = "common/format.rs"]
mod format;

use common::{Bytes, ID, Met, NOW, Rng, create, mount, put, read_from};
use edgelog_core::{Class, Event, Geometry, Log, LogView, MountError, Reader};
use format::{CONTROL, Header, KEY, SYNCED};

const SMALL: Header = Header {
    log: ID.0,
    segment_size: 1024,
    segment_count: 2,
    generation: 0,
    base_offset: 0,
    base_time: NOW,
    epoch: 1,
};

fn image(header: Header, parts: &[Vec<u8>]) -> Bytes {
    let geometry = Geometry::new(header.segment_size, header.segment_count, 1, 0).unwrap();
    let mut bytes = vec![0; (header.segment_size * header.segment_count) as usize];
    let slot = header.generation % u64::from(header.segment_count);
    let mut at = slot as usize * header.segment_size as usize;
    for part in [header.bytes()].iter().chain(parts) {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len().next_multiple_of(8);
    }
    Bytes::with(geometry, bytes)
}

/// Mounts, reads, appends; every answer but a panic is right.
fn use_it(medium: &Bytes) {
    if let Ok(mut view) = LogView::open(medium.clone()) {
        let _ = view.refresh();
        let (mut reader, mut buffer, mut steps) = (Reader::at(0), vec![0; 2048], 0);
        while let Ok(Some(_)) = view.read(&mut reader, &mut buffer) {
            steps += 1;
            assert!(steps < 100_000, "reading ends");
        }
    }
    let Ok(mut log) = Log::mount(medium.clone(), vec![0; 2048]) else { return };
    let _ = log.earliest();
    for n in 0..40 {
        let Ok(topic) = log.topic("t") else { return };
        let event = Event { topic, class: Class::Normal, key: None, payload: &[n; 60] };
        let _ = log.append(&event, NOW);
        let _ = log.sync();
        if let Ok(cursor) = log.cursor("c", u64::MAX) {
            let _ = log.commit(cursor, u64::MAX, 0);
            let _ = log.set_anchor(cursor, &[n; 64]);
        }
    }
}

#[test]
fn arbitrary_images_mount_read_and_append_without_a_panic() {
    for seed in 0..2000 {
        let mut rng = Rng(seed);
        let medium = Bytes::new(1024, 2 + rng.below(3) as u32, 1, 0);
        rng.fill(&mut medium.bytes.borrow_mut()[..]);
        if seed % 2 == 0 {
            // A header that holds, before garbage.
            let count = medium.bytes.borrow().len() as u32 / 1024;
            let header = Header { segment_count: count, ..SMALL }.bytes();
            medium.bytes.borrow_mut()[..84].copy_from_slice(&header);
        }
        use_it(&medium);
    }
}

#[test]
fn good_images_with_random_bytes_changed_never_panic() {
    let medium = Bytes::new(1024, 3, 1, 0);
    let mut log = create(&medium);
    let cursor = log.cursor("c", 0).unwrap();
    for n in 0..60 {
        put(&mut log, &[n; 50]);
        let durable = log.sync().unwrap();
        log.commit(cursor, durable, 0).unwrap();
    }
    for seed in 0..2000 {
        let mut rng = Rng(seed);
        let broken = medium.copy();
        for _ in 0..=rng.below(30) {
            let at = rng.below(3 * 1024);
            broken.bytes.borrow_mut()[at] = rng.bits() as u8;
        }
        use_it(&broken);
    }
}

#[test]
fn numbers_at_their_limits_overflow_nothing() {
    let edges =
        [0, 1, u64::MAX >> 1, (u64::MAX >> 1) - 1, (u64::MAX >> 1) + 1, u64::MAX - 1, u64::MAX];
    for generation in edges {
        for base_offset in edges {
            for base_time in edges {
                for epoch in [0, 1, u32::MAX - 1, u32::MAX] {
                    let header = Header { generation, base_offset, base_time, epoch, ..SMALL };
                    use_it(&image(header, &[]));
                    let mut body = epoch.wrapping_add(1).to_le_bytes().to_vec();
                    body.extend_from_slice(&epoch.to_le_bytes());
                    body.extend_from_slice(&base_time.to_le_bytes());
                    body.extend_from_slice(&88u64.to_le_bytes());
                    let frame = header.frame(88, epoch, CONTROL | SYNCED, 1, base_offset, &body);
                    use_it(&image(header, &[frame]));
                    // A cursor far away.
                    let name = header.frame(88, epoch, CONTROL | SYNCED, 3, base_offset, b"c");
                    let mut body = base_time.to_le_bytes().to_vec();
                    body.extend_from_slice(&[0; 8]);
                    let commit = header.frame(112, epoch, CONTROL | SYNCED, 4, base_offset, &body);
                    use_it(&image(header, &[name, commit]));
                }
            }
        }
    }
}

#[test]
fn a_header_with_numbers_beyond_the_limit_is_no_header_and_one_at_the_limit_takes_no_record() {
    let beyond = Header { generation: u64::MAX - 1, ..SMALL };
    let mounted = Log::mount(image(beyond, &[]), vec![0; 512]);
    assert!(matches!(mounted, Err(MountError::NoLog { blank: false })));
    let limit = Header { base_offset: u64::MAX >> 1, ..SMALL };
    let mut log = Log::mount(image(limit, &[]), vec![0; 512]).unwrap();
    let topic = log.topic("t").unwrap();
    let event = Event { topic, class: Class::Normal, key: None, payload: b"" };
    assert!(log.append(&event, NOW).is_err());
}

#[test]
fn an_unverified_header_that_tells_larger_sizes_does_not_keep_a_log_from_mounting() {
    let medium = Bytes::new(1024, 2, 1, 0);
    let mut log = create(&medium);
    put(&mut log, b"still here");
    log.sync().unwrap();
    let mut header =
        Header { segment_size: 1 << 20, segment_count: 64, generation: 65, ..SMALL }.bytes();
    header[68..72].copy_from_slice(&5000u32.to_le_bytes());
    medium.bytes.borrow_mut()[1024..1108].copy_from_slice(&header);
    let mut log = mount(&medium);
    assert_eq!(read_from(&mut log, 0), [Met::Record(0, b"still here".to_vec())]);
    // Alone, it says how the medium should be opened.
    header[32..40].copy_from_slice(&64u64.to_le_bytes());
    header[12..16].copy_from_slice(&0u32.to_le_bytes());
    medium.bytes.borrow_mut()[..84].copy_from_slice(&header);
    let mounted = Log::mount(medium, vec![0; 512]);
    assert!(matches!(
        mounted,
        Err(MountError::Geometry { segment_size: 0x10_0000, segment_count: 64 })
    ));
}

/// Bytes that mounting and reading everything may read, in sizes of the image.
const EFFORT: usize = 100;

fn effort(medium: &Bytes) -> usize {
    let mut view = LogView::open(medium.clone()).unwrap();
    let (mut reader, mut buffer) = (Reader::at(0), vec![0; 2048]);
    while let Ok(Some(_)) = view.read(&mut reader, &mut buffer) {}
    let read = *medium.bytes_read.borrow();
    read / medium.bytes.borrow().len()
}

#[test]
fn eight_mebibytes_of_noise_behind_a_good_header_cost_a_bounded_effort() {
    let header = Header { segment_size: 4 << 20, ..SMALL };
    let medium = image(header, &[]);
    Rng(1).fill(&mut medium.bytes.borrow_mut()[88..]);
    let effort = effort(&medium);
    assert!(effort < EFFORT, "read the image {effort} times");
}

#[test]
fn eight_mebibytes_made_to_look_like_long_frames_cost_a_bounded_effort() {
    let header = Header { segment_size: 4 << 20, ..SMALL };
    for length in [0, 40, 66, 4096, 1 << 20, 3 << 20] {
        for flags in [SYNCED, KEY | SYNCED, CONTROL | SYNCED] {
            let medium = image(header, &[]);
            let mut frame = header.frame(0, 1, flags, u16::from(flags & CONTROL != 0), 0, &[]);
            frame[5..8].copy_from_slice(&u32::to_le_bytes(length)[..3]);
            for chunk in medium.bytes.borrow_mut()[88..].chunks_exact_mut(16) {
                chunk.copy_from_slice(&frame);
            }
            let effort = effort(&medium);
            assert!(effort < EFFORT, "length {length}, flags {flags}: {effort} times the image");
        }
    }
}

#[test]
fn frames_that_hold_between_stretches_of_noise_cost_a_bounded_effort() {
    let header = Header { segment_size: 4 << 20, ..SMALL };
    let mut lie = header.frame(0, 1, SYNCED, 0, 0, &[]);
    lie[5..8].copy_from_slice(&[0, 0, 0x20]);
    let medium = image(header, &[]);
    {
        let mut bytes = medium.bytes.borrow_mut();
        for at in (88..(4 << 20) - 2048).step_by(2048) {
            for chunk in bytes[at..at + 2048].chunks_exact_mut(16) {
                chunk.copy_from_slice(&lie);
            }
            let real = header.frame(at as u32 + 1024, 1, 0, 0, at as u64 / 2048, b"x");
            bytes[at + 1024..at + 1024 + real.len()].copy_from_slice(&real);
        }
        let last = header.frame((4 << 20) - 1024, 1, SYNCED, 0, 2047, b"synced");
        bytes[(4 << 20) - 1024..(4 << 20) - 1024 + last.len()].copy_from_slice(&last);
    }
    let effort = effort(&medium);
    assert!(effort < EFFORT, "read the image {effort} times");
}
