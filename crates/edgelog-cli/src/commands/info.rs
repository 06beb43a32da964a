//! `edgelog info`: what is in the log, without reading all of it.

use crate::reading::{explain, is_plain, ring_bytes, segment_files};
use crate::render::text;
use crate::say;
use crate::time::rfc3339;
use crate::units::{bytes, count, plural};
use clap::Args;
use edgelog::{FORMAT_VERSION, Item, OpenError, Start, Store, View};
use serde::Serialize;
use std::path::Path;

/// Show what is in the log, or in an image of one: offsets, times, space, topics, cursors, and who owns it; of a store, its logs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Info {
    /// Print it as one JSON object
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  edgelog info
  edgelog --dir /var/lib/edgelog info --json | jq .cursors
  edgelog --dir chip.img info              a log in an image pulled from a flash chip
  edgelog --dir /var/lib/store info        the logs of a store, each of which is a folder there

Works beside a running owner and changes nothing. A cursor's lag is how many records its consumer has yet to do.";

#[derive(Debug, Serialize)]
struct Report {
    log: String,
    directory: String,
    format_version: u16,
    /// The process that has the log open for appending.
    owner: Option<String>,
    epoch: u32,
    earliest: u64,
    visible: u64,
    earliest_time: Option<String>,
    newest_time: Option<String>,
    segments_used: u64,
    segments_max: u32,
    segment_bytes: u32,
    /// Bytes in a program word of the medium that the log was created for.
    program_word: u32,
    /// What an erased byte reads as.
    erased: u8,
    /// Told of an image only.
    image: Option<Image>,
    bytes_on_disk: u64,
    bytes_max: u64,
    /// Those of its segments that are kept compressed.
    compressed: Compressed,
    topics: Vec<String>,
    cursors: Vec<Cursor>,
}

#[derive(Debug, Serialize)]
struct Cursor {
    name: String,
    offset: u64,
    lag: u64,
}

#[derive(Debug, Default, Serialize)]
struct Compressed {
    segments: u64,
    bytes: u64,
}

/// A file in place of a folder.
#[derive(Debug, Serialize)]
struct Image {
    bytes: u64,
    /// Bytes that the log has and the file has not.
    missing: u64,
    /// Bytes behind the log.
    behind: u64,
}

impl Info {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        if let Some(store) = Stored::at(dir)? {
            let told = if self.json { serde_json::to_string(&store)? } else { store.text() };
            return say::result(&told);
        }
        let report = look(dir)?;
        if self.json {
            say::result(&serde_json::to_string(&report)?)?;
        } else {
            say::result(&report.text())?;
        }
        Ok(())
    }
}

/// Several logs under one budget.
#[derive(Debug, Serialize)]
struct Stored {
    store: String,
    bytes_on_disk: u64,
    logs: Vec<StoredLog>,
}

#[derive(Debug, Serialize)]
struct StoredLog {
    name: String,
    bytes_on_disk: u64,
    owner: Option<String>,
    earliest: u64,
    visible: u64,
    /// Why nothing more is known of it.
    problem: Option<String>,
}

impl StoredLog {
    fn at(dir: &Path, name: String, bytes_on_disk: u64) -> anyhow::Result<Self> {
        let unknown =
            Self { name, bytes_on_disk, owner: None, earliest: 0, visible: 0, problem: None };
        let mut view = match View::open(dir.join(&unknown.name), Start::Earliest) {
            Ok(view) => view,
            Err(error) => return Ok(Self { problem: Some(error.to_string()), ..unknown }),
        };
        let (owner, earliest) = (view.owner()?, view.earliest().map_err(explain)?);
        Ok(Self { owner, earliest, visible: view.visible(), ..unknown })
    }

    fn told(&self) -> String {
        match (&self.problem, &self.owner) {
            (Some(problem), _) => problem.clone(),
            (None, owner) => {
                let offsets = plural(self.visible.saturating_sub(self.earliest), "offset");
                let from = format!("{offsets} from {}", self.earliest);
                let owner = owner.as_ref().map(|process| format!(", owner {}", text(process)));
                from + &owner.unwrap_or_default()
            }
        }
    }
}

impl Stored {
    /// Nothing where there is no store.
    fn at(dir: &Path) -> anyhow::Result<Option<Self>> {
        let Err(OpenError::IsAStore { .. }) = View::open(dir, Start::Earliest) else {
            return Ok(None);
        };
        let mut logs = Vec::new();
        for (name, bytes_on_disk) in Store::list(dir)? {
            logs.push(StoredLog::at(dir, name, bytes_on_disk)?);
        }
        let bytes_on_disk = logs.iter().map(|log| log.bytes_on_disk).sum();
        Ok(Some(Self { store: dir.display().to_string(), bytes_on_disk, logs }))
    }

    fn text(&self) -> String {
        let logs = plural(self.logs.len() as u64, "log");
        let mut told = format!("store      {}\n", self.store);
        told.push_str(&format!("on disk    {} in {logs}\n", bytes(self.bytes_on_disk)));
        for log in &self.logs {
            let (name, size) = (&log.name, bytes(log.bytes_on_disk));
            told.push_str(&format!("  {name:<24} {size:>10}  {}\n", log.told()));
        }
        told.push_str(&format!("`edgelog --dir {}/NAME info` says more of each\n", self.store));
        told
    }
}

