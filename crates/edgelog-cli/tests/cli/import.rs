//! Rows of CSV files.

use crate::support::{Place, binary, data, finish, json, until};
use std::fs;
use std::process::Command;

#[test]
fn every_reading_of_a_real_machine_is_there_afterwards_in_order() {
    let place = Place::new();
    let file = data("machine_temperature.csv");
    let told = place.done(&["import", &file]);
    assert!(told.contains("stored 22,695 events in topic machine_temperature"), "{told}");
    let records = place.records();
    let rows = fs::read_to_string(&file).expect("the data is there");
    let rows: Vec<_> = rows.lines().skip(1).map(|row| row.split_once(',').expect("two")).collect();
    assert_eq!(rows.len(), 22_695);
    assert_eq!(records.len(), rows.len());
    // The first row's time, by date(1): 2013-12-02 21:15:00 UTC.
    assert_eq!(records[0]["value"]["time_ms"], 1_386_018_900_000_u64);
    let human = place.done(&["tail", "--from", "earliest"]);
    for ((record, line), (time, value)) in records.iter().zip(human.lines()).zip(rows) {
        let field = &record["value"]["fields"][0];
        assert_eq!(field["name"], "value");
        assert_eq!(field["value"].as_f64(), value.parse().ok(), "{record}");
        let time = time.replace(' ', "T");
        assert!(line.contains(&format!(" {time}.000Z value=")), "{line} is not of {time}");
    }
    assert_eq!(place.json(&["verify"])["topics"]["machine_temperature"]["records"], 22_695);
}

const BAD_ROWS: &[u8] = b"time,sensor,value,note\n\
    2026-01-01 00:00:00,a,1.5,fine\n\
    2026-01-01 00:00:01,a,2.5\n\
    yesterday,a,3.5,fine\n\
    1767225603,b,007,\n\
    2026-01-01T00:00:04Z,b,inf,fine\n\
    2026-01-01T00:00:05Z,\xff,5.5,fine\n\
    1767225606000,b,6.5,\"two\nlines\"\n\
    2026-01-01T00:00:07+01:00,b,NaN,fine\n";

