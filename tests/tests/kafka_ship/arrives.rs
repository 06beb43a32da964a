//! Everything arrives, once and in order.

use super::{header, offsets, open, read, ship, wait_shipped};
use edgelog::{Class, Event};
use edgelog_tests::broker;
use edgelog_tests::wait::until;
use xtask::kafka::Cluster;

#[test]
fn every_record_arrives_once_in_order_with_key_value_time_and_identity() {
    let broker = broker::shared();
    let (address, topic) = (&broker.addresses()[0], broker.topic("arrives", &[]));
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    let before = edgelog::now_ms();
    for n in 0..500 {
        let (key, value) = (format!("key-{}", n % 7), format!("value-{n}"));
        let class = if n % 10 == 0 { Class::Critical } else { Class::Normal };
        let event = Event::new(value.as_bytes()).key(key.as_bytes()).class(class);
        log.append("numbers", &event).expect("append");
    }
    let uplink = ship(&log, address, &topic);
    wait_shipped(&log, &uplink);

    let seen = read(address, &topic);
    assert_eq!(offsets(&log, &seen), (0..500).collect::<Vec<_>>());
    for (n, record) in seen.iter().enumerate() {
        assert_eq!(record.key, Some(format!("key-{}", n % 7)));
        assert_eq!(record.value, Some(format!("value-{n}")));
        assert_eq!(header(record, "edgelog-topic"), Some("numbers"));
        assert_eq!(header(record, "edgelog-class"), (n % 10 == 0).then_some("critical"));
        let time = u64::try_from(record.timestamp).expect("a time after 1970");
        assert!((before..=edgelog::now_ms()).contains(&time), "record {n} has time {time}");
    }
}

#[test]
fn a_log_that_is_closed_in_the_middle_of_shipping_thirty_times_ships_everything_once() {
    let broker = broker::shared();
    let (address, topic) = (&broker.addresses()[0], broker.topic("reopened", &[]));
    let folder = tempfile::tempdir().expect("a folder");
    let mut appended = 0_u64;
    for round in 0..30_u64 {
        let log = open(folder.path());
        for _ in 0..40 {
            log.append("numbers", &Event::new(&appended.to_string().into_bytes())).expect("append");
            appended += 1;
        }
        log.sync().expect("sync");
        let uplink = ship(&log, address, &topic);
        // Some rounds end before the connection stands, some in the middle, some after everything was acknowledged.
        let target = (appended * (round % 4)) / 3;
        let _ = uplink.wait_shipped(target.min(appended), super::BOUND);
    }
    let log = open(folder.path());
    let uplink = ship(&log, address, &topic);
    wait_shipped(&log, &uplink);
    let seen = read(address, &topic);
    assert_eq!(offsets(&log, &seen), (0..appended).collect::<Vec<_>>());
}

#[test]
fn a_broker_that_is_killed_again_and_again_gets_everything_once() {
    let mut broker = broker::Broker::start(&Cluster::builder());
    let (address, topic) = (broker.addresses()[0].clone(), broker.topic("restarts", &[]));
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path());
    let uplink = ship(&log, &address, &topic);
    let append = |count: u64| {
        for _ in 0..count {
            let next = log.status().expect("status").visible;
            log.append("numbers", &Event::new(&next.to_string().into_bytes())).expect("append");
            log.sync().expect("sync");
        }
    };
    for _ in 0..3 {
        append(200);
        broker.cluster().kill(1).expect("kill the broker");
        append(200);
        broker.cluster().restart(1).expect("start the broker");
    }
    append(1);
    wait_shipped(&log, &uplink);
    let seen = until(super::BOUND, "the broker answers a reader", || {
        let seen = read(&address, &topic);
        (seen.len() >= 1201).then_some(seen)
    });
    assert_eq!(offsets(&log, &seen), (0..1201).collect::<Vec<_>>());
}
