//! `cargo xtask crash --host` finds what it is there to find.

use std::process::Command;

/// Runs it with a planted bug and gives what it says: it must fail, and name the seed.
fn planted(bug: &str) -> String {
    // Where it keeps the log that the bug left.
    let kept = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["crash", "--host", "--kills", "100", "--seed", "3", "--plant", bug]);
    let output = command.env("TMPDIR", kept.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{bug} was not found");
    assert!(said.contains("of --seed 3"), "{said}");
    said
}

#[test]
fn a_record_that_is_told_as_durable_before_it_is_written_is_found() {
    let said = planted("early-ack");
    assert!(said.contains("Acked") && said.contains("there is None"), "{said}");
}

#[test]
fn a_batched_record_that_is_told_as_durable_before_its_batch_is_synced_is_found() {
    let said = planted("early-batch");
    assert!(said.contains("Acked") && said.contains("there is None"), "{said}");
}

#[test]
fn a_record_that_is_missing_in_the_middle_is_found() {
    let said = planted("skipped-number");
    assert!(said.contains("is due"), "{said}");
}

#[test]
fn a_cursor_that_is_told_as_durable_before_it_is_committed_is_found() {
    let said = planted("early-commit");
    assert!(said.contains("Committed"), "{said}");
}
