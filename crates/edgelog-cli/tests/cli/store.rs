//! A store's folder, which is no log's.

use crate::support::Place;
use edgelog::{Class, Event, Options, StoreOptions};
use std::fs;

/// Two logs, one of which has records, and what a crash left of a third.
fn store(place: &Place) -> edgelog::Log {
    let store = StoreOptions::new().budget_bytes(1 << 20).open(place.log()).expect("a store");
    let small = Options::new().segment_bytes(64 << 10);
    let alarms = store.log("alarms", Class::Critical, &small).expect("a log");
    store.log("raw", Class::Bulk, &small).expect("another");
    for _ in 0..1234 {
        alarms.append("door", &Event::new(b"open")).expect("room");
    }
    alarms.sync().expect("a disk");
    let half = place.log().join("half");
    fs::create_dir(&half).expect("writable");
    fs::write(half.join("00000000.seg"), vec![0; 64 << 10]).expect("writable");
    alarms
}

#[test]
fn info_of_a_store_lists_its_logs() {
    let place = Place::new();
    let _alarms = store(&place);
    let told = place.done(&["info"]);
    for line in
        ["192.00 KiB in 3 logs", "1,234 offsets from 0, owner ", "0 offsets from 0\n", "half "]
    {
        assert!(told.contains(line), "{line}: {told}");
    }
    let told = place.json(&["info"]);
    assert_eq!(told["bytes_on_disk"], 192 << 10, "{told}");
    let logs = told["logs"].as_array().expect("logs");
    assert_eq!((&logs[0]["name"], &logs[0]["visible"]), (&"alarms".into(), &1234.into()));
    assert!(logs[1]["problem"].is_string() && logs[2]["problem"].is_null(), "{told}");
}

#[test]
fn what_needs_a_log_names_those_of_a_store_and_makes_none_in_its_folder() {
    let place = Place::new();
    drop(store(&place));
    for arguments in [&["tail"][..], &["verify"], &["append"]] {
        let ended = place.run_with(arguments, b"event\n");
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        assert!(ended.stderr.contains("one of its logs (alarms, half, raw)"), "{}", ended.stderr);
    }
    let files = fs::read_dir(place.log()).expect("there").map(|entry| entry.expect("an entry"));
    assert!(files.into_iter().all(|it| it.path().is_dir() || it.file_name() == "lock"));
}
