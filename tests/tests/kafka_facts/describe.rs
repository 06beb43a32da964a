use edgelog_tests::batch::{Batch, Producer};
use edgelog_tests::broker::shared;
use edgelog_tests::code;

#[test]
fn describe_producers_names_epoch_last_sequence_and_time_of_an_idle_producer() {
    let mut lane = shared().lane("describe");
    let batch = lane.batch(0, 7);
    lane.produce(&batch);
    // A connection that never wrote anything asks.
    lane.reconnect_as("an observer");
    let known = lane.known().unwrap();
    assert_eq!((known.epoch, known.last_sequence), (0, 6));
    assert_eq!(known.last_timestamp, batch.events.iter().map(|it| it.timestamp).max().unwrap());
    assert_eq!(known.transaction_start, -1);
}

#[test]
fn describe_producers_leaves_out_a_producer_that_wrote_nothing_here() {
    let mut lane = shared().lane("absent");
    let stranger = lane.client.new_producer();
    lane.accepted(0, 1);
    let answer = lane.client.describe(&lane.topic);
    assert_eq!(answer.error_code, code::NONE);
    let ids: Vec<i64> = answer.active_producers.iter().map(|it| it.producer_id.0).collect();
    assert_eq!(ids, [lane.producer.id]);
    assert!(!ids.contains(&stranger.id));
}

#[test]
fn describe_producers_of_an_unused_partition_is_empty_and_no_error() {
    let mut lane = shared().lane("unused");
    let answer = lane.client.describe(&lane.topic);
    assert_eq!(answer.error_code, code::NONE);
    assert_eq!(answer.active_producers, []);
}

#[test]
fn describe_producers_leaves_out_writers_without_an_id() {
    let mut lane = shared().lane("plain-writer");
    lane.produce(&Batch::new(Producer::NONE, -1, 3));
    assert_eq!(lane.client.describe(&lane.topic).active_producers, []);
}

#[test]
fn describe_producers_of_an_unknown_topic_is_error_3() {
    let answer = shared().client().describe("no-such-topic");
    assert_eq!(answer.error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn describe_producers_lists_every_producer_of_the_partition() {
    let mut lane = shared().lane("many");
    let mut expected = Vec::new();
    for last in 0..40 {
        let producer = lane.client.new_producer();
        lane.produce(&Batch::new(producer, last, 1));
        expected.push((producer.id, last));
    }
    let answer = lane.client.describe(&lane.topic);
    let mut found: Vec<_> =
        answer.active_producers.iter().map(|it| (it.producer_id.0, it.last_sequence)).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn describe_producers_does_not_move_for_a_refused_batch() {
    let mut lane = shared().lane("unmoved");
    lane.accepted(0, 3);
    let before = lane.known();
    lane.refused(&lane.batch(9, 1));
    let mut corrupt = lane.batch(3, 1);
    corrupt.corrupt = true;
    lane.refused(&corrupt);
    assert_eq!(lane.known(), before);
}

#[test]
fn describe_producers_still_knows_a_producer_whose_records_were_deleted() {
    let mut lane = shared().lane("deleted");
    lane.accepted(0, 3);
    assert_eq!(lane.client.delete_records(&lane.topic, 3), code::NONE);
    assert_eq!(lane.client.earliest(&lane.topic), 3);
    assert_eq!(lane.last_sequence(), Some(2));
    let again = lane.send(0, 3);
    assert_eq!((again.error, again.base_offset), (code::NONE, 0));
    assert_eq!(lane.accepted(3, 1), 3);
}
