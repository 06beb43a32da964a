//! A second implementation of `docs/FORMAT.md`, written from that page alone: it shares nothing with the engine.
#![allow(dead_code, reason = "every test file uses another part of it")]

/// CRC-32C, bit by bit.
pub(crate) fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut crc = u32::MAX;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 };
        }
    }
    !crc
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap())
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Record {
        offset: u64,
        epoch: u32,
        topic: u16,
        class: u8,
        time: u64,
        key: Option<Vec<u8>>,
        payload: Vec<u8>,
    },
    Control {
        kind: u8,
        id: u8,
        body: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) generation: u64,
    pub(crate) base_offset: u64,
    pub(crate) snapshot: Vec<(u8, u8, Vec<u8>)>,
    pub(crate) entries: Vec<Entry>,
    /// Where each entry starts, and whether it says SYNCED.
    pub(crate) frames: Vec<(usize, usize, bool)>,
    pub(crate) first_frame: usize,
}

/// Every live segment of an image without damage, oldest first.
pub(crate) fn parse(image: &[u8]) -> Vec<Segment> {
    let size = u32_at(image, 60) as usize;
    let mut segments: Vec<Segment> =
        image.chunks(size).enumerate().filter_map(|(slot, bytes)| segment(slot, bytes)).collect();
    segments.sort_by_key(|segment| segment.generation);
    let (newest, count) = (segments.last().unwrap().generation, image.len() / size);
    segments.retain(|segment| segment.generation + count as u64 > newest);
    segments
}

fn segment(slot: usize, bytes: &[u8]) -> Option<Segment> {
    if bytes[..8] != *b"edgelog\0" || u16_at(bytes, 8) != 2 {
        return None;
    }
    let align = 8.max(1usize << bytes[10]);
    let snapshot_len = u32_at(bytes, 68) as usize;
    let snapshot = &bytes[84..84 + snapshot_len];
    if crc32c(&[&bytes[..80], snapshot]) != u32_at(bytes, 80) {
        return None;
    }
    let log = &bytes[16..32];
    let generation = u64_at(bytes, 32);
    assert_eq!(u32_at(bytes, 12) as usize, slot);
    assert_eq!(generation % u64::from(u32_at(bytes, 64)), slot as u64);
    assert_eq!((u32_at(bytes, 60) as usize, u32_at(bytes, 76) & !1), (bytes.len(), 0));
    let (base_offset, base_time) = (u64_at(bytes, 40), u64_at(bytes, 48));
    let mut found = Segment {
        generation,
        base_offset,
        snapshot: items(snapshot),
        entries: Vec::new(),
        frames: Vec::new(),
        first_frame: (84 + snapshot_len).next_multiple_of(align),
    };
    let (mut at, mut offset, mut epoch) = (found.first_frame, base_offset, u32_at(bytes, 56));
    let mut reference = 0;
    while at + 8 <= bytes.len() {
        let Some((head, key_end, payload_at, end)) = extent(bytes, at, align).filter(|extent| {
            let position = u32::try_from(at).unwrap().to_le_bytes();
            let covered: [&[u8]; 7] = [
                log,
                &generation.to_le_bytes(),
                &position,
                &bytes[at + 4..extent.1],
                &bytes[extent.2..extent.3],
                &epoch.to_le_bytes(),
                &offset.to_le_bytes(),
            ];
            crc32c(&covered) == u32_at(bytes, at)
        }) else {
            // A torn end: the next epoch frame says from where on, and stands at one of the next units.
            let resumed = (at + align..bytes.len().saturating_sub(40)).step_by(align).find(|&e| {
                bytes[e + 4] & 0b0100_0011 == 0b0100_0010
                    && u16_at(bytes, e + 8) == 1
                    && u32_at(bytes, e + 16.max(align) + 16) as usize == at
            });
            let Some(resumed) = resumed else { break };
            at = resumed;
            continue;
        };
        let bits = u32_at(bytes, at + 4);
        let (long, control) = (head == 16, head == 16 && bits & 64 != 0);
        let time = if long { u32_at(bytes, at + 12) } else { reference + (bits >> 19) };
        let payload = bytes[payload_at..end].to_vec();
        if long {
            assert_eq!(u64::from(u16_at(bytes, at + 10)), offset & 0xFFFF);
            reference = time;
        }
        if control {
            let (kind, id) = (bytes[at + 8], bytes[at + 9]);
            if kind == 1 {
                assert_eq!((u32_at(&payload, 4), u64_at(&payload, 8)), (epoch, offset));
                assert!(u32_at(&payload, 16) as usize <= at);
                epoch = u32_at(&payload, 0);
            }
            found.entries.push(Entry::Control { kind, id, body: payload });
        } else {
            let topic = if long { u16_at(bytes, at + 8) } else { ((bits >> 5) & 31) as u16 };
            found.entries.push(Entry::Record {
                offset,
                epoch,
                topic,
                class: ((bits >> 2) & 3) as u8,
                time: base_time + u64::from(time),
                key: (key_end > at + head).then(|| bytes[at + 17..key_end].to_vec()),
                payload,
            });
            offset += 1;
        }
        let next = at + (end - at).next_multiple_of(align);
        found.frames.push((at, next, bits & 16 != 0));
        at = next;
    }
    Some(found)
}

