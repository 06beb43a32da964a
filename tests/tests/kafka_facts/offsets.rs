use edgelog_tests::broker::shared;
use edgelog_tests::code;

#[test]
fn fetch_up_to_the_high_watermark_and_list_offsets_latest_agree() {
    let mut lane = shared().lane("agree");
    lane.accepted(0, 3);
    lane.accepted(3, 4);
    let fetched = lane.client.fetch(&lane.topic, 0);
    assert_eq!((fetched.error, fetched.high_watermark), (code::NONE, 7));
    assert_eq!(lane.end(), 7);
    let offsets: Vec<i64> = fetched.records.iter().map(|it| it.offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4, 5, 6]);
    let last = fetched.records.last().unwrap();
    assert_eq!((last.producer_id, last.sequence), (lane.producer.id, 6));
}

#[test]
fn a_fetch_at_the_end_is_empty_and_one_beyond_is_error_1() {
    let mut lane = shared().lane("beyond");
    lane.accepted(0, 3);
    let at_end = lane.client.fetch(&lane.topic, 3);
    assert_eq!((at_end.error, at_end.records.len()), (code::NONE, 0));
    assert_eq!(lane.client.fetch(&lane.topic, 4).error, code::OFFSET_OUT_OF_RANGE);
}

#[test]
fn a_fetch_inside_a_batch_returns_the_whole_batch() {
    let mut lane = shared().lane("inside");
    lane.accepted(0, 5);
    let fetched = lane.client.fetch(&lane.topic, 3);
    assert_eq!(fetched.records.first().unwrap().offset, 0);
}

#[test]
fn after_delete_records_a_fetch_below_the_start_is_error_1() {
    let mut lane = shared().lane("start");
    for sequence in 0..6 {
        lane.accepted(sequence, 1);
    }
    assert_eq!(lane.client.delete_records(&lane.topic, 4), code::NONE);
    assert_eq!(lane.client.earliest(&lane.topic), 4);
    assert_eq!(lane.client.fetch(&lane.topic, 3).error, code::OFFSET_OUT_OF_RANGE);
    let fetched = lane.client.fetch(&lane.topic, 4);
    assert_eq!((fetched.error, fetched.records.len()), (code::NONE, 2));
    assert_eq!(lane.end(), 6, "the end does not move");
    assert_eq!(lane.send(6, 1).log_start_offset, 4, "and Produce says where the start is");
}

#[test]
fn a_batch_in_doubt_on_a_single_writer_partition_is_settled_by_the_end_offset() {
    let mut lane = shared().lane("single-writer");
    let expected = lane.accepted(0, 3) + 3;
    assert_eq!(lane.end(), expected, "nothing arrived: resend");
    lane.accepted(3, 2);
    assert_eq!(lane.end(), expected + 2, "it arrived: go on");
}
