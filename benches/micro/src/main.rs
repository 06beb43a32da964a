//! What a change did to a hot path, for whoever is changing it: single calls in memory, without a file system. `cargo xtask bench micro`
//! runs it; criterion compares with its last run on the same machine. The figures that the project promises, beside plain loops and peers,
//! come from the other benches.

mod event;
mod kafka;
mod log;

criterion::criterion_group!(benches, log::bench, event::bench, kafka::bench);
criterion::criterion_main!(benches);
