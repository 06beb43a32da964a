//! `edgelog import`: every row of a CSV file becomes an event.

mod feed;
mod resume;
mod table;
mod tape;

use crate::commands::ship::{left_over, wait_until_shipped};
use crate::failure::sentence;
use crate::intake::{Intake, Summary, parse_topic};
use crate::live::Live;
use crate::open::Sizes;
use crate::say;
use crate::ship::{Kafka, Shipping};
use crate::stop::Stop;
use crate::units::plural;
use anyhow::{anyhow, bail};
use clap::Args;
use edgelog::Log;
use feed::Feed;
use resume::rows_stored;
use std::path::{Path, PathBuf};
use table::Table;

/// Store every row of a CSV file as an event
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// A CSV file whose first row names the columns
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    /// The events' topic [default: the file's name without its ending]
    #[arg(long, value_name = "NAME", value_parser = parse_topic)]
    topic: Option<String>,
    /// The column whose cells become the records' keys
    #[arg(long, value_name = "COLUMN")]
    key_column: Option<String>,
    /// The column with the readings' times [default: the first one named timestamp, time, datetime or date]
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// What separates the columns
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = parse_delimiter)]
    delimiter: u8,
    /// Go on behind the newest row that the topic holds, after an import of this file that did not come to its end
    #[arg(long)]
    resume: bool,
    /// Leave out the rows before this line of the file
    #[arg(long, value_name = "LINE", conflicts_with = "resume")]
    from_line: Option<u64>,
    /// Stop at the first bad row instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// Make rows durable after every N of them; at the latest after a second in any case
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    sync_every: u64,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kafka: Kafka,
    #[command(flatten)]
    sizes: Sizes,
}

const EXAMPLES: &str = "\
Examples:
  edgelog import machine_temperature.csv
  edgelog import readings.csv --topic plant --key-column sensor --time-column measured_at
  edgelog import export.csv --delimiter ';' --strict --json
  edgelog import machine_temperature.csv --resume
  edgelog import machine_temperature.csv --kafka localhost:9092      and wait until Kafka has acknowledged every row

A row becomes a FlatBuffers event `Reading` with its own time and its other cells as named fields. A cell that is a number is stored
as one; anything else is text, and so are numbers with leading zeros or more than 15 digits, which are names rather than quantities.
Times: RFC 3339, `YYYY-MM-DD HH:MM:SS` (UTC), or seconds or milliseconds since 1970. Without a time column, the time of the import.
The record's own time is that of the import: a log's time never runs backwards.

A bad row (wrong number of columns, a time that is none, not UTF-8, nan or inf) is named with file and line, counted and left out.";

impl Import {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        let topic = match (&self.topic, self.file.file_stem()) {
            (Some(topic), _) => topic.clone(),
            (None, Some(stem)) => parse_topic(&stem.to_string_lossy())
                .map_err(|why| anyhow!("{}: {why}; say --topic", self.name()))?,
            (None, None) => bail!("{} has no name to make a topic of: say --topic", self.name()),
        };
        // The file first: a mistyped name should not leave an empty log behind.
        let mut table = Table::open(&self.file, self.delimiter)?;
        let columns = table.columns(self.time_column.as_deref(), self.key_column.as_deref())?;
        for doubt in table.doubts() {
            say::note(&format!("edgelog: {doubt}"));
        }
        let log = self.sizes.open(dir)?;
        let there = if self.resume { self.resume(&mut table, dir, &topic)? } else { 0 };
        let shipping = self.kafka.start(&log)?;
        let mut intake = Intake::new(log.clone(), Some(self.sync_every))?;
        let stop = Stop::install()?;
        let mut feed = Feed {
            file: self.name(),
            topic: &topic,
            strict: self.strict,
            from_line: self.from_line.unwrap_or(0),
            intake: &mut intake,
            shipping: shipping.as_ref(),
            stop: &stop,
        };
        if let Err(error) = feed.everything(&mut table, &columns) {
            bail!("{}; {}", sentence(&error), intake.what_holds());
        }
        let summary = intake.finish()?;
        // What nobody reads must not keep the rows from Kafka, nor a failure from the exit code.
        let all_there =
            (there > 0 && there == table.row_number() && !stop.is_wanted()).then(|| {
                if there == 1 {
                    "its row is".to_owned()
                } else {
                    format!("all {} are", plural(there, "row"))
                }
            });
        let told = self.report(&summary, all_there, &topic, dir);
        if stop.is_wanted() {
            bail!(
                "interrupted before the end of {}; go on with the same command and --resume",
                self.name()
            );
        }
        // What is left to a resumed import may well be a few bad rows.
        if summary.nothing_but_bad() && !self.resume {
            bail!("not one row of {} could be stored", self.name());
        }
        if let Some(shipping) = shipping {
            finish_shipping(&log, &shipping, &stop)?;
        }
        told
    }

    fn report(
        &self,
        summary: &Summary,
        all_there: Option<String>,
        topic: &str,
        dir: &Path,
    ) -> anyhow::Result<()> {
        let sentence = match all_there {
            Some(rows) => format!("stored nothing: {rows} there already"),
            None => summary.sentence("row", &format!("topic {topic} of {}", dir.display())),
        };
        let text = if self.json { serde_json::to_string(summary)? } else { sentence.clone() };
        say::result_of(&sentence, &text)
    }

    /// Goes behind the rows that the topic holds, and gives how many that are.
    fn resume(&self, table: &mut Table, dir: &Path, topic: &str) -> anyhow::Result<u64> {
        let stored = rows_stored(dir, topic)?;
        table.skip_rows(stored)?;
        let there = table.row_number();
        let told = match there {
            0 => String::new(),
            1 => "row 1 is there already".to_owned(),
            _ => format!("rows 1 to {there} are there already"),
        };
        if there < stored {
            say::note(&format!(
                "edgelog: topic {topic} goes up to row {stored}, but {} has only {}: is it the same file?",
                self.name(),
                plural(there, "row")
            ));
        }
        if !told.is_empty() {
            say::note(&format!("edgelog: {told}"));
        }
        Ok(there)
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }
}

fn finish_shipping(log: &Log, shipping: &Shipping, stop: &Stop) -> anyhow::Result<()> {
    // Standard output has the summary, perhaps for a script; the rest is for people.
    let mut live = Live::on_stderr();
    let done = wait_until_shipped(log, shipping, stop, None, &mut live)?;
    if !done {
        live.clear();
        bail!("{}", left_over(log, shipping)?);
    }
    live.finish(&format!("shipped everything to {}", shipping.place()));
    Ok(())
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("write one ASCII character, or tab".to_owned()),
    }
}
