//! The example of a consumer, examples/consume.py: Python, its own Kafka client and the official FlatBuffers package read from a
//! real broker what devices shipped.

use core::time::Duration;
use edgelog::{Log, Options, ShipOptions};
use edgelog_record::{Event, Nested, Schema, Table, TraceContext, table};
use edgelog_tests::broker;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::cargo::{target_directory, workspace};

/// Long enough for a broker on a busy machine.
const BOUND: Duration = Duration::from_secs(120);

table! {
    /// What a user's program knows.
    struct Door<'a> in "acme" id "DOOR" {
        /// Which one.
        0: name: &'a str,
        /// Degrees.
        1: angle: i16 = 90,
        /// A number that no JavaScript holds.
        2: serial: u64,
        /// If it was measured.
        3: volts: Option<f64>,
    }
}

#[test]
fn a_python_consumer_reads_each_event_once_with_the_official_package_and_sees_the_gaps() {
    let python = python();
    let broker = broker::shared();
    let (address, topic) = (&broker.addresses()[0], broker.topic("consumer", &[]));
    let place = tempfile::tempdir().expect("a folder");
    let (original, copy) = (place.path().join("original"), place.path().join("copy"));
    let schema = place.path().join("door.fbs");
    fs::write(&schema, Schema::of::<Door<'_>>().to_string()).expect("write the schema");

    let log = open(&original);
    let id = log.status().expect("status").id.to_string();
    let told = fill(&log);
    drop(log);
    copy_folder(&original, &copy);
    ship(&original, address, &topic);
    let once = consume(&python, address, &topic, &schema);
    // A copy knows of no shipping: everything is there again, under the same identities.
    ship(&copy, address, &topic);
    let twice = consume(&python, address, &topic, &schema);

    let events: Vec<&Value> = once.iter().filter(|line| line.get("gap").is_none()).collect();
    assert_eq!(events.len(), told.len(), "{once:?}");
    for ((line, (offset, event, payload)), at) in events.iter().zip(&told).zip(0..) {
        assert_eq!((&line["log"], &line["offset"]), (&json!(id), &json!(offset)), "{at}");
        assert_eq!((line.get("event"), &line["payload"]), (event.as_ref(), payload), "{at}");
        assert_eq!((&line["topic"], &line["key"]), (&json!("doors"), &json!("key")), "{at}");
    }
    let gaps: Vec<&Value> = once.iter().filter_map(|line| line.get("gap")).collect();
    // Given up events take offsets with the next segment: the jump in those of the others.
    let offsets: Vec<u64> = told.iter().map(|(offset, ..)| *offset).collect();
    let jumps: Vec<_> = offsets.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert_eq!(jumps.len(), 1, "{offsets:?}");
    let (from, to) = (jumps[0][0] + 1, jumps[0][1]);
    assert_eq!(to - from, 2, "{offsets:?}");
    assert_eq!(gaps, [&json!({"log": id, "from": from, "to": to, "reason": "refused"})]);
    // A gap has no identity and is told again, which shows that everything was shipped twice.
    assert_eq!(twice.iter().filter(|line| line.get("gap").is_some()).count(), 2);
    let again = twice.iter().filter(|line| line.get("gap").is_none());
    assert!(again.eq(events), "an event is printed twice: {twice:?}");
}

/// Bare payloads, full envelopes and other content, and a gap of two; what is to be read of each event, and its offset.
fn fill(log: &Log) -> Vec<(u64, Option<Value>, Value)> {
    let mut told = Vec::new();
    for n in 0..40_u64 {
        if n == 20 {
            log.give_up(2);
        }
        let name = format!("Tür {n} {}", "x".repeat(3000));
        let volts = n.is_multiple_of(2).then_some(0.5);
        let door = Door { name: &name, serial: u64::MAX - n, volts, ..Default::default() };
        let bare = written(&door);
        let mut payload = json!({"name": name, "angle": 90, "serial": u64::MAX - n});
        if let Some(volts) = volts {
            payload["volts"] = json!(volts);
        }
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace: TraceContext = traceparent.parse().expect("a traceparent");
        let (bytes, event) = match n % 3 {
            0 => (bare, None),
            1 => {
                let envelope = Event {
                    payload: Some(Nested(&bare)),
                    event_type: Some("acme.door.opened"),
                    schema_version: 3,
                    source: Some("hall"),
                    correlation_id: Some(b"order-7"),
                    causation_id: Some(&[0xFF, 0x00, 0x4B]),
                    trace: Some(trace),
                    content_type: None,
                    schema_fingerprint: 0xABC,
                };
                let event = json!({
                    "type": "acme.door.opened", "schema_version": 3, "source": "hall",
                    "correlation_id": "order-7", "causation_id": "ff004b", "trace": traceparent,
                    "schema_fingerprint": "0000000000000abc",
                });
                (written(&envelope), Some(event))
            }
            _ => {
                let envelope = Event {
                    payload: Some(Nested(br#"{"a":1}"#)),
                    content_type: Some("application/json"),
                    ..Default::default()
                };
                payload = json!(r#"{"a":1}"#);
                (written(&envelope), Some(json!({"content_type": "application/json"})))
            }
        };
        let event_to_store = edgelog::Event::new(&bytes).key(b"key");
        let offset = log.append("doors", &event_to_store).expect("append");
        told.push((offset, event, payload));
    }
    log.sync().expect("sync");
    told
}

fn written<'a>(table: &impl Table<'a>) -> Vec<u8> {
    let mut buffer = vec![0; table.encoded_len()];
    table.write(&mut buffer).expect("it fits");
    buffer
}

fn open(path: &Path) -> Log {
    let options = Options::new().segment_bytes(1 << 16).budget_bytes(1 << 20);
    options.record_bytes_max(16 << 10).open(path).expect("open the log")
}

fn ship(path: &Path, address: &str, topic: &str) {
    let log = open(path);
    let uplink = log.ship(&ShipOptions::new(address).topic(topic).partition(0)).expect("ship");
    let durable = log.sync().expect("sync");
    assert!(uplink.wait_shipped(durable, BOUND), "{:?}", uplink.take_notices());
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("read the folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copy a file");
    }
}

/// What the example prints.
fn consume(python: &Path, address: &str, topic: &str, schema: &Path) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(workspace().join("examples/consume.py"));
    command.args(["--bootstrap", address, "--topic", topic, "--type", "acme.Door", "--schema"]);
    let output = command.arg(schema).output().expect("run Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A Python with the packages of the example, installed once into the target folder.
fn python() -> PathBuf {
    let requirements = workspace().join("examples/requirements.txt");
    let wanted = fs::read_to_string(&requirements).expect("read the requirements");
    let folder = target_directory().expect("ask cargo").join("python-consumer");
    let (python, marker) = (folder.join("bin/python"), folder.join("complete"));
    if fs::read_to_string(&marker).ok().as_ref() == Some(&wanted) {
        return python;
    }
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder),
        "Python 3 with its module venv is needed: apt-get install python3-venv",
    );
    run(
        Command::new(&python).args(["-m", "pip", "install", "-q", "-r"]).arg(&requirements),
        "pip cannot install the packages of examples/requirements.txt, which needs the package index once",
    );
    fs::write(marker, wanted).expect("write into the target folder");
    python
}

fn run(command: &mut Command, needed: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("{needed}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{needed}: {}", String::from_utf8_lossy(&said));
}