#[test]
fn a_bad_row_is_named_with_file_and_line_and_the_rest_goes_on() {
    let place = Place::new();
    let file = place.file("plant.csv", BAD_ROWS);
    let ended = place.run(&["import", &file, "--key-column", "sensor", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = json(&ended.stdout);
    assert_eq!((summary["stored"].as_u64(), summary["bad"].as_u64()), (Some(3), Some(5)));
    for (line, why) in [
        (3, "3 column(s) where the header has 4"),
        (4, "`yesterday` in column `time` is no time"),
        (6, "`inf` is not a finite number in column `value`"),
        (7, "the cell of column `sensor` is not UTF-8"),
        (10, "`NaN` is not a finite number in column `value`"),
    ] {
        assert!(ended.stderr.contains(&format!("{file}:{line}: {why}")), "{}", ended.stderr);
    }
    let records = place.records();
    let key_and_time =
        |n: usize| (records[n]["key"].as_str(), records[n]["value"]["time_ms"].as_u64());
    assert_eq!(key_and_time(0), (Some("a"), Some(1_767_225_600_000)));
    assert_eq!(key_and_time(1), (Some("b"), Some(1_767_225_603_000)));
    assert_eq!(key_and_time(2), (Some("b"), Some(1_767_225_606_000)));
    assert_eq!(records[1]["value"]["fields"][1]["text"], "007", "a code keeps its zeros");
    assert_eq!(records[2]["value"]["fields"][2]["text"], "two\nlines");
}

#[test]
fn strict_stops_at_the_first_bad_row_and_says_what_was_stored() {
    let place = Place::new();
    let file = place.file("plant.csv", BAD_ROWS);
    let ended = place.run(&["import", &file, "--strict"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&format!("{file}:3: ")), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 event before it is stored and durable"), "{}", ended.stderr);
    assert_eq!(place.records().len(), 1);
    // Once the row is mended, the import goes on where it stopped.
    let mended = fs::read(&file).expect("written above");
    let mended = String::from_utf8_lossy(&mended).replace("2.5\n", "2.5,mended\n");
    fs::write(&file, mended.replace("yesterday", "2026-01-01")).expect("writable");
    place.run(&["import", &file, "--from-line", "3"]);
    let notes: Vec<_> =
        place.records().iter().map(|r| r["value"]["fields"][2]["text"].clone()).collect();
    assert_eq!(notes[..3], ["fine", "mended", "fine"]);
}

#[test]
fn an_import_that_was_killed_is_resumed_without_losing_or_doubling_a_row() {
    let place = Place::new();
    let file = data("machine_temperature.csv");
    // Other events come between, so that the newest record of the log is not the newest row.
    place.done_with(&["append"], b"before\n");
    let arguments = ["import", &file, "--topic", "machine", "--resume", "--sync-every", "5"];
    let stored = || place.json(&["info"])["visible"].as_u64().unwrap();
    let mut kills = 0;
    while kills < 5 {
        let before = stored();
        let mut running = place.start(&arguments);
        until("it gets on, or has done", || {
            running.child().try_wait().expect("ours").is_some() || stored() >= before + 200
        });
        running.child().kill().expect("ours, and not an error when it has ended");
        if running.ended().code.is_some() {
            break; // A fast machine.
        }
        kills += 1;
        place.done_with(&["append"], b"between\n");
    }
    assert!(kills > 0, "it was done before it could be killed");
    place.done(&arguments);
    let told = place.done(&arguments);
    assert!(told.contains("stored nothing: all 22,695 rows are there already"), "{told}");
    let records = place.records();
    let rows = records.iter().filter(|record| record["topic"] == "machine");
    let rows: Vec<_> = rows.map(|record| record["value"]["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, (1..=22_695).collect::<Vec<_>>());
}

#[test]
fn resuming_into_a_topic_of_something_else_is_refused() {
    let place = Place::new();
    let file = place.file("t.csv", "a\n1\n");
    place.done_with(&["append", "--topic", "t"], b"event\n");
    let ended = place.run(&["import", &file, "--resume"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("does not come from a file"), "{}", ended.stderr);
}

#[test]
fn a_missing_quote_ends_the_import_at_its_line_before_the_rest_of_the_file_is_in_memory() {
    let place = Place::new();
    let file = place.file("plant.csv", "a,b\n1,2\n3,\"four\n");
    let long = fs::OpenOptions::new().write(true).open(&file).expect("written above");
    long.set_len(300 << 20).expect("a hole takes no space");
    let script = r#"ulimit -v 200000; exec "$EDGELOG" --dir "$LOG" import "$FILE""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("EDGELOG", binary()).env("LOG", place.log()).env("FILE", &file);
    let ended = finish(&mut shell, b"");
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("{file}:3: no row ends within")), "{}", ended.stderr);
    assert!(ended.stderr.contains("is a quote missing?"), "{}", ended.stderr);
    assert!(ended.stderr.contains("1 event before it is stored and durable"), "{}", ended.stderr);
    assert_eq!(place.records().len(), 1);
}

#[test]
fn rows_that_are_only_too_long_for_a_record_are_bad_rows_and_the_next_goes_on() {
    let place = Place::new();
    let long = "x".repeat(1_000_000);
    let file = place.file("plant.csv", format!("a\n{long}\n{long}\n{long}\n1\n"));
    let ended = place.run(&["import", &file, "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = json(&ended.stdout);
    assert_eq!((summary["stored"].as_u64(), summary["bad"].as_u64()), (Some(1), Some(3)));
    assert!(ended.stderr.contains(&format!("{file}:4: the record takes")), "{}", ended.stderr);
}

#[test]
fn a_topic_that_cannot_be_is_refused_before_the_first_row_and_leaves_no_log_behind() {
    let place = Place::new();
    let file = place.file("good.csv", "a\n1\n2\n");
    let long = "x".repeat(65);
    let named_long = place.file(&format!("{long}.csv"), "a\n1\n2\n");
    for (arguments, code) in [
        (["import", &file, "--topic", ""], 2),
        (["import", &file, "--topic", &long], 2),
        (["import", &named_long, "--delimiter", ","], 1),
    ] {
        let ended = place.run(&arguments);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("1 to 64 bytes").count(), 1, "{}", ended.stderr);
    }
    assert!(!place.log().exists());
    place.done(&["import", &file, "--topic", &"x".repeat(64)]);
}

#[test]
fn a_topic_that_the_log_has_no_room_for_ends_the_import_at_the_first_row() {
    let place = Place::new();
    let topics: String =
        (0..100).map(|n| format!("{{\"topic\":\"t{n}\",\"value\":1}}\n")).collect();
    let filled = place.run_with(&["append", "--format", "json"], topics.as_bytes());
    assert!(filled.stderr.contains("topics; nothing was stored"), "{}", filled.stderr);
    let file = place.file("one-more.csv", "a\n1\n2\n");
    let ended = place.run(&["import", &file]);
    assert_eq!(ended.code, Some(1));
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(&format!("{file}:2: the log has room for")), "{lines:?}");
    let ended = place.run_with(&["append", "--topic", "one-more"], b"1\n2\n");
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{}", ended.stderr);
}

#[test]
fn a_file_without_times_gets_the_time_of_the_import() {
    let place = Place::new();
    let file = place.file("no times.csv", "\u{feff}a;b\n1;x\n");
    place.done(&["import", &file, "--delimiter", ";", "--topic", "t"]);
    let record = &place.records()[0];
    let (event, log) = (&record["value"]["time_ms"], &record["time_ms"]);
    assert!(log.as_u64().unwrap().abs_diff(event.as_u64().unwrap()) < 60_000);
    assert_eq!(record["value"]["fields"][0]["name"], "a", "a byte order mark is no part of a name");
}

#[test]
fn what_cannot_be_imported_says_why_and_leaves_no_log_behind() {
    let place = Place::new();
    let good = place.file("good.csv", "a\n1\n");
    let empty = place.file("empty.csv", "");
    for (arguments, why) in [
        (vec!["import", "missing.csv"], "cannot open missing.csv"),
        (vec!["import", &empty], "there is no header row"),
        (vec!["import", &good, "--key-column", "b"], "has no column `b`; it has: a"),
        (vec!["import", "."], "say --topic"),
        (vec!["import", ".", "--topic", "t"], "is a folder"),
    ] {
        let ended = place.run(&arguments);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
    }
    assert!(!place.log().exists());
}

#[test]
fn a_bad_row_is_named_with_the_line_of_its_first_byte_whatever_stands_before_it() {
    let place = Place::new();
    for (content, lines) in [
        ("a,b\r\n1,2\r\nbad\r\n3,4\r\n\r\n\r\nbad\r\n", &[3, 7][..]),
        ("a,b\n\n1,2\n\n\nbad\n3,4\n", &[6]),
        ("\n\na,b\n1,\"two\nlines\"\nbad\n", &[6]),
        ("\u{feff}a,b\r\n1,\"two\r\nlines\"\r\nbad", &[4]),
    ] {
        let file = place.file("plant.csv", content);
        let ended = place.run(&["import", &file]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let named: Vec<_> = ended.stderr.lines().collect();
        assert_eq!(named.len(), lines.len(), "{named:?}");
        for (named, line) in named.iter().zip(lines) {
            assert!(named.starts_with(&format!("{file}:{line}: 1 column(s)")), "{named}");
        }
    }
}

#[test]
fn from_line_counts_the_lines_of_the_file_and_not_its_rows() {
    let place = Place::new();
    let file = place.file("plant.csv", "a\r\n1\r\n\r\n2\r\n3\r\n");
    place.done(&["import", &file, "--from-line", "4"]);
    let rows: Vec<_> = place.records().iter().map(|r| r["value"]["row"].clone()).collect();
    assert_eq!(rows, [2, 3]);
}

#[test]
fn a_quote_that_is_never_closed_makes_a_bad_row_of_the_rest_of_the_file() {
    let place = Place::new();
    for rest in ["3,\"four\n5,6\n", "3,\"four", "3,\"four\"\"\n", "3,\"four\r\n\r\n"] {
        let file = place.file("plant.csv", format!("a,b\r\n1,2\r\n\r\n{rest}"));
        let ended = place.run(&["import", &file, "--json"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let summary = json(&ended.stdout);
        let counts = (summary["stored"].as_u64(), summary["bad"].as_u64());
        assert_eq!(counts, (Some(1), Some(1)), "{rest:?}");
        let words = format!("{file}:4: a quote that is opened here is never closed");
        assert!(ended.stderr.contains(&words), "{rest:?}: {}", ended.stderr);
        assert_eq!(place.run(&["import", &file, "--strict"]).code, Some(1));
    }
    for closed in ["3,\"four\"", "3,\"four\"\n\n", "3,fo\"ur", "3,\"fo\"\"ur\""] {
        let file = place.file("plant.csv", format!("a,b\n{closed}"));
        place.done(&["import", &file, "--strict"]);
    }
    let file = place.file("header.csv", "a,\"b\n1,2\n");
    let ended = place.run(&["import", &file]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains(&format!("{file}:1: a quote that is opened")),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_header_that_looks_like_none_or_like_one_of_another_delimiter_is_told() {
    let place = Place::new();
    let unsure = |content: &str| {
        let file = place.file("plant.csv", content);
        let ended = place.run(&["import", &file]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.stderr.starts_with(&format!("edgelog: {file}:1: ")), "{}", ended.stderr);
        ended.stderr
    };
    assert!(unsure("a;b\n1;2\n").contains("say --delimiter ';'"));
    assert!(unsure("a\tb\n1\t2\n").contains("say --delimiter tab"));
    assert!(unsure("a,1.5\n1,2\n").contains("`1.5` in the header is a number"));
    let file = place.file("plant.csv", "a,b;c\n1,2\n");
    assert_eq!(place.run(&["import", &file]).stderr, "");
}

#[test]
fn a_resumed_import_tells_which_rows_it_left_out() {
    let place = Place::new();
    let file = place.file("plant.csv", "a\n1\n2\n");
    let first = place.run(&["import", &file, "--resume"]);
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    fs::write(&file, "a\n1\n2\n3\n").expect("writable");
    let ended = place.run(&["import", &file, "--resume"]);
    assert!(ended.stderr.contains("rows 1 to 2 are there already"), "{}", ended.stderr);
    assert!(ended.stdout.contains("stored 1 event"), "{}", ended.stdout);
    let ended = place.run(&["import", &file, "--resume"]);
    assert_eq!(ended.code, Some(0));
    let words = "stored nothing: all 3 rows are there already";
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
    // With --json, people are told on standard error.
    let ended = place.run(&["import", &file, "--resume", "--json"]);
    assert!(ended.stderr.contains("rows 1 to 3 are there already"), "{}", ended.stderr);
    fs::write(&file, "a\n1\n").expect("writable");
    let ended = place.run(&["import", &file, "--resume"]);
    assert!(ended.stderr.contains("is it the same file?"), "{}", ended.stderr);
}
