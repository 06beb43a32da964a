//! Signals: a wish to end, an order to end, and no concern of ours.

use crate::support::{Place, binary, until};
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;

#[test]
fn two_signals_at_once_are_one_wish() {
    let place = Place::new();
    // Bound and let go: nobody listens there, and the end waits a while for acknowledgements all the same.
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("ours");
    let running = place.start(&["run", "--every", "50ms", "--kafka", &address.to_string()]);
    place.wait_for(2);
    running.signals(&["TERM", "INT", "TERM"]);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains(" readings stored; everything below"), "{}", ended.stdout);
}

#[test]
fn a_later_signal_ends_a_command_that_does_not_come_to_its_end() {
    let place = Place::new();
    let pipe = place.path("plant.csv");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo, package coreutils");
    assert!(made.success());
    let name = pipe.display().to_string();
    let mut running = place.start(&["import", &name, "--sync-every", "1"]);
    // As long as this is open, the import waits for its next row.
    let mut rows = fs::OpenOptions::new().write(true).open(&pipe).expect("the import reads it");
    rows.write_all(b"a\n1\n").expect("a pipe has room");
    place.wait_for(1);
    until("a second signal came late enough", || {
        let has_ended = running.child().try_wait().expect("ours").is_some();
        if !has_ended {
            running.signal("TERM");
        }
        has_ended
    });
    assert_eq!(running.ended().code, Some(130));
    assert_eq!(place.records().len(), 1);
}

#[test]
fn a_hangup_that_the_caller_ignores_is_ignored() {
    let place = Place::new();
    // As nohup(1) does it.
    let script = r#"trap "" HUP; exec "$EDGELOG" --dir "$LOG" run --every 20ms"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("EDGELOG", binary()).env("LOG", place.log());
    let mut running = Place::start_command(shell);
    place.wait_for(2);
    running.signal("HUP");
    let before = place.json(&["info"])["visible"].as_u64().expect("a number");
    until("it has gone on or ended", || {
        let now = place.json(&["info"])["visible"].as_u64();
        now >= Some(before + 5) || running.child().try_wait().expect("ours").is_some()
    });
    running.signal("TERM");
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let stored = place.records().len();
    assert!(stored as u64 >= before + 5, "{stored} readings, {before} of them before the hangup");
}
