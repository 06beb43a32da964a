//! Events on their way into a log: counted, synced in time, and summed up.

use crate::units::{plural, plural_were};
use anyhow::anyhow;
use edgelog::{AppendError, Event, Log, Part};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The longest time that an appended event waits for its sync.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The format's limit, docs/FORMAT.md. The library has the last word.
const TOPIC_BYTES_MAX: usize = 64;

/// Takes events for a log.
#[derive(Debug)]
pub(crate) struct Intake {
    log: Log,
    sync_every: u64,
    unsynced: u64,
    last_sync: Instant,
    summary: Summary,
}

/// What went in.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// Events that were stored.
    stored: u64,
    /// Lines or rows that were not, because something was wrong with them.
    bad: u64,
    /// Offset of the first event that was stored.
    first: Option<u64>,
    /// Offset of the last one.
    last: Option<u64>,
    /// Every record below this offset survives a power cut.
    durable: u64,
}

/// Why an event was not stored.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Something is wrong with this event; the next may be fine.
    Bad(String),
    /// The log does not take this topic, whatever the event.
    Topic(String),
    /// The log is full until its oldest records were shipped.
    Full(anyhow::Error),
    /// The log takes no more.
    Stop(anyhow::Error),
}

impl Intake {
    /// Events for `log`, synced after every `sync_every` and at least every second.
    pub(crate) fn new(log: Log, sync_every: Option<u64>) -> anyhow::Result<Self> {
        let durable = log.status()?.durable;
        Ok(Self {
            log,
            sync_every: sync_every.unwrap_or(u64::MAX),
            unsynced: 0,
            last_sync: Instant::now(),
            summary: Summary { durable, ..Summary::default() },
        })
    }

    /// Appends one event.
    pub(crate) fn append(&mut self, topic: &str, event: &Event<'_>) -> Result<(), Refused> {
        let offset = self.log.append(topic, event).map_err(refused)?;
        self.summary.stored += 1;
        self.summary.first.get_or_insert(offset);
        self.summary.last = Some(offset);
        self.unsynced += 1;
        if self.unsynced >= self.sync_every || self.last_sync.elapsed() >= SYNC_EVERY {
            self.sync().map_err(Refused::Stop)?;
        }
        Ok(())
    }

    /// One more line or row that cannot be stored.
    pub(crate) fn count_bad(&mut self) {
        self.summary.bad += 1;
    }

    /// How long the next event may be waited for before a sync is due.
    pub(crate) fn patience(&self) -> Duration {
        if self.unsynced == 0 {
            SYNC_EVERY
        } else {
            SYNC_EVERY.saturating_sub(self.last_sync.elapsed())
        }
    }

    /// Syncs if events have waited for long enough.
    pub(crate) fn sync_if_due(&mut self) -> anyhow::Result<()> {
        if self.unsynced > 0 && self.last_sync.elapsed() >= SYNC_EVERY {
            self.sync()
        } else {
            Ok(())
        }
    }

    pub(crate) fn stored(&self) -> u64 {
        self.summary.stored
    }

    /// Makes everything durable and gives the summary.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Summary> {
        self.sync()?;
        Ok(self.summary.clone())
    }

    /// What holds after a failure, for its message. A last sync is tried, because what was stored should not be lost to what was not.
    pub(crate) fn what_holds(&mut self) -> String {
        let synced = self.sync().is_ok();
        let Summary { stored, durable, first, .. } = self.summary;
        if first.is_none() {
            return "nothing was stored".to_owned();
        }
        let are = if stored == 1 { "is" } else { "are" };
        let below = if synced { String::new() } else { format!(" below offset {durable}") };
        format!("{} before it {are} stored and durable{below}", plural(stored, "event"))
    }

    /// Makes everything durable.
    pub(crate) fn sync(&mut self) -> anyhow::Result<()> {
        self.summary.durable = self.log.sync().map_err(plain)?;
        self.unsynced = 0;
        self.last_sync = Instant::now();
        Ok(())
    }
}

impl Summary {
    /// Whether there was input and all of it was bad.
    pub(crate) fn nothing_but_bad(&self) -> bool {
        self.stored == 0 && self.bad > 0
    }

    /// One sentence: how many, where, and that they are durable. `what` is what the input consists of.
    pub(crate) fn sentence(&self, what: &str, into: &str) -> String {
        let bad = match self.bad {
            0 => String::new(),
            bad => format!("; {} left out (named above)", plural_were(bad, &format!("bad {what}"))),
        };
        match (self.first, self.last) {
            (Some(first), Some(last)) if first == last => {
                format!("stored 1 event in {into}, offset {first}, durable{bad}")
            }
            (Some(first), Some(last)) => format!(
                "stored {} in {into}, offsets {first} to {last}, all durable{bad}",
                plural(self.stored, "event")
            ),
            _ if self.bad > 0 => {
                format!("stored nothing: {}", bad.trim_start_matches("; "))
            }
            _ => format!("stored nothing: there was no {what} to store"),
        }
    }
}

/// The library's error without the words that only a library needs.
pub(crate) fn plain(error: AppendError) -> anyhow::Error {
    match error {
        AppendError::Medium(error) => error.into(),
        AppendError::Full => anyhow!(
            "the log is full: it keeps what was not shipped yet; ship it with `edgelog ship --kafka HOST:PORT`, or go on in another folder with a larger --budget"
        ),
        error => error.into(),
    }
}

fn refused(error: AppendError) -> Refused {
    match error {
        AppendError::TooMany { what: Part::Topic, .. } => Refused::Topic(error.to_string()),
        AppendError::TooLarge { .. }
        | AppendError::BadLength { .. }
        | AppendError::TooMany { .. } => Refused::Bad(error.to_string()),
        AppendError::Full => Refused::Full(plain(error)),
        error => Refused::Stop(plain(error)),
    }
}

/// A topic's name, for the command line. Its bytes are checked here so that a bad one ends the command before a log is created.
pub(crate) fn parse_topic(text: &str) -> Result<String, String> {
    if (1..=TOPIC_BYTES_MAX).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err(format!("a topic's name has 1 to {TOPIC_BYTES_MAX} bytes"))
    }
}
