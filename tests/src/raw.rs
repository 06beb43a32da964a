//! A client that sends what it is told, right or wrong, in the versions the producer speaks.

use core::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::PartitionResponse;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, BrokerId, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeProducersRequest, FetchRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, MetadataResponse, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};
use kafka_protocol::records::{Record, RecordBatchDecoder};
use xtask::kafka::Connection;

use crate::batch::{Batch, Producer};
use crate::support::{OrFail, require};
use crate::{code, wait};

/// The version of Produce the producer speaks.
pub const PRODUCE_VERSION: i16 = 7;
const METADATA_VERSION: i16 = 7;
const PRODUCE_TIMEOUT_MS: i32 = 30_000;
/// A broker fetches its first block of ids when the first is asked for.
const IDS_BOUND: Duration = Duration::from_secs(30);
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const ANY_EPOCH: i32 = -1;

/// A connection to one broker. All topics are meant with their partition 0.
#[derive(Debug)]
pub struct RawClient {
    connection: Connection,
}

/// The answer to a Produce.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ack {
    /// The error code.
    pub error: i16,
    /// The offset of the batch's first record.
    pub base_offset: i64,
    /// The broker's time on a LogAppendTime topic, else -1.
    pub log_append_time: i64,
    /// Where the partition begins.
    pub log_start_offset: i64,
}

/// What DescribeProducers says of one producer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// The epoch.
    pub epoch: i32,
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// The timestamp by which it expires.
    pub last_timestamp: i64,
    /// Where its open transaction begins, or -1.
    pub transaction_start: i64,
}

/// The answer to a Fetch.
#[derive(Debug)]
pub struct Fetched {
    /// The error code.
    pub error: i16,
    /// The end of what consumers may see.
    pub high_watermark: i64,
    /// The records, of whole batches: some may lie before the offset asked for.
    pub records: Vec<Record>,
}

impl RawClient {
    /// Connects to a `host:port`.
    #[must_use]
    pub fn connect(address: &str) -> Self {
        Self::connect_as(address, "facts")
    }

    /// Connects under a client id.
    #[must_use]
    pub fn connect_as(address: &str, client_id: &str) -> Self {
        Self { connection: Connection::open(address, client_id).or_fail("connect") }
    }

    /// The connection, for what has no method here.
    pub const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// ApiVersions v0.
    pub fn versions(&mut self) -> ApiVersionsResponse {
        self.call(0, &ApiVersionsRequest::default())
    }

    /// A new producer id, once the broker has one to give.
    pub fn new_producer(&mut self) -> Producer {
        let (error, producer) = wait::until(IDS_BOUND, "a producer id", || {
            let answer = self.init_producer_id();
            (answer.0 != code::COORDINATOR_LOAD_IN_PROGRESS).then_some(answer)
        });
        require(error == code::NONE, &format!("InitProducerId: error {error}"));
        producer
    }

    /// InitProducerId v3 without a transactional id: the error code and what was given out.
    pub fn init_producer_id(&mut self) -> (i16, Producer) {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let answer = self.call(3, &request);
        (answer.error_code, Producer { id: answer.producer_id.0, epoch: answer.producer_epoch })
    }

    /// Produce v7, acks = -1.
    pub fn produce(&mut self, topic: &str, batch: &Batch) -> Ack {
        self.produce_bytes(topic, -1, PRODUCE_TIMEOUT_MS, batch.encode())
    }

    /// Produce v7 with any acks, timeout and record bytes.
    pub fn produce_bytes(
        &mut self,
        topic: &str,
        acks: i16,
        timeout_ms: i32,
        records: Vec<u8>,
    ) -> Ack {
        self.call_produce(&produce_request(topic, acks, timeout_ms, records))
    }

    /// Produce v7, acks = -1, whose answer is left for [`Self::receive_ack`].
    pub fn send_produce(&mut self, topic: &str, batch: &Batch) {
        let request = produce_request(topic, -1, PRODUCE_TIMEOUT_MS, batch.encode());
        self.connection.send(PRODUCE_VERSION, &request).or_fail("send a Produce");
    }

    /// The answer to the oldest [`Self::send_produce`].
    pub fn receive_ack(&mut self) -> Ack {
        let answer = self.connection.receive::<ProduceRequest>(PRODUCE_VERSION);
        ack(&answer.or_fail("receive an acknowledgement"))
    }

    /// Produce v7, acks = 0, which has no answer.
    pub fn produce_unacknowledged(&mut self, topic: &str, batch: &Batch) {
        let request = produce_request(topic, 0, PRODUCE_TIMEOUT_MS, batch.encode());
        self.connection.send_unanswered(PRODUCE_VERSION, &request).or_fail("send a Produce");
    }

    /// DescribeProducers v0: the error code and every producer known.
    pub fn describe(&mut self, topic: &str) -> PartitionResponse {
        let wanted = TopicRequest::default().with_name(name(topic)).with_partition_indexes(vec![0]);
        let request = DescribeProducersRequest::default().with_topics(vec![wanted]);
        let answer = self.call(0, &request);
        let topic = answer.topics.into_iter().next();
        topic.and_then(|it| it.partitions.into_iter().next()).or_fail("find the partition")
    }

