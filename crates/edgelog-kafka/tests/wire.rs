//! Requests and responses against an independent codec, in whole and in portions.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "test data is small"
)]

mod support;

use edgelog_kafka::wire::answer::{
    ApiVersions, InitProducerId, Metadata, Offsets, Produced, Producers, Stored,
};
use edgelog_kafka::wire::request::{self, FetchFrom, Header, OffsetAt};
use edgelog_kafka::wire::{Api, Malformed, Reader, RequestError, Sink};
use edgelog_kafka::{ErrorCode, PartitionChoice};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, DescribeProducersRequest,
    DescribeProducersResponse, FetchRequest, FetchResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse,
};
use proptest::prelude::*;
use support::Random;
use support::codec::{body, request_header, response, text, topic};

const ID: i32 = 77;
const HEADER: Header<'_> = Header { correlation_id: ID, client_id: "dev-1" };

/// Writes a request, checks its size and header, and decodes its body.
fn sent<T: kafka_protocol::protocol::Decodable>(
    api: Api,
    behind: &[u8],
    encode: impl Fn(&mut [u8]) -> Result<usize, RequestError>,
) -> T {
    let mut buffer = [0; 1024];
    let len = encode(&mut buffer).unwrap();
    for short in 0..len {
        let refused = encode(&mut vec![0; short]);
        assert_eq!(refused, Err(RequestError::BufferTooSmall { needed: len }));
    }
    let frame = [&buffer[..len], behind].concat();
    assert_eq!(i32::from_be_bytes(frame[..4].try_into().unwrap()) as usize, frame.len() - 4);
    let (key, header, bytes) = request_header(&frame[4..]);
    assert_eq!((key as i16, header.request_api_version), (api.key(), api.version()));
    assert_eq!((header.correlation_id, header.client_id), (ID, Some(text("dev-1"))));
    body(bytes, api.version())
}

#[test]
fn requests_decode_to_what_was_asked() {
    let _: ApiVersionsRequest =
        sent(Api::ApiVersions, &[], |buffer| request::api_versions(buffer, HEADER));

    for create in [false, true] {
        let asked: MetadataRequest =
            sent(Api::Metadata, &[], |buffer| request::metadata(buffer, HEADER, "t", create));
        assert_eq!(asked.topics.unwrap()[0].name, Some(topic("t")));
        assert_eq!(asked.allow_auto_topic_creation, create);
    }

    let asked: InitProducerIdRequest =
        sent(Api::InitProducerId, &[], |buffer| request::init_producer_id(buffer, HEADER));
    assert_eq!((asked.transactional_id, asked.producer_id.0, asked.producer_epoch), (None, -1, -1));

    let asked: ProduceRequest =
        sent(Api::Produce, b"batch", |buffer| request::produce(buffer, HEADER, "t", 9, 1234, 5));
    assert_eq!((asked.transactional_id, asked.acks, asked.timeout_ms), (None, -1, 1234));
    assert_eq!(asked.topic_data[0].name, topic("t"));
    assert_eq!(asked.topic_data[0].partition_data[0].index, 9);
    assert_eq!(asked.topic_data[0].partition_data[0].records.as_deref(), Some(&b"batch"[..]));

    let long = "x".repeat(249);
    let asked: DescribeProducersRequest = sent(Api::DescribeProducers, &[], |buffer| {
        request::describe_producers(buffer, HEADER, &long, 9)
    });
    assert_eq!(asked.topics[0].name, topic(&long));
    assert_eq!(asked.topics[0].partition_indexes, [9]);

    for (at, timestamp) in [(OffsetAt::Earliest, -2), (OffsetAt::Latest, -1)] {
        let asked: ListOffsetsRequest =
            sent(Api::ListOffsets, &[], |buffer| request::list_offsets(buffer, HEADER, "t", 9, at));
        assert_eq!((asked.replica_id.0, asked.isolation_level), (-1, 0));
        let partition = &asked.topics[0].partitions[0];
        assert_eq!((partition.partition_index, partition.timestamp), (9, timestamp));
        assert_eq!(partition.current_leader_epoch, -1);
    }

    let from = FetchFrom { partition: 9, offset: 1 << 40, wait_ms: 7, bytes_max: 4096 };
    let asked: FetchRequest =
        sent(Api::Fetch, &[], |buffer| request::fetch(buffer, HEADER, "t", from));
    assert_eq!((asked.replica_id.0, asked.max_wait_ms, asked.min_bytes), (-1, 7, 1));
    assert_eq!((asked.max_bytes, asked.isolation_level), (4096, 0));
    let partition = &asked.topics[0].partitions[0];
    assert_eq!((partition.partition, partition.fetch_offset), (9, 1 << 40));
    assert_eq!(partition.partition_max_bytes, 4096);
}