/// Bytes of the header, and the ends of key, padding and payload, of what can be a frame.
fn extent(bytes: &[u8], at: usize, align: usize) -> Option<(usize, usize, usize, usize)> {
    let bits = u32_at(bytes, at + 4);
    let head = match bits & 3 {
        1 => 8,
        2 if bits & 128 == 0 => 16,
        _ => return None,
    };
    if bits & 0b1100 == 0b1100 || at + head > bytes.len() {
        return None;
    }
    let key_len = (head == 16 && bits & 32 != 0).then(|| usize::from(bytes[at + 16]));
    let key_end = at + head + key_len.map_or(0, |length| 1 + length);
    let payload_at = at + (key_end - at).next_multiple_of(align);
    let end = payload_at + if head == 16 { bits >> 8 } else { (bits >> 10) & 511 } as usize;
    (end <= bytes.len()).then_some((head, key_end, payload_at, end))
}

fn items(mut bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut items = Vec::new();
    while !bytes.is_empty() {
        let end = 4 + usize::from(u16_at(bytes, 2));
        items.push((bytes[0], bytes[1], bytes[4..end].to_vec()));
        bytes = &bytes[end..];
    }
    items
}

/// Numbers of a segment header that a test chooses; the rest fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) log: [u8; 16],
    pub(crate) segment_size: u32,
    pub(crate) segment_count: u32,
    pub(crate) generation: u64,
    pub(crate) base_offset: u64,
    pub(crate) base_time: u64,
    pub(crate) epoch: u32,
}

impl Header {
    /// Its 84 bytes for word 1, erased value 0 and no snapshot, with a CRC that matches.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"edgelog\0\x02\0\0\0".to_vec();
        let slot = self.generation % u64::from(self.segment_count);
        bytes.extend_from_slice(&u32::try_from(slot).unwrap().to_le_bytes());
        bytes.extend_from_slice(&self.log);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.base_offset.to_le_bytes());
        bytes.extend_from_slice(&self.base_time.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.segment_size.to_le_bytes());
        bytes.extend_from_slice(&self.segment_count.to_le_bytes());
        bytes.extend_from_slice(&[0; 12]);
        let crc = crc32c(&[&bytes]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// A long frame of this segment at `at`, with a CRC that matches. `flags` and `topic` are as they stand in the frame.
    pub(crate) fn frame(
        &self,
        at: u32,
        epoch: u32,
        flags: u8,
        topic: u16,
        offset: u64,
        body: &[u8],
    ) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        let mut head = (length << 8 | u32::from(flags | LONG)).to_le_bytes().to_vec();
        head.extend_from_slice(&topic.to_le_bytes());
        head.extend_from_slice(&offset.to_le_bytes()[..2]);
        head.extend_from_slice(&[0; 4]);
        let crc = crc32c(&[
            &self.log,
            &self.generation.to_le_bytes(),
            &at.to_le_bytes(),
            &head,
            body,
            &epoch.to_le_bytes(),
            &offset.to_le_bytes(),
        ]);
        let mut frame = crc.to_le_bytes().to_vec();
        frame.extend_from_slice(&head);
        frame.extend_from_slice(body);
        frame.resize(frame.len().next_multiple_of(8), 0);
        frame
    }
}

const LONG: u8 = 2;
pub(crate) const SYNCED: u8 = 16;
pub(crate) const KEY: u8 = 32;
pub(crate) const CONTROL: u8 = 64;
