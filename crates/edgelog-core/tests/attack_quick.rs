//! Attacks on the quick way over mapped records: it must say of any bytes what reading through a buffer says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, NOW, Rng, create, mount};
use edgelog_core::{Class, Event, FullPolicy, Geometry, LogView, Medium, Reader};
use std::convert::Infallible;

/// An image, mapped or not. A file that is short is mapped as it is, and reads as erased behind its end.
#[derive(Clone)]
struct Image {
    geometry: Geometry,
    segments: Vec<Vec<u8>>,
    is_mapped: bool,
}

impl Medium for Image {
    type Error = Infallible;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        self.is_mapped.then(|| &self.segments[slot as usize][..])
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.geometry.erased());
        let there = self.segments[slot as usize].get(position as usize..).unwrap_or_default();
        let length = there.len().min(bytes.len());
        bytes[..length].copy_from_slice(&there[..length]);
        Ok(())
    }

    fn program(&mut self, _: u32, _: u32, _: &[u8]) -> Result<(), Infallible> {
        panic!("nobody writes")
    }

    fn erase(&mut self, _: u32) -> Result<(), Infallible> {
        panic!("nobody writes")
    }

    fn sync(&mut self) -> Result<(), Infallible> {
        panic!("nobody writes")
    }
}

/// A log with records of all forms, several epochs, and refused ones.
fn some_log(rng: &mut Rng) -> (Geometry, Vec<u8>) {
    let word = [1, 4, 8, 16, 32][rng.below(5)];
    let (size, count) = ([1024, 2048, 4096][rng.below(3)], 2 + rng.below(4) as u32);
    let erased = if rng.below(2) == 0 { 0 } else { 0xFF };
    let medium = Bytes::new(size, count, word, erased);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    let mut now = NOW;
    for _ in 0..40 + rng.below(120) {
        match rng.below(40) {
            0 => {
                log = mount(&medium);
                log.set_full_policy(FullPolicy::DropOldest);
            }
            1 => log.give_up(rng.below(4) as u32),
            2 => _ = log.sync().unwrap(),
            _ => {
                now += [0, 1, 100, 9000][rng.below(4)];
                let topic = log.topic(["a", "b"][rng.below(2)]).unwrap();
                let mut payload = vec![0; [0, 1, 7, 8, 9, 60, 300, 511, 512, 540][rng.below(10)]];
                rng.fill(&mut payload);
                let key: Vec<u8> = vec![7; [0, 1, 7, 8, 200][rng.below(5)]];
                let key = (rng.below(4) == 0).then_some(&key[..]);
                let class = [Class::Critical, Class::Normal, Class::Bulk][rng.below(3)];
                // Some do not fit the smallest segments.
                let _ = log.append(&Event { topic, class, key, payload: &payload }, now);
            }
        }
    }
    drop(log);
    let bytes = medium.bytes.borrow().clone();
    (medium.geometry(), bytes)
}

fn harm(rng: &mut Rng, segments: &mut [Vec<u8>], erased: u8) {
    let count = segments.len();
    let slot = rng.below(count);
    let length = segments[slot].len();
    if length == 0 {
        return;
    }
    match rng.below(6) {
        5 => segments[slot].truncate(rng.below(length)),
        0 | 1 => segments[slot][rng.below(length)] ^= 1 << rng.below(8),
        2 => segments[slot][rng.below(length)..].fill(erased),
        3 => {
            let (at, bytes) = (rng.below(length), 1 + rng.below(40));
            let until = length.min(at + bytes);
            rng.fill(&mut segments[slot][at..until]);
        }
        _ => {
            // What stood elsewhere, as a whole frame may.
            let other = segments[rng.below(count)].clone();
            let align = [1, 8, 32][rng.below(3)];
            let (from, to) =
                (rng.below(other.len()) / align * align, rng.below(length) / align * align);
            let bytes = rng.below(700).min(other.len() - from).min(length - to);
            segments[slot][to..to + bytes].copy_from_slice(&other[from..from + bytes]);
        }
    }
}

fn items(image: &Image, from: u64) -> Vec<String> {
    let mut view = match LogView::open(image.clone()) {
        Ok(view) => view,
        Err(error) => return vec![format!("{error:?}")],
    };
    let (mut reader, mut buffer, mut items) = (Reader::at(from), vec![0; 8192], Vec::new());
    while let Some(item) = view.read_in_place(&mut reader, &mut buffer).unwrap() {
        items.push(format!("{item:?}"));
        assert!(items.len() < 10_000);
    }
    items
}

#[test]
fn of_any_bytes_the_quick_way_says_what_the_careful_one_says() {
    let (mut records, mut gaps) = (0, 0);
    for seed in 0..500 {
        let mut rng = Rng(seed);
        let (geometry, bytes) = some_log(&mut rng);
        let segments = bytes.chunks(geometry.segment_size() as usize).map(<[u8]>::to_vec).collect();
        let mut image = Image { geometry, segments, is_mapped: false };
        for round in 0..6 {
            let from = rng.below(150) as u64;
            for from in [0, from] {
                let careful = items(&image, from);
                let quick = items(&Image { is_mapped: true, ..image.clone() }, from);
                assert_eq!(quick, careful, "seed {seed}, round {round}, from {from}");
                records += careful.iter().filter(|item| item.starts_with("Record")).count();
                gaps += careful.iter().filter(|item| item.starts_with("Gap")).count();
            }
            harm(&mut rng, &mut image.segments, geometry.erased());
        }
    }
    assert!(records > 50_000 && gaps > 500, "{records} records, {gaps} gaps");
}