#[test]
fn names_beyond_the_protocol_are_refused() {
    let name = "x".repeat(40_000);
    let mut buffer = vec![0; 50_000];
    let refused = request::metadata(&mut buffer, HEADER, &name, false);
    assert_eq!(refused, Err(RequestError::TooLong));
    let refused = request::describe_producers(&mut buffer, HEADER, &name, 0);
    assert_eq!(refused, Err(RequestError::TooLong));
    let refused = request::produce(&mut buffer, HEADER, "t", 0, 0, usize::MAX);
    assert_eq!(refused, Err(RequestError::TooLong));
}

/// Reads `frame` in portions of up to `most` bytes.
fn read<S: Sink>(api: Api, frame: &[u8], most: u64, mut sink: S) -> Result<S, Malformed> {
    let mut random = Random(frame.len() as u64);
    let mut reader = Reader::new();
    reader.expect(api, ID);
    let mut rest = frame;
    while !rest.is_empty() {
        let portion = &rest[..(1 + random.below(most) as usize).min(rest.len())];
        let progress = reader.feed(portion, &mut sink)?;
        rest = &rest[portion.len()..];
        assert_eq!(progress.done, rest.is_empty(), "done exactly at the end");
        assert_eq!(progress.consumed, portion.len());
    }
    Ok(sink)
}

/// Reads `frame` in one piece, byte by byte and in random portions; each must satisfy `check`.
fn read_each_way<S: Sink + Clone>(api: Api, frame: &[u8], sink: S, check: impl Fn(&S)) {
    let mut whole = sink.clone();
    let mut reader = Reader::new();
    reader.expect(api, ID);
    let progress = reader.feed(&[frame, b"next"].concat(), &mut whole).unwrap();
    assert_eq!((progress.done, progress.consumed), (true, frame.len()));
    check(&whole);
    for most in [1, 7, 100] {
        check(&read(api, frame, most, sink.clone()).unwrap());
    }
    damaged(api, frame, &sink);
}

/// A response that is cut short, prolonged or damaged is refused or read, without a panic.
fn damaged<S: Sink + Clone>(api: Api, frame: &[u8], sink: &S) {
    let with_size = |size: usize, bytes: &[u8]| [&(size as i32).to_be_bytes()[..], bytes].concat();
    let longer = with_size(frame.len() - 3, &[&frame[4..], b"!"].concat());
    assert_eq!(read(api, &longer, 50, sink.clone()).err(), Some(Malformed::Trailing));
    let mut random = Random(1);
    for _ in 0..20 {
        let cut = 4 + 4 + random.below(frame.len() as u64 - 8) as usize;
        let shorter = with_size(cut - 4, &frame[4..cut]);
        let mut reader = Reader::new();
        reader.expect(api, ID);
        let ended = reader.feed(&shorter, &mut sink.clone());
        assert!(matches!(ended, Err(Malformed::Truncated | Malformed::Length | Malformed::Field)));
        let mut bent = frame.to_vec();
        bent[random.below(frame.len() as u64) as usize] ^= 1 << random.below(8);
        let mut reader = Reader::new();
        reader.expect(api, ID);
        let _ = reader.feed(&bent, &mut sink.clone());
    }
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{0,9}"
}

