//! Readers in the owner's process: what they get and when, and that nobody is forgotten.

mod support;

use edgelog::{
    Class, Event, GapReason, Item, Log, Options, OwnedItem, Payload, Reader, Start, View,
};
use futures_lite::future::{block_on, poll_once};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use support::Counter;

/// Longer than any test takes: who is forgotten fails it.
const FOR_EVER: Duration = Duration::from_secs(60);

fn open(folder: &Path) -> Log {
    Options::new().segment_bytes(1 << 20).budget_bytes(64 << 20).open(folder).unwrap()
}

/// The next record's offset and first eight bytes.
fn next(reader: &mut Reader) -> Option<(u64, u64)> {
    match reader.next().unwrap()? {
        Item::Record(record) => Some((record.identity.offset, number(record.payload))),
        Item::Gap(gap) => panic!("{gap:?}"),
    }
}

fn number(payload: &[u8]) -> u64 {
    u64::from_le_bytes(*payload.first_chunk().unwrap())
}

fn append(log: &Log, number: u64, length: usize) {
    let mut payload = vec![7; length];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    log.append("numbers", &Event::new(&payload)).unwrap();
}

/// Bytes that are composed where the log wants them.
struct Composed(u8);

impl Payload for Composed {
    fn len(&self) -> usize {
        100
    }

    fn write(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

#[test]
fn a_reader_gets_the_same_out_of_memory_as_out_of_the_files_each_record_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut reader = log.reader(Start::Latest).unwrap();
    let mut seen = Vec::new();
    let mut see = |records: usize| {
        for _ in 0..records {
            let item = reader.next().unwrap().expect("it was appended");
            if let Item::Record(record) = item {
                assert_eq!(record.payload.as_ptr().addr() % 8, 0, "{record:?} is not aligned");
            }
            seen.push(format!("{item:?}"));
        }
        assert!(reader.next().unwrap().is_none());
    };
    for (n, length) in
        [0, 1, 7, 8, 255, 1000, 9000, 40_000, 3, 200_000, 200_000, 5].into_iter().enumerate()
    {
        let payload = vec![u8::try_from(n).unwrap(); length];
        let event = Event::new(&payload);
        log.append("plain", &event).unwrap();
        see(1);
        log.append("keys", &event.key(&[1; 255][..n]).class(Class::Critical)).unwrap();
        log.append("composed", &Event::composed(Composed(7)).key(b"")).unwrap();
        see(2);
        log.append_batch("batches", &[Event::new(b"one"), Event::new(b""), Event::new(&[3; 300])])
            .unwrap();
        see(3);
    }
    log.sync().unwrap();
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    for seen in &seen {
        let item = view.next().unwrap();
        assert_eq!(*seen, format!("{:?}", item.unwrap()));
    }
    assert!(view.next().unwrap().is_none());
}

#[test]
fn a_reader_that_falls_behind_what_is_in_memory_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut readers: Vec<_> = (0..4).map(|_| log.reader(Start::Earliest).unwrap()).collect();
    let mut read = [0; 4];
    // 20 MiB, of which some eight are in memory. The readers are between nought and 16 MiB behind.
    for n in 0..20_000 {
        append(&log, n, 1000);
        for (at, reader) in readers.iter_mut().enumerate() {
            let behind = [0, 10, 5_000, 16_000][at];
            if n % (behind + 1) == behind {
                while let Some(record) = next(reader) {
                    assert_eq!(record, (read[at], read[at]));
                    read[at] += 1;
                }
                assert_eq!(read[at], n + 1);
            }
        }
    }
}

#[test]
fn a_reader_that_keeps_up_meets_what_was_given_up_as_a_gap_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut reader = log.reader(Start::Latest).unwrap();
    append(&log, 0, 500);
    assert_eq!(next(&mut reader), Some((0, 0)));
    log.give_up(3);
    // They get their offsets with the next segment.
    (1..3000).for_each(|n| append(&log, n, 500));
    let (mut appended, mut gone) = (1, 0);
    while let Some(item) = reader.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!(record.identity.offset, appended + gone);
                assert_eq!(number(record.payload), appended);
                appended += 1;
            }
            Item::Gap(gap) => {
                assert_eq!((gap.from, gap.reason), (appended + gone, GapReason::Refused));
                gone += gap.count();
            }
        }
    }
    assert_eq!((appended, gone), (3000, 3));
}

