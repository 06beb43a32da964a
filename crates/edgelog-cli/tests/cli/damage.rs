//! Files that are not what they should be. Nothing is lost beyond what the damage took, and that is named.

use crate::support::{Place, data, json};
use std::fs;

/// Real readings in small segments.
fn stored() -> (Place, usize) {
    let place = Place::new();
    place.done(&["import", &data("ambient_temperature.csv"), "--budget", "2MiB"]);
    assert!(place.json(&["info"])["segments_used"].as_u64() >= Some(4));
    (place, 7267)
}

#[test]
fn a_truncated_segment_costs_its_own_end_and_is_reported_as_a_gap() {
    let (place, total) = stored();
    let segment = place.log().join("00000001.seg");
    let length = fs::metadata(&segment).expect("there").len();
    fs::OpenOptions::new()
        .write(true)
        .open(&segment)
        .expect("there")
        .set_len(length / 2)
        .expect("");
    let verified = place.run(&["verify", "--json"]);
    assert_eq!(verified.code, Some(1));
    let report = json(&verified.stdout);
    assert_eq!(report["whole"], false);
    let missing = report["missing"].as_u64().expect("a number");
    assert!(missing > 0);
    assert_eq!(report["records"].as_u64(), Some(total as u64 - missing));
    assert_eq!(report["gaps"].as_array().map(Vec::len), Some(1));
    assert!(verified.stderr.contains("cannot be read any more"), "{}", verified.stderr);
    let records = place.records();
    let gap = records.iter().find(|line| line.get("gap").is_some()).expect("a gap line");
    assert_eq!(gap["gap"], report["gaps"][0]);
    // Everything before the gap and after it is there, in order.
    let (from, to) = (gap["gap"]["from"].as_u64().unwrap(), gap["gap"]["to"].as_u64().unwrap());
    let offsets: Vec<_> = records.iter().filter_map(|line| line["offset"].as_u64()).collect();
    assert_eq!(offsets, (0..from).chain(to..total as u64).collect::<Vec<_>>());
    let human = place.run(&["verify"]);
    assert!(human.stdout.contains("NOT whole"), "{}", human.stdout);
    let shown = place.done(&["tail", "--from", "earliest"]);
    assert!(shown.contains(&format!("offsets {from} to {} ---", to - 1)), "a gap in the stream");
    // And the log goes on.
    place.done_with(&["append"], b"event\n");
    assert_eq!(place.json(&["info"])["visible"], total as u64 + 1);
}

#[test]
fn a_truncated_newest_segment_is_noticed_by_its_size() {
    let place = Place::new();
    for n in 0..6 {
        place.done_with(&["append"], format!("event {n}\n").as_bytes());
    }
    let segment = place.log().join("00000000.seg");
    let file = fs::OpenOptions::new().write(true).open(&segment).expect("there");
    file.set_len(250).expect("writable");
    let ended = place.run(&["verify"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("cut: 00000000.seg has 250 bytes"), "{}", ended.stdout);
    assert!(ended.stdout.contains("NOT whole"), "{}", ended.stdout);
    assert!(ended.stderr.contains("00000000.seg was cut"), "{}", ended.stderr);
    let kept: Vec<_> = place.records().iter().map(|record| record["value"].clone()).collect();
    assert!(kept.len() >= 2);
    assert!(kept.iter().enumerate().all(|(n, value)| value == &format!("event {n}")), "{kept:?}");
    place.done_with(&["append"], b"again\n");
}

#[test]
fn a_flipped_bit_costs_one_record() {
    let (place, total) = stored();
    let segment = place.log().join("00000002.seg");
    let mut bytes = fs::read(&segment).expect("there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&segment, bytes).expect("writable");
    let report = json(&place.run(&["verify", "--json"]).stdout);
    assert_eq!(report["missing"], 1);
    assert_eq!(report["records"], total as u64 - 1);
}

#[test]
fn an_oldest_segment_that_lost_its_header_is_told_as_damage() {
    let (place, total) = stored();
    let segment = place.log().join("00000000.seg");
    let mut bytes = fs::read(&segment).expect("there");
    bytes[20] ^= 0x10;
    fs::write(&segment, bytes).expect("writable");
    let verified = place.run(&["verify", "--json"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    let report = json(&verified.stdout);
    let missing = report["missing"].as_u64().expect("a number");
    assert!(missing > 0 && report["records"].as_u64() == Some(total as u64 - missing));
    let gap = &report["gaps"][0];
    assert_eq!((gap["from"].as_u64(), gap["to"].as_u64()), (Some(0), report["earliest"].as_u64()));
    assert_eq!(gap["reason"], "damaged");
}

#[test]
fn a_folder_of_foreign_segment_files_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.log()).expect("writable");
    let foreign = place.log().join("00000000.seg");
    fs::write(&foreign, "somebody's own bytes").expect("writable");
    for command in ["append", "tail", "verify", "info"] {
        let ended = place.run(&[command]);
        assert_eq!(ended.code, Some(1), "{command}");
        assert!(ended.stderr.contains("it is not a log"), "{command}: {}", ended.stderr);
        assert!(ended.stderr.contains("choose another folder"), "{command}: {}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(foreign).expect("there"), "somebody's own bytes");
}

#[test]
fn a_foreign_file_where_the_next_segment_belongs_is_moved_aside() {
    let place = Place::new();
    place.done_with(&["append", "--budget", "256KiB"], b"first\n");
    fs::write(place.log().join("00000001.seg"), "somebody's own bytes").expect("writable");
    let lines = b"0123456789012345678901234567890123456789\n".repeat(2000);
    place.done_with(&["append"], &lines);
    assert_eq!(place.json(&["verify"])["records"], 2001);
    let aside = fs::read_dir(place.log())
        .expect("there")
        .filter_map(Result::ok)
        .find(|entry| fs::read(entry.path()).is_ok_and(|bytes| bytes == b"somebody's own bytes"));
    let name = aside.expect("it was kept").file_name();
    assert!(name.to_string_lossy().contains("foreign"), "{name:?}");
}