/// Offsets of other partitions and topics around the one that is asked about.
fn other_partitions() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(10..2000_i32, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn api_versions_reads_as_written(
        error in any::<i16>(),
        offers in prop::collection::btree_map(0..70_i16, (any::<i16>(), any::<i16>()), 0..70),
    ) {
        let keys = offers.iter().map(|(key, (min, max))| {
            ApiVersion::default().with_api_key(*key).with_min_version(*min).with_max_version(*max)
        });
        let answer =
            ApiVersionsResponse::default().with_error_code(error).with_api_keys(keys.collect());
        let frame = response(ApiKey::ApiVersions, 0, ID, &answer);
        read_each_way(Api::ApiVersions, &frame, ApiVersions::default(), |read| {
            assert_eq!(read.error, ErrorCode(error));
            for api in Api::ALL {
                let offer = offers.get(&api.key()).copied();
                assert_eq!(read.offer(api).map(|offer| (offer.min, offer.max)), offer);
                let speaks = offer.is_some_and(|(min, max)| (min..=max).contains(&api.version()));
                assert_eq!(read.speaks(api), speaks);
            }
        });
    }

    #[test]
    fn metadata_reads_as_written(
        brokers in prop::collection::btree_map(0..900_i32, (name(), 0..65536_i32, prop::option::of(name())), 1..60),
        partitions in prop::collection::vec((any::<i16>(), -1..900_i32, 0..5_usize), 1..300),
        cluster in prop::option::of(name()),
        topic_error in any::<i16>(),
        pick in any::<u32>(),
    ) {
        let listed = brokers.iter().map(|(node, (host, port, rack))| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(*node))
                .with_host(text(host))
                .with_port(*port)
                .with_rack(rack.as_deref().map(text))
        });
        let parts = partitions.iter().enumerate().map(|(index, (error, leader, replicas))| {
            MetadataResponsePartition::default()
                .with_error_code(*error)
                .with_partition_index(index as i32)
                .with_leader_id(BrokerId(*leader))
                .with_replica_nodes(vec![BrokerId(1); *replicas])
                .with_isr_nodes(vec![BrokerId(2); replicas / 2])
                .with_offline_replicas(vec![])
        });
        let answer = MetadataResponse::default()
            .with_throttle_time_ms(5)
            .with_brokers(listed.collect())
            .with_cluster_id(cluster.as_deref().map(text))
            .with_topics(vec![
                MetadataResponseTopic::default()
                    .with_error_code(topic_error)
                    .with_name(Some(topic("wanted")))
                    .with_partitions(parts.collect()),
            ]);
        let frame = response(ApiKey::Metadata, 7, ID, &answer);
        let index = pick as usize % partitions.len();
        let (error, leader, _) = partitions[index];
        let (first, (host, port, _)) = brokers.iter().next().unwrap();
        let choices = [PartitionChoice::Fixed(index as i32), PartitionChoice::Hash(pick)];
        for choice in choices {
            read_each_way(Api::Metadata, &frame, Metadata::new("wanted", choice, None), |read| {
                assert_eq!((read.throttle_ms, read.brokers as usize), (5, brokers.len()));
                assert_eq!(read.topic_error, Some(ErrorCode(topic_error)));
                assert_eq!((read.partition, read.leader), (index as i32, leader));
                assert_eq!(read.partition_error, Some(ErrorCode(error)));
                let broker = read.broker.as_ref().unwrap();
                assert_eq!((broker.node, broker.host.as_str(), i32::from(broker.port)), (*first, host.as_str(), *port));
                assert_eq!(read.cluster == 0, cluster.as_deref().unwrap_or("").is_empty());
            });
        }
        for node in [leader, 901] {
            let sink = Metadata::new("wanted", choices[0], Some(node));
            read_each_way(Api::Metadata, &frame, sink, |read| {
                let found = read.broker.as_ref().map(|broker| (broker.host.to_string(), i32::from(broker.port)));
                assert_eq!(found, brokers.get(&node).map(|(host, port, _)| (host.clone(), *port)));
            });
        }
        read_each_way(Api::Metadata, &frame, Metadata::new("other", choices[0], None), |read| {
            assert_eq!((read.topic_error, read.partition_error), (None, None));
        });
    }

    #[test]
    fn init_producer_id_reads_as_written(
        error in any::<i16>(), id in 0..i64::MAX, epoch in 0..i16::MAX, tags in 0..4_i32,
    ) {
        let mut answer = InitProducerIdResponse::default()
            .with_throttle_time_ms(-1)
            .with_error_code(error)
            .with_producer_id(id.into())
            .with_producer_epoch(epoch);
        for tag in 0..tags {
            answer = answer.with_unknown_tagged_field(tag * 1000, vec![1; tag as usize * 200].into());
        }
        let frame = response(ApiKey::InitProducerId, 3, ID, &answer);
        read_each_way(Api::InitProducerId, &frame, InitProducerId::default(), |read| {
            assert_eq!((read.throttle_ms, read.error), (0, ErrorCode(error)));
            assert_eq!((read.producer_id, read.producer_epoch), (id, epoch));
        });
    }

    #[test]
    fn produce_reads_as_written(
        others in other_partitions(), error in any::<i16>(), offset in any::<i64>(), time in any::<i64>(),
        throttle in 0..i32::MAX,
    ) {
        let wanted = PartitionProduceResponse::default()
            .with_index(3).with_error_code(error).with_base_offset(offset).with_log_append_time_ms(time);
        let mut parts: Vec<_> = others.iter().map(|index| {
            PartitionProduceResponse::default().with_index(*index).with_base_offset(-9)
        }).collect();
        parts.insert(parts.len() / 2, wanted);
        let other = vec![PartitionProduceResponse::default().with_index(3).with_base_offset(-8)];
        let answer = ProduceResponse::default().with_throttle_time_ms(throttle).with_responses(vec![
            TopicProduceResponse::default().with_name(topic("wanted")).with_partition_responses(parts),
            TopicProduceResponse::default().with_name(topic("other")).with_partition_responses(other),
        ]);
        let frame = response(ApiKey::Produce, 7, ID, &answer);
        read_each_way(Api::Produce, &frame, Produced::new("wanted", 3), |read| {
            assert_eq!(read.error, Some(ErrorCode(error)));
            assert_eq!((read.base_offset, read.log_append_time_ms), (offset, time));
            assert_eq!(read.throttle_ms, throttle as u32);
        });
        read_each_way(Api::Produce, &frame, Produced::new("wanted", 4), |read| {
            assert_eq!(read.error, None);
        });
    }

    #[test]
    fn list_offsets_reads_as_written(others in other_partitions(), error in any::<i16>(), offset in 0..i64::MAX) {
        let wanted = ListOffsetsPartitionResponse::default()
            .with_partition_index(3).with_error_code(error).with_offset(offset).with_leader_epoch(8);
        let mut parts: Vec<_> = others.iter().map(|index| {
            ListOffsetsPartitionResponse::default().with_partition_index(*index)
        }).collect();
        parts.push(wanted);
        let answer = ListOffsetsResponse::default().with_topics(vec![
            ListOffsetsTopicResponse::default().with_name(topic("wanted")).with_partitions(parts),
        ]);
        let frame = response(ApiKey::ListOffsets, 4, ID, &answer);
        read_each_way(Api::ListOffsets, &frame, Offsets::new("wanted", 3), |read| {
            assert_eq!((read.error, read.offset), (Some(ErrorCode(error)), offset));
        });
    }

    #[test]
    fn describe_producers_reads_as_written(
        producers in prop::collection::btree_map(0..2000_i64, (any::<i32>(), any::<i32>()), 0..400),
        wanted in 0..2000_i64, error in any::<i16>(), message in prop::option::of(".{0,300}"), tags in 0..3_i32,
    ) {
        let states = producers.iter().map(|(id, (epoch, sequence))| {
            let mut state = ProducerState::default()
                .with_producer_id((*id).into()).with_producer_epoch(*epoch).with_last_sequence(*sequence);
            for tag in 0..tags {
                state = state.with_unknown_tagged_field(tag, vec![7; tag as usize * 90].into());
            }
            state
        });
        let partition = PartitionResponse::default()
            .with_partition_index(3).with_error_code(error)
            .with_error_message(message.as_deref().map(text)).with_active_producers(states.collect());
        let answer = DescribeProducersResponse::default().with_topics(vec![
            TopicResponse::default().with_name(topic("wanted")).with_partitions(vec![partition]),
        ]);
        let frame = response(ApiKey::DescribeProducers, 0, ID, &answer);
        read_each_way(Api::DescribeProducers, &frame, Producers::new("wanted", 3, wanted), |read| {
            assert_eq!(read.error, Some(ErrorCode(error)));
            let held = read.held.map(|held| (held.epoch, held.last_sequence));
            assert_eq!(held, producers.get(&wanted).copied());
        });
    }

    #[test]
    fn fetch_reads_as_written(
        counts in prop::collection::vec((1..4_i64, any::<bool>()), 0..30),
        cut in 0..9_usize, replicated in 0..60_i64, aborted in prop::option::of(0..3_usize),
    ) {
        let mut bytes = Vec::new();
        let (mut next, mut sequence, mut last, mut seen) = (500, 0, None, None);
        for (count, ours) in counts {
            bytes.extend_from_slice(&stored_batch(next, count, if ours { 42 } else { 43 }, sequence));
            next += count;
            seen = Some(next);
            if ours {
                sequence += count as i32;
                if next <= 500 + replicated { last = Some((sequence - 1, next)); }
            }
        }
        // Cut into the last body, never into its header: it counts all the same.
        let cut = if bytes.is_empty() { 0 } else { cut };
        bytes.truncate(bytes.len() - cut);
        let len = bytes.len() as u64;
        let partition = PartitionData::default()
            .with_partition_index(3).with_high_watermark(500 + replicated)
            .with_aborted_transactions(aborted.map(|n| vec![AbortedTransaction::default(); n]))
            .with_records(Some(bytes.into()));
        let answer = FetchResponse::default().with_responses(vec![
            FetchableTopicResponse::default().with_topic(topic("wanted")).with_partitions(vec![partition]),
        ]);
        let frame = response(ApiKey::Fetch, 4, ID, &answer);
        read_each_way(Api::Fetch, &frame, Stored::new("wanted", 3, 42, 6), |read| {
            assert_eq!((read.error, read.high_watermark), (Some(ErrorCode(0)), 500 + replicated));
            assert_eq!((read.bytes, read.next_offset), (len, seen));
            assert_eq!(read.last.map(|last| (last.last_sequence, last.next_offset)), last);
        });
    }
}

