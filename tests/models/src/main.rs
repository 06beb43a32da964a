//! Every order in which threads can meet where they hand something over, tried on the log's own files: loom runs them with its types in
//! place of std's. It finds wakes that get lost, since then a thread waits for ever, and what is read before it was published.
//!
//! Each model is bounded: two or three threads that do one or two things each, and where that is too much, at most so many preemptions.

#![expect(dead_code, reason = "of the log's files only what threads meet in is called")]

// The order of the modules is that of the log's layers.
mod sync;

#[path = "../../../crates/edgelog/src/wake.rs"]
mod wake;

#[path = "../../../crates/edgelog/src/bell.rs"]
mod bell;
#[path = "../../../crates/edgelog/src/group.rs"]
mod group;

#[path = "../../../crates/edgelog/src/block.rs"]
mod block;
#[path = "../../../crates/edgelog/src/recent.rs"]
mod recent;

#[path = "../../../crates/edgelog/src/commit.rs"]
mod commit;
#[path = "../../../crates/edgelog/src/durable.rs"]
mod durable;
#[path = "../../../crates/edgelog/src/error.rs"]
mod error;
#[path = "../../../crates/edgelog/src/lock.rs"]
mod lock;
#[path = "../../../crates/edgelog/src/writer.rs"]
mod writer;

mod file;
mod log;
mod retention;
mod store;

mod models;

use std::time::Instant;

fn main() {
    // What unwinds through a model's threads only buries what was found.
    std::panic::set_hook(Box::new(|panic| {
        println!("does not hold: {panic}");
        std::process::exit(1);
    }));
    let only = std::env::args().nth(1).unwrap_or_default();
    let mut run = 0;
    for (name, model) in models::all().filter(|(name, _)| name.contains(&only)) {
        println!("{name}");
        let started = Instant::now();
        let orders = model();
        println!("    holds in {orders} orders, tried in {} ms", started.elapsed().as_millis());
        run += 1;
    }
    // As the tests of a crate say it, to be counted with them.
    println!("test result: ok. {run} passed; 0 failed; 0 ignored");
    assert!(run > 0, "no model is named so");
}
