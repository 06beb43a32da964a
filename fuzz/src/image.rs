//! Any bytes as a medium.
//!
//! The medium starts erased or as a log that the engine wrote; the fuzzer's edits follow. An edit may name a place by segment and frame, and may make
//! the checksum of a header or frame right, because nothing behind a wrong one is ever looked at.

use crate::device::Device;
use crate::exercise::{BUFFER, Met, NOW, exercise, records};
use crate::input::Input;
use crate::layout::{self, Bond};
use edgelog_core::{AppendError, Class, Event, FullPolicy, Geometry, Log, LogId};
use edgelog_sim::SimDisk;
use std::ops::Range;

/// Decodes the input, makes the image and does everything with it.
///
/// # Panics
///
/// See [`exercise`]; also when rot in one frame costs other records than its own.
pub fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let geometry = input.geometry();
    let history = input.byte();
    let write_once = history & 0x80 != 0;
    let mut image = match history % 8 {
        0 => vec![geometry.erased(); length(&geometry)],
        history => written(&geometry, history, write_once),
    };
    let original = image.clone();
    let mut forged = false;
    // Each edit takes at least one byte; so many say nothing new.
    for _ in 0..64 {
        if input.is_empty() {
            break;
        }
        forged |= edit(&mut input, &geometry, &original, &mut image);
    }
    let Ok(met) = exercise(&geometry, &image, write_once) else { return };
    let Some(damage) = Damage::of(&geometry, &original, &image).filter(|_| !forged) else { return };
    let before = exercise(&geometry, &original, write_once).expect("the engine wrote it");
    let left = records(&met, 0);
    for record in records(&before, 0).into_iter().filter(|record| !damage.costs(record.offset)) {
        assert!(left.iter().any(|it| it.was(record)), "{damage:?} costs {record:?}");
    }
    // Nor does it make records up: a gap counts what was there.
    assert!(damage.is_end || end(&met) == end(&before), "{damage:?} moves the end");
}

fn end(met: &[Met]) -> u64 {
    met.last().map_or(0, |last| match last {
        Met::Record(record) => record.offset + 1,
        Met::Gap(gap) => gap.to,
    })
}

/// Rot in one frame.
#[derive(Debug)]
struct Damage {
    /// The offset of the frame, or of the next one.
    offset: u64,
    is_record: bool,
    /// It cannot be told from what a power cut tore: no later frame says that this one was durable.
    is_end: bool,
}

impl Damage {
    /// The damage, if all that was changed is one frame.
    fn of(geometry: &Geometry, original: &[u8], image: &[u8]) -> Option<Self> {
        let mut changed = (0..image.len()).filter(|&at| image[at] != original[at]);
        let first = changed.next()?;
        let last = changed.next_back().unwrap_or(first);
        let (slot, start) = (first / size(geometry), first / size(geometry) * size(geometry));
        let segments = |slot| &original[segment(geometry, slot)];
        let header = layout::header(segments(slot), geometry, slot)?;
        let frames = layout::walk(segments(slot), geometry, &header).frames;
        let hit = frames
            .iter()
            .position(|it| start + it.frame.at <= first && last < start + it.frame.next)?;
        let is_newest = (0..geometry.segment_count() as usize)
            .filter_map(|slot| layout::header(segments(slot), geometry, slot))
            .all(|other| other.generation <= header.generation);
        Some(Self {
            offset: frames[hit].bond.offset,
            is_record: frames[hit].frame.is_record,
            is_end: is_newest && !frames[hit + 1..].iter().any(|it| it.frame.synced),
        })
    }

    const fn costs(&self, offset: u64) -> bool {
        offset >= self.offset && (self.is_end || self.is_record && offset == self.offset)
    }
}

