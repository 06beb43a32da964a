//! The engine on a medium in memory.

use criterion::{Criterion, Throughput};
use edgelog_core::{Class, Event, FullPolicy, Log, LogId, RamMedium, Reader, TopicId};
use std::hint::black_box;

const BYTES: usize = 1 << 20;
const SEGMENT_BYTES: u32 = 64 << 10;
const PAYLOAD: [u8; 256] = [0xA5; 256];
/// Milliseconds since 1970.
const NOW: u64 = 1_700_000_000_000;

type RamLog = Log<RamMedium<BYTES>, Vec<u8>>;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    for payload_len in [16, 64, 256] {
        let payload = &PAYLOAD[..payload_len];
        group.throughput(Throughput::Elements(1));
        // A ring that drops its oldest: a roll in each few hundred appends is part of the figure.
        let (mut log, topic) = ring();
        group.bench_function(format!("append/{payload_len}B"), |bencher| {
            let event = Event { topic, class: Class::Normal, key: None, payload };
            bencher.iter(|| log.append(black_box(&event), NOW).expect("the ring takes it"));
        });
        let (mut log, topic) = ring();
        group.throughput(Throughput::Elements(100));
        group.bench_function(format!("append_batch/100x{payload_len}B"), |bencher| {
            let events = [Event { topic, class: Class::Normal, key: None, payload }; 100];
            bencher.iter(|| log.append_batch(black_box(&events), NOW).expect("the ring takes it"));
        });
        let records = filled(&mut log, topic, payload);
        group.throughput(Throughput::Elements(records));
        group.bench_function(format!("read_in_place/{payload_len}B"), |bencher| {
            bencher.iter(|| assert_eq!(read_all(&mut log), records));
        });
        group.throughput(Throughput::Elements(1));
        let (mut medium, mut buffer, _) = log.into_parts();
        group.bench_function(format!("mount/1MiB_of_{payload_len}B"), |bencher| {
            bencher
                .iter(|| Log::mount(&mut medium, &mut buffer[..]).expect("it is a log").visible());
        });
    }
    group.finish();
}

fn ring() -> (RamLog, TopicId) {
    let buffer = vec![0; 64 << 10];
    let mut log = Log::create(RamMedium::new(SEGMENT_BYTES), buffer, LogId([7; 16]), NOW)
        .expect("memory takes a log");
    log.set_full_policy(FullPolicy::DropOldest);
    let topic = log.topic("bench").expect("one topic fits");
    (log, topic)
}

/// Fills the ring once more, and tells how many records are in it.
fn filled(log: &mut RamLog, topic: TopicId, payload: &[u8]) -> u64 {
    for _ in 0..BYTES / payload.len() {
        let event = Event { topic, class: Class::Normal, key: None, payload };
        log.append(&event, NOW).expect("the ring takes it");
    }
    log.visible() - log.earliest().expect("memory does not fail")
}

fn read_all(log: &mut RamLog) -> u64 {
    let from = log.earliest().expect("memory does not fail");
    let (mut reader, limit, mut records) = (Reader::at(from), log.visible(), 0);
    while let Some(item) = log.read_in_place(&mut reader, limit, &mut []).expect("memory is mapped")
    {
        black_box(item);
        records += 1;
    }
    records
}
