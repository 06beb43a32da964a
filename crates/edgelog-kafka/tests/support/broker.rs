//! An oracle of one replicated partition, with the rules of idempotence as Apache Kafka has them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeProducersRequest, DescribeProducersResponse,
    FetchRequest, FetchResponse, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use kafka_protocol::records::RecordBatchDecoder;

use super::codec::{body, request_header, response, text, topic};

pub const TOPIC: &str = "events";
const SEQUENCES: i64 = 1 << 31;

/// One stored batch.
#[derive(Clone, Debug)]
pub struct Stored {
    pub base_offset: i64,
    pub count: i64,
    pub producer_id: i64,
    pub epoch: i16,
    pub first_sequence: i64,
    pub values: Vec<Bytes>,
    pub bytes: Vec<u8>,
}

impl Stored {
    fn end(&self) -> i64 {
        self.base_offset + self.count
    }

    fn last_sequence(&self) -> i64 {
        (self.first_sequence + self.count - 1) % SEQUENCES
    }
}

/// What the leader remembers of a producer: its epoch and up to five batches.
#[derive(Clone, Debug)]
struct Known {
    epoch: i16,
    window: VecDeque<(i64, i64, i64)>,
}

/// Nodes 1 and 2, one of which leads the only partition.
#[derive(Debug)]
pub struct Cluster {
    pub id: &'static str,
    pub leader: i32,
    pub log: Vec<Stored>,
    pub log_start: i64,
    pub high_watermark: i64,
    /// Whether followers keep up, so that what is appended is replicated at once.
    pub replicates: bool,
    /// Whether DescribeProducers is offered.
    pub describes: bool,
    /// Errors to answer with, in front of any effect, by API.
    pub errors: VecDeque<(ApiKey, i16)>,
    /// Milliseconds of silence asked for in each Produce response.
    pub throttle_ms: i32,
    producers: BTreeMap<i64, Known>,
    next_producer_id: i64,
    /// Requests seen, by API, for tests that count them.
    pub seen: Vec<ApiKey>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            id: "cluster-a",
            leader: 1,
            log: Vec::new(),
            log_start: 0,
            high_watermark: 0,
            replicates: true,
            describes: true,
            errors: VecDeque::new(),
            throttle_ms: 0,
            producers: BTreeMap::new(),
            next_producer_id: 4000,
            seen: Vec::new(),
        }
    }
}

impl Cluster {
    /// The values below the high watermark, in order.
    pub fn committed(&self) -> Vec<Bytes> {
        let below = self.log.iter().filter(|batch| batch.end() <= self.high_watermark);
        below.flat_map(|batch| batch.values.iter().cloned()).collect()
    }

    pub fn end(&self) -> i64 {
        self.log.last().map_or(self.log_start, Stored::end)
    }

    /// Followers catch up.
    pub fn replicate(&mut self) {
        self.high_watermark = self.end();
        self.replicates = true;
    }

    /// The other node takes over; what was not replicated is gone.
    pub fn move_leader(&mut self) {
        self.leader = 3 - self.leader;
        let high_watermark = self.high_watermark;
        self.log.retain(|batch| batch.end() <= high_watermark);
        self.replicates = true;
        self.rebuild(5);
    }

    /// The leader restarts: of each producer only the last batch is remembered.
    pub fn restart(&mut self) {
        self.replicate();
        self.rebuild(1);
    }

    /// The leader forgets all producers.
    ///
    /// It forgets none that has a batch above the high watermark: nobody but the leader itself can
    /// then tell that the batch exists, and `a_leader_that_forgets_what_it_has_not_replicated` is
    /// the test of that exception.
    pub fn expire(&mut self) {
        if self.high_watermark == self.end() {
            self.expire_all();
        }
    }

    /// The leader forgets all producers, replicated or not.
    pub fn expire_all(&mut self) {
        self.producers.clear();
    }

    /// Retention removes everything before `offset`.
    pub fn retain_from(&mut self, offset: i64) {
        self.log.retain(|batch| batch.base_offset >= offset);
        self.log_start = offset;
    }

    /// Acknowledged records are lost, as after an unclean election.
    pub fn lose_from(&mut self, offset: i64) {
        self.log.retain(|batch| batch.end() <= offset);
        self.high_watermark = self.end();
        self.rebuild(5);
    }

    /// A batch of another producer.
    pub fn append_foreign(&mut self) {
        let mut bytes = vec![0; 61];
        bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
        bytes[16] = 2;
        bytes[43..57].copy_from_slice(&[0xFF; 14]);
        let base_offset = self.end();
        bytes[0..8].copy_from_slice(&base_offset.to_be_bytes());
        self.log.push(Stored {
            base_offset,
            count: 1,
            producer_id: -1,
            epoch: -1,
            first_sequence: -1,
            values: Vec::new(),
            bytes,
        });
        if self.replicates {
            self.high_watermark = self.end();
        }
    }