#[test]
fn two_who_answer_each_other_never_wait_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let (mut here, mut there) =
        (log.reader(Start::Earliest).unwrap(), log.reader(Start::Earliest).unwrap());
    let other = log.clone();
    let answering = thread::spawn(move || {
        for n in (0..4000).step_by(2) {
            assert!(there.wait(FOR_EVER), "nobody told of {n}");
            assert_eq!(next(&mut there), Some((n, n)));
            append(&other, n + 1, 8);
            assert_eq!(next(&mut there), Some((n + 1, n + 1)));
        }
    });
    for n in (0..4000).step_by(2) {
        append(&log, n, 8);
        assert_eq!(next(&mut here), Some((n, n)));
        assert!(here.wait(FOR_EVER), "nobody told of {}", n + 1);
        assert_eq!(next(&mut here), Some((n + 1, n + 1)));
    }
    answering.join().unwrap();
}

#[test]
fn whoever_waits_in_whatever_way_gets_all_of_a_producers_bursts_and_single_events() {
    let seed = 0x5EED_u64;
    println!("seed {seed:#x}");
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    const COUNT: u64 = 20_000;
    thread::scope(|scope| {
        for way in 0..6 {
            let mut reader = log.reader(Start::Earliest).unwrap();
            scope.spawn(move || {
                let mut expected = 0;
                while expected < COUNT {
                    if way % 2 == 0 {
                        assert!(reader.wait(FOR_EVER), "reader {way} was not told of {expected}");
                    } else {
                        block_on(reader.ready());
                    }
                    while let Some(record) = next(&mut reader) {
                        assert_eq!(record, (expected, expected));
                        expected += 1;
                    }
                }
            });
        }
        let mut state = seed;
        let mut n = 0;
        while n < COUNT {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let burst = if state.is_multiple_of(4) { state % 997 } else { 1 };
            for _ in 0..burst.min(COUNT - n) {
                append(&log, n, 64);
                n += 1;
            }
            for _ in 0..state % 8 {
                thread::yield_now();
            }
        }
    });
}

#[test]
fn a_task_that_waits_is_woken_once_by_an_append_never_by_anything_else_and_forgotten_when_it_is_dropped()
 {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut reader = log.reader(Start::Latest).unwrap();
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut context = Context::from_waker(&waker);
    let woken = || counter.count();

    let mut ready = Box::pin(reader.ready());
    assert_eq!(ready.as_mut().poll(&mut context), Poll::Pending);
    let cursor = log.cursor("lamp", 0).unwrap();
    log.commit(cursor, 0).unwrap();
    log.sync().unwrap();
    assert_eq!(woken(), 0, "nothing was appended");
    for n in 0..100 {
        append(&log, n, 8);
    }
    assert_eq!(woken(), 1, "it was told, and has not looked since");
    assert_eq!(ready.as_mut().poll(&mut context), Poll::Ready(()));
    drop(ready);

    while next(&mut reader).is_some() {}
    let mut ready = Box::pin(reader.ready());
    assert_eq!(ready.as_mut().poll(&mut context), Poll::Pending);
    drop(ready);
    append(&log, 100, 8);
    assert_eq!(woken(), 1, "it was dropped");
    drop(waker);
    assert_eq!(Arc::strong_count(&counter), 1, "something still holds its waker");
}

#[test]
fn an_iterator_ends_at_the_end_of_what_is_visible_and_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    (0..10).for_each(|n| append(&log, n, 8));
    let mut items = log.reader(Start::Offset(3)).unwrap().into_iter();
    let numbers: Vec<_> = items.by_ref().map(|item| owned_number(item.unwrap())).collect();
    assert_eq!(numbers, [3, 4, 5, 6, 7, 8, 9]);
    append(&log, 10, 8);
    assert_eq!(items.next().map(|item| owned_number(item.unwrap())), Some(10));
    append(&log, 11, 8);
    assert_eq!(next(&mut items.into_reader()), Some((11, 11)));
}

fn owned_number(item: OwnedItem) -> u64 {
    let OwnedItem::Record(record) = item else { panic!("a gap") };
    number(record.get().payload)
}

#[test]
fn what_waits_may_go_to_another_thread() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut reader = log.reader(Start::Latest).unwrap();
    assert!(block_on(poll_once(pin!(reader.ready()))).is_none());
    let waiting = async move {
        reader.ready().await;
        next(&mut reader)
    };
    let waiting: Box<dyn Future<Output = _> + Send> = Box::new(waiting);
    let waiting = thread::spawn(|| block_on(Box::into_pin(waiting)));
    append(&log, 5, 8);
    assert_eq!(waiting.join().unwrap(), Some((0, 5)));
}
