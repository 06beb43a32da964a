use edgelog_tests::batch::now;
use edgelog_tests::broker::shared;
use edgelog_tests::code;
use kafka_protocol::records::TimestampType;

const APPEND_TIME: [(&str, &str); 1] = [("message.timestamp.type", "LogAppendTime")];
const YESTERDAY: i64 = 25 * 3_600_000;

#[test]
fn on_a_create_time_topic_the_answer_has_no_time_and_the_producers_time_is_the_records() {
    let mut lane = shared().lane_with("create-time", &[("message.timestamp.type", "CreateTime")]);
    let stamp = now() - YESTERDAY;
    let batch = lane.batch(0, 2).stamped(stamp);
    let ack = lane.produce(&batch);
    assert_eq!((ack.error, ack.log_append_time), (code::NONE, -1));
    assert_eq!(lane.known().unwrap().last_timestamp, stamp);
}

#[test]
fn of_a_create_time_batch_the_largest_stamp_counts_and_not_the_last() {
    let mut lane = shared().lane("largest-stamp");
    let stamp = now() - YESTERDAY;
    let mut batch = lane.batch(0, 3).stamped(stamp);
    batch.events[1].timestamp = stamp + 5000;
    lane.produce(&batch);
    assert_eq!(lane.known().unwrap().last_timestamp, stamp + 5000);
}

#[test]
fn on_a_log_append_time_topic_answer_and_producers_time_are_the_brokers_clock() {
    let mut lane = shared().lane_with("append-time", &APPEND_TIME);
    let before = now();
    let batch = lane.batch(0, 2).stamped(before - YESTERDAY);
    let ack = lane.produce(&batch);
    // An external broker has a clock of its own; a minute tells arrival from yesterday.
    assert!((ack.log_append_time - before).abs() < 60_000, "{}", ack.log_append_time - before);
    assert_eq!(lane.known().unwrap().last_timestamp, ack.log_append_time);
    let records = lane.client.fetch(&lane.topic, 0).records;
    assert!(records.iter().all(|it| it.timestamp_type == TimestampType::LogAppend));
}

#[test]
fn a_duplicate_on_a_log_append_time_topic_is_answered_with_the_original_time() {
    let mut lane = shared().lane_with("append-duplicate", &APPEND_TIME);
    let first = lane.send(0, 2);
    edgelog_tests::wait::until(core::time::Duration::from_secs(5), "another millisecond", || {
        (now() > first.log_append_time + 20).then_some(())
    });
    let again = lane.send(0, 2);
    assert_eq!(again, first);
    assert_eq!(lane.known().unwrap().last_timestamp, first.log_append_time);
}

#[test]
fn the_absent_timestamp_gives_the_producer_no_time_on_a_create_time_topic() {
    let mut lane = shared().lane("no-time");
    let batch = lane.batch(0, 1).stamped(-1);
    lane.produce(&batch);
    assert_eq!(lane.known().unwrap().last_timestamp, -1);
}
