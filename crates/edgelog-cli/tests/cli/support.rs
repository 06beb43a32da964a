//! Running the binary in a folder of its own.

use serde_json::Value;
use std::fs;
use std::io::{PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than any command here takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary folder with a log in it.
pub(crate) struct Place {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The log's folder.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the log.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a writable temporary folder");
        path.display().to_string()
    }

    /// The binary, about to run here, on the log here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(self.folder.path()).env_remove("EDGELOG_DIR");
        command.arg("--dir").arg(self.log()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, b"")
    }

    /// Runs with `input` on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        finish(&mut self.command(arguments), input)
    }

    /// Runs with a standard output whose reader has gone away already.
    pub(crate) fn run_unread(&self, arguments: &[&str], input: &[u8]) -> Ended {
        finish_with_its_output(self.command(arguments).stdout(unread()), input)
    }

    /// Runs something that has to succeed, and gives its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        self.done_with(arguments, b"")
    }

    pub(crate) fn done_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let ended = self.run_with(arguments, input);
        assert_eq!(ended.code, Some(0), "{arguments:?} said: {}", ended.stderr);
        ended.stdout
    }

    /// What a command that has to succeed prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        json(&self.done(&[arguments, &["--json"]].concat()))
    }

    /// Every record and gap of the log, as `tail --json` shows them.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.done(&["tail", "--from", "earliest", "--json"]).lines().map(json).collect()
    }

    /// A command that goes on by itself, with its output caught.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Self::start_command(self.command(arguments))
    }

    /// The same, for `command`.
    pub(crate) fn start_command(mut command: Command) -> Running {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running { child: Some(command.spawn().expect("the binary runs")) }
    }

    /// The same, with a standard output whose reader has gone away already.
    pub(crate) fn start_unread(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.stdin(Stdio::null()).stdout(unread()).stderr(Stdio::piped());
        Running { child: Some(command.spawn().expect("the binary runs")) }
    }

    /// Waits until the log has `records` records.
    pub(crate) fn wait_for(&self, records: u64) {
        until("the records are there", || {
            let info = self.run(&["info", "--json"]);
            info.code == Some(0) && json(&info.stdout)["visible"].as_u64() >= Some(records)
        });
    }
}

/// A command in the background; killed when it is dropped.
pub(crate) struct Running {
    child: Option<Child>,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().map(Child::id).expect("not ended yet")
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("not ended yet")
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        self.signals(&[name]);
    }

    /// Sends signals, each right after the one before.
    pub(crate) fn signals(&self, names: &[&str]) {
        let kill: Vec<_> = names.iter().map(|name| format!("kill -{name} {}", self.id())).collect();
        let script = kill.join(" && ");
        let status = Command::new("sh").args(["-c", &script]).status().expect("sh runs");
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn ended(mut self) -> Ended {
        ended(self.child.take().expect("not ended yet").wait_with_output().expect("it ends"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The binary under test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_edgelog")
}

/// The project's real readings; their source and licence are beside them.
pub(crate) fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    path.display().to_string()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Waits for something that another process does.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a shell script in a mount namespace of its own, where it may mount file systems that go away with it.
///
/// Needs no privileges where user namespaces are allowed. Where they are not, the test fails and says so.
pub(crate) fn in_own_mounts(script: &str, place: &Place) -> Ended {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script]);
    command.env("EDGELOG", binary()).env("LOG", place.log()).env_remove("EDGELOG_DIR");
    fs::create_dir_all(place.log()).expect("a writable temporary folder");
    let ended = finish(&mut command, b"");
    let cannot = ended.stderr.contains("unshare:") || ended.stderr.contains("mount:");
    assert!(
        !cannot,
        "this test mounts a small file system in a namespace of its own (unshare and mount, package util-linux; as root, or with \
         user namespaces allowed), and cannot: {}",
        ended.stderr
    );
    ended
}

pub(crate) fn finish(command: &mut Command, input: &[u8]) -> Ended {
    command.stdout(Stdio::piped());
    finish_with_its_output(command, input)
}

/// The writing end of a pipe that nobody reads.
fn unread() -> PipeWriter {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer
}

fn finish_with_its_output(command: &mut Command, input: &[u8]) -> Ended {
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that fails early does not read its input.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the writer does not panic");
    ended(output)
}

fn ended(Output { status, stdout, stderr }: Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("all output is UTF-8");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}
