use edgelog_tests::batch::{Batch, Producer};
use edgelog_tests::broker::shared;
use edgelog_tests::code;
use edgelog_tests::lane::Lane;
use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

#[test]
fn init_producer_id_3_gives_a_new_id_at_epoch_0_every_time() {
    let mut client = shared().client();
    let first = client.new_producer();
    let second = client.new_producer();
    assert_ne!(first.id, second.id);
    assert_eq!((first.epoch, second.epoch), (0, 0));
}

#[test]
fn init_producer_id_with_an_empty_transactional_id_instead_of_none_is_error_42() {
    let empty = TransactionalId(StrBytes::from_static_str(""));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(empty))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let answer = shared().client().connection().call(3, &request).unwrap();
    assert_eq!(answer.error_code, code::INVALID_REQUEST);
}

#[test]
fn a_persisted_identity_continues_from_a_new_connection() {
    let mut lane = shared().lane("continue");
    assert_eq!(lane.accepted(0, 3), 0);
    lane.reconnect_as("facts");
    assert_eq!(lane.accepted(3, 2), 3);
    assert_eq!(lane.last_sequence(), Some(4));
}

#[test]
fn a_persisted_identity_continues_under_another_client_id() {
    let mut lane = shared().lane("client-id");
    lane.accepted(0, 3);
    lane.reconnect_as("somebody else entirely");
    assert_eq!(lane.accepted(3, 2), 3);
}

#[test]
fn an_identity_given_out_on_one_connection_writes_through_two_at_once() {
    let mut one = shared().lane("two-writers");
    let mut two = Lane::new(shared(), one.topic.clone(), one.producer);
    assert_eq!(one.accepted(0, 1), 0);
    assert_eq!(two.accepted(1, 1), 1);
    assert_eq!(one.accepted(2, 1), 2);
}

#[test]
fn an_unknown_producer_may_begin_at_any_sequence() {
    let mut lane = shared().lane("unknown");
    assert_eq!(lane.known(), None);
    assert_eq!(lane.accepted(1_000_000, 4), 0);
    assert_eq!(lane.last_sequence(), Some(1_000_003));
    assert_eq!(lane.refused(&lane.batch(0, 1)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn a_producer_id_the_cluster_never_gave_out_is_accepted() {
    let topic = shared().topic("invented", &[]);
    let invented = Producer { id: 0x7ede_1095, epoch: 12 };
    let mut lane = Lane::new(shared(), topic, invented);
    assert_eq!(lane.accepted(77, 2), 0);
    let known = lane.known().unwrap();
    assert_eq!((known.epoch, known.last_sequence), (12, 78));
}

#[test]
fn every_partition_keeps_its_own_state_of_a_producer() {
    let mut here = shared().lane("here");
    here.accepted(0, 5);
    let elsewhere = shared().topic("elsewhere", &[]);
    let mut there = Lane::new(shared(), elsewhere, here.producer);
    assert_eq!(there.known(), None);
    assert_eq!(there.accepted(0, 2), 0);
    assert_eq!(here.last_sequence(), Some(4));
}

#[test]
fn a_batch_that_ends_at_the_largest_sequence_is_followed_by_0() {
    let mut lane = shared().lane("wrap");
    lane.accepted(i32::MAX - 1, 2);
    assert_eq!(lane.last_sequence(), Some(i32::MAX));
    assert_eq!(lane.accepted(0, 3), 2);
    assert_eq!(lane.last_sequence(), Some(2));
}

#[test]
fn after_the_wrap_nothing_but_0_follows() {
    let mut lane = shared().lane("wrap-gap");
    lane.accepted(i32::MAX, 1);
    assert_eq!(lane.refused(&lane.batch(1, 1)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(lane.accepted(0, 1), 1);
}

#[test]
fn a_batch_that_straddles_the_wrap_is_accepted_and_counted_over_it() {
    let mut lane = shared().lane("straddle");
    assert_eq!(lane.accepted(i32::MAX - 1, 4), 0);
    assert_eq!(lane.last_sequence(), Some(1));
    let again = lane.send(i32::MAX - 1, 4);
    assert_eq!((again.error, again.base_offset), (code::NONE, 0));
    assert_eq!(lane.accepted(2, 1), 4);
}

#[test]
fn acks_1_with_a_producer_id_is_accepted_and_remembered() {
    let mut lane = shared().lane("acks-1");
    let bytes = lane.batch(0, 2).encode();
    let ack = lane.client.produce_bytes(&lane.topic, 1, 30_000, bytes);
    assert_eq!((ack.error, ack.base_offset), (code::NONE, 0));
    assert_eq!(lane.last_sequence(), Some(1));
}

#[test]
fn acks_0_with_a_producer_id_is_not_answered_and_yet_remembered() {
    let mut lane = shared().lane("acks-0");
    let batch = lane.batch(0, 2);
    lane.client.produce_unacknowledged(&lane.topic, &batch);
    // Requests of one connection are handled in turn, so this answer comes after the batch was.
    assert_eq!(lane.last_sequence(), Some(1));
    assert_eq!(lane.accepted(2, 1), 2);
}

#[test]
fn other_acks_are_refused() {
    let mut lane = shared().lane("acks-2");
    let bytes = lane.batch(0, 1).encode();
    let ack = lane.client.produce_bytes(&lane.topic, 2, 30_000, bytes);
    assert_eq!(ack.error, code::INVALID_REQUIRED_ACKS);
    assert_eq!(lane.end(), 0);
}

#[test]
fn a_batch_without_a_producer_is_appended_as_often_as_it_is_sent() {
    let mut lane = shared().lane("plain");
    let plain = Batch::new(Producer::NONE, -1, 2);
    assert_eq!(lane.produce(&plain).base_offset, 0);
    assert_eq!(lane.produce(&plain).base_offset, 2);
    assert_eq!(lane.end(), 4);
}

#[test]
fn a_recreated_topic_knows_no_producer_and_accepts_a_later_sequence_in_silence() {
    let mut lane = shared().lane("recreate");
    lane.accepted(0, 5);
    assert_eq!(lane.client.delete_topic(&lane.topic), code::NONE);
    let bound = core::time::Duration::from_secs(30);
    edgelog_tests::wait::until(bound, "the topic's end", || {
        let error = lane.client.metadata(&lane.topic).topics[0].error_code;
        (error == code::UNKNOWN_TOPIC_OR_PARTITION).then_some(())
    });
    shared().create(&lane.topic, &[]);

    let mut lane = Lane::new(shared(), lane.topic.clone(), lane.producer);
    assert_eq!(lane.known(), None);
    assert_eq!(lane.accepted(5, 2), 0, "offsets begin anew as well");
    assert_eq!(lane.last_sequence(), Some(6));
}
