//! `edgelog append`: events from standard input.

mod lines;

use crate::failure::sentence;
use crate::intake::{Intake, Refused, SYNC_EVERY, parse_topic};
use crate::json::{EventLine, Line, parse_class, parse_line};
use crate::open::Sizes;
use crate::say;
use crate::stop::Stop;
use crate::units::plural;
use anyhow::bail;
use clap::{Args, ValueEnum};
use edgelog::{Class, Event};
use lines::{InputLine, LINE_BYTES_MAX, lines};
use serde::Serialize;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// Store events from standard input, one a line
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Append {
    /// The topic of events that name none
    #[arg(long, value_name = "NAME", default_value = "events", value_parser = parse_topic)]
    topic: String,
    /// The key of events that have none
    #[arg(long)]
    key: Option<String>,
    /// The priority of events that have none: critical, normal or bulk
    #[arg(long, default_value = "normal", value_parser = parse_class)]
    class: Class,
    /// What a line is: the event itself, or a JSON object with topic, key, class (all optional) and value
    #[arg(long, value_enum, default_value_t = Format::Raw)]
    format: Format,
    /// Make events durable after every N of them; at the latest a second after they came in any case
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sync_every: Option<u64>,
    /// Stop at the first bad line instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sizes: Sizes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Raw,
    Json,
}

const EXAMPLES: &str = r#"Examples:
  echo 'door open' | edgelog append --topic door --key front
  my-sensor | edgelog append --topic sensor --sync-every 1
  echo '{"topic":"door","key":"front","class":"critical","value":{"open":true}}' | edgelog append --format json
  edgelog tail --from earliest --json | edgelog --dir copy append --format json

In JSON, a `value` that is a string is stored as its text, any other as the JSON it is; `base64` stands for bytes.
The lines of `tail --json` are taken as they are: payload, topic, key and class come back byte for byte, the identity is new.
A bad line is named, counted and left out. When the command ends, everything it counted as stored is durable."#;

/// How long a wish to end may go unnoticed.
const STOP_CHECK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    summary: &'a crate::intake::Summary,
    gaps_in_input: u64,
}

impl Append {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        let log = self.sizes.open(dir)?;
        let mut intake = Intake::new(log, self.sync_every)?;
        let stop = Stop::install()?;
        if io::stdin().is_terminal() {
            say::note("edgelog: type events, one a line; Ctrl-D ends");
        }
        let mut gaps = 0;
        if let Err(error) = self.take_all(&mut intake, &stop, &mut gaps) {
            bail!("{}; {}", sentence(&error), intake.what_holds());
        }
        let summary = intake.finish()?;
        if gaps > 0 {
            say::note(&format!(
                "edgelog: {} of the input's own log were gone already (its gap lines say so)",
                plural(gaps, "record")
            ));
        }
        let sentence = summary.sentence("line", &dir.display().to_string());
        let text = if self.json {
            serde_json::to_string(&Report { summary: &summary, gaps_in_input: gaps })?
        } else {
            sentence.clone()
        };
        // That nobody reads it does not make a failure a success.
        let told = say::result_of(&sentence, &text);
        if summary.nothing_but_bad() {
            bail!("not one line could be stored");
        }
        told
    }

    fn take_all(&self, intake: &mut Intake, stop: &Stop, gaps: &mut u64) -> anyhow::Result<()> {
        let lines = lines(io::stdin());
        while !stop.is_wanted() {
            intake.sync_if_due()?;
            let InputLine { number, bytes } =
                match lines.recv_timeout(intake.patience().min(STOP_CHECK_EVERY)) {
                    Ok(line) => line?,
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                };
            let event = match bytes {
                Some(bytes) => self.event(bytes),
                None => Err(format!("it is longer than {LINE_BYTES_MAX} bytes")),
            };
            let bad = match event {
                Ok(Line::Gap(count)) => {
                    *gaps += count;
                    continue;
                }
                Ok(Line::Event(event)) => match self.store(intake, &event) {
                    Ok(()) => continue,
                    Err(Refused::Full(error) | Refused::Stop(error)) => {
                        return Err(error.context(format!("stdin:{number}")));
                    }
                    // Every line without a topic of its own would meet the same.
                    Err(Refused::Topic(why)) if event.topic.is_none() => {
                        bail!("stdin:{number}: {why}");
                    }
                    Err(Refused::Bad(why) | Refused::Topic(why)) => why,
                },
                Err(why) => why,
            };
            if self.strict {
                bail!("stdin:{number}: {bad}; stopped there (--strict)");
            }
            intake.count_bad();
            say::note(&format!("stdin:{number}: {bad}"));
        }
        Ok(())
    }

    fn event(&self, bytes: Vec<u8>) -> Result<Line, String> {
        match self.format {
            Format::Raw => {
                Ok(Line::Event(EventLine { topic: None, key: None, class: None, payload: bytes }))
            }
            Format::Json if bytes.trim_ascii().is_empty() => Ok(Line::Gap(0)),
            Format::Json => parse_line(&bytes),
        }
    }

    fn store(&self, intake: &mut Intake, line: &EventLine) -> Result<(), Refused> {
        let mut event = Event::new(&line.payload).class(line.class.unwrap_or(self.class));
        let key = line.key.as_deref().or_else(|| self.key.as_deref().map(str::as_bytes));
        if let Some(key) = key {
            event = event.key(key);
        }
        intake.append(line.topic.as_deref().unwrap_or(&self.topic), &event)
    }
}

const _: () = assert!(STOP_CHECK_EVERY.as_millis() < SYNC_EVERY.as_millis());
