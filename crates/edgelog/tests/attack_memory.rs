//! Attacks on how much memory an owner holds. Alone in its process, which is what is measured.
#![allow(clippy::unwrap_used)]

use edgelog::{Event, FullPolicy, Options};
use std::fs;

#[test]
fn what_waits_to_be_filled_again_is_bounded_whatever_was_appended() {
    fn held_kib() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
    let folder = tempfile::tempdir().unwrap();
    let log = Options::new()
        .segment_bytes(32 << 20)
        .budget_bytes(128 << 20)
        .record_bytes_max(14 << 20)
        .full(FullPolicy::DropOldest)
        .open(folder.path())
        .unwrap();
    let (small, large) = (vec![1; 256 << 10], vec![2; 12 << 20]);
    let before = held_kib();
    for _ in 0..40 {
        for _ in 0..31 {
            log.append("t", &Event::new(&small[..])).unwrap();
        }
        log.append("t", &Event::new(&large[..])).unwrap();
    }
    log.sync().unwrap();
    let more = held_kib().saturating_sub(before);
    assert!(more < 100 << 10, "{more} KiB are held");
}
