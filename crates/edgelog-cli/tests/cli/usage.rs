//! The command line itself: help, exit codes, and what is in a log.

use crate::support::{Place, json};

const COMMANDS: [&str; 8] = ["run", "append", "import", "ship", "tail", "verify", "info", "schema"];

#[test]
fn every_command_has_help_with_examples() {
    let place = Place::new();
    let overview = place.done(&["--help"]);
    assert!(overview.contains("Exit codes:") && overview.contains("\n  130  "), "{overview}");
    for command in COMMANDS {
        assert!(overview.contains(&format!("\n  {command} ")), "{overview}");
        let help = place.done(&[command, "--help"]);
        assert!(help.contains("Examples:\n"), "{help}");
        assert!(help.contains(&format!("edgelog {command}")) || command == "info", "{help}");
    }
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    let place = Place::new();
    for arguments in [
        &["nonsense"][..],
        &["tail", "--form", "earliest"],
        &["tail", "--from", "tomorrow"],
        &["run", "--every", "never"],
        &["append", "--budget", "1"],
        &["import"],
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.stderr.contains("--help") && ended.stdout.is_empty(), "{}", ended.stderr);
    }
    assert!(!place.log().exists());
}

#[test]
fn reading_where_there_is_no_log_is_a_failure_that_creates_none() {
    let place = Place::new();
    for command in [&["tail"][..], &["verify"], &["info"], &["ship", "--kafka", "localhost:9092"]] {
        let ended = place.run(command);
        assert_eq!(ended.code, Some(1), "{command:?}");
        assert!(ended.stderr.contains("edgelog: there is no log in"), "{}", ended.stderr);
    }
    assert!(!place.log().exists());
}

#[test]
fn info_tells_what_is_in_the_log() {
    let place = Place::new();
    place.done_with(&["append", "--topic", "door", "--budget", "1MiB"], b"open\nclosed\n");
    let info = place.json(&["info"]);
    assert_eq!(info["log"].as_str().map(str::len), Some(32));
    assert_eq!((info["earliest"].as_u64(), info["visible"].as_u64()), (Some(0), Some(2)));
    assert_eq!(info["topics"], json(r#"["door"]"#));
    assert_eq!(
        (info["segments_used"].as_u64(), info["bytes_max"].as_u64()),
        (Some(1), Some(1 << 20))
    );
    assert!(info["owner"].is_null());
    let told = place.done(&["info"]);
    for words in ["offsets    0 to 1, 2 of them", "owner      nobody", "topics     door", "1 of 16"]
    {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn verify_counts_by_topic_and_says_that_the_log_is_whole() {
    let place = Place::new();
    place.done_with(&["append", "--topic", "a"], b"12345\n");
    place.done_with(&["append", "--topic", "b"], b"1\n2\n");
    let report = place.json(&["verify"]);
    assert_eq!(report["topics"]["a"], json(r#"{"records":1,"payload_bytes":5}"#));
    assert_eq!(report["topics"]["b"], json(r#"{"records":2,"payload_bytes":2}"#));
    assert_eq!(report["whole"], true);
    let told = place.done(&["verify"]);
    assert!(told.contains("whole: 3 records from offset 0 to 2"), "{told}");
}

#[test]
fn the_folder_may_come_from_the_environment() {
    let place = Place::new();
    place.done_with(&["append"], b"event\n");
    let mut command = std::process::Command::new(crate::support::binary());
    command.env("EDGELOG_DIR", place.log()).args(["tail", "--json"]);
    let ended = crate::support::finish(&mut command, b"");
    assert_eq!(json(&ended.stdout)["value"], "event");
}

#[test]
fn a_size_that_an_existing_log_does_not_have_is_refused() {
    let place = Place::new();
    place.done_with(&["append", "--budget", "1MiB"], b"event\n");
    place.done_with(&["append", "--budget", "1MiB"], b"event\n");
    let ended = place.run_with(&["append", "--budget", "2MiB"], b"event\n");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("was created with a budget of 1.00 MiB"), "{}", ended.stderr);
    let help = place.done(&["append", "--help"]);
    assert!(help.contains("and another value is refused"), "{help}");
    assert!(ended.stderr.contains("leave --budget out"), "{}", ended.stderr);
}
