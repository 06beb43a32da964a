//! Reading.

use crate::support::{Place, binary, data, finish, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;

/// Twenty events in two topics.
fn stored() -> Place {
    let place = Place::new();
    for n in 0..10 {
        place.done_with(&["append", "--topic", "even"], format!("{}\n", 2 * n).as_bytes());
        place.done_with(&["append", "--topic", "odd"], format!("{}\n", 2 * n + 1).as_bytes());
    }
    place
}

fn values(lines: &str) -> Vec<u64> {
    lines.lines().map(|line| json(line)["value"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn the_last_ten_records_are_shown_or_as_many_as_asked_for() {
    let place = stored();
    let shown =
        |arguments: &[&str]| values(&place.done(&[&["tail", "--json"][..], arguments].concat()));
    assert_eq!(shown(&[]), (10..20).collect::<Vec<_>>());
    assert_eq!(shown(&["-n", "2"]), [18, 19]);
    assert!(shown(&["-n", "0"]).is_empty());
    assert_eq!(shown(&["-n", "100"]), (0..20).collect::<Vec<_>>());
    assert_eq!(shown(&["-n", "2", "--topic", "even"]), [16, 18]);
    assert_eq!(shown(&["--from", "earliest", "-n", "2"]), [0, 1]);
    assert_eq!(shown(&["--from", "17"]), [17, 18, 19]);
    assert_eq!(shown(&["--from", "17", "--topic", "odd"]), [17, 19]);
    assert!(shown(&["--from", "latest"]).is_empty());
    assert_eq!(shown(&["--from", "1 hour ago"]).len(), 20);
    assert!(shown(&["--from", "2999-01-01"]).is_empty());
}

#[test]
fn a_time_finds_the_first_record_that_is_not_older() {
    let place = stored();
    let record = &place.records()[7];
    let from = record["time"].as_str().unwrap();
    let shown = values(&place.done(&["tail", "--json", "--from", from]));
    // Records of the same millisecond before it are not older either.
    assert!((1..=7).contains(&shown[0]), "{from}: {shown:?}");
    assert_eq!(shown.last(), Some(&19));
}

#[test]
fn an_offset_beyond_the_end_is_a_failure_unless_it_is_waited_for() {
    let place = stored();
    let ended = place.run(&["tail", "--from", "99"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let words = "offset 99 is not there yet; the newest is 19; for a time write 2026-01-01";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    // The next one may be asked for again and again.
    let ended = place.run(&["tail", "--from", "20"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let mut follower = place.start(&["tail", "-f", "--from", "99", "--json"]);
    let mut told = BufReader::new(follower.child().stderr.take().expect("piped")).lines();
    let told = told.next().expect("a line").expect("UTF-8");
    assert!(told.contains("offset 99 is not there yet; the newest is 19"), "{told}");
    assert!(follower.child().try_wait().expect("ours").is_none(), "it waits");
}

#[test]
fn a_topic_that_is_not_there_is_a_failure_that_names_those_that_are() {
    let place = stored();
    for from in [&[][..], &["--from", "earliest"], &["--json"]] {
        let ended = place.run(&[&["tail", "--topic", "nosuch"], from].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        let words = "there is no topic nosuch; there are: even, odd";
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    let empty = Place::new();
    empty.done(&["append"]);
    let ended = empty.run(&["tail", "--topic", "nosuch"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no topic nosuch; there are none yet"), "{}", ended.stderr);
}

#[test]
fn following_shows_what_another_process_appends() {
    let place = Place::new();
    place.done_with(&["append"], b"before\n");
    let mut follower = place.start(&["tail", "--follow", "--json"]);
    let out = follower.child().stdout.take().expect("piped");
    let mut lines = BufReader::new(out).lines().map(|line| json(&line.expect("UTF-8")));
    let mut next = || lines.next().expect("it goes on")["value"].clone();
    assert_eq!(next(), "before");
    place.done_with(&["append"], b"after\n");
    assert_eq!(next(), "after");
    // A topic that did not exist when the follower began has its name all the same.
    place.done_with(&["append", "--topic", "new"], b"later\n");
    assert_eq!(next(), "later");
}

#[test]
fn it_ends_quietly_when_nobody_reads_on() {
    let place = Place::new();
    place.done(&["import", &data("ambient_temperature.csv")]);
    let mut tail = place.start(&["tail", "--from", "earliest", "--json"]);
    let mut out = BufReader::new(tail.child().stdout.take().expect("piped"));
    out.read_line(&mut String::new()).expect("a line");
    drop(out);
    let ended = tail.ended();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_is_no_text_is_shown_as_bytes_and_never_steers_the_terminal() {
    let place = Place::new();
    place.done_with(&["append"], b"\xff\xfe\n\x1b[2Jclear\n");
    let shown = place.done(&["tail"]);
    assert!(shown.contains("<2 bytes: ff fe>"), "{shown}");
    assert!(shown.contains("\\u{1b}[2Jclear") && !shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn a_topic_name_does_not_make_a_schema() {
    let place = Place::new();
    place.done_with(&["append", "--topic", "host.metrics"], b"....EHM1 but not one\n....ERD1\n");
    let records = place.records();
    assert_eq!(records[0]["value"], "....EHM1 but not one");
    assert!(records[0].get("schema").is_none());
    assert_eq!(records[1]["value"], "....ERD1");
}

#[test]
fn a_standard_output_that_takes_no_more_is_named_with_what_was_stored() {
    let place = Place::new();
    let file = place.file("plant.csv", "a\n1\n2\n");
    let into_full = |arguments: &str| {
        let script = format!("\"$EDGELOG\" --dir \"$LOG\" {arguments} > /dev/full");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env("EDGELOG", binary()).env("LOG", place.log());
        let ended = finish(shell.env("FILE", &file), b"event\n");
        assert_eq!(ended.code, Some(1), "{arguments}: {}", ended.stderr);
        let words = "cannot write to standard output: No space left";
        assert_eq!(ended.stderr.matches(words).count(), 1, "{arguments}: {}", ended.stderr);
        ended.stderr
    };
    for append in ["append", "append --json"] {
        let told = into_full(append);
        assert!(told.contains("stored 1 event") && told.contains(", durable"), "{told}");
    }
    let told = into_full("import \"$FILE\"");
    assert!(told.contains("stored 2 events") && told.contains("all durable"), "{told}");
    for reading in ["info", "verify", "tail", "tail --json", "info --json"] {
        into_full(reading);
    }
}

#[test]
fn no_command_panics_when_its_output_goes_nowhere() {
    let place = Place::new();
    place.done_with(&["append"], b"event\n");
    place.file("plant.csv", "a\n1\n");
    // Nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("ours");
    let ship = format!("ship --timeout 50ms --kafka {address}");
    for (command, code) in [
        ("info", 0),
        ("verify", 0),
        ("tail", 0),
        ("append", 0),
        ("import plant.csv", 0),
        ("run --samples 2 --every 20ms", 0),
        (&ship, 1),
    ] {
        let script = format!("\"$EDGELOG\" --dir \"$LOG\" {command} >&- 2>&- </dev/null");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env("EDGELOG", binary()).env("LOG", place.log());
        shell.current_dir(place.path("."));
        assert_eq!(finish(&mut shell, b"").code, Some(code), "{command}");
        let mut child = place.start(&command.split(' ').collect::<Vec<_>>());
        drop((
            child.child().stdin.take(),
            child.child().stdout.take(),
            child.child().stderr.take(),
        ));
        assert_eq!(child.ended().code, Some(code), "{command}");
    }
}
