//! What a cluster is asked to do over its own protocol.

use core::time::Duration;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{CreateTopicsRequest, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::Connection;

const TOPIC_READY: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const CREATE_TOPICS_VERSION: i16 = 5;
const METADATA_VERSION: i16 = 7;

/// A topic to create: one partition, the cluster's replication factor and no settings of its own
/// unless told otherwise.
#[derive(Clone, Debug)]
pub struct Topic {
    name: String,
    partitions: i32,
    config: Vec<(String, String)>,
}

impl Topic {
    /// A topic with one partition.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), partitions: 1, config: Vec::new() }
    }

    /// With this many partitions.
    #[must_use]
    pub const fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = partitions;
        self
    }

    /// With this topic setting, such as `message.timestamp.type`.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((key.into(), value.into()));
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Creates a topic and waits until every one of `addresses` knows a leader for all its partitions.
///
/// # Errors
/// When the cluster refuses the topic (its message is in the error) or does not elect leaders in time.
pub fn create_topic<A: AsRef<str>>(addresses: &[A], topic: &Topic) -> Result<()> {
    let first = addresses.first().context("no broker to ask")?;
    let config = topic.config.iter().map(|(key, value)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    });
    let wanted = CreatableTopic::default()
        .with_name(TopicName(text(&topic.name)))
        .with_num_partitions(topic.partitions)
        .with_replication_factor(-1)
        .with_configs(config.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(30_000);
    let answer = connect(first.as_ref())?.call(CREATE_TOPICS_VERSION, &request)?;
    let result = answer.topics.first().context("an empty answer to CreateTopics")?;
    if result.error_code != 0 {
        let why = result.error_message.as_ref().map_or("", |message| message.as_str());
        bail!("cannot create topic {}: error {} {why}", topic.name, result.error_code);
    }
    for address in addresses {
        wait_for_leaders(address.as_ref(), topic)?;
    }
    Ok(())
}

/// The brokers that `address` believes to be alive.
pub(super) fn live_brokers(address: &str) -> Result<usize> {
    let request = MetadataRequest::default()
        .with_topics(Some(Vec::new()))
        .with_allow_auto_topic_creation(false);
    Ok(connect(address)?.call(METADATA_VERSION, &request)?.brokers.len())
}

fn wait_for_leaders(address: &str, topic: &Topic) -> Result<()> {
    let expected = usize::try_from(topic.partitions)?;
    let deadline = Instant::now() + TOPIC_READY;
    let mut connection = connect(address)?;
    loop {
        let answer = describe(&mut connection, &topic.name)?;
        let led = answer.topics.iter().flat_map(|topic| &topic.partitions);
        if led.filter(|it| it.error_code == 0 && it.leader_id.0 >= 0).count() == expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{address} knows no leaders for topic {} after {TOPIC_READY:?}", topic.name);
        }
        std::thread::sleep(POLL);
    }
}

fn describe(connection: &mut Connection, topic: &str) -> Result<MetadataResponse> {
    let wanted = MetadataRequestTopic::default().with_name(Some(TopicName(text(topic))));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![wanted]))
        .with_allow_auto_topic_creation(false);
    connection.call(METADATA_VERSION, &request)
}

fn connect(address: &str) -> Result<Connection> {
    Connection::open(address, "xtask")
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}
