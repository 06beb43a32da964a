//! Records as lines for people.

use crate::schema::{HostMetrics, Known, Reading};
use crate::time::{rfc3339, rfc3339_signed};
use crate::units::{bytes, plural, seconds};
use edgelog::{Gap, Record};
use std::fmt::Write;

/// Bytes of an unknown payload that are shown.
const HEX_BYTES: usize = 16;

/// How a line is dressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Whether the reader is a terminal that shows colours.
    pub(crate) colour: bool,
}

impl Style {
    /// One line for a record: time, offset, topic, key, class, payload.
    pub(crate) fn record(self, topic: &str, record: &Record<'_>) -> String {
        let head = format!("{}  {:>8}", rfc3339(record.time_ms), record.identity.offset);
        let key = record.key.map_or_else(|| "-".to_owned(), text_or_hex);
        let payload = payload(record.payload);
        format!("{}  {}  {key}  {}  {payload}", self.paint("2", &head), text(topic), record.class)
    }

    /// One line for a gap, where the records would stand.
    pub(crate) fn gap(self, gap: &Gap) -> String {
        let told = format!(
            "--- gap: {} gone ({}), offsets {} to {} ---",
            plural(gap.count(), "record"),
            gap.reason,
            gap.from,
            gap.to - 1
        );
        self.paint("31", &told)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A text with nothing in it that a terminal would obey.
pub(crate) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

fn payload(payload: &[u8]) -> String {
    match Known::decode(payload) {
        Some(Known::HostMetrics(metrics)) => host_metrics(&metrics),
        Some(Known::Reading(row)) => reading(&row),
        None => text_or_hex(payload),
    }
}

fn text_or_hex(payload: &[u8]) -> String {
    if let Ok(utf8) = std::str::from_utf8(payload) {
        return text(utf8);
    }
    let mut shown = format!("<{}:", plural(payload.len() as u64, "byte"));
    for byte in payload.iter().take(HEX_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(shown, " {byte:02x}");
    }
    shown.push_str(if payload.len() > HEX_BYTES { " ...>" } else { ">" });
    shown
}

fn reading(row: &Reading<'_>) -> String {
    let mut shown = rfc3339_signed(row.time_ms);
    for field in row.fields.iter() {
        let name = text(field.name);
        let _ = match field.text {
            None => write!(shown, " {name}={}", field.value),
            Some(cell) => write!(shown, " {name}={:?}", text(cell)),
        };
    }
    shown
}

fn host_metrics(metrics: &HostMetrics<'_>) -> String {
    let HostMetrics { load_1, load_5, load_15, .. } = metrics;
    let mut shown = format!(
        "cpu {:.1}% load {load_1:.2} {load_5:.2} {load_15:.2} mem {}",
        metrics.cpu_percent,
        of(metrics.memory_used_bytes, metrics.memory_total_bytes)
    );
    if metrics.swap_total_bytes > 0 {
        let swap = of(metrics.swap_used_bytes, metrics.swap_total_bytes);
        let _ = write!(shown, " swap {swap}");
    }
    for disk in metrics.disks.iter() {
        let used = disk.total_bytes.saturating_sub(disk.available_bytes);
        let _ = write!(shown, " | {} {}", text(disk.mount), of(used, disk.total_bytes));
    }
    // Containers and radios bring interfaces that never carried anything.
    for network in metrics.networks.iter().filter(|n| n.received_bytes.max(n.transmitted_bytes) > 0)
    {
        let (name, received) = (text(network.name), bytes(network.received_bytes));
        let _ = write!(shown, " | {name} in {received} out {}", bytes(network.transmitted_bytes));
    }
    for temperature in metrics.temperatures.iter() {
        let _ = write!(shown, " | {} {:.1} C", text(temperature.sensor), temperature.celsius);
    }
    let _ = write!(shown, " | up {}", seconds(metrics.uptime_s));
    shown
}

fn of(used: u64, total: u64) -> String {
    format!("{} of {}", bytes(used), bytes(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_cannot_steer_the_terminal() {
        assert_eq!(text_or_hex(b"a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(text_or_hex(&[0xff; 2]), "<2 bytes: ff ff>");
        assert!(text_or_hex(&[0xff; 40]).ends_with(" ...>"));
    }
}
