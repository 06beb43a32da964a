//! `edgelog tail`: records as they stand in the log, and as they come.

use crate::decode::Decoder;
use crate::json::{decoded_line, gap_line, record_line};
use crate::reading::{Met, last_records, read_on};
use crate::render::{Style, text};
use crate::say;
use crate::time::parse_start;
use crate::units::plural;
use anyhow::{Context, bail};
use clap::Args;
use edgelog::{Start, View};
use std::cell::Cell;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Print records, the last ten by default; works beside a running owner, and on an image of a chip
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Tail {
    /// Go on with records as they come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Where to begin: earliest, latest (only what comes from now on), an offset, or a time [default: the last records]
    #[arg(long, value_name = "WHERE", value_parser = parse_start)]
    from: Option<Start>,
    /// Print the last N records [default: 10]; with --from, end after N
    #[arg(short = 'n', long = "records", value_name = "N")]
    records: Option<u64>,
    /// Only records of this topic
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// With --json: read payloads by this FlatBuffers schema, FILE.fbs (needs flatc) or FILE.bfbs (which flatc made)
    #[arg(long, value_name = "FILE", requires = "json")]
    schema: Option<PathBuf>,
    /// The table of the schema that payloads are, with its namespace [default: the schema's root_type]
    #[arg(long = "type", value_name = "TABLE", requires = "schema")]
    table: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  edgelog tail                                        the last ten records
  edgelog tail -f --topic host.metrics                and what comes from now on
  edgelog tail --from earliest --json | jq .value     everything, for scripts
  edgelog tail --from 1200 -n 5                       offsets 1200 to 1204
  edgelog tail --from '15 min ago'
  edgelog tail --from 2026-11-20T08:00:00Z
  edgelog tail --topic door --schema door.fbs --json  events of your own, decoded
  edgelog --dir chip.img tail                         a log in an image pulled from a flash chip

A line is time, offset, topic, key, class and payload. Events that edgelog itself wrote are shown decoded, UTF-8 as text, the rest
as length and first bytes. In JSON, `value` is the event as JSON or text; `base64` holds the exact bytes where `value` does not.
With --schema, `payload` is the event as flatc --json shows it, defaults included, and `event` the envelope around it, if there is
one: type, schema_version, source, ids (their text, or else hexadecimal), trace (W3C traceparent), content_type, schema_fingerprint. What does not verify
is printed with the reason in `invalid` and no `payload`, and the exit code at the end is 1.
Records that are gone are printed as a gap where they would stand; a gap has no topic, so --topic does not hide it.
Times without a zone are UTC.";

/// As many as tail(1) prints.
const RECORDS_DEFAULT: u64 = 10;

/// There is no signal between processes; a person does not notice a fifth of a second.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

impl Tail {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        let decoder = self.schema.as_deref().map(|path| Decoder::open(path, self.table.as_deref()));
        let decoder = decoder.transpose()?;
        let invalid = Cell::new(0);
        let last = self.records.unwrap_or(RECORDS_DEFAULT);
        let (start, mut left) = match self.from {
            Some(start) => (start, self.records.unwrap_or(u64::MAX)),
            None if last == 0 => (Start::Latest, u64::MAX),
            None => (last_records(dir, last, self.topic.as_deref())?, u64::MAX),
        };
        let mut view = View::open(dir, start)?;
        if self.follow && view.image_bytes().is_some() {
            bail!("nothing comes into {}, an image: leave --follow out", dir.display());
        }
        if let Start::Offset(offset) = start
            && offset > view.visible()
        {
            let told = not_there_yet(offset, view.visible());
            if !self.follow {
                bail!("{told}; for a time write 2026-01-01");
            }
            say::note(&format!("edgelog: {told}"));
        }
        if let Some(topic) = self.topic.as_deref().filter(|_| !self.follow) {
            check_topic(&view, topic)?;
        }
        let stdout = io::stdout();
        let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let style = Style { colour };
        let mut out = BufWriter::new(stdout.lock());
        while left > 0 {
            let until = view.visible();
            read_on(&mut view, until, &mut |met| {
                if let Some(line) = self.line(style, &met, decoder.as_ref(), &invalid)? {
                    writeln!(out, "{line}").context(say::CANNOT_WRITE)?;
                    left -= u64::from(matches!(met, Met::Record(..)));
                }
                Ok(left > 0)
            })?;
            out.flush().context(say::CANNOT_WRITE)?;
            if !self.follow || left == 0 {
                break;
            }
            thread::sleep(FOLLOW_EVERY);
            view.refresh()?;
        }
        match (decoder, invalid.get()) {
            (Some(decoder), count) if count > 0 => bail!(
                "{} printed as invalid: not {}",
                if count == 1 {
                    "1 record was".to_owned()
                } else {
                    format!("{} were", plural(count, "record"))
                },
                decoder.type_name()
            ),
            _ => Ok(()),
        }
    }

    /// What is printed for a record or gap; `None` for another topic's record. Counts the records that are not what the schema says.
    fn line(
        &self,
        style: Style,
        met: &Met<'_>,
        decoder: Option<&Decoder>,
        invalid: &Cell<u64>,
    ) -> anyhow::Result<Option<String>> {
        Ok(match (met, decoder) {
            (Met::Record(topic, _), _) if self.topic.as_ref().is_some_and(|only| only != topic) => {
                None
            }
            (Met::Record(topic, record), Some(decoder)) => {
                let (line, valid) = decoded_line(topic, record, decoder)?;
                invalid.set(invalid.get() + u64::from(!valid));
                Some(line)
            }
            (Met::Record(topic, record), _) if self.json => Some(record_line(topic, record)?),
            (Met::Record(topic, record), _) => Some(style.record(topic, record)),
            (Met::Gap(gap), _) if self.json => Some(gap_line(gap)?),
            (Met::Gap(gap), _) => Some(style.gap(gap)),
        })
    }
}

fn not_there_yet(offset: u64, visible: u64) -> String {
    match visible.checked_sub(1) {
        Some(newest) => format!("offset {offset} is not there yet; the newest is {newest}"),
        None => format!("offset {offset} is not there yet; the log is empty"),
    }
}

/// A mistyped topic must not look like one without records.
fn check_topic(view: &View, topic: &str) -> anyhow::Result<()> {
    let topics: Vec<_> = view.topics().iter().map(|topic| topic.name.as_str()).collect();
    if topics.contains(&topic) {
        return Ok(());
    }
    let known: Vec<_> = topics.into_iter().map(text).collect();
    let topic = text(topic);
    if known.is_empty() {
        bail!("there is no topic {topic}; there are none yet");
    }
    bail!("there is no topic {topic}; there are: {}", known.join(", "))
}
