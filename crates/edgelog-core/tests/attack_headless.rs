//! Attacks on several headers at once, read forwards, backwards and through views, beside a writer that goes on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;
#[path = "common/format.rs"]
mod format;

use common::{Bytes, Met, Rng, TestLog, adds_up, create, mount, put, read_from, view_from};
use edgelog_core::{BackReader, FullPolicy, Geometry, Item, LogView, Medium, Reader};
use format::{u32_at, u64_at};
use std::collections::BTreeMap;

const SIZE: usize = 1024;

/// Generation and base offset of every live segment, oldest first.
fn segments(medium: &Bytes) -> Vec<(u64, u64)> {
    let bytes = medium.bytes.borrow();
    let count = bytes.len() / SIZE;
    let mut found: Vec<_> = bytes
        .chunks(SIZE)
        .filter(|it| it.starts_with(b"edgelog\0"))
        .map(|it| (u64_at(it, 32), u64_at(it, 40)))
        .collect();
    found.sort_unstable();
    let newest = found.last().unwrap().0;
    found.retain(|&(generation, _)| generation + count as u64 > newest);
    found
}

/// Damages the header of a generation in one of several ways.
fn damage(medium: &Bytes, generation: u64, rng: &mut Rng) {
    let mut bytes = medium.bytes.borrow_mut();
    let count = (bytes.len() / SIZE) as u64;
    let at = (generation % count) as usize * SIZE;
    let snapshot_len = u32_at(&bytes, at + 68) as usize;
    match rng.below(4) {
        0 => bytes[at + rng.below(84)] ^= 1 << rng.below(8),
        1 => rng.fill(&mut bytes[at..at + 84]),
        2 => rng.fill(&mut bytes[at..at + 84 + snapshot_len]),
        _ => bytes[at + 40..at + 48].fill(0x5A),
    }
}

fn check(met: &[Met], known: &BTreeMap<u64, Vec<u8>>, from: u64, kept_from: u64, what: &str) {
    let end = met.iter().map(|it| match it {
        Met::Record(offset, _) => offset + 1,
        Met::Gap(gap) => gap.to,
    });
    adds_up(met, from, end.max().unwrap_or(from));
    for item in met {
        match item {
            Met::Record(offset, payload) => {
                assert_eq!(known.get(offset), Some(payload), "{what}: record {offset}");
            }
            Met::Gap(gap) => {
                let lost: Vec<_> =
                    known.range(gap.from.max(kept_from)..gap.to.max(kept_from)).collect();
                assert!(lost.is_empty(), "{what}: {gap:?} hides {} records", lost.len());
            }
        }
    }
}

fn backwards(log: &mut TestLog, from: u64) -> Vec<Met> {
    let (mut met, mut buffer) = (Vec::new(), vec![0; 4096]);
    let mut reader: BackReader<3> = BackReader::before(log.visible());
    while reader.offset() > from
        && let Some(item) = log.read_back(&mut reader, &mut buffer).unwrap()
    {
        met.push(match item {
            Item::Record(record) => Met::Record(record.identity.offset, record.payload.to_vec()),
            Item::Gap(gap) => Met::Gap(gap),
        });
    }
    met.reverse();
    met
}

