use edgelog_tests::batch::now;
use edgelog_tests::broker::shared;
use edgelog_tests::code;

const HOUR: i64 = 3_600_000;

#[test]
fn a_bad_checksum_is_error_2() {
    let mut lane = shared().lane("checksum");
    let mut batch = lane.batch(0, 1);
    batch.corrupt = true;
    assert_eq!(lane.refused(&batch), code::CORRUPT_MESSAGE);
    assert_eq!(lane.accepted(0, 1), 0);
}

#[test]
fn a_base_offset_other_than_0_is_refused() {
    let mut lane = shared().lane("base-offset");
    let mut batch = lane.batch(0, 1);
    batch.base_offset = 5;
    assert_eq!(lane.refused(&batch), code::INVALID_RECORD);
}

#[test]
fn two_batches_for_a_partition_in_one_request_are_refused_whole() {
    let mut lane = shared().lane("two-batches");
    let mut bytes = lane.batch(0, 1).encode();
    bytes.extend(lane.batch(1, 1).encode());
    let ack = lane.client.produce_bytes(&lane.topic, -1, 30_000, bytes);
    assert_eq!(ack.error, code::INVALID_RECORD);
    assert_eq!(lane.end(), 0);
    assert_eq!(lane.known(), None);
}

#[test]
fn a_log_append_time_topic_does_not_look_at_the_future_stamps() {
    let mut lane =
        shared().lane_with("future-append", &[("message.timestamp.type", "LogAppendTime")]);
    let batch = lane.batch(0, 1).stamped(now() + 1000 * HOUR);
    assert_eq!(lane.produce(&batch).error, code::NONE);
}

#[test]
fn timestamps_of_1970_and_the_absent_one_are_accepted() {
    let mut lane = shared().lane("past");
    for (sequence, stamp) in [(0, 0), (1, -1), (2, 1)] {
        let batch = lane.batch(sequence, 1).stamped(stamp);
        assert_eq!(lane.produce(&batch).error, code::NONE, "stamp {stamp}");
    }
    let stamps: Vec<i64> =
        lane.client.fetch(&lane.topic, 0).records.iter().map(|it| it.timestamp).collect();
    assert_eq!(stamps, [0, -1, 1]);
}

#[test]
fn the_size_limit_counts_the_whole_batch_with_its_header() {
    let probe = shared().lane("limit");
    let size = probe.batch(0, 3).with_value(&[7; 300]).encode().len();
    let limit = size.to_string();
    let mut fits = shared().lane_with("limit-fits", &[("max.message.bytes", &limit)]);
    let batch = fits.batch(0, 3).with_value(&[7; 300]);
    assert_eq!(fits.produce(&batch).error, code::NONE);

    let below = (size - 1).to_string();
    let mut above = shared().lane_with("limit-above", &[("max.message.bytes", &below)]);
    let batch = above.batch(0, 3).with_value(&[7; 300]);
    assert_eq!(above.refused(&batch), code::MESSAGE_TOO_LARGE);
    assert_eq!(above.accepted(0, 3), 0, "the sequence of a refused batch is free");
}

#[test]
fn a_batch_above_the_segment_size_is_error_18() {
    let config = [("segment.bytes", "1048576"), ("max.message.bytes", "4000000")];
    let mut lane = shared().lane_with("segment", &config);
    let batch = lane.batch(0, 1).with_value(&[7; 1_500_000]);
    assert_eq!(lane.refused(&batch), code::RECORD_LIST_TOO_LARGE);
}

#[test]
fn a_compacted_topic_refuses_records_without_a_key() {
    let mut lane = shared().lane_with("compacted", &[("cleanup.policy", "compact")]);
    assert_eq!(lane.refused(&lane.batch(0, 1)), code::INVALID_RECORD);
    let keyed = lane.batch(0, 1).with_key(b"key");
    assert_eq!(lane.produce(&keyed).error, code::NONE);
}

#[test]
fn a_record_count_that_is_not_the_real_one_is_refused() {
    for claimed in [1, 3] {
        let mut lane = shared().lane("count");
        let mut batch = lane.batch(0, 2);
        batch.claimed_count = Some(claimed);
        assert_eq!(lane.refused(&batch), code::INVALID_RECORD, "claimed {claimed}");
    }
}

#[test]
fn an_empty_batch_is_refused() {
    let mut lane = shared().lane("empty");
    assert_eq!(lane.refused(&lane.batch(0, 0)), code::INVALID_RECORD);
}

#[test]
fn a_control_batch_from_a_client_is_refused() {
    let mut lane = shared().lane("control");
    let mut batch = lane.batch(0, 1);
    batch.attributes = 1 << 5;
    assert_eq!(lane.refused(&batch), code::INVALID_RECORD);
}

#[test]
fn a_producer_id_without_a_sequence_is_refused() {
    let mut lane = shared().lane("no-sequence");
    assert_eq!(lane.refused(&lane.batch(-1, 1)), code::INVALID_RECORD);
}
