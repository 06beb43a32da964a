//! Attacks on composing frames where files keep them, on readers out of memory beside readers of files, and on opening.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use edgelog::{
    AppendError, Durability, Event, FullPolicy, GapReason, Item, Log, Options, Payload, Reader,
    Start, View,
};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// `SplitMix64`.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 1) as usize % bound.max(1)
    }
}

/// What the record at `offset` holds.
fn content(offset: u64, length: usize) -> Vec<u8> {
    let mut rng = Rng(offset ^ 0xABCD);
    let mut bytes = vec![0; length];
    for byte in &mut bytes {
        *byte = rng.below(256) as u8;
    }
    bytes
}

/// Composes half of its bytes and panics.
struct Broken(usize);

impl Payload for Broken {
    fn len(&self) -> usize {
        self.0
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes[..self.0 / 2].fill(0xEE);
        panic!("in the middle of a payload");
    }
}

struct Composed<'a>(&'a [u8]);

impl Payload for Composed<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(self.0);
    }
}

/// The directory as another process would find it if this one was killed now.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.path().extension().is_some_and(|it| it == "seg") {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}

type Met = Result<(u64, u64, Option<Vec<u8>>, Vec<u8>), (u64, u64, GapReason)>;

fn met(item: &Item<'_>) -> Met {
    match item {
        Item::Record(it) => {
            Ok((it.identity.offset, it.time_ms, it.key.map(<[u8]>::to_vec), it.payload.to_vec()))
        }
        Item::Gap(gap) => Err((gap.from, gap.to, gap.reason)),
    }
}

fn all_of(view: &mut View) -> Vec<Met> {
    let mut items = Vec::new();
    while let Some(item) = view.next().unwrap() {
        items.push(met(&item));
    }
    items
}

fn drain(reader: &mut Reader, items: &mut Vec<Met>, most: usize) {
    for _ in 0..most {
        let Some(item) = reader.next().unwrap() else { return };
        items.push(met(&item));
    }
}

fn keyed<'a, P>(event: Event<'a, P>, key: Option<&'a [u8]>) -> Event<'a, P> {
    match key {
        Some(key) => event.key(key),
        None => event,
    }
}

fn append(log: &Log, rng: &mut Rng, most: usize) -> Result<(), AppendError> {
    let next = log.status().unwrap().visible;
    let length = match rng.below(6) {
        0 => 0,
        1 => rng.below(16),
        2 | 3 => rng.below(600),
        4 => rng.below(most.min(70_000)),
        _ => rng.below(most),
    };
    let key = [7; 255];
    let key = (rng.below(3) == 0).then_some(&key[..rng.below(256)]);
    let bytes = content(next, length);
    let event = keyed(Event::new(&bytes[..]), key);
    match rng.below(10) {
        0 => {
            // All at once, and more than there is room for, now and then.
            let count = 1 + rng.below(40);
            let batch: Vec<_> =
                (0..count as u64).map(|n| content(next + n, length / count)).collect();
            let events: Vec<_> = batch.iter().map(|bytes| Event::new(&bytes[..])).collect();
            log.append_batch("t", &events)?;
        }
        1 => {
            let broken = keyed(Event::composed(Broken(length)), key);
            let panicked = catch_unwind(AssertUnwindSafe(|| log.append("t", &broken)));
            if let Ok(appended) = panicked {
                appended?;
            }
        }
        2 => {
            let event = keyed(Event::composed(Composed(&bytes)), key);
            log.append_as(Durability::Batched, "t", &event)?;
        }
        3 => _ = log.append_as(Durability::Durable, "t", &event)?,
        _ => _ = log.append("t", &event)?,
    }
    Ok(())
}

fn is_as_appended(items: &[Met], seed: u64) {
    let mut next = None;
    for item in items {
        let (from, to) = match item {
            Ok((offset, _, _, payload)) => {
                assert_eq!(*payload, content(*offset, payload.len()), "seed {seed}, {offset}");
                (*offset, offset + 1)
            }
            Err((from, to, reason)) => {
                assert_eq!(*reason, GapReason::Evicted, "seed {seed}, {from}..{to}");
                (*from, *to)
            }
        };
        assert!(next.is_none_or(|next| next == from), "seed {seed}: {next:?}, {from}");
        next = Some(to);
    }
}

