//! A reader as a stream.

mod support;

use edgelog::{Event, Log, Options, OwnedItem, Start};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use support::Counter;

fn open(folder: &Path) -> Log {
    Options::new().segment_bytes(1 << 20).budget_bytes(64 << 20).open(folder).unwrap()
}

fn append(log: &Log, number: u64) {
    log.append("numbers", &Event::new(&number.to_le_bytes())).unwrap();
}

#[test]
fn a_stream_gives_everything_that_is_appended_while_it_waits() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    append(&log, 0);
    let stream = log.reader(Start::Earliest).unwrap().into_stream();
    let taking = thread::spawn(|| block_on(stream.take(1000).collect::<Vec<_>>()));
    for n in 1..1000 {
        append(&log, n);
        if n % 10 == 0 {
            thread::yield_now();
        }
    }
    let items = taking.join().unwrap().into_iter();
    let numbers = items.map(|item| {
        let OwnedItem::Record(record) = item.unwrap() else { panic!("a gap") };
        u64::from_le_bytes(record.get().payload.try_into().unwrap())
    });
    assert!(numbers.eq(0..1000));
}

#[test]
fn a_stream_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut stream = log.reader(Start::Latest).unwrap().into_stream();
    let counter = Arc::new(Counter::default());
    let waker = Waker::from(Arc::clone(&counter));
    assert!(stream.poll_next(&mut Context::from_waker(&waker)).is_pending());
    drop((stream, waker));
    append(&log, 0);
    assert_eq!(counter.count(), 0, "it was dropped");
    assert_eq!(Arc::strong_count(&counter), 1, "something still holds its waker");
    drop(log);
    // Nobody keeps the log open.
    open(folder.path());
}
