//! A log shipped to a real broker, judged by an independent client.

mod arrives;
mod trouble;

use core::time::Duration;
use edgelog::{Log, Options, ShipOptions, Uplink};
use edgelog_tests::kcat::{self, Seen};
use std::path::Path;

/// Long enough for a broker to come back on a busy machine.
const BOUND: Duration = Duration::from_secs(120);

fn open(path: &Path) -> Log {
    let options = Options::new().segment_bytes(1 << 16).budget_bytes(1 << 22);
    options.record_bytes_max(16 << 10).open(path).expect("open the log")
}

fn ship(log: &Log, address: &str, topic: &str) -> Uplink {
    log.ship(&ShipOptions::new(address).topic(topic).partition(0)).expect("begin to ship")
}

/// Waits until everything durable arrived, and says what the uplink said if it does not.
#[track_caller]
fn wait_shipped(log: &Log, uplink: &Uplink) {
    let durable = log.sync().expect("sync");
    assert!(
        uplink.wait_shipped(durable, BOUND),
        "not shipped: {:?}, {:?}",
        uplink.status(),
        uplink.take_notices()
    );
}

/// The offsets in the identity headers, in the order of the partition; every other header form fails.
fn offsets(log: &Log, seen: &[Seen]) -> Vec<u64> {
    let id = log.status().expect("status").id.to_string();
    seen.iter()
        .map(|record| {
            let identity = header(record, "edgelog").expect("an identity header");
            let mut parts = identity.split(':');
            assert_eq!(parts.next(), Some(id.as_str()), "the log's id");
            parts.nth(1).expect("an offset").parse().expect("a number")
        })
        .collect()
}

fn header<'a>(record: &'a Seen, name: &str) -> Option<&'a str> {
    record.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn read(address: &str, topic: &str) -> Vec<Seen> {
    kcat::read(address, topic)
}
