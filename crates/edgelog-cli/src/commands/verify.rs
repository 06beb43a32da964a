//! `edgelog verify`: is everything there?

use crate::live::progress;
use crate::reading::{Met, explain, is_plain, read_on, ring_bytes, segment_files};
use crate::say;
use crate::units::{bytes, count, plural};
use anyhow::bail;
use clap::Args;
use edgelog::{Gap, GapReason, Start, View};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Read every record of the log, or of an image of one, and say which are missing
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  edgelog verify
  edgelog verify --json | jq .gaps
  edgelog --dir chip.img verify            a log in an image pulled from a flash chip

Every record's checksum and every segment file's size (an image's: the whole) is tested. Works beside a running owner and changes nothing.
Torn bytes at the end are told and are no failure: a power cut leaves them of what nothing acknowledged. Rot of the very last records looks the same.
Records that a full log refused and that were given up are told, too: they were never stored.
Exit code 0: every record from the log's earliest to its newest is there. 1: there are gaps, or the log cannot be read.";

const PROGRESS: &str = "{bar:30} {percent:>3}%  {human_pos} of {human_len} records  {eta} left";

#[derive(Debug, Default, Serialize)]
struct Report {
    log: String,
    /// Offset of the earliest record that the log still has.
    earliest: u64,
    /// Every record below this was looked for.
    visible: u64,
    records: u64,
    payload_bytes: u64,
    topics: BTreeMap<String, Topic>,
    missing: u64,
    /// Records that were given up because the log was full: they were never stored.
    refused: u64,
    gaps: Vec<Missing>,
    cut: Vec<Cut>,
    /// Written bytes behind the log's end that are no record.
    torn_bytes: u32,
    whole: bool,
}

#[derive(Debug, Default, Serialize)]
struct Topic {
    records: u64,
    payload_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Missing {
    from: u64,
    to: u64,
    count: u64,
    reason: String,
}

/// A segment file that does not have a segment's size, or an image that does not have all segments.
#[derive(Debug, Serialize)]
struct Cut {
    file: String,
    bytes: u64,
    expected: u64,
}

impl Verify {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        let report = read_everything(dir)?;
        let text = if self.json { serde_json::to_string(&report)? } else { report.text() };
        let said = say::result(&text);
        if report.missing > 0 {
            let gone = plural(report.missing, "record");
            bail!("{gone} of {} cannot be read any more; all others are intact", dir.display());
        }
        if let Some(Cut { file, .. }) = report.cut.first() {
            bail!(
                "{file} was cut: what stood at its end is gone and cannot be counted; all other records of {} are intact",
                dir.display()
            );
        }
        said
    }
}

fn read_everything(dir: &Path) -> anyhow::Result<Report> {
    // What was given up is nothing to tell of; an oldest segment that is damaged is.
    let mut view = View::open(dir, Start::Offset(0))?;
    let (earliest, visible) = (view.earliest().map_err(explain)?, view.visible());
    let log = view.id().to_string();
    let mut report = Report { log, earliest, visible, ..Report::default() };
    let bar = progress(visible.saturating_sub(earliest), PROGRESS);
    read_on(&mut view, visible, &mut |met| {
        match met {
            Met::Record(topic, record) => {
                bar.set_position(record.identity.offset.saturating_sub(earliest));
                report.add(topic, record.payload.len() as u64);
            }
            Met::Gap(gap) if gap.reason == GapReason::Evicted && gap.to <= earliest => {}
            Met::Gap(gap) => report.miss(&gap),
        }
        Ok(true)
    })?;
    bar.finish_and_clear();
    report.cut = match view.image_bytes() {
        Some(bytes) => cut_image(dir, bytes, ring_bytes(&view)),
        None => cut_segments(dir, u64::from(view.geometry().segment_size()))?,
    };
    // An owner may be writing there, and the bytes that are missing are told as such.
    if report.cut.is_empty() && view.owner()?.is_none() {
        report.torn_bytes = view.torn_bytes();
    }
    report.whole = report.missing == 0 && report.cut.is_empty();
    Ok(report)
}

/// Segment files are created whole and never shrink, so a short one has lost its end. In the newest segment nothing else would tell:
/// an end that is missing looks like an end. A compressed one is no newest, and says itself what it has lost.
fn cut_segments(dir: &Path, expected: u64) -> anyhow::Result<Vec<Cut>> {
    let mut cut = Vec::new();
    for (path, bytes) in segment_files(dir)? {
        if is_plain(&path) && bytes != expected {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            cut.push(Cut { file, bytes, expected });
        }
    }
    Ok(cut)
}

fn cut_image(path: &Path, bytes: u64, expected: u64) -> Vec<Cut> {
    let file = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (bytes < expected).then(|| Cut { file: file(), bytes, expected }).into_iter().collect()
}

impl Report {
    fn add(&mut self, topic: &str, payload_bytes: u64) {
        self.records += 1;
        self.payload_bytes += payload_bytes;
        if let Some(known) = self.topics.get_mut(topic) {
            known.records += 1;
            known.payload_bytes += payload_bytes;
        } else {
            self.topics.insert(topic.to_owned(), Topic { records: 1, payload_bytes });
        }
    }

    fn miss(&mut self, gap: &Gap) {
        let &Gap { from, to, reason } = gap;
        if reason == GapReason::Refused {
            self.refused += gap.count();
        } else {
            self.missing += gap.count();
        }
        self.gaps.push(Missing { from, to, count: gap.count(), reason: reason.to_string() });
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("log {}", self.log)];
        for (name, Topic { records, payload_bytes }) in &self.topics {
            lines.push(format!(
                "  {:<24} {:>14} {:>14}",
                crate::render::text(name),
                plural(*records, "record"),
                bytes(*payload_bytes)
            ));
        }
        for Missing { from, to, count, reason } in &self.gaps {
            let gone = plural(*count, "record");
            lines.push(format!("  gap: {gone} gone ({reason}), offsets {from} to {}", to - 1));
        }
        for Cut { file, bytes, expected } in &self.cut {
            let (has, of) = (count(*bytes), count(*expected));
            lines.push(format!("  cut: {file} has {has} bytes of {of}"));
        }
        if self.torn_bytes > 0 {
            let torn = plural(u64::from(self.torn_bytes), "byte");
            lines.push(format!(
                "  torn: {torn} behind the newest record are none: a write that a power cut tore, or records at the very end that rotted"
            ));
        }
        let Self { earliest, visible, missing, .. } = self;
        let records = plural(self.records, "record");
        lines.push(match (self.whole, visible.checked_sub(1)) {
            (true, Some(newest)) if earliest < visible => format!(
                "whole: {records} from offset {earliest} to {newest}, every checksum is right"
            ),
            (true, _) => "whole: the log is empty".to_owned(),
            (false, _) if *missing == 0 => {
                format!("NOT whole: the end of a file is missing, {records} intact")
            }
            (false, _) => {
                format!("NOT whole: {} missing, {records} intact", plural(*missing, "record"))
            }
        });
        lines.join("\n")
    }
}
