//! An image that was pulled from a flash chip, in place of a folder.

use crate::support::{Place, json};
use edgelog_core::{Class, Event, LogId, RamMedium};
use std::fs;

const CHIP_BYTES: usize = 1 << 16;
const SEGMENT_BYTES: usize = 4096;

type Chip = RamMedium<CHIP_BYTES>;
type Engine = edgelog_core::Log<Chip, Vec<u8>>;

fn append(log: &mut Engine, count: u64) {
    let topic = log.topic("temperature").expect("room");
    for _ in 0..count {
        let offset = log.visible();
        let payload = format!("reading {offset} of a sensor");
        let event = Event { topic, class: Class::Normal, key: None, payload: payload.as_bytes() };
        log.append(&event, 1_700_000_000_000 + offset).expect("room");
    }
    log.sync().expect("memory");
}

/// What firmware leaves on a chip of 4 KiB sectors and 4-byte words: `count` records, and a cursor that has done the first ten.
fn chip(count: u64) -> Engine {
    let medium = Chip::new(u32::try_from(SEGMENT_BYTES).expect("small"));
    let mut log = Engine::create(medium, vec![0; 4096], LogId([0xAB; 16]), 0).expect("blank");
    append(&mut log, 10);
    let uplink = log.cursor("uplink", 0).expect("room");
    log.commit(uplink, 10, 0).expect("room");
    append(&mut log, count - 10);
    log
}

fn bytes(log: &Engine) -> Vec<u8> {
    log.medium().clone().bytes_mut().to_vec()
}

/// A place whose log is a file with these bytes.
fn pulled(bytes: impl AsRef<[u8]>) -> Place {
    let place = Place::new();
    fs::write(place.log(), bytes).expect("a writable temporary folder");
    place
}

