//! `edgelog ship`: bring a log that is already there to Kafka.

use crate::kafka_names::{parse_addresses, parse_kafka_topic};
use crate::live::Live;
use crate::ship::{Shipping, TOPIC, status_line};
use crate::stop::Stop;
use crate::units::{parse_duration, plural};
use anyhow::bail;
use clap::Args;
use edgelog::{Log, Options, Start, View};
use std::path::Path;
use std::time::{Duration, Instant};

/// Ship what is in the log to Kafka, and end when everything was acknowledged
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ship {
    /// The Kafka cluster answers here; several addresses with commas between
    #[arg(long = "kafka", value_name = "HOST:PORT", value_parser = parse_addresses)]
    address: String,
    /// The Kafka topic; it must exist
    #[arg(long = "kafka-topic", value_name = "NAME", default_value = TOPIC, value_parser = parse_kafka_topic)]
    topic: String,
    /// Give up after this time, such as 30s or 10min [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  edgelog ship --kafka localhost:9092
  edgelog ship --kafka broker1:9092,broker2:9092 --kafka-topic plant --timeout 10min

Nothing is appended meanwhile: this command owns the log. To ship while events come in, use `run --kafka` or `import --kafka`.
An outage is waited out. Whatever is not acknowledged when the command ends is kept, and shipped by the next one, once.";

/// How often the status line changes.
const SHOW_EVERY: Duration = Duration::from_millis(200);

impl Ship {
    pub(crate) fn execute(self, dir: &Path) -> anyhow::Result<()> {
        // Looked at first, because opening as the owner would create a log where there is none.
        View::open(dir, Start::Latest)?;
        let log = Options::new().open(dir)?;
        let shipping = Shipping::start(&log, &self.address, &self.topic)?;
        let stop = Stop::install()?;
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let (before, status) = (shipping.shipped(), log.status()?);
        let mut live = Live::new();
        let done = wait_until_shipped(&log, &shipping, &stop, deadline, &mut live)?;
        let now = shipping.shipped();
        let shipped = plural(now.saturating_sub(before), "record");
        live.finish(&if before < status.durable {
            format!("shipped {shipped} to {}", shipping.place())
        } else if status.visible == 0 {
            "nothing to ship: the log is empty".to_owned()
        } else {
            "nothing to ship: everything durable was acknowledged before".to_owned()
        });
        if !done {
            bail!("{}", left_over(&log, &shipping)?);
        }
        Ok(())
    }
}

/// Shows how shipping goes until everything durable was acknowledged; false when it was interrupted or the time was over.
pub(crate) fn wait_until_shipped(
    log: &Log,
    shipping: &Shipping,
    stop: &Stop,
    deadline: Option<Instant>,
    live: &mut Live,
) -> anyhow::Result<bool> {
    loop {
        let status = log.status()?;
        let done = shipping.wait_shipped(status.durable, SHOW_EVERY);
        for notice in shipping.notices() {
            live.warn(&notice);
        }
        live.show(status_line(&status, Some(shipping)));
        let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if done || over || stop.is_wanted() {
            return Ok(done);
        }
    }
}

/// What is to be said when not everything was acknowledged.
pub(crate) fn left_over(log: &Log, shipping: &Shipping) -> anyhow::Result<String> {
    let left = plural(shipping.lag(&log.status()?), "record");
    Ok(format!(
        "{left} not acknowledged by Kafka yet; kept in the log - run `edgelog ship` to go on"
    ))
}
