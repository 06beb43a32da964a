use edgelog_tests::broker::shared;
use edgelog_tests::code;
use edgelog_tests::lane::Lane;

const COUNT: usize = 2;

/// Six batches of two records: sequences and offsets 0, 2, 4, 6, 8, 10.
fn six_batches(label: &str) -> Lane<'static> {
    let mut lane = shared().lane(label);
    for first in (0..12).step_by(COUNT) {
        assert_eq!(lane.accepted(first, COUNT), i64::from(first));
    }
    lane
}

#[test]
fn each_of_the_last_five_batches_sent_again_is_acknowledged_at_its_original_offset() {
    let mut lane = six_batches("last-five");
    for first in (2..12).step_by(COUNT) {
        let ack = lane.send(first, COUNT);
        assert_eq!((ack.error, ack.base_offset), (code::NONE, i64::from(first)));
        assert_eq!(lane.end(), 12, "a duplicate was appended");
    }
}

#[test]
fn a_duplicate_from_another_connection_is_recognised_too() {
    let mut lane = six_batches("other-connection");
    lane.reconnect_as("after the reboot");
    let ack = lane.send(10, COUNT);
    assert_eq!((ack.error, ack.base_offset), (code::NONE, 10));
    assert_eq!(lane.end(), 12);
}

#[test]
fn the_sixth_last_batch_sent_again_is_refused_with_45() {
    let mut lane = six_batches("sixth");
    assert_eq!(lane.refused(&lane.batch(0, COUNT)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn the_content_of_a_duplicate_is_not_compared() {
    let mut lane = shared().lane("content");
    let original = lane.batch(0, COUNT).with_value(b"original");
    let other = lane.batch(0, COUNT).with_value(b"something else, and longer");
    lane.produce(&original);
    let ack = lane.produce(&other);
    assert_eq!((ack.error, ack.base_offset), (code::NONE, 0));
    assert_eq!(lane.values(), ["original", "original"]);
}

#[test]
fn a_duplicate_with_a_bad_checksum_is_refused_all_the_same() {
    let mut lane = shared().lane("corrupt-duplicate");
    lane.accepted(0, COUNT);
    let mut again = lane.batch(0, COUNT);
    again.corrupt = true;
    assert_eq!(lane.refused(&again), code::CORRUPT_MESSAGE);
}

#[test]
fn duplicates_do_not_move_the_state() {
    let mut lane = six_batches("state");
    lane.send(4, COUNT);
    assert_eq!(lane.last_sequence(), Some(11));
    assert_eq!(lane.accepted(12, 1), 12);
}

#[test]
fn a_gap_is_refused_with_45_and_the_right_sequence_still_follows() {
    let mut lane = shared().lane("gap");
    lane.accepted(0, 3);
    assert_eq!(lane.refused(&lane.batch(4, 1)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(lane.accepted(3, 1), 3);
}

#[test]
fn an_overlap_is_refused_with_45() {
    let mut lane = shared().lane("overlap");
    lane.accepted(0, 4);
    assert_eq!(lane.refused(&lane.batch(2, 4)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn the_same_start_with_more_records_is_refused_with_45() {
    let mut lane = shared().lane("longer");
    lane.accepted(0, 3);
    assert_eq!(lane.refused(&lane.batch(0, 4)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn the_same_start_with_fewer_records_is_refused_with_45() {
    let mut lane = shared().lane("shorter");
    lane.accepted(0, 3);
    assert_eq!(lane.refused(&lane.batch(0, 2)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn the_tail_of_a_stored_batch_is_refused_with_45() {
    let mut lane = shared().lane("tail");
    lane.accepted(0, 3);
    assert_eq!(lane.refused(&lane.batch(1, 2)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn two_stored_batches_sent_as_one_are_refused_with_45() {
    let mut lane = shared().lane("merged");
    lane.accepted(0, 2);
    lane.accepted(2, 2);
    assert_eq!(lane.refused(&lane.batch(0, 4)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
}

#[test]
fn of_a_batch_and_its_recut_twin_only_the_first_to_arrive_is_stored() {
    let mut lane = shared().lane("zombie");
    lane.accepted(0, 2);
    // After a reboot the device cuts 2..5 where 2..7 is still on its way.
    lane.reconnect_as("after the reboot");
    lane.accepted(2, 3);
    assert_eq!(lane.refused(&lane.batch(2, 5)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(lane.accepted(5, 2), 5);

    let mut other = shared().lane("zombie-first");
    other.accepted(0, 2);
    other.accepted(2, 5);
    assert_eq!(other.refused(&other.batch(2, 3)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(other.last_sequence(), Some(6));
}

#[test]
fn batches_in_flight_behind_a_refused_one_are_refused_too() {
    let mut lane = shared().lane("in-flight");
    lane.accepted(0, 1);
    for first in [2, 3, 4] {
        let batch = lane.batch(first, 1);
        lane.client.send_produce(&lane.topic, &batch);
    }
    for _ in 0..3 {
        assert_eq!(lane.client.receive_ack().error, code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    assert_eq!(lane.accepted(1, 1), 1);
}