#[test]
fn events_of_all_sizes_are_read_as_they_were_appended_whatever_panics_is_refused_or_is_killed() {
    std::panic::set_hook(Box::new(|info| {
        let told = info.to_string();
        if !told.contains("in the middle of a payload") {
            eprintln!("{told}");
        }
    }));
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let segment = [64 << 10, 200_000, 1 << 20, 3 << 20][rng.below(4)];
        let most = [10_000, 60_000, 512 << 10, 4 << 20][rng.below(4)];
        let options = Options::new()
            .segment_bytes(segment)
            .budget_bytes(u64::from(segment) * [3, 12][rng.below(2)])
            .record_bytes_max(most)
            .full(FullPolicy::DropOldest);
        let folder = tempfile::tempdir().unwrap();
        let mut log = options.open(folder.path()).unwrap();
        let mut reader = log.reader(Start::Earliest).unwrap();
        let mut read = Vec::new();
        for _ in 0..150 {
            match append(&log, &mut rng, most as usize) {
                Ok(()) | Err(AppendError::TooLarge { .. }) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            }
            match rng.below(30) {
                0 => _ = log.sync().unwrap(),
                1..4 => drain(&mut reader, &mut read, 20),
                4 => drain(&mut reader, &mut read, usize::MAX),
                5 => {
                    drain(&mut reader, &mut read, usize::MAX);
                    let visible = log.status().unwrap().visible;
                    // It writes what it has.
                    log.sync().unwrap();
                    let copy = killed(folder.path());
                    let mut view = View::open(copy.path(), Start::Earliest).unwrap();
                    let files = all_of(&mut view);
                    is_as_appended(&files, seed);
                    let same = read.iter().rev().zip(files.iter().rev());
                    for (memory, file) in
                        same.take_while(|(memory, file)| memory.is_ok() && file.is_ok())
                    {
                        assert!(memory == file, "seed {seed}");
                    }
                    drop((reader, log, view));
                    log = options.open(folder.path()).unwrap();
                    assert_eq!(log.status().unwrap().visible, visible, "seed {seed}");
                    reader = log.reader(Start::Offset(visible)).unwrap();
                }
                _ => {}
            }
        }
        drain(&mut reader, &mut read, usize::MAX);
        is_as_appended(&read, seed);
        let mut view = View::open(folder.path(), Start::Earliest).unwrap();
        is_as_appended(&all_of(&mut view), seed);
    }
}

/// Readers that stall now and then, beside one who appends and gives up.
#[test]
fn readers_that_stall_meet_every_offset_once_in_memory_and_in_files_and_what_a_view_meets() {
    for (seed, budget) in [(1, 1 << 20), (2, 64 << 20), (3, 3 << 20), (4, 64 << 20)] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new()
            .segment_bytes(256 << 10)
            .budget_bytes(budget)
            .record_bytes_max(60_000)
            .full(FullPolicy::DropOldest);
        let log = options.open(folder.path()).unwrap();
        let end = AtomicU64::new(u64::MAX);
        let met: Vec<Vec<Met>> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3u64)
                .map(|number| {
                    let mut reader = log.reader(Start::Earliest).unwrap();
                    let (log, end) = (&log, &end);
                    scope.spawn(move || {
                        let mut rng = Rng(seed * 100 + number);
                        let mut items = Vec::new();
                        while reader.offset() < end.load(Ordering::SeqCst) {
                            if rng.below(4) == 0 {
                                // Until so much more is there, or all.
                                let until = reader.offset() + rng.below(40_000) as u64;
                                while log.status().unwrap().visible < until
                                    && end.load(Ordering::SeqCst) == u64::MAX
                                {
                                    std::thread::yield_now();
                                }
                            }
                            drain(&mut reader, &mut items, rng.below(5000));
                        }
                        items
                    })
                })
                .collect();
            let mut rng = Rng(seed);
            for number in 0..60_000u64 {
                let length = match rng.below(2000) {
                    0 => 50_000,
                    1..100 => 2000,
                    _ => 8 + rng.below(200),
                };
                let mut payload = vec![0; length];
                payload[..8].copy_from_slice(&number.to_le_bytes());
                if rng.below(500) == 0 {
                    log.give_up(rng.below(5) as u32);
                }
                log.append("t", &Event::new(&payload)).unwrap();
            }
            log.sync().unwrap();
            end.store(log.status().unwrap().visible, Ordering::SeqCst);
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        let mut view = View::open(folder.path(), Start::Offset(0)).unwrap();
        let files = all_of(&mut view);
        for items in &met {
            let (mut next, mut number) = (0, None);
            for item in items {
                match item {
                    Ok((offset, _, _, payload)) => {
                        assert_eq!(*offset, next, "seed {seed}");
                        let this = u64::from_le_bytes(payload[..8].try_into().unwrap());
                        assert!(number.is_none_or(|number| number < this), "seed {seed}");
                        (next, number) = (next + 1, Some(this));
                    }
                    Err((from, to, reason)) => {
                        assert!(*from == next && to > from, "seed {seed}");
                        let is_told = [GapReason::Evicted, GapReason::Refused].contains(reason);
                        assert!(is_told, "seed {seed}: {item:?}");
                        next = *to;
                    }
                }
            }
            assert_eq!(next, end.load(Ordering::SeqCst), "seed {seed}");
            if budget == 64 << 20 {
                assert!(*items == files, "seed {seed}");
            }
        }
    }
}
