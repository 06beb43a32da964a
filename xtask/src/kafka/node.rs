//! One broker process: its folder, its start and its ends.

use core::time::Duration;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::install::Installation;
use super::process::Process;
use super::properties::Endpoint;

const KILL_BOUND: Duration = Duration::from_secs(10);
pub(super) const STOP_BOUND: Duration = Duration::from_secs(40);
/// Where in its folder a node keeps its logs.
pub(super) const DATA: &str = "data";
const LOG_TAIL_LINES: usize = 40;
const LOGGING: &str = include_str!("../../kafka/log4j2.properties");

/// Small heap and the quick compiler only: a broker that lives for seconds should start in seconds.
const JVM_FLAGS: [&str; 5] =
    ["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

/// Starts the broker and waits on a pipe the starting process holds: when that process ends, however it
/// ends, the pipe closes, and the broker and its data go with it. The word `keep` leaves the data.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null >>"$BROKER_LOG" 2>&1 3<&- &
broker=$!
echo $broker
exec >/dev/null
read -r word <&3
kill -KILL $broker 2>/dev/null
wait $broker 2>/dev/null
[ "$word" = keep ] && exit 0
rm -rf "$BROKER_FOLDER"
rmdir "${BROKER_FOLDER%/*}" 2>/dev/null
exit 0
"#;

/// How long a broker lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Life {
    /// As long as the process that started it, at most.
    Watched,
    /// Until it is stopped.
    Detached,
}

/// A broker's folder and, while it runs, its process.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) endpoint: Endpoint,
    folder: PathBuf,
    life: Life,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    broker: Process,
    /// The watchdog, or the broker itself where it is detached.
    child: Child,
}

impl Node {
    /// Writes the node's files into `folder`.
    pub(super) fn new(
        endpoint: Endpoint,
        folder: PathBuf,
        properties: &str,
        life: Life,
    ) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("server.properties"), properties)?;
        fs::write(folder.join("log4j2.properties"), LOGGING)?;
        Ok(Self { endpoint, folder, life, running: None })
    }

    /// Begins to format the node's storage; [`finish_format`] waits for it.
    pub(super) fn format(&self, java: &Installation, cluster_id: &str) -> Result<Child> {
        let mut command = self.java(java);
        command.args(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"]);
        command.arg(self.folder.join("server.properties"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().context("start the storage tool")
    }

    /// Starts the broker without waiting for it to answer.
    pub(super) fn spawn(&mut self, java: &Installation) -> Result<()> {
        ensure!(self.running.is_none(), "node {} already runs", self.endpoint.id);
        let mut broker = self.java(java);
        broker.arg("kafka.Kafka").arg(self.folder.join("server.properties"));
        self.running = Some(match self.life {
            Life::Watched => self.spawn_watched(&broker)?,
            Life::Detached => self.spawn_detached(broker)?,
        });
        Ok(())
    }

    pub(super) fn is_alive(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.broker.is_alive())
    }

    pub(super) fn process(&self) -> Option<&Process> {
        self.running.as_ref().map(|running| &running.broker)
    }

    /// Ends the broker as a power cut of its process would, and keeps its data.
    pub(super) fn kill(&mut self) -> Result<()> {
        let running = self.running.take().context("the node does not run")?;
        running.broker.kill();
        ensure!(
            running.broker.ended_within(KILL_BOUND),
            "node {} outlives SIGKILL",
            self.endpoint.id
        );
        running.release()
    }

    /// Ends the broker in an orderly way and keeps its data.
    pub(super) fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("the node does not run")?;
        running.broker.terminate();
        let clean = running.broker.ended_within(STOP_BOUND);
        running.broker.kill();
        running.release()?;
        // Without the broker's own mark, its next start recovers the logs as after a crash.
        ensure!(
            clean && self.folder.join(DATA).join(".kafka_cleanshutdown").exists(),
            "node {} did not stop cleanly in {STOP_BOUND:?}:\n{}",
            self.endpoint.id,
            self.log_tail()
        );
        Ok(())
    }

    /// Sends the broker something it survives.
    pub(super) fn signal(&self, send: fn(&Process)) -> Result<()> {
        let running = self.running.as_ref().context("the node does not run")?;
        send(&running.broker);
        Ok(())
    }

    /// Leaves the broker running when this value goes.
    pub(super) fn detach(mut self) {
        self.running = None;
    }

    /// The last lines the broker printed.
    pub(super) fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("broker.log")
    }

    fn java(&self, java: &Installation) -> Command {
        let mut command = Command::new(&java.java);
        let logging = self.folder.join("log4j2.properties");
        command.args(JVM_FLAGS);
        command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        command.arg("-cp").arg(&java.class_path);
        command
    }

    fn spawn_watched(&self, broker: &Command) -> Result<Running> {
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(broker.get_program())
            .args(broker.get_args())
            .env("BROKER_LOG", self.log())
            .env("BROKER_FOLDER", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Its own group: a Ctrl-C must reach the watchdog as a closed pipe, not as a signal.
            .process_group(0)
            .spawn()
            .context("start sh")?;
        let mut number = String::new();
        let printed = child.stdout.take().context("the watchdog has no output")?;
        BufReader::new(printed).read_line(&mut number)?;
        let pid = number.trim().parse().context("the watchdog named no process")?;
        match Process::of(pid) {
            Ok(broker) => Ok(Running { broker, child }),
            Err(_) => bail!("node {} ended at once:\n{}", self.endpoint.id, self.log_tail()),
        }
    }

    fn spawn_detached(&self, mut broker: Command) -> Result<Running> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let errors: File = log.try_clone()?;
        let child = broker
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .context("start java")?;
        Ok(Running { broker: Process::of(i32::try_from(child.id())?)?, child })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.broker.kill();
            // Closing the pipe without the word is what makes the watchdog remove the folder.
            drop(running.child.stdin.take());
            let _ = running.child.wait();
        }
        // A killed node's data outlived its watchdog on purpose.
        if self.life == Life::Watched {
            remove(&self.folder);
        }
    }
}

impl Running {
    /// Lets the watchdog go without the data; the broker has ended.
    fn release(mut self) -> Result<()> {
        if let Some(mut pipe) = self.child.stdin.take() {
            pipe.write_all(b"keep\n").context("the watchdog is gone")?;
        }
        self.child.wait()?;
        Ok(())
    }
}

/// Waits for a format to end.
pub(super) fn finish_format(tool: Child) -> Result<()> {
    let output = tool.wait_with_output()?;
    ensure!(
        output.status.success(),
        "cannot format the storage:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Removes a folder that may be gone already.
pub(super) fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        eprintln!("cannot remove {}: {error}", folder.display());
    }
}
