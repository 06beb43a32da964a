//! A real Apache Kafka on loopback, from the pinned artifacts in `xtask/kafka/pom.xml`.
//!
//! [`Cluster`] is what tests use: it lives and dies with the process that started it.
//! [`KafkaCommand`] is `cargo xtask kafka`, whose cluster outlives the command.
//! [`Connection`] is the blocking client both of them speak to a broker with.

mod admin;
mod cluster;
mod command;
mod connection;
mod install;
mod node;
mod ports;
mod process;
mod properties;
mod state;

pub use admin::{Topic, create_topic};
pub use cluster::{Builder, Cluster};
pub use command::{KafkaCommand, TopicArguments, UpArguments};
pub use connection::Connection;
pub use install::kafka_version;

/// The environment variable that names a cluster to use instead of starting one.
pub const BOOTSTRAP_VARIABLE: &str = "KAFKA_BOOTSTRAP";

/// The cluster the environment asks to use instead of a started one.
#[must_use]
pub fn external_bootstrap() -> Option<String> {
    std::env::var(BOOTSTRAP_VARIABLE).ok().filter(|address| !address.is_empty())
}
