//! Building the batches that are shipped.

use criterion::{Criterion, Throughput};
use edgelog_kafka::batch::{BatchBuilder, Record, Stamp};
use std::hint::black_box;

const RECORDS: u64 = 100;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kafka");
    group.throughput(Throughput::Elements(RECORDS));
    let mut buffer = vec![0; 64 << 10];
    let stamp = Stamp { producer_id: 1, producer_epoch: 0, base_sequence: 0 };
    group.bench_function("batch/100x256B", |bencher| {
        bencher.iter(|| {
            let mut batch = BatchBuilder::new(&mut buffer);
            for at in 0..RECORDS {
                let timestamp_ms = 1_700_000_000_000 + i64::try_from(at).unwrap_or(0);
                let value = Some(&[0xA5; 256][..]);
                let record = Record { timestamp_ms, key: None, value, headers: &[] };
                batch.try_push(black_box(&record)).expect("it fits");
            }
            batch.finish(stamp).expect("it has records").len()
        });
    });
    group.finish();
}
