//! Shipping to Kafka beside whatever else a command does.

use crate::kafka_names::{parse_addresses, parse_kafka_topic};
use crate::units::count;
use clap::Args;
use edgelog::{Log, ShipError, ShipOptions, Status, Uplink};
use std::time::Duration;

/// Where to ship to, for commands that can also do without.
#[derive(Debug, Args)]
pub(crate) struct Kafka {
    /// Ship to the Kafka cluster that answers here; several addresses with commas between
    #[arg(long = "kafka", id = "kafka", value_name = "HOST:PORT", value_parser = parse_addresses)]
    address: Option<String>,
    /// The Kafka topic; it must exist
    #[arg(long = "kafka-topic", id = "kafka-topic", value_name = "NAME", default_value = TOPIC, value_parser = parse_kafka_topic, requires = "kafka")]
    topic: String,
}

/// The Kafka topic when none is named.
pub(crate) const TOPIC: &str = "edgelog";

/// A log on its way to Kafka.
#[derive(Debug)]
pub(crate) struct Shipping {
    uplink: Uplink,
    place: String,
}

impl Kafka {
    /// Begins shipping `log`, if that was asked for.
    pub(crate) fn start(&self, log: &Log) -> Result<Option<Shipping>, ShipError> {
        let address = self.address.as_deref();
        address.map(|address| Shipping::start(log, address, &self.topic)).transpose()
    }
}

impl Shipping {
    pub(crate) fn start(log: &Log, address: &str, topic: &str) -> Result<Self, ShipError> {
        let uplink = log.ship(&ShipOptions::new(address).topic(topic))?;
        Ok(Self { uplink, place: format!("topic {topic} at {address}") })
    }

    /// Where it ships to, in words.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// The offset below which Kafka acknowledged everything.
    pub(crate) fn shipped(&self) -> u64 {
        self.uplink.status().shipped
    }

    /// How many records Kafka has yet to acknowledge: visible offset minus cursor, as `info` counts it.
    pub(crate) fn lag(&self, status: &Status) -> u64 {
        status.visible.saturating_sub(self.shipped())
    }

    /// Waits until everything below `offset` was acknowledged or the time is over; true when it was.
    pub(crate) fn wait_shipped(&self, offset: u64, timeout: Duration) -> bool {
        self.uplink.wait_shipped(offset, timeout)
    }

    /// What a person should know, since the last call.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.uplink.take_notices()
    }
}

/// The status line: appended, durable, shipped, lag, uplink.
pub(crate) fn status_line(status: &Status, shipping: Option<&Shipping>) -> String {
    let Status { visible, durable, .. } = *status;
    let stored = format!("appended {}  durable {}", count(visible), count(durable));
    let Some(shipping) = shipping else { return format!("{stored}  uplink none, storing") };
    let uplink = shipping.uplink.status();
    let line = format!(
        "{stored}  shipped {}  lag {}  uplink {}",
        count(uplink.shipped),
        count(shipping.lag(status)),
        uplink.link
    );
    match uplink.notices_dropped {
        0 => line,
        dropped => format!("{line}  notices dropped {}", count(dropped)),
    }
}
