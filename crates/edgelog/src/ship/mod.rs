//! Shipping a log to Kafka, in the background, for ever.

mod connection;
mod driver;
mod status;

use crate::log::Log;
use driver::Driver;
use edgelog_kafka::{Config, PartitionChoice};
use status::Board;
use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use status::{LinkState, UplinkStatus};

/// Where and how a log is shipped.
#[derive(Clone, Debug)]
pub struct ShipOptions {
    bootstrap: Vec<String>,
    topic: String,
    client_id: String,
    partition: Option<i32>,
    batch_bytes: usize,
}

/// 256 KiB: amortises a round trip of 100 ms at 20 Mbit/s, and a broker takes 1 MiB by default.
const BATCH_BYTES_DEFAULT: usize = 256 << 10;

impl ShipOptions {
    /// Ships to the cluster that answers at one of `bootstrap`, a comma-separated list of `HOST:PORT`.
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        let addresses = bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty());
        Self {
            bootstrap: addresses.map(str::to_owned).collect(),
            topic: "edgelog".to_owned(),
            client_id: "edgelog".to_owned(),
            partition: None,
            batch_bytes: BATCH_BYTES_DEFAULT,
        }
    }

    /// The Kafka topic, at most 249 bytes. Default: `edgelog`. It must exist: edgelog creates none.
    #[must_use]
    pub fn topic(mut self, topic: &str) -> Self {
        topic.clone_into(&mut self.topic);
        self
    }

    /// The client's name in the broker's logs and quotas, at most 64 bytes. Default: `edgelog`.
    #[must_use]
    pub fn client_id(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.client_id);
        self
    }

    /// The partition. Default: chosen by the log's random id when shipping first begins, and kept.
    #[must_use]
    pub const fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Bytes in a batch at most. Default: 256 KiB; raised to what the log's largest record needs. Must stay below the topic's `max.message.bytes`.
    #[must_use]
    pub const fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }
}

/// Why shipping could not begin. The log goes on as it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShipError {
    /// An address, name or size that cannot be.
    Options(String),
    /// The log cannot store the shipping cursor.
    Log(edgelog_uplink::Error<crate::FileError>),
    /// An uplink of this log is alive already: two would send everything twice.
    AlreadyShipping,
    /// No thread could be started.
    Thread(std::io::Error),
}

impl fmt::Display for ShipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(what) => f.write_str(what),
            Self::Log(error) => error.fmt(f),
            Self::AlreadyShipping => {
                f.write_str("the log is being shipped already: drop the other uplink first")
            }
            Self::Thread(error) => write!(f, "cannot start the shipping thread: {error}"),
        }
    }
}

impl std::error::Error for ShipError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Options(_) | Self::AlreadyShipping => None,
            Self::Log(error) => Some(error),
            Self::Thread(error) => Some(error),
        }
    }
}

/// A log that is being shipped. Dropping it stops shipping, within the time of one write to a socket that is shut down; what was not
/// acknowledged is shipped next time.
#[derive(Debug)]
pub struct Uplink {
    log: Log,
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

impl Log {
    /// Ships everything durable to Kafka, from where shipping stopped last, until the [`Uplink`] is dropped.
    ///
    /// Returns at once: an unreachable broker is not an error but a state, and is tried again for ever. Only durable records are
    /// sent, so append [batched or durable](crate::Durability), or call [`sync`](Log::sync). Memory: two buffers of the batch size and of the log's segment size, and a few KiB.
    ///
    /// # Errors
    ///
    /// [`ShipError`]: the options cannot be, the log is being shipped already, or it cannot store the cursor.
    pub fn ship(&self, options: &ShipOptions) -> Result<Uplink, ShipError> {
        check_addresses(&options.bootstrap)?;
        let id = self.engine().id();
        let [a, b, c, d, ..] = id.0;
        let partition = options.partition.map_or_else(
            || PartitionChoice::Hash(u32::from_le_bytes([a, b, c, d])),
            PartitionChoice::Fixed,
        );
        let seed = getrandom::u64().map_err(|error| {
            ShipError::Options(format!("the system gives no random seed: {error}"))
        })?;
        let config = Config::new(&options.client_id, &options.topic, partition, seed)
            .map_err(|error| ShipError::Options(error.to_string()))?;
        if !self.begin_shipping() {
            return Err(ShipError::AlreadyShipping);
        }
        // From here on every way out, also an error, drops this handle and so ends the shipping.
        let mut uplink = Uplink { log: self.clone(), board: Arc::default(), thread: None };
        let board = Arc::clone(&uplink.board);
        let driver = Driver::new(self.clone(), config, options, board).map_err(ShipError::Log)?;
        let thread = std::thread::Builder::new()
            .name("edgelog-uplink".to_owned())
            .spawn(move || driver.run())
            .map_err(ShipError::Thread)?;
        uplink.thread = Some(thread);
        Ok(uplink)
    }
}

impl Uplink {
    /// What shipping is doing.
    #[must_use]
    pub fn status(&self) -> UplinkStatus {
        self.board.status(shipped(&self.log.engine()))
    }

    /// The sentences that a person should see, since this was called last; the oldest are dropped beyond 64, and counted in the status.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        self.board.take_notices()
    }

    /// Waits until every record below `offset` was acknowledged, or the time is over; true when it was.
    #[must_use]
    pub fn wait_shipped(&self, offset: u64, timeout: Duration) -> bool {
        self.log.wait_until(timeout, |engine| shipped(engine) >= offset)
    }
}

impl Drop for Uplink {
    fn drop(&mut self) {
        self.board.stop();
        self.log.nudge();
        if let Some(thread) = self.thread.take() {
            // The driver never blocks for longer than a write to a socket that `stop` has just shut down.
            let _ = thread.join();
        }
        self.log.end_shipping();
    }
}

/// The offset below which everything was acknowledged.
pub(crate) fn shipped(engine: &crate::log::Engine) -> u64 {
    let cursor = engine.cursors().iter().find(|cursor| cursor.name == edgelog_uplink::CURSOR_NAME);
    cursor.map_or(0, |cursor| cursor.offset)
}

fn check_addresses(addresses: &[String]) -> Result<(), ShipError> {
    match addresses.iter().find(|address| !is_address(address)) {
        None if addresses.is_empty() => {
            Err(ShipError::Options("no Kafka address was given: write HOST:PORT".to_owned()))
        }
        None => Ok(()),
        Some(wrong) => Err(ShipError::Options(format!(
            "'{wrong}' is not a Kafka address: write HOST:PORT, for example localhost:9092 or [::1]:9092"
        ))),
    }
}

fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let foreign = |c: char| c.is_whitespace() || c == '/' || (c == ':' && !bracketed);
    !host.is_empty() && !host.contains(foreign) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for good in ["localhost:9092", "10.0.0.1:1", "[::1]:9092", "kafka-1.plant.example:65535"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "localhost",
            "localhost:",
            ":9092",
            "a:0",
            "a:99999",
            "::1:9092",
            "http://a:1",
            "a b:1",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
