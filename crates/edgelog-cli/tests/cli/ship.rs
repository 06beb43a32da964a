//! Shipping, where there is no Kafka. What a real one does is tested where there is one.

use crate::support::Place;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

#[test]
fn without_a_broker_everything_is_kept_and_the_command_says_so() {
    let place = Place::new();
    // Bound and let go: nobody listens there now.
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("ours");
    let address = address.to_string();
    let run = ["run", "--samples", "2", "--every", "50ms", "--kafka", &address];
    let ended = place.run(&run);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("cannot connect to {address}")), "{}", ended.stderr);
    assert!(ended.stderr.contains("check that a broker listens there"), "{}", ended.stderr);
    assert!(ended.stdout.contains("2 records to be shipped next time"), "{}", ended.stdout);
    let ended = place.run(&["ship", "--kafka", &address, "--timeout", "500ms"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("durable 2  shipped 0  lag 2  uplink "), "{}", ended.stdout);
    let words = "2 records not acknowledged by Kafka yet; kept in the log";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!(place.json(&["info"])["cursors"][0]["lag"], 2);
    place.done(&["verify"]);
}

#[test]
fn an_import_waits_for_kafka_although_nobody_reads_its_summary() {
    let place = Place::new();
    let file = place.file("plant.csv", "a\n1\n2\n");
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("ours");
    let mut running = place.start_unread(&["import", &file, "--kafka", &address.to_string()]);
    let mut told = BufReader::new(running.child().stderr.take().expect("piped")).lines();
    let waiting = told.find(|line| line.as_ref().expect("UTF-8").contains("lag 2"));
    assert!(waiting.is_some(), "it ended, and had not shipped");
    running.signal("TERM");
    assert_eq!(running.ended().code, Some(1));
    let last = told.last().expect("a reason").expect("UTF-8");
    assert!(last.contains("2 records not acknowledged by Kafka yet"), "{last}");
}

#[test]
fn a_server_that_is_not_kafka_is_called_that() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("ours").to_string();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    place.done_with(&["append"], b"event\n");
    let ended = place.run(&["ship", "--kafka", &address, "--timeout", "1s"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("does not answer as a Kafka broker"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&address), "{}", ended.stderr);
    assert_eq!(place.records().len(), 1);
}

#[test]
fn what_is_no_address_is_a_usage_error_that_leaves_no_log_behind() {
    let place = Place::new();
    let file = place.file("plant.csv", "a\n1\n");
    for wrong in [
        "",
        "localhost",
        ":9092",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:+1",
        "kafka://localhost:9092",
        "local host:9092",
        "localhost:9092, localhost:9093",
        "localhost:9092,",
        "::1:9092",
        "[::1:9092",
        "[localhost]:9092",
    ] {
        for command in [&["ship"][..], &["run", "--samples", "1"], &["import", &file]] {
            let ended = place.run(&[command, &["--kafka", wrong]].concat());
            assert_eq!(ended.code, Some(2), "{command:?} {wrong:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("HOST:PORT"), "{}", ended.stderr);
        }
    }
    assert!(!place.log().exists());
    for good in ["localhost:1", "[::1]:1", "127.0.0.1:1,kafka-1.plant_2.example:65535"] {
        let ended = place.run(&["ship", "--kafka", good]);
        assert!(ended.stderr.contains("there is no log in"), "{good}: {}", ended.stderr);
    }
}

#[test]
fn a_topic_name_that_kafka_forbids_is_a_usage_error_that_leaves_no_log_behind() {
    let place = Place::new();
    let file = place.file("plant.csv", "a\n1\n");
    let long = "x".repeat(250);
    for wrong in ["", "a b/c", ".", "..", "\u{e4}", long.as_str()] {
        for command in [&["ship"][..], &["run", "--samples", "1"], &["import", &file]] {
            let to = ["--kafka", "localhost:1", "--kafka-topic", wrong];
            let ended = place.run(&[command, &to].concat());
            assert_eq!(ended.code, Some(2), "{command:?} {wrong:?}: {}", ended.stderr);
            assert!(ended.stderr.contains("1 to 249"), "{}", ended.stderr);
        }
    }
    assert!(!place.log().exists());
    for good in [&long[1..], "...", "A-z_0.9"] {
        let ended = place.run(&["ship", "--kafka", "localhost:1", "--kafka-topic", good]);
        assert!(ended.stderr.contains("there is no log in"), "{good}: {}", ended.stderr);
    }
}

#[test]
fn an_empty_log_has_nothing_to_ship_and_the_command_says_so() {
    let place = Place::new();
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("ours");
    let ship = ["ship", "--kafka", &address.to_string(), "--timeout", "50ms"];
    place.done(&["append"]);
    let told = place.done(&ship);
    assert!(told.contains("nothing to ship: the log is empty"), "{told}");
    place.done_with(&["append"], b"event\n");
    assert_eq!(place.run(&ship).code, Some(1));
    let again = place.run(&ship);
    assert_eq!(again.code, Some(1));
    assert!(!again.stdout.contains("nothing to ship"), "{}", again.stdout);
}
