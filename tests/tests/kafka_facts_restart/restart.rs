//! The default expiration of a day, and brokers that are stopped and killed.

use edgelog_tests::batch::{Batch, Producer, now};
use edgelog_tests::broker::Broker;
use edgelog_tests::code;
use edgelog_tests::lane::Lane;
use xtask::kafka::Cluster;

const YESTERDAY: i64 = 25 * 3_600_000;
const APPEND_TIME: [(&str, &str); 1] = [("message.timestamp.type", "LogAppendTime")];

/// How the broker ends before it is started again.
#[derive(Clone, Copy)]
enum End {
    Killed,
    Stopped,
}

/// A topic and a producer, kept over a restart.
struct Kept {
    topic: String,
    producer: Producer,
}

fn start() -> Broker {
    Broker::start(&Cluster::builder())
}

fn kept(broker: &Broker, label: &str, config: &[(&str, &str)]) -> Kept {
    let lane = broker.lane_with(label, config);
    Kept { topic: lane.topic.clone(), producer: lane.producer }
}

fn restart(broker: &mut Broker, end: End) {
    match end {
        End::Killed => broker.cluster().kill(1).unwrap(),
        End::Stopped => broker.cluster().stop(1).unwrap(),
    }
    broker.cluster().restart(1).unwrap();
}

impl Kept {
    /// The lane, once the partition is led again.
    fn lane<'a>(&self, broker: &'a Broker) -> Lane<'a> {
        Lane::new(broker, self.topic.clone(), self.producer)
    }
}

/// Six batches of two records before the end; what the broker says afterwards of each of them.
fn window_after(end: End) -> Vec<(i16, i64)> {
    let mut broker = start();
    let kept = kept(&broker, "window", &[]);
    let mut lane = kept.lane(&broker);
    for first in (0..12).step_by(2) {
        lane.accepted(first, 2);
    }
    drop(lane);
    restart(&mut broker, end);

    let mut lane = kept.lane(&broker);
    assert_eq!(lane.last_sequence(), Some(11));
    let answers = (0..12).step_by(2).map(|first| {
        let ack = lane.send(first, 2);
        (ack.error, ack.base_offset)
    });
    let answers = answers.collect();
    assert_eq!(lane.end(), 12, "a duplicate was appended");
    assert_eq!(lane.accepted(12, 1), 12);
    answers
}

const REFUSED: (i16, i64) = (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);

#[test]
fn after_a_clean_stop_only_the_last_batch_is_recognised() {
    let expected = [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, (code::NONE, 10)];
    assert_eq!(window_after(End::Stopped), expected);
}

#[test]
fn after_sigkill_too_only_the_last_batch_is_recognised() {
    let expected = [REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, (code::NONE, 10)];
    assert_eq!(window_after(End::Killed), expected);
}

/// A producer with stamps of yesterday, and one in a LogAppendTime topic, over a restart.
fn old_stamps_over(end: End) -> (Option<i32>, Option<i32>) {
    let mut broker = start();
    let by_record = kept(&broker, "by-record", &[]);
    let by_arrival = kept(&broker, "by-arrival", &APPEND_TIME);
    for kept in [&by_record, &by_arrival] {
        let mut lane = kept.lane(&broker);
        let batch = lane.batch(0, 3).stamped(now() - YESTERDAY);
        assert_eq!(lane.produce(&batch).error, code::NONE);
        assert_eq!(lane.last_sequence(), Some(2), "not forgotten before the next check");
    }
    restart(&mut broker, end);
    let by_record = by_record.lane(&broker).last_sequence();
    (by_record, by_arrival.lane(&broker).last_sequence())
}

#[test]
fn a_clean_restart_forgets_a_producer_whose_records_are_a_day_old() {
    assert_eq!(old_stamps_over(End::Stopped), (None, Some(2)));
}

#[test]
fn a_restart_after_sigkill_forgets_a_producer_whose_records_are_a_day_old_as_well() {
    assert_eq!(old_stamps_over(End::Killed), (None, Some(2)));
}

#[test]
fn a_batch_in_doubt_with_old_stamps_is_appended_twice_over_a_clean_restart() {
    let mut broker = start();
    let kept = kept(&broker, "twice", &[]);
    let batch = Batch::new(kept.producer, 0, 2).stamped(now() - YESTERDAY);
    assert_eq!(kept.lane(&broker).produce(&batch).base_offset, 0);
    restart(&mut broker, End::Stopped);
    let mut lane = kept.lane(&broker);
    let again = lane.produce(&batch);
    assert_eq!((again.error, again.base_offset), (code::NONE, 2));
    assert_eq!(lane.end(), 4);
}

#[test]
fn the_epoch_survives_a_restart() {
    let mut broker = start();
    let mut kept = kept(&broker, "epoch", &[]);
    kept.producer = kept.producer.at_epoch(4);
    kept.lane(&broker).accepted(0, 1);
    restart(&mut broker, End::Stopped);
    let mut lane = kept.lane(&broker);
    assert_eq!(lane.known().unwrap().epoch, 4);
    let lower = Batch::new(kept.producer.at_epoch(3), 1, 1);
    assert_eq!(lane.refused(&lower), code::INVALID_PRODUCER_EPOCH);
}

#[test]
fn the_first_producer_id_after_a_start_is_answered_with_error_14_try_again() {
    let mut broker = start();
    for _ in 0..2 {
        let (error, _) = broker.client().init_producer_id();
        assert_eq!(error, code::COORDINATOR_LOAD_IN_PROGRESS);
        broker.client().new_producer();
        restart(&mut broker, End::Stopped);
    }
}

#[test]
fn producer_ids_are_not_given_out_again_after_a_restart() {
    let mut broker = start();
    let first = broker.client().new_producer();
    restart(&mut broker, End::Killed);
    let second = broker.client().new_producer();
    assert!(second.id > first.id, "{} after {}", second.id, first.id);
}