/// The image of a log that lived through `history`: records, cursors, several mounts, a ring that went round, power cuts.
fn written(geometry: &Geometry, history: u8, write_once: bool) -> Vec<u8> {
    let disk = SimDisk::from_image(*geometry, vec![geometry.erased(); length(geometry)]);
    let mut device = Device { disk, write_once };
    let id = LogId([history; 16]);
    let mut log = Log::create(device.clone(), vec![0; BUFFER], id, NOW).expect("an erased disk");
    for n in 0..history * 8 {
        let topic = log.topic(["a", "door.open"][usize::from(n & 1)]).expect("room for two topics");
        let payload = vec![n; usize::from(n.wrapping_mul(37) % 120)];
        let key = (n % 3 == 0).then_some(&payload[..payload.len().min(9)]);
        let event = Event { topic, class: Class::Bulk, key, payload: &payload };
        let events = [event, Event { key: None, ..event }];
        let now = NOW + u64::from(n) * 1000;
        if matches!(
            log.append_batch(&events[..1 + usize::from(n % 5 == 0)], now),
            Err(AppendError::Full)
        ) {
            log.give_up(1);
        }
        if n % 3 == 2 {
            let durable = log.sync().expect("the disk syncs");
            if history > 2
                && let Ok(cursor) = log.cursor("kafka", 0)
            {
                let _ = log.commit(cursor, durable, 0);
                let _ = log.set_anchor(cursor, &[n; 24]);
                let _ = log.maintain(1).expect("the disk erases");
            }
        }
        if history > 3 && n % 11 == 10 {
            if history % 2 == 1 {
                device.disk = device.disk.cut(u64::from(n));
                device.disk.set_sector(8);
            }
            log = Log::mount(device.clone(), vec![0; BUFFER]).expect("it is a log");
            if history == 6 {
                log.clock_is_unset(0);
            }
            if history == 5 {
                log.set_full_policy(FullPolicy::DropOldest);
            }
        }
    }
    device.disk.image()
}

/// Changes the image. True when it may have made a frame that no log wrote.
fn edit(input: &mut Input<'_>, geometry: &Geometry, original: &[u8], image: &mut [u8]) -> bool {
    match input.byte() % 8 {
        0 | 1 => {
            let at = place(input, geometry, original);
            let length = usize::from(input.byte());
            write(image, at, input.bytes(length));
        }
        2 => {
            let (at, length) = (input.short(), input.short());
            write(image, at, input.bytes(length));
        }
        3 => {
            let at = place(input, geometry, original);
            let (length, value) = (input.short() % 1024, input.byte());
            write(image, at, &vec![value; length]);
        }
        4 => {
            let (from, to) = (place(input, geometry, original), place(input, geometry, original));
            let length = input.short() % 1024;
            let copied = image[from..].iter().take(length).copied().collect::<Vec<_>>();
            write(image, to, &copied);
        }
        5 | 6 => {
            let at = place(input, geometry, original);
            let ahead = input.byte();
            let (slot, range) = (at / size(geometry), segment(geometry, at / size(geometry)));
            let at = (at - range.start) / geometry.align() as usize * geometry.align() as usize;
            let known = &original[range.clone()];
            let segment = &mut image[range];
            if let Some(header) = layout::header(segment, geometry, slot) {
                let known = layout::header(known, geometry, slot).map(|header| (known, header));
                let (bytes, from) = known.unwrap_or((segment, header));
                let walk = layout::walk(bytes, geometry, &from);
                let there = walk.frames.iter().find(|it| it.frame.next > at);
                let Bond { epoch, offset } = there.map_or(walk.bond, |it| it.bond);
                let bond = Bond {
                    epoch: epoch.wrapping_add(u32::from(ahead & 7)),
                    offset: offset + u64::from(ahead >> 3),
                };
                layout::set_offset(segment, at, bond.offset);
                let _ = layout::seal_frame(segment, geometry, &header, at, bond);
            }
            return true;
        }
        _ => {
            let slot = usize::from(input.byte()) % geometry.segment_count() as usize;
            layout::seal_header(&mut image[segment(geometry, slot)]);
            return true;
        }
    }
    false
}

/// A place by segment, frame and byte of the frame. The frame behind the last one is the log's end; frame 0 is the segment's header.
fn place(input: &mut Input<'_>, geometry: &Geometry, original: &[u8]) -> usize {
    let slot = usize::from(input.byte()) % geometry.segment_count() as usize;
    let (number, byte) = (usize::from(input.byte()), usize::from(input.byte()));
    let range = segment(geometry, slot);
    let bytes = &original[range.clone()];
    let at = match (number.checked_sub(1), layout::header(bytes, geometry, slot)) {
        (Some(number), Some(header)) => {
            let walk = layout::walk(bytes, geometry, &header);
            walk.frames.get(number).map_or(walk.end, |it| it.frame.at)
        }
        _ => 0,
    };
    (range.start + at + byte).min(original.len() - 1)
}

fn write(image: &mut [u8], at: usize, bytes: &[u8]) {
    let at = at % image.len();
    let length = bytes.len().min(image.len() - at);
    image[at..at + length].copy_from_slice(&bytes[..length]);
}

fn segment(geometry: &Geometry, slot: usize) -> Range<usize> {
    slot * size(geometry)..(slot + 1) * size(geometry)
}

const fn size(geometry: &Geometry) -> usize {
    geometry.segment_size() as usize
}

const fn length(geometry: &Geometry) -> usize {
    size(geometry) * geometry.segment_count() as usize
}