    /// Another client takes over the producer id with its next epoch.
    pub fn bump_epoch_elsewhere(&mut self) {
        for known in self.producers.values_mut() {
            known.epoch += 1;
            known.window.clear();
        }
    }

    /// As if every stored batch had a sequence that is greater by `shift`.
    pub fn shift_sequences(&mut self, shift: i64) {
        for batch in &mut self.log {
            batch.first_sequence = (batch.first_sequence + shift) % SEQUENCES;
            let sequence = batch.first_sequence as i32;
            batch.bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        }
        self.rebuild(5);
    }

    fn rebuild(&mut self, window: usize) {
        self.producers.clear();
        for batch in self.log.clone().iter().filter(|batch| batch.producer_id >= 0) {
            self.remember(batch);
        }
        for known in self.producers.values_mut() {
            while known.window.len() > window {
                known.window.pop_front();
            }
        }
    }

    fn remember(&mut self, batch: &Stored) {
        let entry = (batch.first_sequence, batch.last_sequence(), batch.base_offset);
        let fresh = Known { epoch: batch.epoch, window: VecDeque::new() };
        let known = self.producers.entry(batch.producer_id).or_insert(fresh);
        if known.epoch != batch.epoch {
            known.epoch = batch.epoch;
            known.window.clear();
        }
        known.window.push_back(entry);
        if known.window.len() > 5 {
            known.window.pop_front();
        }
    }

    /// The table of what a leader does with a sequence: an error, a duplicate's offset, or nothing.
    fn check(&self, batch: &Stored) -> Result<Option<i64>, i16> {
        let Some(known) = self.producers.get(&batch.producer_id) else { return Ok(None) };
        let (first, last) = (batch.first_sequence, batch.last_sequence());
        if batch.epoch < known.epoch {
            return Err(47);
        }
        if batch.epoch > known.epoch {
            return if first == 0 { Ok(None) } else { Err(45) };
        }
        if let Some(hit) = known.window.iter().find(|hit| (hit.0, hit.1) == (first, last)) {
            return Ok(Some(hit.2));
        }
        let expected = known.window.back().map_or(0, |back| (back.1 + 1) % SEQUENCES);
        if first == expected { Ok(None) } else { Err(45) }
    }

    /// Answers one request of `node`, given without its size. `None`: the broker says nothing.
    pub fn handle(&mut self, node: i32, frame: &[u8]) -> Option<Vec<u8>> {
        let (key, header, bytes) = request_header(frame);
        let (version, id) = (header.request_api_version, header.correlation_id);
        self.seen.push(key);
        let scripted = match self.errors.front() {
            Some((api, _)) if *api == key => self.errors.pop_front().map(|(_, code)| code),
            _ => None,
        };
        let leads = if node == self.leader { 0 } else { 6 };
        let error = scripted.unwrap_or(leads);
        Some(match key {
            ApiKey::ApiVersions => response(key, version, id, &self.versions()),
            ApiKey::Metadata => {
                let request: MetadataRequest = body(bytes, version);
                let topics = request.topics.expect("the topic is named");
                assert_eq!(topics[0].name, Some(topic(TOPIC)));
                response(key, version, id, &self.metadata(scripted.unwrap_or(0)))
            }
            ApiKey::InitProducerId => {
                self.next_producer_id += 1;
                let answer = InitProducerIdResponse::default()
                    .with_error_code(scripted.unwrap_or(0))
                    .with_producer_id(self.next_producer_id.into())
                    .with_producer_epoch(0);
                response(key, version, id, &answer)
            }
            ApiKey::Produce => response(key, version, id, &self.produce(error, &body(bytes, 7))),
            ApiKey::ListOffsets => response(key, version, id, &self.offsets(error, body(bytes, 4))),
            ApiKey::Fetch => response(key, version, id, &self.fetch(error, &body(bytes, 4))),
            ApiKey::DescribeProducers => {
                let _: DescribeProducersRequest = body(bytes, 0);
                response(key, version, id, &self.describe(error))
            }
            other => panic!("unexpected request {other:?}"),
        })
    }

    fn versions(&self) -> ApiVersionsResponse {
        let ranges = [(0, 3, 11), (1, 4, 17), (2, 1, 10), (3, 0, 12), (18, 0, 4), (22, 0, 5)];
        let describes = self.describes.then_some((61, 0, 0));
        let keys = ranges.into_iter().chain(describes).map(|(key, min, max)| {
            ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
        });
        ApiVersionsResponse::default().with_api_keys(keys.collect())
    }