/// A batch as the independent codec writes it.
fn stored_batch(offset: i64, count: i64, producer_id: i64, sequence: i32) -> Vec<u8> {
    use kafka_protocol::records::{
        Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    let records: Vec<_> = (0..count)
        .map(|at| Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 1,
            producer_id,
            producer_epoch: 6,
            timestamp_type: TimestampType::Creation,
            offset: offset + at,
            sequence: sequence + at as i32,
            timestamp: 5,
            key: None,
            value: Some(bytes::Bytes::from_static(b"0123456789")),
            headers: indexmap::IndexMap::default(),
        })
        .collect();
    let mut bytes = bytes::BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, records.iter(), &options).unwrap();
    bytes.to_vec()
}

#[test]
fn impossible_lengths_are_malformed() {
    let read_bytes = |api, bytes: &[u8]| {
        let frame =
            [&(bytes.len() as i32 + 4).to_be_bytes()[..], &ID.to_be_bytes(), bytes].concat();
        read(api, &frame, 3, any_sink()).err()
    };
    // An array of -2 items, and one of more items than there are bytes.
    assert_eq!(read_bytes(Api::Produce, &(-2_i32).to_be_bytes()), Some(Malformed::Length));
    assert_eq!(read_bytes(Api::Produce, &i32::MAX.to_be_bytes()), Some(Malformed::Length));
    // A topic name of -1 (not nullable here) and of -2 bytes, in a frame that is long enough.
    for length in [-1_i16, -2, i16::MIN] {
        let bytes = [&1_i32.to_be_bytes()[..], &length.to_be_bytes(), &[0; 70_000]].concat();
        assert_eq!(read_bytes(Api::Produce, &bytes), Some(Malformed::Length));
    }
    // A variable-length number of six bytes, and one of more than 32 bits.
    let throttle = [0; 4];
    for count in [[0x80; 6], [0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0]] {
        let bytes = [&[0], &throttle[..], &count, &[0; 20]].concat();
        assert_eq!(read_bytes(Api::DescribeProducers, &bytes), Some(Malformed::Length));
    }
    // Null arrays are empty ones.
    let bytes = [&(-1_i32).to_be_bytes()[..], &throttle].concat();
    assert_eq!(read_bytes(Api::Produce, &bytes), None);
}

#[test]
fn frames_of_other_protocols_are_malformed() {
    for (start, why) in [
        (&b"HTTP"[..], Malformed::FrameLength(0x4854_5450)),
        (&[0x15, 3, 3, 0], Malformed::FrameLength(0x1503_0300)),
        (b"SSH-", Malformed::FrameLength(0x5353_482D)),
        (&[0xFF; 4], Malformed::FrameLength(-1)),
        (&[0, 0, 0, 3], Malformed::FrameLength(3)),
        (&[0, 0, 0, 9, 0, 0, 0, 1], Malformed::Correlation { expected: ID, found: 1 }),
    ] {
        assert_eq!(read(Api::ApiVersions, start, 1, any_sink()).err(), Some(why));
    }
}

fn any_sink() -> Produced {
    Produced::new("t", 0)
}
