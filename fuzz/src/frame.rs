//! The bytes of one segment: a header with any numbers, any snapshot, and frames of any bytes, each with or without a checksum that holds.
//!
//! What the engine reads is compared with what [`layout`] reads.

use crate::exercise::{Met, NOW, exercise};
use crate::input::Input;
use crate::layout::{self, Bond, Header, NUMBER_MAX};
use edgelog_core::{Geometry, HEADER_LEN_MAX, LogId, MountError, stored_header};

/// Decodes the input, makes the segment and does everything with it.
///
/// # Panics
///
/// See [`exercise`]; also when the engine does not believe a header or the frames that follow it, although they are as the format says.
pub fn run(input: &[u8]) {
    let _ = stored_header(input);
    let mut input = Input::new(input);
    let geometry = input.geometry();
    let (size, count) = (geometry.segment_size() as usize, geometry.segment_count() as usize);
    let header = Header {
        log: [0xA5; 16],
        generation: input.number(NUMBER_MAX),
        base_offset: input.number(NUMBER_MAX),
        base_time: match input.byte() {
            0 => NOW,
            _ => input.number(u64::MAX),
        },
        epoch: input.number(u64::from(u32::MAX)) as u32,
        refused: 0,
        first_frame: 0,
    };
    let mut segment = vec![geometry.erased(); size];
    let length = input.short() % (HEADER_LEN_MAX + 64);
    let snapshot = input.bytes(length.min(size - layout::HEADER_LEN));
    segment[layout::HEADER_LEN..layout::HEADER_LEN + snapshot.len()].copy_from_slice(snapshot);
    layout::write_header(&mut segment, &geometry, &header, snapshot.len());
    let patches = input.byte();
    if patches & 0x80 != 0 {
        for _ in 0..=patches & 7 {
            let at = usize::from(input.byte()) % layout::HEADER_LEN;
            segment[at] = input.byte();
        }
        if patches & 0x40 == 0 {
            layout::seal_header(&mut segment);
        }
    }
    let slot = (header.generation % count as u64) as usize;
    let believed = layout::header(&segment, &geometry, slot);
    if let Some(header) = &believed {
        frames(&mut input, &geometry, header, &mut segment);
    }
    let mut image = vec![geometry.erased(); size * count];
    image[slot * size..(slot + 1) * size].copy_from_slice(&segment);

    let told = stored_header(&segment);
    let read = exercise(&geometry, &image, patches & 0x20 != 0);
    let Some(header) = believed else {
        assert!(read.is_err(), "a header that does not hold was believed: {read:?}");
        return;
    };
    assert_eq!(told, Some((LogId(header.log), geometry)));
    match read {
        Ok(met) => all_there(&geometry, &header, &segment, &met),
        // More topics or cursors than this build has room for.
        Err(MountError::TooMany) => {}
        Err(error) => panic!("the header holds: {error}"),
    }
}

/// Frames one behind the other.
fn frames(input: &mut Input<'_>, geometry: &Geometry, header: &Header, segment: &mut [u8]) {
    let mut at = header.first_frame;
    while !input.is_empty() {
        let kind = input.byte();
        let length = match kind & 1 {
            0 => usize::from(input.byte()),
            _ => input.short(),
        };
        let bytes = input.bytes(length);
        if at + layout::SHORT_LEN > segment.len() {
            return;
        }
        let length = bytes.len().min(segment.len() - at);
        segment[at..at + length].copy_from_slice(&bytes[..length]);
        if kind & 2 == 0 {
            // The length that the frame tells is mostly the one it has.
            let head = layout::payload_at(segment, geometry, at);
            layout::set_payload_len(segment, at, length.saturating_sub(head));
        }
        if kind & 4 == 0 {
            let Bond { epoch, offset } = layout::walk(segment, geometry, header).bond;
            if kind & 8 == 0 {
                layout::set_offset(segment, at, offset);
            }
            // Mostly what it should be bound to, or what a frame behind damage may be.
            let (epoch, offset) =
                (epoch.wrapping_add(u32::from(kind >> 4 & 3)), offset + u64::from(kind >> 6));
            let _ = layout::seal_frame(segment, geometry, header, at, Bond { epoch, offset });
        }
        let next = layout::frame(segment, geometry, at).map_or(at + length.max(1), |it| it.next);
        at = layout::aligned(next, geometry);
    }
}

/// The records that stand one behind the other from the segment's start are given first, each as it stands there.
fn all_there(geometry: &Geometry, header: &Header, segment: &[u8], met: &[Met]) {
    let records = met.iter().filter_map(|met| match met {
        Met::Record(record) => Some(record),
        Met::Gap(_) => None,
    });
    let walked = layout::walk(segment, geometry, header).frames;
    let mut given = records;
    for walked in walked.iter().filter(|walked| walked.frame.is_record) {
        let record = given.next().expect("a record whose frame holds is given");
        assert!(record.is_in(header, &walked.frame, walked.bond), "{record:?} is not {walked:?}");
        assert_eq!(record.time_ms, walked.time_ms, "{walked:?}");
    }
}
