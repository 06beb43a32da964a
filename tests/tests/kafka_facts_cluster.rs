//! What a producer finds when the partition's leader changes, on three nodes.
//!
//! These tests end brokers, so they start their own whatever `KAFKA_BOOTSTRAP` says.

use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use edgelog_tests::batch::Producer;
use edgelog_tests::broker::Broker;
use edgelog_tests::code;
use edgelog_tests::lane::Lane;
use edgelog_tests::raw::RawClient;
use edgelog_tests::wait::until;
use xtask::kafka::Cluster;

const BOUND: Duration = Duration::from_secs(60);
const SAFE: [(&str, &str); 1] = [("min.insync.replicas", "2")];
/// Long enough for a healthy cluster to replicate in, short enough to wait out.
const SHORT_MS: i32 = 500;

/// Three nodes, one test at a time: two such clusters do not fit a small machine.
struct Three {
    broker: Broker,
    _turn: MutexGuard<'static, ()>,
}

impl Three {
    fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Self { broker: Broker::start(&Cluster::builder().nodes(3)), _turn: turn }
    }

    /// A safe topic, its producer and its leader.
    fn lane(&self, label: &str) -> (String, Producer, usize) {
        let lane = self.broker.lane_with(label, &SAFE);
        let leader = self.broker.leader(&lane.topic, None).0;
        (lane.topic.clone(), lane.producer, leader)
    }

    fn at(&self, node: usize) -> RawClient {
        RawClient::connect(&self.broker.addresses()[node - 1])
    }

    /// The lane at a leader that is not `old`, once it leads.
    fn after(&self, topic: &str, producer: Producer, old: usize) -> Lane<'_> {
        Lane::led_by_other(&self.broker, topic.to_owned(), producer, Some(old))
    }

    /// Waits until all three replicas are in sync.
    fn in_sync(&self, topic: &str, replicas: usize) {
        until(BOUND, "the replicas are in sync", || {
            let mut client = self.broker.client();
            let answer = client.metadata(topic);
            (answer.topics[0].partitions[0].isr_nodes.len() == replicas).then_some(())
        });
    }
}

fn six_batches(lane: &mut Lane<'_>) {
    for first in (0..12).step_by(2) {
        assert_eq!(lane.accepted(first, 2), i64::from(first));
    }
}

