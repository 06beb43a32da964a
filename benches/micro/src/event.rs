//! An event's envelope, written into a buffer and read in place.

use criterion::Criterion;
use edgelog_record::{Event, Nested, Table};
use std::hint::black_box;

pub(crate) fn bench(criterion: &mut Criterion) {
    let event = Event {
        payload: Some(Nested(b"a FlatBuffer of the application, of 48 bytes....")),
        event_type: Some("acme.room.reading"),
        schema_version: 1,
        source: Some("sensor-07"),
        ..Default::default()
    };
    let mut buffer = [0; 256];
    let mut group = criterion.benchmark_group("event");
    group.bench_function("write", |bencher| {
        bencher.iter(|| black_box(&event).write(&mut buffer).expect("it fits"));
    });
    let len = event.write(&mut buffer).expect("it fits");
    group.bench_function("read", |bencher| {
        bencher.iter(|| Event::read(black_box(&buffer[..len])).expect("valid").schema_version);
    });
    group.finish();
}
