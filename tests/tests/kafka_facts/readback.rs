use edgelog_tests::batch::{Batch, Event, now};
use edgelog_tests::broker::shared;
use edgelog_tests::code;
use edgelog_tests::kcat::{self, Seen};

fn event(number: i64, stamp: i64) -> Event {
    Event {
        key: (number % 2 == 0).then(|| format!("key {number}").into_bytes()),
        value: Some(format!("value {number}").into_bytes()),
        headers: (0..number % 3)
            .map(|at| (format!("header {at}"), format!("of {number}").into_bytes()))
            .collect(),
        timestamp: stamp + number,
    }
}

fn expected(number: i64, stamp: i64) -> Seen {
    let event = event(number, stamp);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Seen {
        offset: number,
        timestamp_type: "create".to_owned(),
        timestamp: event.timestamp,
        key: event.key.map(text),
        value: event.value.map(text),
        headers: event.headers.into_iter().map(|(key, value)| (key, text(value))).collect(),
    }
}

#[test]
fn another_client_reads_the_keys_values_headers_and_times_that_were_sent() {
    let mut lane = shared().lane("readback");
    let stamp = now() - 1_000_000;
    for (first, count) in [(0, 3), (3, 1), (4, 6)] {
        let mut batch = lane.batch(first, 0);
        batch.events = (0..count).map(|at| event(i64::from(first) + at, stamp)).collect();
        assert_eq!(lane.produce(&batch).error, code::NONE);
        // Sent twice, to be read once.
        assert_eq!(lane.produce(&batch).base_offset, i64::from(first));
    }
    let seen = kcat::read(&lane.broker.addresses()[0], &lane.topic);
    let wanted: Vec<Seen> = (0..10).map(|number| expected(number, stamp)).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn another_client_reads_the_brokers_time_from_a_log_append_time_topic() {
    let config = [("message.timestamp.type", "LogAppendTime")];
    let mut lane = shared().lane_with("readback-append", &config);
    let batch = Batch::new(lane.producer, 0, 2).stamped(1);
    let ack = lane.produce(&batch);
    let seen = kcat::read(&lane.broker.addresses()[0], &lane.topic);
    assert_eq!(seen.len(), 2);
    for record in seen {
        assert_eq!(record.timestamp_type, "logappend");
        assert_eq!(record.timestamp, ack.log_append_time);
    }
}
