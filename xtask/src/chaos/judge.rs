//! What arrived, read by kcat and decoded by flatc: neither shares code with this project.

use super::schema;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One reading: its time as written in the file, and its value.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// The data row in the file, from 1.
    pub(super) row: u64,
    pub(super) value: f64,
}

impl Reading {
    /// flatc prints twelve significant digits of a number, so that is as far as values can be compared.
    fn is_same(&self, other: &Self) -> bool {
        self.row == other.row && (self.value - other.value).abs() <= self.value.abs() * 1e-11
    }
}

/// What is wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) missing: usize,
    pub(super) duplicates: usize,
    pub(super) reordered: usize,
    pub(super) changed: usize,
    pub(super) gaps: usize,
}

impl Verdict {
    pub(super) const fn is_clean(&self) -> bool {
        self.missing + self.duplicates + self.reordered + self.changed + self.gaps == 0
    }
}

/// The readings of a file `timestamp,value`, in its order.
pub(super) fn readings(path: &Path) -> Result<Vec<Reading>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let rows = text.lines().skip(1).zip(1..);
    rows.map(|(line, row)| {
        let value = line.split(',').nth(1).and_then(|value| value.parse().ok());
        Ok(Reading { row, value: value.with_context(|| format!("row {row}: {line}"))? })
    })
    .collect()
}

/// Compares what the topic holds with what was to arrive.
pub(super) fn judge(
    bootstrap: &str,
    topic: &str,
    expected: &[Reading],
    scratch: &Path,
) -> Result<Verdict> {
    let values = values(bootstrap, topic)?;
    let arrived = decode(&values, scratch)?;
    let mut verdict = Verdict { gaps: values.len() - arrived.len(), ..Verdict::default() };
    let mut seen: HashMap<u64, usize> = HashMap::new();
    let mut newest = 0;
    for reading in &arrived {
        *seen.entry(reading.row).or_default() += 1;
        verdict.reordered += usize::from(reading.row < newest);
        newest = newest.max(reading.row);
        let index = usize::try_from(reading.row).unwrap_or(0).wrapping_sub(1);
        verdict.changed += usize::from(!expected.get(index).is_some_and(|it| it.is_same(reading)));
    }
    verdict.missing = expected.iter().filter(|reading| !seen.contains_key(&reading.row)).count();
    verdict.duplicates = seen.values().map(|count| count - 1).sum();
    Ok(verdict)
}

/// The values of all records of partition 0, in order; an absent value is empty.
fn values(bootstrap: &str, topic: &str) -> Result<Vec<Vec<u8>>> {
    let output = Command::new("kcat")
        .args(["-C", "-b", bootstrap, "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q"])
        // Big-endian length, then the bytes.
        .args(["-f", "%R%s", "-X", "check.crcs=true"])
        .output()
        .context("run kcat")?;
    ensure!(output.status.success(), "kcat: {}", String::from_utf8_lossy(&output.stderr));
    let mut values = Vec::new();
    let mut rest = output.stdout.as_slice();
    while let Some((length, after)) = rest.split_first_chunk() {
        // kcat writes -1 for a record without a value.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (value, after) = after.split_at_checked(length).context("kcat's output is cut off")?;
        values.push(value.to_vec());
        rest = after;
    }
    Ok(values)
}

/// Files that flatc is given at once.
const FILES_AT_ONCE: usize = 2_000;

fn decode(values: &[Vec<u8>], scratch: &Path) -> Result<Vec<Reading>> {
    let folder = scratch.join("decoded");
    fs::create_dir_all(&folder)?;
    let mut names = Vec::new();
    for (n, value) in values.iter().enumerate().filter(|(_, value)| !value.is_empty()) {
        let name = format!("{n:08}");
        fs::write(folder.join(format!("{name}.bin")), value)?;
        names.push(name);
    }
    for names in names.chunks(FILES_AT_ONCE) {
        let output = Command::new("flatc")
            .current_dir(&folder)
            .args(["--json", "--strict-json", "--defaults-json"])
            .arg(schema())
            .arg("--")
            .args(names.iter().map(|name| format!("{name}.bin")))
            .output()
            .context("run flatc")?;
        if !output.status.success() {
            bail!("flatc: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    names.iter().map(|name| reading(&folder.join(format!("{name}.json")))).collect()
}

fn reading(path: &Path) -> Result<Reading> {
    let json: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
    let row = json["row"].as_u64().context("a reading without a row")?;
    let value = json["fields"][0]["value"].as_f64().context("a reading without a value")?;
    Ok(Reading { row, value })
}
