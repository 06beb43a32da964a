//! `cargo xtask crash --files` finds what it is there to find.

use std::process::Command;

/// Runs it with a planted bug and gives what it says: it must fail, and name the seed.
fn planted(bug: &str, much: [&str; 4]) -> String {
    let (is_good, said) = run(bug, much);
    assert!(!is_good, "{bug} was not found");
    assert!(said.contains("seed"), "{said}");
    said
}

fn run(bug: &str, much: [&str; 4]) -> (bool, String) {
    // Where it keeps what the bug left.
    let kept = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["crash", "--files", "--seed", "3", "--plant", bug]).args(much);
    let output = command.env("TMPDIR", kept.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_record_that_is_told_as_durable_before_it_is_synced_is_found() {
    let said = planted("early-ack", ["--states", "1000", "--faults", "0"]);
    assert!(said.contains("Acked") && said.contains("there is None"), "{said}");
}

#[test]
fn syncs_that_keep_nothing_are_found() {
    let said = planted("lying-sync", ["--states", "1000", "--faults", "0"]);
    assert!(said.contains("broke a promise"), "{said}");
}

#[test]
fn a_call_that_fails_and_tells_nobody_is_found() {
    let said = planted("lost-call", ["--states", "0", "--faults", "200"]);
    assert!(said.contains("voyage"), "{said}");
}