#[test]
fn info_tail_and_verify_read_an_image_as_they_read_a_folder_and_change_nothing() {
    let image = bytes(&chip(300));
    let place = pulled(&image);
    let info = place.json(&["info"]);
    assert_eq!(info["log"], "ab".repeat(16));
    assert_eq!((info["earliest"].as_u64(), info["visible"].as_u64()), (Some(0), Some(300)));
    assert_eq!((info["program_word"].as_u64(), info["erased"].as_u64()), (Some(4), Some(255)));
    assert_eq!(
        (info["segment_bytes"].as_u64(), info["segments_max"].as_u64()),
        (Some(4096), Some(16))
    );
    assert_eq!(info["image"], json(r#"{"bytes":65536,"missing":0,"behind":0}"#));
    assert_eq!(info["cursors"], json(r#"[{"name":"uplink","offset":10,"lag":290}]"#));
    assert_eq!(info["topics"], json(r#"["temperature"]"#));
    let told = place.done(&["info"]);
    for words in
        ["\nimage      ", "program word 4 bytes, erased value 0xFF", "of 16, 4.00 KiB each"]
    {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains("folder") && !told.contains("missing"), "{told}");

    let records = place.records();
    let values: Vec<_> = records.iter().map(|record| record["value"].clone()).collect();
    let expected: Vec<_> = (0..300).map(|n| format!("reading {n} of a sensor")).collect();
    assert_eq!(values, expected);
    assert_eq!(place.done(&["tail", "-n", "2"]).lines().count(), 2);

    let report = place.json(&["verify"]);
    assert_eq!((report["records"].as_u64(), report["whole"].as_bool()), (Some(300), Some(true)));
    assert_eq!(report["torn_bytes"], 0);
    assert!(place.done(&["verify"]).contains("whole: 300 records from offset 0 to 299"));
    assert_eq!(fs::read(place.log()).expect("there"), image);
}

#[test]
fn a_flipped_bit_in_an_image_costs_one_record_and_fails_verify() {
    let mut image = bytes(&chip(300));
    let wanted = b"reading 200 of";
    let at = image.windows(wanted.len()).position(|bytes| bytes == wanted).expect("there");
    image[at + 3] ^= 0x04;
    let place = pulled(image);
    let verified = place.run(&["verify", "--json"]);
    assert_eq!(verified.code, Some(1));
    let report = json(&verified.stdout);
    assert_eq!((report["records"].as_u64(), report["missing"].as_u64()), (Some(299), Some(1)));
    assert_eq!(
        (report["gaps"][0]["from"].as_u64(), report["gaps"][0]["to"].as_u64()),
        (Some(200), Some(201))
    );
    assert!(verified.stderr.contains("1 record of"), "{}", verified.stderr);
    assert!(
        place.done(&["tail", "--from", "198", "-n", "4"]).contains("offsets 200 to 200 ---"),
        "a gap in the stream"
    );
}

#[test]
fn a_torn_tail_in_an_image_is_told_and_is_no_failure() {
    let mut log = chip(300);
    let before = bytes(&log);
    append(&mut log, 1);
    let mut image = bytes(&log);
    let last = (0..image.len()).rfind(|&at| image[at] != before[at]).expect("appended");
    image[last - 8..=last].fill(0xFF);
    let place = pulled(image);
    let verified = place.run(&["verify", "--json"]);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    let report = json(&verified.stdout);
    assert_eq!((report["records"].as_u64(), report["whole"].as_bool()), (Some(300), Some(true)));
    assert!(report["torn_bytes"].as_u64() > Some(0));
    let told = place.done(&["verify"]);
    assert!(told.contains("  torn: ") && told.contains("whole: 300 records"), "{told}");
}

#[test]
fn a_truncated_image_says_how_much_is_missing_and_fails_verify() {
    let mut image = bytes(&chip(300));
    image.truncate(2 * SEGMENT_BYTES + 1000);
    let place = pulled(image);
    let info = place.json(&["info"]);
    assert_eq!(info["image"], json(r#"{"bytes":9192,"missing":56344,"behind":0}"#));
    let told = place.done(&["info"]);
    assert!(told.contains("missing    56,344 bytes at the end of the image"), "{told}");
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, Some(1));
    assert!(verified.stdout.contains("cut: log has 9,192 bytes of 65,536"), "{}", verified.stdout);
    assert!(verified.stdout.contains("NOT whole"), "{}", verified.stdout);
    assert!(verified.stderr.contains("log was cut"), "{}", verified.stderr);
    let kept = place.records();
    assert!(kept.len() > 50 && kept.len() < 300, "{}", kept.len());
    for (n, record) in kept.iter().enumerate() {
        assert_eq!(record["value"], format!("reading {n} of a sensor"));
    }
}

#[test]
fn bytes_behind_the_log_in_an_image_are_told_and_ignored() {
    let place = pulled([bytes(&chip(300)), vec![0x5A; 1234]].concat());
    assert_eq!(place.json(&["info"])["image"]["behind"], 1234);
    assert!(place.done(&["info"]).contains("behind it  1,234 bytes that are not the log's"));
    assert_eq!(place.json(&["verify"])["records"], 300);
}

#[test]
fn a_file_that_is_no_image_is_refused_with_a_sentence_that_tells_what_to_do() {
    let mut newer = bytes(&chip(300));
    for segment in newer.chunks_mut(SEGMENT_BYTES).filter(|bytes| bytes.starts_with(b"edgelog\0")) {
        segment[8..10].copy_from_slice(&(edgelog_core::FORMAT_VERSION + 1).to_le_bytes());
    }
    let newer_version = format!("format version {}", edgelog_core::FORMAT_VERSION + 1);
    let shifted = [vec![0xFF; SEGMENT_BYTES], bytes(&chip(300))].concat();
    for (content, words) in [
        (Vec::new(), "is empty: it is not an image of a log"),
        (b"time,value\n1,2\n".to_vec(), "it is not an image of a log"),
        (vec![0xFF; 1 << 16], "is blank: it holds no log yet"),
        (shifted, "at byte 4096, but no log begins at its first byte"),
        (newer, &newer_version),
    ] {
        let place = pulled(&content);
        for command in
            [&["info"][..], &["tail"], &["verify"], &["ship", "--kafka", "localhost:9092"]]
        {
            let ended = place.run(command);
            assert_eq!(ended.code, Some(1), "{command:?}");
            assert!(ended.stderr.contains(words), "{command:?}: {} lacks {words}", ended.stderr);
            assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        }
        assert_eq!(fs::read(place.log()).expect("there"), content);
    }
}

#[test]
fn nothing_appends_to_an_image_and_nobody_waits_for_what_cannot_come() {
    let image = bytes(&chip(20));
    let place = pulled(&image);
    for command in
        [&["append"][..], &["run", "--samples", "1"], &["ship", "--kafka", "localhost:9092"]]
    {
        let ended = place.run_with(command, b"event\n");
        assert_eq!(ended.code, Some(1), "{command:?}");
        assert!(ended.stderr.contains("to append choose a folder"), "{}", ended.stderr);
    }
    let ended = place.run(&["tail", "--follow"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("leave --follow out"), "{}", ended.stderr);
    assert_eq!(fs::read(place.log()).expect("there"), image);
}

#[test]
fn a_folder_joined_and_filled_up_is_an_image_of_the_same_log() {
    let place = Place::new();
    place.done_with(&["append", "--budget", "256KiB"], &b"an event of some length\n".repeat(2000));
    let joined = place.path("joined.img");
    let size = place.json(&["info"])["bytes_max"].to_string();
    let script = "cat \"$1\"/*.seg > \"$2\" && truncate -s \"$3\" \"$2\"";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(place.log()).arg(&joined).arg(size);
    assert!(shell.status().expect("sh runs").success());
    let image = Place::new();
    fs::rename(joined, image.log()).expect("the same file system");
    assert_eq!(image.json(&["verify"]), place.json(&["verify"]));
    assert_eq!(image.records(), place.records());
    assert_eq!(image.records().len(), 2000);
}
