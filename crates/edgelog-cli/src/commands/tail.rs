//! `edgelog tail`: records as they stand in the log, and as they come.

use crate::json::{gap_line, record_line};
use crate::reading::{Met, last_records, read_on};
use crate::render::{Style, text};
use crate::say;
use crate::time::parse_start;
use anyhow::{Context, bail};
use clap::Args;
use edgelog::{Start, View};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
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
}

const EXAMPLES: &str = "\
Examples:
  edgelog tail                                        the last ten records
  edgelog tail -f --topic host.metrics                and what comes from now on
  edgelog tail --from earliest --json | jq .value     everything, for scripts
  edgelog tail --from 1200 -n 5                       offsets 1200 to 1204
  edgelog tail --from '15 min ago'
  edgelog tail --from 2026-11-20T08:00:00Z
  edgelog --dir chip.img tail                         a log in an image pulled from a flash chip

A line is time, offset, topic, key, class and payload. Events that edgelog itself wrote are shown decoded, UTF-8 as text, the rest
as length and first bytes. In JSON, `value` is the event as JSON or text; `base64` holds the exact bytes where `value` does not.
Records that are gone are printed as a gap where they would stand; a gap has no topic, so --topic does not hide it.
Times without a zone are UTC.";

/// As many as tail(1) prints.
const RECORDS_DEFAULT: u64 = 10;

/// There is no signal between processes; a person does not notice a fifth of a second.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

impl Tail {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
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
                if let Some(line) = self.line(style, &met)? {
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
        Ok(())
    }

    /// What is printed for a record or gap; `None` for another topic's record.
    fn line(&self, style: Style, met: &Met<'_>) -> anyhow::Result<Option<String>> {
        Ok(match met {
            Met::Record(topic, _) if self.topic.as_ref().is_some_and(|only| only != topic) => None,
            Met::Record(topic, record) if self.json => Some(record_line(topic, record)?),
            Met::Record(topic, record) => Some(style.record(topic, record)),
            Met::Gap(gap) if self.json => Some(gap_line(gap)?),
            Met::Gap(gap) => Some(style.gap(gap)),
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
