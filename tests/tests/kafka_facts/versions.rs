use edgelog_tests::batch::Batch;
use edgelog_tests::broker::shared;
use edgelog_tests::code;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable};

fn range(of: ApiKey) -> (i16, i16) {
    let answer = shared().client().versions();
    let found = answer.api_keys.iter().find(|it| it.api_key == of as i16).unwrap();
    (found.min_version, found.max_version)
}

fn assert_spoken(api: ApiKey, version: i16) {
    let (least, most) = range(api);
    assert!((least..=most).contains(&version), "{api:?} {version} is not in {least}..={most}");
}

/// A request header, in the shape (1 or 2) that the version has.
fn header(shape: i16, key: i16, version: i16) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(key)
        .with_request_api_version(version)
        .with_correlation_id(7);
    let mut bytes = bytes::BytesMut::new();
    header.encode(&mut bytes, shape).unwrap();
    bytes.to_vec()
}

#[test]
fn api_versions_0_is_answered() {
    let answer = shared().client().versions();
    assert_eq!(answer.error_code, code::NONE);
    assert!(answer.api_keys.len() > 50, "only {} APIs", answer.api_keys.len());
}

#[test]
fn every_version_the_producer_speaks_is_advertised() {
    assert_spoken(ApiKey::ApiVersions, 0);
    assert_spoken(ApiKey::Produce, 7);
    assert_spoken(ApiKey::Metadata, 7);
    assert_spoken(ApiKey::InitProducerId, 3);
    assert_spoken(ApiKey::DescribeProducers, 0);
    assert_spoken(ApiKey::ListOffsets, 4);
    assert_spoken(ApiKey::Fetch, 4);
    assert_spoken(ApiKey::SaslHandshake, 1);
    assert_spoken(ApiKey::SaslAuthenticate, 1);
}

#[test]
fn produce_is_advertised_from_0_although_3_is_the_first_that_works() {
    let (least, most) = range(ApiKey::Produce);
    assert_eq!(least, 0);
    assert!(most >= 13);

    assert_eq!(answer_to_empty_produce(2, &[]), None, "version 2 was answered");
    // From version 3 on there is a transactional id, here null, before the same fields.
    assert!(answer_to_empty_produce(3, &[0xff, 0xff]).is_some(), "version 3 was not answered");
}

fn answer_to_empty_produce(version: i16, before: &[u8]) -> Option<Vec<u8>> {
    let mut request = header(1, ApiKey::Produce as i16, version);
    request.extend(before);
    request.extend((-1_i16).to_be_bytes()); // acks
    request.extend(1000_i32.to_be_bytes()); // timeout
    request.extend(0_i32.to_be_bytes()); // topics
    let mut client = shared().client();
    client.connection().send_frame(&request).unwrap();
    client.connection().receive_frame().unwrap()
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0_with_error_35() {
    let mut client = shared().client();
    client.connection().send_frame(&header(2, ApiKey::ApiVersions as i16, 99)).unwrap();
    let frame = client.connection().receive_frame().unwrap().unwrap();
    assert_eq!(frame[..4], [0, 0, 0, 7]);
    let answer = ApiVersionsResponse::decode(&mut &frame[4..], 0).unwrap();
    assert_eq!(answer.error_code, code::UNSUPPORTED_VERSION);
    assert!(!answer.api_keys.is_empty());
}

#[test]
fn an_unknown_version_of_another_api_closes_the_connection_without_a_word() {
    for api in [ApiKey::Produce, ApiKey::Metadata, ApiKey::InitProducerId, ApiKey::Fetch] {
        let mut client = shared().client();
        client.connection().send_frame(&header(2, api as i16, 99)).unwrap();
        assert_eq!(client.connection().receive_frame().unwrap(), None, "{api:?} was answered");
    }
}

#[test]
fn requests_in_flight_are_answered_in_their_order() {
    let mut lane = shared().lane("pipeline");
    for at in 0..5 {
        let batch = lane.batch(at, 1);
        lane.client.send_produce(&lane.topic, &batch);
    }
    for at in 0..5 {
        // The connection checks that each answer names the oldest request.
        let ack = lane.client.receive_ack();
        assert_eq!((ack.error, ack.base_offset), (code::NONE, at));
    }
}

#[test]
fn a_topic_that_does_not_exist_is_error_3_in_metadata_and_in_produce() {
    let mut client = shared().client();
    let answer = client.metadata("no-such-topic");
    assert_eq!(answer.topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
    let producer = client.new_producer();
    let ack = client.produce("no-such-topic", &Batch::new(producer, 0, 1));
    assert_eq!(ack.error, code::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn metadata_7_names_the_cluster_and_the_leader_epoch() {
    let topic = shared().topic("metadata", &[]);
    let answer = shared().client().metadata(&topic);
    assert!(answer.cluster_id.is_some_and(|id| !id.is_empty()));
    assert!(answer.topics[0].partitions[0].leader_epoch >= 0);
}
