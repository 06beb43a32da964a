//! What a person is told when shipping is in trouble, and that nothing is lost by it.

use super::{BOUND, header, offsets, open, read, ship, wait_shipped};
use edgelog::{Event, LinkState, Uplink};
use edgelog_tests::broker;
use edgelog_tests::wait::until;
use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::protocol::StrBytes;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use xtask::kafka::Connection;

fn append(log: &edgelog::Log, count: u64, len: usize) {
    for _ in 0..count {
        log.append("numbers", &Event::new(&vec![b'x'; len])).expect("append");
    }
    log.sync().expect("sync");
}

/// The first notice with `part` in it.
fn notice(uplink: &Uplink, part: &str) -> String {
    let mut all = Vec::new();
    until(BOUND, part, || {
        all.extend(uplink.take_notices());
        all.iter().find(|notice| notice.contains(part)).cloned()
    })
}

/// Gives a setting of the topic another value, or takes it away.
fn set(address: &str, topic: &str, key: &str, value: Option<&str>) {
    const TOPIC: i8 = 2;
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let change = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(vec![change]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let mut connection = Connection::open(address, "set").expect("reach the broker");
    let answer = connection.call(0, &request).expect("ask for the setting");
    assert_eq!(answer.responses[0].error_code, 0, "{:?}", answer.responses[0].error_message);
}

/// Why the uplink is parked, once it is.
fn parked(uplink: &Uplink) -> String {
    until(BOUND, "the uplink parks", || match uplink.status().link {
        LinkState::Parked { why } => Some(why),
        _ => None,
    })
}

#[test]
fn a_compacted_topic_that_refuses_even_gap_records_parks_and_ships_all_once_it_takes_them() {
    let broker = broker::shared();
    let (address, topic) =
        (&broker.addresses()[0], broker.topic("compacted", &[("cleanup.policy", "compact")]));
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    append(&log, 40, 8);
    let uplink = ship(&log, address, &topic);
    let why = parked(&uplink);
    assert!(why.contains("without a key") && why.contains("cleanup.policy=delete"), "{why}");
    // It stays so: neither sent without end nor given up.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        let status = uplink.status();
        assert!(matches!(status.link, LinkState::Parked { .. }), "{status:?}");
        assert_eq!((status.shipped, status.connections), (0, 1), "{status:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    set(address, &topic, "cleanup.policy", Some("delete"));
    wait_shipped(&log, &uplink);
    assert_eq!(offsets(&log, &read(address, &topic)), (0..40).collect::<Vec<_>>());
}

#[test]
fn a_topic_that_takes_no_old_records_parks_and_ships_all_once_it_takes_them() {
    let broker = broker::shared();
    let settings = [("message.timestamp.before.max.ms", "1000")];
    let (address, topic) = (&broker.addresses()[0], broker.topic("young", &settings));
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    append(&log, 10, 8);
    let appended = edgelog::now_ms();
    until(BOUND, "the records are old", || (edgelog::now_ms() > appended + 1_500).then_some(()));
    let uplink = ship(&log, address, &topic);
    let why = parked(&uplink);
    assert!(why.contains("message.timestamp.before.max.ms"), "{why}");
    assert_eq!((uplink.status().shipped, log.status().expect("status").durable), (0, 10));
    set(address, &topic, "message.timestamp.before.max.ms", None);
    wait_shipped(&log, &uplink);
    assert_eq!(offsets(&log, &read(address, &topic)), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_topic_that_does_not_exist_is_named_and_everything_ships_once_it_does() {
    let broker = broker::shared();
    let address = &broker.addresses()[0];
    let topic = format!("missing-{}", edgelog::now_ms());
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    append(&log, 10, 8);
    let uplink = ship(&log, address, &topic);
    let said = notice(&uplink, "does not exist");
    assert!(said.contains(&topic) && said.contains("create it"), "{said}");
    broker.create(&topic, &[]);
    wait_shipped(&log, &uplink);
    assert_eq!(offsets(&log, &read(address, &topic)), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_port_where_nobody_listens_is_named_and_nothing_is_lost() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    append(&log, 3, 8);
    let uplink = ship(&log, &free.to_string(), "any");
    let said = notice(&uplink, "cannot connect");
    assert!(said.contains(&free.to_string()) && said.contains("everything is kept"), "{said}");
    assert_eq!((uplink.status().shipped, log.status().expect("status").durable), (0, 3));
}

#[test]
fn a_server_that_is_not_kafka_is_recognised_and_nothing_is_lost() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = server.local_addr().expect("its address").to_string();
    std::thread::spawn(move || {
        // Bounded: the test needs one conversation, a retry or two may follow.
        for stream in server.incoming().take(8).flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    append(&log, 3, 8);
    let uplink = ship(&log, &address, "any");
    let said = notice(&uplink, "does not answer as a Kafka broker");
    assert!(said.contains(&address) && said.contains("check"), "{said}");
    assert_eq!(uplink.status().shipped, 0);
}

#[test]
fn a_record_that_the_broker_refuses_becomes_a_gap_record_and_the_rest_arrives() {
    let broker = broker::shared();
    let (address, topic) =
        (&broker.addresses()[0], broker.topic("refused", &[("max.message.bytes", "4000")]));
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    append(&log, 20, 8);
    append(&log, 1, 5000);
    append(&log, 20, 8);
    let uplink = ship(&log, address, &topic);
    wait_shipped(&log, &uplink);
    let seen = read(address, &topic);
    assert_eq!(seen.len(), 41);
    let id = log.status().expect("status").id;
    assert_eq!(header(&seen[20], "edgelog-gap"), Some(format!("{id}:20:21:refused-10").as_str()));
    let others: Vec<_> = seen.iter().filter(|r| header(r, "edgelog").is_some()).cloned().collect();
    let expected: Vec<u64> = (0..41).filter(|n| *n != 20).collect();
    assert_eq!(offsets(&log, &others), expected);
    assert!(notice(&uplink, "record 20").contains("stays in the log"));
}

#[test]
fn records_that_are_damaged_in_the_log_become_one_gap_record_and_the_rest_arrives() {
    let broker = broker::shared();
    let (address, topic) = (&broker.addresses()[0], broker.topic("damaged", &[]));
    let folder = tempfile::tempdir().expect("a folder");
    append(&open(folder.path()), 3000, 100);
    // The second of the segments that were sealed loses its second half.
    let segment = folder.path().join("00000001.seg");
    let file = std::fs::OpenOptions::new().write(true).open(&segment).expect("open the segment");
    file.set_len(1 << 15).expect("cut the segment");
    drop(file);
    let log = open(folder.path());
    let uplink = ship(&log, address, &topic);
    wait_shipped(&log, &uplink);

    let seen = read(address, &topic);
    let gaps: Vec<_> = seen.iter().filter_map(|record| header(record, "edgelog-gap")).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let parts: Vec<&str> = gaps[0].split(':').collect();
    let (from, to): (u64, u64) = (parts[1].parse().expect("from"), parts[2].parse().expect("to"));
    assert_eq!(parts[3], "damaged");
    assert!(from > 100 && to > from + 100 && to < 2000, "{from} to {to}");
    let delivered: Vec<_> =
        seen.iter().filter(|r| header(r, "edgelog").is_some()).cloned().collect();
    let expected: Vec<u64> = (0..from).chain(to..3000).collect();
    assert_eq!(offsets(&log, &delivered), expected, "appended = delivered + gaps");
}
