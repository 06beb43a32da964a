//! `edgelog run`: this machine's readings, for as long as nobody says stop.

use crate::failure::sentence;
use crate::host::Host;
use crate::intake::plain;
use crate::live::Live;
use crate::open::Sizes;
use crate::ship::{Kafka, Shipping, status_line};
use crate::stop::Stop;
use crate::units::{count, parse_duration, plural};
use anyhow::{Context, bail};
use clap::Args;
use edgelog::{AppendError, Event, Log};
use std::path::Path;
use std::time::{Duration, Instant};

/// Store this machine's readings, once a second, until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// Time between two readings, such as 500ms, 1s or 5min
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    every: Duration,
    /// End after N readings
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    samples: Option<u64>,
    #[command(flatten)]
    kafka: Kafka,
    #[command(flatten)]
    sizes: Sizes,
}

const EXAMPLES: &str = "\
Examples:
  edgelog run                          once a second into ./edgelog-data
  edgelog run --kafka localhost:9092   the same, and ship them to topic edgelog there
  edgelog run --every 10s --budget 64MiB --compress 3
  edgelog run --samples 5              five readings, then end

A reading is processor use, load, memory, swap, disks, network and temperatures as a FlatBuffers event in topic host.metrics, with
the host name as its key. Each one is durable before the next is taken. Watch them with `edgelog tail -f` in another terminal.
When the log or the disk is full, readings are refused and counted until there is room again; nothing that was stored is lost.";

/// The topic of this machine's readings.
const TOPIC: &str = "host.metrics";

/// How long the end may wait for Kafka's last acknowledgements.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How often the status line changes, at least.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// All that is at work.
#[derive(Debug)]
struct Running {
    log: Log,
    shipping: Option<Shipping>,
    live: Live,
    counts: Counts,
}

/// What happened since the command began.
#[derive(Debug, Default)]
struct Counts {
    stored: u64,
    refused: u64,
    /// Refused since the last one that was stored.
    refused_now: u64,
}

impl Run {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        let log = self.sizes.open(dir)?;
        let shipping = self.kafka.start(&log)?;
        let stop = Stop::install()?;
        let live = Live::new();
        let to = shipping.as_ref().map(|s| format!(", shipping to {}", s.place()));
        live.tell(&format!(
            "storing this machine's readings in {}, topic {TOPIC}{}; Ctrl-C ends",
            dir.display(),
            to.unwrap_or_default()
        ));
        let mut running = Running { log, shipping, live, counts: Counts::default() };
        let taken = running.take_readings(&self, &stop);
        let Counts { stored, refused, .. } = running.finish();
        taken?;
        if stored == 0 && refused > 0 {
            bail!("not one reading could be stored");
        }
        Ok(())
    }
}

impl Running {
    fn take_readings(&mut self, run: &Run, stop: &Stop) -> anyhow::Result<()> {
        let mut host = Host::new();
        let mut payload = Vec::new();
        let mut due = Instant::now();
        loop {
            host.read(&mut payload)?;
            self.store(&Event::new(&payload).key(host.name().as_bytes()))?;
            let enough = run.samples.is_some_and(|n| self.counts.readings() >= n);
            due = next_due(due, run.every);
            if self.show_until(if enough { Instant::now() } else { due }, stop)? || enough {
                return Ok(());
            }
        }
    }

    fn store(&mut self, event: &Event<'_>) -> anyhow::Result<()> {
        match self.log.append(TOPIC, event) {
            Ok(_) => {
                self.log.sync().map_err(plain).context("the last readings may be lost")?;
                self.counts.take(&self.live);
                Ok(())
            }
            // The next one may fit; if the device has failed for good, the log says so then.
            Err(error @ (AppendError::Full | AppendError::Medium(_))) => {
                self.log.give_up(1);
                self.counts.refuse(&self.live, error, self.shipping.is_some());
                Ok(())
            }
            Err(error) => Err(plain(error)),
        }
    }

    /// Keeps the status line up to date until `due`; true when the end is wanted.
    fn show_until(&mut self, due: Instant, stop: &Stop) -> anyhow::Result<bool> {
        loop {
            for notice in self.shipping.iter().flat_map(Shipping::notices) {
                self.live.warn(&notice);
            }
            let status = self.log.status()?;
            let line = status_line(&status, self.shipping.as_ref());
            self.live.show(match self.counts.refused {
                0 => line,
                refused => format!("{line}  refused {}", count(refused)),
            });
            if stop.wait_until(due.min(Instant::now() + SHOW_EVERY)) {
                return Ok(true);
            }
            if Instant::now() >= due {
                return Ok(false);
            }
        }
    }

    /// The last words: what was stored, what is durable, and what is still to be shipped.
    fn finish(self) -> Counts {
        let status = self.log.status();
        let mut told = self.counts.told();
        match &status {
            Ok(status) => {
                told.push_str(&format!("; everything below offset {} is durable", status.durable));
            }
            Err(error) => told.push_str(&format!("; cannot tell what is durable: {error}")),
        }
        if let (Some(shipping), Ok(status)) = (&self.shipping, &status) {
            // Only a courtesy: what is not acknowledged now is shipped next time.
            if shipping.wait_shipped(status.durable, LAST_WAIT) {
                told.push_str(" and shipped");
            } else {
                let lag = plural(shipping.lag(status), "record");
                told.push_str(&format!("; {lag} to be shipped next time"));
            }
        }
        self.live.finish(&told);
        self.counts
    }
}

impl Counts {
    fn told(&self) -> String {
        let stored = plural(self.stored, "reading");
        match self.refused {
            0 => format!("ended: {stored} stored"),
            refused => format!("ended: {stored} stored, {} refused", count(refused)),
        }
    }

    fn readings(&self) -> u64 {
        self.stored + self.refused
    }

    fn take(&mut self, live: &Live) {
        self.stored += 1;
        if self.refused_now > 0 {
            let refused = plural(self.refused_now, "reading");
            live.warn(&format!("there is room again; {refused} had to be refused"));
            self.refused_now = 0;
        }
    }

    fn refuse(&mut self, live: &Live, error: AppendError, shipping: bool) {
        self.refused += 1;
        self.refused_now += 1;
        if self.refused_now == 1 {
            let why = match error {
                AppendError::Full => full(shipping).to_owned(),
                error => sentence(&plain(error)),
            };
            live.warn(&format!("{why}; readings are refused and counted until there is room"));
        }
    }
}

/// A full log, and what helps here: as long as this command owns the log, `edgelog ship` cannot.
const fn full(shipping: bool) -> &'static str {
    if shipping {
        "the log is full: it keeps what was not shipped yet, and has room when Kafka has acknowledged more"
    } else {
        "the log is full: it keeps what was not shipped yet; end this and start it with --kafka HOST:PORT, or in another folder with a larger --budget"
    }
}

/// The next reading's time. Those that a sleeping machine missed are not made up for.
fn next_due(due: Instant, every: Duration) -> Instant {
    (due + every).max(Instant::now())
}
