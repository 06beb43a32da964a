//! Reading a partition with `kcat`, which shares no code with this project.

use std::process::Command;

use serde_json::Value;

use crate::support::{OrFail, fail};

/// One record as `kcat` saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// Its offset.
    pub offset: i64,
    /// `create` or `logappend`.
    pub timestamp_type: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
}

/// All records of partition 0, from its start to its end.
#[must_use]
pub fn read(address: &str, topic: &str) -> Vec<Seen> {
    let output = Command::new("kcat")
        .args(["-C", "-b", address, "-t", topic, "-p", "0", "-o", "beginning"])
        .args(["-e", "-q", "-J", "-X", "check.crcs=true"])
        .output()
        .or_fail("run kcat, the independent reader: apt-get install kcat");
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        fail(&format!("kcat: {errors}"));
    }
    let lines = String::from_utf8(output.stdout).or_fail("read what kcat printed");
    lines.lines().map(seen).collect()
}

fn seen(line: &str) -> Seen {
    let value: Value = serde_json::from_str(line).or_fail("read a line of kcat");
    let headers: Vec<String> =
        value["headers"].as_array().into_iter().flatten().filter_map(text).collect();
    Seen {
        offset: value["offset"].as_i64().or_fail("find the offset"),
        timestamp_type: text(&value["tstype"]).or_fail("find the timestamp type"),
        timestamp: value["ts"].as_i64().or_fail("find the timestamp"),
        key: text(&value["key"]),
        value: text(&value["payload"]),
        headers: headers.chunks_exact(2).map(|it| (it[0].clone(), it[1].clone())).collect(),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
