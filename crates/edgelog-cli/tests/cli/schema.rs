//! The FlatBuffers events against an independent judge: the official compiler, `flatc`, reads what we write and writes what we read.

use crate::support::{Place, json};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;
use std::process::Command;

const SCHEMAS: [(&str, &str); 2] =
    [("HostMetrics", "schema/host_metrics.fbs"), ("Reading", "schema/reading.fbs")];

#[test]
fn flatc_reads_the_same_in_our_events_as_we_do() {
    let place = Place::new();
    let rows = "time,a,b\n1969-12-31 23:59:59,-1.25e-3,text\n2026-01-01 00:00:00,0,\u{e4}\n";
    place.done(&["import", &place.file("plant.csv", rows)]);
    place.done(&["run", "--samples", "1"]);
    let records = place.records();
    assert_eq!(records.len(), 3);
    for record in records {
        let schema = record["schema"].as_str().expect("ours");
        let bytes = decode_base64(record["base64"].as_str().expect("the bytes"));
        let theirs = flatc_reads(&place, schema, &bytes);
        assert_same(&record["value"], &theirs, schema);
    }
}

#[test]
fn we_read_the_same_in_events_of_flatc_as_it_was_told() {
    let place = Place::new();
    let events = [
        ("Reading", r#"{"time_ms":-5,"fields":[{"name":"a","value":1.5},{"name":"b","text":""}]}"#),
        ("Reading", r#"{"time_ms":0,"fields":[]}"#),
        (
            "HostMetrics",
            r#"{"time_ms":7,"host":"gateway","uptime_s":1,"cpu_percent":12.5,"load_1":0.25,"load_5":0.5,"load_15":1.0,
            "memory_used_bytes":3,"memory_total_bytes":18446744073709551615,"swap_used_bytes":0,"swap_total_bytes":4,
            "disks":[{"mount":"/","total_bytes":9,"available_bytes":8}],
            "networks":[{"name":"lo","received_bytes":0,"transmitted_bytes":1},{"name":"eth0","received_bytes":2,"transmitted_bytes":0}],
            "temperatures":[{"sensor":"cpu","celsius":-40.5}]}"#,
        ),
    ];
    for (schema, event) in events {
        let bytes = flatc_writes(&place, schema, event);
        let line = format!("{{\"base64\":\"{}\"}}", encode_base64(&bytes));
        place.done_with(&["append", "--format", "json"], line.as_bytes());
    }
    for (record, (schema, event)) in place.records().iter().zip(events) {
        assert_eq!(record["schema"], schema);
        assert_same(&record["value"], &json(event), schema);
    }
}

/// Equal, where `flatc` prints numbers with 12 digits and leaves out what was never set.
fn assert_same(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= a.abs() * 1e-11, "{at}: {a} and {b}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).for_each(|(a, b)| assert_same(a, b, at));
        }
        (Value::Object(a), Value::Object(b)) => {
            let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert!(
                b.keys().all(|name| a.contains_key(name)),
                "{at}: {:?}, {:?}",
                names(a),
                names(b)
            );
            for (name, value) in a {
                let unset = if value.is_u64() { Value::from(0) } else { Value::from(0.0) };
                assert_same(value, b.get(name).unwrap_or(&unset), &format!("{at}.{name}"));
            }
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

fn flatc_reads(place: &Place, schema: &str, bytes: &[u8]) -> Value {
    place.file("event.bin", bytes);
    // Without --raw-binary it insists on the schema's file identifier.
    flatc(place, &["--json", "--strict-json", &schema_file(schema), "--", "event.bin"]);
    json(&fs::read_to_string(place.path("event.json")).expect("flatc wrote it"))
}

fn flatc_writes(place: &Place, schema: &str, event: &str) -> Vec<u8> {
    place.file("event.json", event);
    flatc(place, &["--binary", &schema_file(schema), "event.json"]);
    fs::read(place.path("event.bin")).expect("flatc wrote it")
}

fn flatc(place: &Place, arguments: &[&str]) {
    let mut command = Command::new("flatc");
    let output = command.current_dir(place.path("")).args(arguments).output().expect(
        "this test asks the official FlatBuffers compiler: install flatc (package flatbuffers-compiler)",
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

fn schema_file(schema: &str) -> String {
    let file = SCHEMAS.iter().find(|(name, _)| *name == schema).expect("a known schema").1;
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file).display().to_string()
}

fn encode_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

fn decode_base64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.decode(text).expect("base64")
}
