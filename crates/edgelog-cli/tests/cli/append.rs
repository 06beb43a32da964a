//! Events from standard input.

use crate::support::{Place, json, until};
use serde_json::json as value;
use std::fs;
use std::io::Write;

#[test]
fn a_line_becomes_an_event_with_topic_key_and_class() {
    let place = Place::new();
    let told = place.done_with(
        &["append", "--topic", "door", "--key", "front", "--class", "critical"],
        b"open\nclosed",
    );
    assert!(told.contains("stored 2 events"), "{told}");
    assert!(told.contains("offsets 0 to 1, all durable"), "{told}");
    let records = place.records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[1]["topic"], "door");
    assert_eq!(records[1]["key"], "front");
    assert_eq!(records[1]["class"], "critical");
    assert_eq!(records[1]["value"], "closed");
}

#[test]
fn the_summary_for_scripts_names_offsets_and_what_is_durable() {
    let place = Place::new();
    place.done_with(&["append"], b"a\n");
    let summary = json(&place.done_with(&["append", "--json"], b"b\nc\n"));
    let numbers = ["stored", "bad", "first", "last", "durable"].map(|name| summary[name].as_u64());
    assert_eq!(numbers, [2, 0, 1, 2, 3].map(Some));
}

#[test]
fn full_segments_are_kept_compressed_when_it_is_told_to_and_info_says_how_many() {
    let place = Place::new();
    place.done_with(&["append", "--budget", "1MiB"], b"first\n");
    assert_eq!(place.json(&["info"])["compressed"], value!({ "segments": 0, "bytes": 0 }));
    assert!(!place.done(&["info"]).contains("compressed"));
    let lines = b"0123456789012345678901234567890123456789\n".repeat(8000);
    let mut running = place.start(&["append", "--compress", "3"]);
    let mut input = running.child().stdin.take().expect("piped");
    input.write_all(&lines).expect("it reads");
    // The newest two stay as they are.
    until("segments are compressed", || {
        let info = place.json(&["info"]);
        let (used, told) = (&info["segments_used"], &info["compressed"]);
        used.as_u64() > Some(4) && told["segments"].as_u64() == used.as_u64().map(|n| n - 2)
    });
    drop(input);
    assert_eq!(running.ended().code, Some(0));
    let info = place.json(&["info"]);
    let (segments, bytes) = (&info["compressed"]["segments"], &info["compressed"]["bytes"]);
    let (segments, bytes) = (segments.as_u64().expect("told"), bytes.as_u64().expect("told"));
    assert!(bytes > 0 && bytes < segments * 65536 / 5, "{segments} segments in {bytes} bytes");
    assert!(place.done(&["info"]).contains(&format!("compressed {segments} segments in ")));
    // What is no segment does not count.
    fs::create_dir(place.log().join("00000099.seg.zst")).expect("it is free");
    fs::write(place.log().join("notes.zst"), "mine").expect("it is free");
    let again = place.json(&["info"]);
    assert_eq!(again["compressed"], info["compressed"]);
    assert_eq!(again["bytes_on_disk"], info["bytes_on_disk"]);
    assert_eq!(place.json(&["verify"])["records"], 8001);
    for level in ["0", "20", "much"] {
        assert_eq!(place.run(&["append", "--compress", level]).code, Some(2), "{level}");
    }
}

#[test]
fn a_json_line_may_name_everything_and_a_bad_one_is_named_and_left_out() {
    let place = Place::new();
    let input = concat!(
        r#"{"topic":"door","key":"front","class":"bulk","value":{"open":true}}"#,
        "\n",
        r#"{"vaule":1}"#,
        "\n\n",
        r#"{"value":"text"}"#,
        "\n",
        r#"{"value":1,"class":"urgent"}"#,
    );
    let ended = place.run_with(&["append", "--format", "json", "--json"], input.as_bytes());
    assert_eq!(ended.code, Some(0));
    let summary = json(&ended.stdout);
    assert_eq!((summary["stored"].as_u64(), summary["bad"].as_u64()), (Some(2), Some(2)));
    assert!(ended.stderr.contains("stdin:2: unknown field `vaule`"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stdin:5: the class `urgent`"), "{}", ended.stderr);
    let records = place.records();
    assert_eq!(records[0]["value"]["open"], true);
    assert_eq!(records[0]["class"], "bulk");
    assert_eq!(records[1]["value"], "text");
    assert_eq!(records[1]["topic"], "events");
}

#[test]
fn strict_stops_at_the_first_bad_line_and_keeps_what_came_before() {
    let place = Place::new();
    let input = b"{\"value\":1}\n{\"value\":2}\nnonsense\n{\"value\":4}\n";
    let ended = place.run_with(&["append", "--format", "json", "--strict"], input);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("stdin:3:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("2 events before it are stored and durable"), "{}", ended.stderr);
    assert_eq!(place.records().len(), 2);
}

#[test]
fn nothing_but_bad_lines_is_a_failure_whether_or_not_somebody_reads_the_summary() {
    let place = Place::new();
    let (arguments, input) = (["append", "--format", "json"], b"nonsense\n");
    for ended in [place.run_with(&arguments, input), place.run_unread(&arguments, input)] {
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("not one line could be stored"), "{}", ended.stderr);
    }
}

#[test]
fn a_topic_that_cannot_be_is_refused_before_the_first_line() {
    let place = Place::new();
    for topic in ["", &"x".repeat(65)] {
        let ended = place.run_with(&["append", "--topic", topic], b"a\nb\n");
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("1 to 64 bytes"), "{}", ended.stderr);
    }
    assert!(!place.log().exists());
}

#[test]
fn what_tail_prints_append_stores_again_byte_for_byte() {
    let (from, to) = (Place::new(), Place::new());
    let csv = from.file("plant.csv", "time,unit,value\n2026-01-01 00:00:00,C,-0.0\n");
    from.done(&["import", &csv, "--key-column", "unit"]);
    from.done(&["run", "--samples", "1"]);
    let awkward: &[u8] = b"text\n{\"a\": [1,  2]}\n\"quoted\"\n\n42\nnull\n\xff\x00\xfe\n\tx\r\n";
    from.done_with(&["append", "--topic", "mixed", "--class", "bulk"], awkward);
    let lines = from.done(&["tail", "--from", "earliest", "--json"]);
    to.done_with(&["append", "--format", "json"], lines.as_bytes());
    let (before, after) = (from.records(), to.records());
    assert_eq!(before.len(), 10);
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        for name in ["offset", "topic", "key", "class", "schema", "value", "base64"] {
            assert_eq!(before[name], after[name], "{name} of {before}");
        }
        assert_ne!(before["log"], after["log"], "the identity is the new log's");
    }
}

#[test]
fn a_signal_ends_it_with_everything_durable_although_the_input_goes_on() {
    let place = Place::new();
    let mut running = place.start(&["append"]);
    running.child().stdin.as_mut().expect("piped").write_all(b"first\n").expect("it reads");
    place.wait_for(1);
    running.signal("TERM");
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("stored 1 event"), "{}", ended.stdout);
    assert!(ended.stdout.contains("offset 0, durable"), "{}", ended.stdout);
}

#[test]
fn a_summary_of_nothing_but_bad_lines_does_not_say_that_there_were_none() {
    let place = Place::new();
    let ended = place.run_with(&["append", "--format", "json"], b"nonsense\n");
    assert_eq!(ended.code, Some(1));
    let words = "stored nothing: 1 bad line was left out (named above)";
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
    let told = place.done(&["append"]);
    assert!(told.contains("stored nothing: there was no line to store"), "{told}");
}