fn campaign(seed: u64) {
    let mut rng = Rng(seed);
    let erased = if seed.is_multiple_of(2) { 0 } else { 0xFF };
    let count = 4 + rng.below(20) as u32;
    let medium = Bytes::new(SIZE as u32, count, [1, 4, 32][seed as usize % 3], erased);
    let mut log = create(&medium);
    log.set_full_policy(FullPolicy::DropOldest);
    let mut known = BTreeMap::new();
    let mut work = |log: &mut TestLog, rng: &mut Rng, steps: usize, remounts: bool| {
        for _ in 0..steps {
            match rng.below(12) {
                0 if remounts => {
                    *log = mount(&medium);
                    log.set_full_policy(FullPolicy::DropOldest);
                }
                1 => {
                    log.maintain(1).unwrap();
                }
                2 => log.give_up(rng.below(4) as u32),
                _ => {
                    let mut payload = vec![0; rng.below(140)];
                    rng.fill(&mut payload);
                    known.insert(put(log, &payload), payload);
                    log.sync().unwrap();
                }
            }
        }
        known.clone()
    };
    let steps = 20 + rng.below(300);
    work(&mut log, &mut rng, steps, true);
    let mut old_view = LogView::open(medium.clone()).unwrap();
    let before = segments(&medium);
    // Two are left: a writer that goes on may erase one of them, and the last header is all that names a log.
    let kept = rng.below(before.len());
    for (at, &(generation, _)) in before.iter().enumerate() {
        if at != kept && at != (kept + 1) % before.len() && rng.below(2) == 0 {
            damage(&medium, generation, &mut rng);
        }
    }
    let whole =
        |medium: &Bytes| LogView::open(medium.clone()).map(|mut view| view.earliest().unwrap());
    let kept_from = whole(&medium).unwrap();
    let now = work(&mut log, &mut rng, 0, false);
    let what = format!("seed {seed}");
    check(&read_from(&mut log, 0), &now, 0, kept_from, &format!("{what}, the owner"));
    check(
        &view_from(&mut old_view, &mut Reader::at(0)),
        &now,
        0,
        kept_from,
        &format!("{what}, an old view"),
    );
    let mut view = LogView::open(medium.clone()).unwrap();
    assert_eq!(view.visible(), log.visible(), "{what}");
    check(
        &view_from(&mut view, &mut Reader::at(0)),
        &now,
        0,
        kept_from,
        &format!("{what}, a new view"),
    );
    check(
        &backwards(&mut log, kept_from),
        &now,
        kept_from,
        kept_from,
        &format!("{what}, backwards"),
    );
    let mut fresh = mount(&medium.copy());
    assert_eq!(fresh.visible(), log.visible(), "{what}");
    check(
        &backwards(&mut fresh, kept_from),
        &now,
        kept_from,
        kept_from,
        &format!("{what}, mounted, backwards"),
    );
    // The writer goes on; views are refreshed.
    let mut reader = Reader::at(kept_from);
    let mut met = Vec::new();
    for _ in 0..6 {
        met.extend(view_from(&mut view, &mut reader));
        let steps = rng.below(8);
        work(&mut log, &mut rng, steps, false);
        view.refresh().unwrap();
        // Views are for media whose words can be written twice (docs/DESIGN.md, known limits).
        if erased == 0 {
            assert_eq!(view.visible(), log.visible(), "{what}");
        }
    }
    met.extend(view_from(&mut view, &mut reader));
    let now = work(&mut log, &mut rng, 0, false);
    let evicted = log.earliest().unwrap().max(kept_from);
    check(&met, &now, kept_from, evicted, &format!("{what}, a view that was refreshed"));
}

#[test]
fn headers_that_are_lost_cost_no_record_behind_the_first_one_that_is_left() {
    for seed in 0..600 {
        campaign(seed);
    }
}

/// One header, and nothing else in as many slots as there can be.
#[derive(Debug)]
struct Vast(Vec<u8>, Geometry);

impl Medium for Vast {
    type Error = core::convert::Infallible;

    fn geometry(&self) -> Geometry {
        self.1
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill(0);
        if slot == 0 && position == 0 {
            let length = bytes.len().min(self.0.len());
            bytes[..length].copy_from_slice(&self.0[..length]);
        }
        Ok(())
    }

    fn program(&mut self, _: u32, _: u32, _: &[u8]) -> Result<(), Self::Error> {
        panic!("a view writes nothing")
    }

    fn erase(&mut self, _: u32) -> Result<(), Self::Error> {
        panic!("a view writes nothing")
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[test]
fn a_header_that_tells_as_many_segments_as_there_can_be_is_opened_as_fast_as_any() {
    for segment_count in [u32::MAX, u32::MAX - 1, 1 << 31, (1 << 31) + 1] {
        let header = format::Header {
            log: [7; 16],
            segment_size: SIZE as u32,
            segment_count,
            generation: 0,
            base_offset: 0,
            base_time: 0,
            epoch: 1,
        };
        let geometry = Geometry::new(SIZE as u32, segment_count, 1, 0).unwrap();
        let view = LogView::open(Vast(header.bytes(), geometry)).unwrap();
        assert_eq!(view.visible(), 0);
    }
}