    fn metadata(&self, error: i16) -> MetadataResponse {
        let broker = |node: i32| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(node))
                .with_host(text(&format!("node-{node}")))
                .with_port(9090 + node)
        };
        let partition = MetadataResponsePartition::default()
            .with_partition_index(0)
            .with_leader_id(BrokerId(self.leader))
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2)]);
        MetadataResponse::default()
            .with_brokers(vec![broker(1), broker(2)])
            .with_cluster_id(Some(text(self.id)))
            .with_topics(vec![
                MetadataResponseTopic::default()
                    .with_error_code(error)
                    .with_name(Some(topic(TOPIC)))
                    .with_partitions(vec![partition]),
            ])
    }

    fn produce(&mut self, error: i16, request: &ProduceRequest) -> ProduceResponse {
        assert_eq!(request.acks, -1, "only replicated batches are acknowledged");
        let records = request.topic_data[0].partition_data[0].records.clone().unwrap();
        let answer = if error != 0 { Err(error) } else { self.append(&records) };
        let partition = match answer {
            Ok(base_offset) => PartitionProduceResponse::default().with_base_offset(base_offset),
            Err(code) => PartitionProduceResponse::default().with_error_code(code),
        };
        ProduceResponse::default().with_throttle_time_ms(self.throttle_ms).with_responses(vec![
            TopicProduceResponse::default()
                .with_name(topic(TOPIC))
                .with_partition_responses(vec![partition.with_log_append_time_ms(-1)]),
        ])
    }

    fn append(&mut self, records: &Bytes) -> Result<i64, i16> {
        // The decoder verifies the checksum.
        let decoded = RecordBatchDecoder::decode(&mut records.clone()).map_err(|_| 2_i16)?;
        let first = &decoded.records[0];
        let base_offset = self.end();
        let batch = Stored {
            base_offset,
            count: decoded.records.len() as i64,
            producer_id: first.producer_id,
            epoch: first.producer_epoch,
            first_sequence: i64::from(first.sequence),
            values: decoded
                .records
                .iter()
                .map(|record| record.value.clone().unwrap_or_default())
                .collect(),
            bytes: [&base_offset.to_be_bytes(), &records[8..]].concat(),
        };
        assert!(batch.first_sequence + batch.count <= SEQUENCES, "a batch across the wrap");
        let appended = match self.check(&batch)? {
            Some(original) => original,
            None => {
                self.remember(&batch);
                self.log.push(batch);
                base_offset
            }
        };
        if self.replicates {
            self.high_watermark = self.end();
        }
        // A leader that waits in vain for its followers says so.
        let end =
            self.log.iter().find(|batch| batch.base_offset == appended).map_or(0, Stored::end);
        if end <= self.high_watermark { Ok(appended) } else { Err(7) }
    }

    fn offsets(&self, error: i16, request: ListOffsetsRequest) -> ListOffsetsResponse {
        let asked = request.topics[0].partitions[0].timestamp;
        let offset = if asked == -2 { self.log_start } else { self.high_watermark };
        let partition = ListOffsetsPartitionResponse::default()
            .with_error_code(error)
            .with_offset(if error == 0 { offset } else { -1 });
        ListOffsetsResponse::default().with_topics(vec![
            ListOffsetsTopicResponse::default()
                .with_name(topic(TOPIC))
                .with_partitions(vec![partition]),
        ])
    }

    fn fetch(&self, error: i16, request: &FetchRequest) -> FetchResponse {
        let wanted = &request.topics[0].partitions[0];
        let from = wanted.fetch_offset;
        let inside = (self.log_start..=self.high_watermark).contains(&from);
        let error = if error == 0 && !inside { 1 } else { error };
        let mut bytes = Vec::new();
        let readable = self.log.iter().filter(|batch| batch.end() <= self.high_watermark);
        for batch in readable.filter(|batch| error == 0 && batch.end() > from) {
            let fits = bytes.len() + batch.bytes.len() <= wanted.partition_max_bytes as usize;
            if !fits && !bytes.is_empty() {
                break;
            }
            bytes.extend_from_slice(&batch.bytes);
        }
        let partition = PartitionData::default()
            .with_error_code(error)
            .with_high_watermark(self.high_watermark)
            .with_aborted_transactions(None)
            .with_records(Some(Bytes::from(bytes)));
        FetchResponse::default().with_responses(vec![
            FetchableTopicResponse::default()
                .with_topic(topic(TOPIC))
                .with_partitions(vec![partition]),
        ])
    }

    fn describe(&self, error: i16) -> DescribeProducersResponse {
        let producers = self.producers.iter().filter(|_| error == 0).map(|(id, known)| {
            ProducerState::default()
                .with_producer_id((*id).into())
                .with_producer_epoch(known.epoch.into())
                .with_last_sequence(known.window.back().map_or(-1, |back| back.1 as i32))
        });
        let partition = PartitionResponse::default()
            .with_error_code(error)
            .with_active_producers(producers.collect());
        DescribeProducersResponse::default().with_topics(vec![
            TopicResponse::default().with_name(topic(TOPIC)).with_partitions(vec![partition]),
        ])
    }
}