    /// DescribeProducers v0 for one producer.
    pub fn known(&mut self, topic: &str, id: i64) -> Option<Known> {
        let answer = self.describe(topic);
        require(answer.error_code == 0, &format!("DescribeProducers: error {}", answer.error_code));
        let found = answer.active_producers.iter().find(|it| it.producer_id.0 == id)?;
        Some(Known {
            epoch: found.producer_epoch,
            last_sequence: found.last_sequence,
            last_timestamp: found.last_timestamp,
            transaction_start: found.current_txn_start_offset,
        })
    }

    /// ListOffsets v4 for the end: the high watermark.
    pub fn latest(&mut self, topic: &str) -> i64 {
        self.offset(topic, LATEST)
    }

    /// ListOffsets v4 for the start.
    pub fn earliest(&mut self, topic: &str) -> i64 {
        self.offset(topic, EARLIEST)
    }

    /// Fetch v4 without waiting for more to come.
    pub fn fetch(&mut self, topic: &str, offset: i64) -> Fetched {
        let partition = FetchPartition::default()
            .with_partition(0)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(16 << 20);
        let wanted = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(32 << 20)
            .with_topics(vec![wanted]);
        let answer = self.call(4, &request);
        let topic = answer.responses.into_iter().next();
        let it = topic.and_then(|it| it.partitions.into_iter().next()).or_fail("find it");
        let mut records = it.records.unwrap_or_default();
        let sets = RecordBatchDecoder::decode_all(&mut records).or_fail("decode the records");
        Fetched {
            error: it.error_code,
            high_watermark: it.high_watermark,
            records: sets.into_iter().flat_map(|set| set.records).collect(),
        }
    }

    /// Metadata v7, creating nothing.
    pub fn metadata(&mut self, topic: &str) -> MetadataResponse {
        let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![wanted]))
            .with_allow_auto_topic_creation(false);
        self.call(METADATA_VERSION, &request)
    }

    /// The `host:port` and id of the leader, as this broker knows it.
    pub fn leader(&mut self, topic: &str) -> Option<(usize, String)> {
        let answer = self.metadata(topic);
        let partition = answer.topics.first()?.partitions.first()?;
        let broker = answer.brokers.iter().find(|it| it.node_id == partition.leader_id)?;
        let id = usize::try_from(broker.node_id.0).ok()?;
        Some((id, format!("{}:{}", broker.host.as_str(), broker.port)))
    }

    /// DeleteRecords v1: moves the start to `offset`; gives the error code.
    pub fn delete_records(&mut self, topic: &str, offset: i64) -> i16 {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let wanted =
            DeleteRecordsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(PRODUCE_TIMEOUT_MS);
        let answer = self.call(1, &request);
        let topic = answer.topics.first();
        topic.and_then(|it| it.partitions.first()).or_fail("find the partition").error_code
    }

    /// DeleteTopics v4; gives the error code.
    pub fn delete_topic(&mut self, topic: &str) -> i16 {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![name(topic)])
            .with_timeout_ms(PRODUCE_TIMEOUT_MS);
        let answer = self.call(4, &request);
        answer.responses.first().or_fail("find the topic").error_code
    }

    fn call_produce(&mut self, request: &ProduceRequest) -> Ack {
        ack(&self.call(PRODUCE_VERSION, request))
    }

    /// ListOffsets v4 for the end, from a leader of this epoch only: the error code and the offset.
    pub fn latest_at_epoch(&mut self, topic: &str, leader_epoch: i32) -> (i16, i64) {
        self.list_offset(topic, LATEST, leader_epoch)
    }

    fn offset(&mut self, topic: &str, timestamp: i64) -> i64 {
        let (error, offset) = self.list_offset(topic, timestamp, ANY_EPOCH);
        require(error == code::NONE, &format!("ListOffsets: error {error}"));
        offset
    }

    fn list_offset(&mut self, topic: &str, timestamp: i64, leader_epoch: i32) -> (i16, i64) {
        let partition = ListOffsetsPartition::default()
            .with_current_leader_epoch(leader_epoch)
            .with_timestamp(timestamp);
        let wanted =
            ListOffsetsTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request =
            ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![wanted]);
        let answer = self.call(4, &request);
        let topic = answer.topics.first();
        let found = topic.and_then(|it| it.partitions.first()).or_fail("find the partition");
        (found.error_code, found.offset)
    }

    #[track_caller]
    fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.connection.call(version, request).or_fail("get an answer from the broker")
    }
}

/// A Produce for partition 0.
#[must_use]
fn produce_request(topic: &str, acks: i16, timeout_ms: i32, records: Vec<u8>) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(Bytes::from(records)));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(acks)
        .with_timeout_ms(timeout_ms)
        .with_topic_data(vec![topic])
}

fn ack(answer: &kafka_protocol::messages::ProduceResponse) -> Ack {
    let topic = answer.responses.first();
    let it = topic.and_then(|it| it.partition_responses.first()).or_fail("find the partition");
    Ack {
        error: it.error_code,
        base_offset: it.base_offset,
        log_append_time: it.log_append_time_ms,
        log_start_offset: it.log_start_offset,
    }
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}