fn knows_the_last_five(lane: &mut Lane<'_>) {
    assert_eq!(lane.last_sequence(), Some(11));
    for first in (2..12).step_by(2) {
        let ack = lane.send(first, 2);
        assert_eq!((ack.error, ack.base_offset), (code::NONE, i64::from(first)));
    }
    assert_eq!(lane.refused(&lane.batch(0, 2)), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(lane.end(), 12);
    assert_eq!(lane.accepted(12, 1), 12);
}

#[test]
fn after_the_leader_is_killed_the_new_one_knows_the_last_five_batches() {
    let mut three = Three::start();
    let (topic, producer, old) = three.lane("killed");
    six_batches(&mut Lane::new(&three.broker, topic.clone(), producer));
    three.broker.cluster().kill(old).unwrap();
    knows_the_last_five(&mut three.after(&topic, producer, old));
}

#[test]
fn after_the_leader_is_stopped_the_new_one_knows_the_last_five_batches() {
    let mut three = Three::start();
    let (topic, producer, old) = three.lane("stopped");
    six_batches(&mut Lane::new(&three.broker, topic.clone(), producer));
    three.broker.cluster().stop(old).unwrap();
    knows_the_last_five(&mut three.after(&topic, producer, old));
}

#[test]
fn a_follower_refuses_produce_and_list_offsets_with_6_and_answers_describe_producers_all_the_same()
{
    let three = Three::start();
    let (topic, producer, leader) = three.lane("follower");
    let mut lane = Lane::new(&three.broker, topic.clone(), producer);
    lane.accepted(0, 3);
    for node in (1..=3).filter(|node| *node != leader) {
        let mut follower = three.at(node);
        let ack = follower.produce(&topic, &lane.batch(3, 1));
        assert_eq!(ack.error, code::NOT_LEADER_OR_FOLLOWER);
        let (error, _) = follower.latest_at_epoch(&topic, -1);
        assert_eq!(error, code::NOT_LEADER_OR_FOLLOWER);
        // No error: nothing in this answer says that it is a follower's, and perhaps behind.
        until(BOUND, "the follower has replicated", || {
            let known = follower.known(&topic, producer.id);
            (known.map(|it| it.last_sequence) == Some(2)).then_some(())
        });
    }
    assert_eq!(lane.end(), 3);
}

#[test]
fn list_offsets_with_a_leader_epoch_proves_who_leads() {
    let mut three = Three::start();
    let (topic, producer, old) = three.lane("epoch");
    Lane::new(&three.broker, topic.clone(), producer).accepted(0, 1);
    let epoch = three.at(old).metadata(&topic).topics[0].partitions[0].leader_epoch;
    assert_eq!(three.at(old).latest_at_epoch(&topic, epoch), (code::NONE, 1));
    let (error, _) = three.at(old).latest_at_epoch(&topic, epoch + 1);
    assert_eq!(error, code::UNKNOWN_LEADER_EPOCH);

    three.broker.cluster().kill(old).unwrap();
    let mut lane = three.after(&topic, producer, old);
    let (error, _) = lane.client.latest_at_epoch(&topic, epoch);
    assert_eq!(error, code::FENCED_LEADER_EPOCH);
    let next = lane.client.metadata(&topic).topics[0].partitions[0].leader_epoch;
    assert!(next > epoch);
    // The end is given again once the new leader knows that the replicas agree.
    until(BOUND, "the end is given", || {
        (lane.client.latest_at_epoch(&topic, next) == (code::NONE, 1)).then_some(())
    });
}

#[test]
fn an_old_leader_that_comes_back_follows_and_leads_with_the_state_it_replicated() {
    let mut three = Three::start();
    let (topic, producer, old) = three.lane("comes-back");
    Lane::new(&three.broker, topic.clone(), producer).accepted(0, 3);
    three.broker.cluster().kill(old).unwrap();
    three.after(&topic, producer, old).accepted(3, 2);
    three.broker.cluster().restart(old).unwrap();
    three.in_sync(&topic, 3);
    let (error, _) = three.at(old).latest_at_epoch(&topic, -1);
    assert_eq!(error, code::NOT_LEADER_OR_FOLLOWER);

    // Stop the others' leader until the old one leads again.
    let (second, _) = three.broker.leader(&topic, None);
    three.broker.cluster().stop(second).unwrap();
    let lane = &mut three.after(&topic, producer, second);
    assert_eq!(lane.last_sequence(), Some(4));
    let again = lane.send(3, 2);
    assert_eq!((again.error, again.base_offset), (code::NONE, 3));
    assert_eq!(lane.accepted(5, 1), 5);
}

#[test]
fn describe_producers_counts_what_is_not_replicated_and_a_duplicate_waits_for_the_replicas() {
    let mut three = Three::start();
    let (topic, producer, leader) = three.lane("unreplicated");
    let mut lane = Lane::new(&three.broker, topic.clone(), producer);
    lane.accepted(0, 2);
    let mut client = lane.client;
    let batch = edgelog_tests::batch::Batch::new(producer, 2, 3);
    let follower = (1..=3).find(|node| *node != leader).unwrap();
    three.broker.cluster().kill(follower).unwrap();

    // Until the cluster gives the follower up, the leader has to wait for it.
    for _ in 0..2 {
        let ack = client.produce_bytes(&topic, -1, SHORT_MS, batch.encode());
        assert_eq!(ack.error, code::REQUEST_TIMED_OUT);
        assert_eq!(client.known(&topic, producer.id).unwrap().last_sequence, 4);
        assert_eq!(client.latest(&topic), 2, "the high watermark is behind the state");
    }
    let ack = until(BOUND, "the follower is given up", || {
        let ack = client.produce_bytes(&topic, -1, SHORT_MS, batch.encode());
        (ack.error != code::REQUEST_TIMED_OUT).then_some(ack)
    });
    assert_eq!((ack.error, ack.base_offset), (code::NONE, 2));
    assert_eq!(client.latest(&topic), 5);
}

#[test]
fn with_too_few_replicas_in_sync_a_batch_is_error_19_and_leaves_no_trace() {
    let mut three = Three::start();
    let lane = three.broker.lane_with("too-few", &[("min.insync.replicas", "3")]);
    let (topic, producer, mut client) = (lane.topic, lane.producer, lane.client);
    let leader = three.broker.leader(&topic, None).0;
    let follower = (1..=3).find(|node| *node != leader).unwrap();
    three.broker.cluster().stop(follower).unwrap();
    three.in_sync(&topic, 2);

    let batch = edgelog_tests::batch::Batch::new(producer, 0, 3);
    assert_eq!(client.produce(&topic, &batch).error, code::NOT_ENOUGH_REPLICAS);
    assert_eq!(client.known(&topic, producer.id), None);

    three.broker.cluster().restart(follower).unwrap();
    three.in_sync(&topic, 3);
    let ack = client.produce(&topic, &batch);
    assert_eq!((ack.error, ack.base_offset), (code::NONE, 0));
}

#[test]
fn a_batch_that_only_the_dead_leader_had_is_unknown_to_the_new_one_and_stored_once_when_resent() {
    let mut three = Three::start();
    let (topic, producer, old) = three.lane("lost");
    let mut lane = Lane::new(&three.broker, topic.clone(), producer);
    lane.accepted(0, 2);
    let mut client = lane.client;
    let followers: Vec<usize> = (1..=3).filter(|node| *node != old).collect();
    for node in &followers {
        three.broker.cluster().pause(*node).unwrap();
    }
    let batch = |first, count| edgelog_tests::batch::Batch::new(producer, first, count);
    // This one answers the fetches the followers still had waiting, so the next one reaches nobody.
    let ack = client.produce_bytes(&topic, -1, SHORT_MS, batch(2, 1).encode());
    assert_eq!(ack.error, code::REQUEST_TIMED_OUT);
    let ack = client.produce_bytes(&topic, 1, SHORT_MS, batch(3, 4).encode());
    assert_eq!((ack.error, ack.base_offset), (code::NONE, 3));
    assert_eq!(client.known(&topic, producer.id).unwrap().last_sequence, 6);
    three.broker.cluster().kill(old).unwrap();
    for node in &followers {
        three.broker.cluster().resume(*node).unwrap();
    }

    let mut lane = three.after(&topic, producer, old);
    let last = lane.last_sequence().unwrap();
    assert!((1..=2).contains(&last), "the new leader says {last}");
    for sequence in last + 1..7 {
        assert_eq!(lane.accepted(sequence, 1), i64::from(sequence));
    }
    drop(lane);
    three.broker.cluster().restart(old).unwrap();
    three.in_sync(&topic, 3);
    let mut lane = three.after(&topic, producer, 0);
    let sequences: Vec<i32> =
        lane.client.fetch(&topic, 0).records.iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3, 4, 5, 6]);
}