fn look(dir: &Path) -> anyhow::Result<Report> {
    let mut view = View::open(dir, Start::Earliest)?;
    let (segments_used, segments_max) = view.segments();
    let (geometry, bytes_max) = (view.geometry(), ring_bytes(&view));
    let image = view.image_bytes().map(|bytes| Image {
        bytes,
        missing: bytes_max.saturating_sub(bytes),
        behind: bytes.saturating_sub(bytes_max),
    });
    let files = if image.is_some() { Vec::new() } else { segment_files(dir)? };
    let bytes_on_disk = match &image {
        Some(image) => image.bytes,
        None => files.iter().map(|(_, bytes)| bytes).sum(),
    };
    let mut compressed = Compressed::default();
    // Where there are both the plain one counts.
    for (_, bytes) in
        files.iter().filter(|(path, _)| !is_plain(path) && !path.with_extension("").exists())
    {
        compressed.segments += 1;
        compressed.bytes += bytes;
    }
    let (earliest, visible) = (view.earliest().map_err(explain)?, view.visible());
    let cursors = view.cursors().iter().map(|cursor| Cursor {
        name: cursor.name.as_str().to_owned(),
        offset: cursor.offset,
        lag: visible.saturating_sub(cursor.offset),
    });
    Ok(Report {
        log: view.id().to_string(),
        directory: dir.display().to_string(),
        format_version: FORMAT_VERSION,
        owner: view.owner()?,
        epoch: view.epoch(),
        earliest,
        visible,
        segments_used,
        segments_max,
        segment_bytes: geometry.segment_size(),
        program_word: geometry.program_word(),
        erased: geometry.erased(),
        image,
        bytes_on_disk,
        bytes_max,
        compressed,
        topics: view.topics().iter().map(|topic| topic.name.as_str().to_owned()).collect(),
        cursors: cursors.collect(),
        earliest_time: first_time(&mut view)?,
        newest_time: match visible.checked_sub(1) {
            Some(newest) => first_time(&mut View::open(dir, Start::Offset(newest))?)?,
            None => None,
        },
    })
}

impl Report {
    fn text(&self) -> String {
        let mut told = String::new();
        let mut row = |name: &str, value: String| told.push_str(&format!("{name:<10} {value}\n"));
        row("log", self.log.clone());
        row(if self.image.is_some() { "image" } else { "folder" }, self.directory.clone());
        row("format", format!("version {}", self.format_version));
        row(
            "owner",
            match (&self.owner, &self.image) {
                (Some(process), _) => format!("process {}", text(process)),
                (None, None) => "nobody; run, append, import or ship may open it".to_owned(),
                (None, Some(_)) => "none: an image is only read".to_owned(),
            },
        );
        row("epoch", self.epoch.to_string());
        row(
            "offsets",
            match self.visible.checked_sub(1) {
                Some(newest) if self.earliest < self.visible => {
                    // Not records: some of them may be damaged, and only `verify` counts.
                    let offsets = count(self.visible - self.earliest);
                    format!("{} to {newest}, {offsets} of them", self.earliest)
                }
                _ => "none".to_owned(),
            },
        );
        if let (Some(first), Some(last)) = (&self.earliest_time, &self.newest_time) {
            row("appended", format!("{first} to {last}"));
        }
        let (used, max) = (self.segments_used, self.segments_max);
        row("segments", format!("{used} of {max}, {} each", bytes(u64::from(self.segment_bytes))));
        let word = plural(u64::from(self.program_word), "byte");
        row("medium", format!("program word {word}, erased value {:#04X}", self.erased));
        let budget = bytes(self.bytes_max);
        row("on disk", format!("{} of at most {budget}", bytes(self.bytes_on_disk)));
        let Compressed { segments, bytes: length } = self.compressed;
        if segments > 0 {
            let segments = plural(segments, "segment");
            row("compressed", format!("{segments} in {}", bytes(length)));
        }
        if let Some(&Image { missing, behind, .. }) = self.image.as_ref() {
            if missing > 0 {
                let missing = plural(missing, "byte");
                row("missing", format!("{missing} at the end of the image, read as damage"));
            }
            if behind > 0 {
                row("behind it", format!("{} that are not the log's", plural(behind, "byte")));
            }
        }
        for (n, topic) in self.topics.iter().enumerate() {
            row(if n == 0 { "topics" } else { "" }, text(topic));
        }
        if self.cursors.is_empty() {
            row("cursors", "none".to_owned());
        }
        for (n, Cursor { name, offset, lag }) in self.cursors.iter().enumerate() {
            let told = format!("{} at offset {offset}, lag {}", text(name), count(*lag));
            row(if n == 0 { "cursors" } else { "" }, told);
        }
        told
    }
}

/// The time of the first record from where the view stands.
fn first_time(view: &mut View) -> anyhow::Result<Option<String>> {
    while let Some(item) = view.next().map_err(explain)? {
        if let Item::Record(record) = item {
            return Ok(Some(rfc3339(record.time_ms)));
        }
    }
    Ok(None)
}
