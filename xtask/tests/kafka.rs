//! `cargo xtask kafka` as its users see it, with real brokers.

use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(30);

fn xtask(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("kafka").args(arguments);
    command.env("EDGELOG_KAFKA_STATE", state).env_remove("KAFKA_BOOTSTRAP");
    command
}

fn output(state: &Path, arguments: &[&str]) -> Output {
    xtask(state, arguments).output().unwrap()
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().last().unwrap_or_default().to_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn listens(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

#[track_caller]
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {BOUND:?}: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Ends the brokers of `up` even when the test fails.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        let _ = output(self.0, &["down"]);
    }
}

#[test]
fn what_up_starts_outlives_it_and_down_ends_it_and_removes_its_data() {
    let state = TempDir::new().unwrap();
    let _down = Down(state.path());

    let up = output(state.path(), &["up", "--topic", "one", "--partitions", "2"]);
    assert!(up.status.success(), "{}", errors(&up));
    let address = last_line(&up);
    assert!(listens(&address), "nothing listens on {address}");

    let again = output(state.path(), &["up"]);
    assert!(!again.status.success());
    assert!(errors(&again).contains("is up already"), "{}", errors(&again));

    assert_eq!(last_line(&output(state.path(), &["status"])), address);
    let topic = output(state.path(), &["topic", "two", "--config", "retention.ms=1000"]);
    assert!(topic.status.success(), "{}", errors(&topic));
    for name in ["one", "two"] {
        let twice = output(state.path(), &["topic", name]);
        assert!(errors(&twice).contains("already exists"), "{}", errors(&twice));
    }

    let down = output(state.path(), &["down"]);
    assert!(down.status.success(), "{}", errors(&down));
    assert!(!listens(&address), "something still listens on {address}");
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0, "something is left behind");
    assert_eq!(last_line(&output(state.path(), &["status"])), "nothing is up");
    assert_eq!(last_line(&output(state.path(), &["down"])), "nothing is up");
}

#[test]
fn down_leaves_a_process_alone_that_only_has_the_number_of_one_it_started() {
    let state = TempDir::new().unwrap();
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let text = format!(
        r#"{{"version":"0","bootstrap":"127.0.0.1:1","processes":[{{"pid":{},"started":"1"}}]}}"#,
        stranger.id()
    );
    fs::write(state.path().join("state.json"), text).unwrap();

    let down = output(state.path(), &["down"]);

    let alive = stranger.try_wait().unwrap().is_none();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(down.status.success(), "{}", errors(&down));
    assert!(alive, "a process that was not started by `up` was ended");
    assert!(!state.path().join("state.json").exists());
}

#[test]
fn where_a_cluster_is_named_nothing_is_started() {
    let state = TempDir::new().unwrap();
    let up = xtask(state.path(), &["up"]).env("KAFKA_BOOTSTRAP", "127.0.0.1:1").output().unwrap();
    assert!(up.status.success(), "{}", errors(&up));
    assert_eq!(last_line(&up), "127.0.0.1:1");
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn a_setting_the_broker_refuses_is_told_with_the_end_of_its_log_and_leaves_nothing() {
    let state = TempDir::new().unwrap();
    let up = output(state.path(), &["up", "--set", "log.retention.ms=no number"]);
    assert!(!up.status.success());
    assert!(errors(&up).contains("Not a number"), "{}", errors(&up));
    assert!(!state.path().join("state.json").exists());
}

fn run(temporary: &Path) -> (Child, String) {
    let mut child = xtask(temporary, &["run", "--topic", "one"])
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find(|line| line.starts_with("127.0.0.1:")).unwrap();
    (child, address)
}

#[test]
fn brokers_end_and_their_data_goes_when_the_process_that_runs_them_is_killed() {
    let temporary = TempDir::new().unwrap();
    let (mut child, address) = run(temporary.path());
    assert!(listens(&address));
    assert!(fs::read_dir(temporary.path()).unwrap().count() > 0);

    child.kill().unwrap();
    child.wait().unwrap();

    wait_for("the broker ends", || !listens(&address));
    wait_for("its data is gone", || fs::read_dir(temporary.path()).unwrap().count() == 0);
}
