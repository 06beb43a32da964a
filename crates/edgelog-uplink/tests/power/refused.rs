//! What the broker refuses: how it is found, told, and waited for.

use crate::support::broker::Cluster;
use crate::world::{BAD, World};
use edgelog_kafka::State;
use edgelog_uplink::Notice;
use kafka_protocol::messages::ApiKey;

fn batches(cluster: &Cluster) -> usize {
    cluster.seen.iter().filter(|api| **api == ApiKey::Produce).count()
}

/// A log of four times eight records; those at `bad` are refused by the broker.
fn with_bad(bad: &[u64]) -> World {
    let mut world = World::new(1, 4096, 4);
    world.calm = true;
    for offset in 0..32 {
        assert!(world.append(if bad.contains(&offset) { BAD } else { b"r" }, 0));
    }
    world.sync();
    world
}

fn sentences(world: &World) -> Vec<String> {
    world.notices.iter().map(ToString::to_string).collect()
}

#[test]
fn a_bad_record_is_found_by_halving_and_told_once_it_is_replaced() {
    for bad in 0..32 {
        let mut world = with_bad(&[bad]);
        world.finish();
        let told: Vec<_> = world.notices.iter().filter_map(refused).collect();
        assert_eq!(told, [bad], "{:?}", sentences(&world));
        // Five halvings at most, each after a pause of at most the first bound.
        assert!(world.now < 5_000, "record {bad} took {} ms", world.now);
    }
}

#[test]
fn records_next_to_each_other_may_all_be_bad() {
    let all: Vec<u64> = (0..32).collect();
    for bad in [&[0, 1][..], &[30, 31], &[7, 8, 9, 20], &all] {
        let mut world = with_bad(bad);
        world.finish();
        let told: Vec<_> = world.notices.iter().filter_map(refused).collect();
        assert_eq!(told, bad);
    }
}

#[test]
fn a_topic_that_takes_no_gap_record_either_parks_keeps_everything_and_says_so() {
    let mut world = with_bad(&[]);
    world.keyed_only = true;
    while world.now < 600_000 {
        world.step();
        if world.now > 60_000 {
            assert!(matches!(world.uplink.state(), State::Parked(_)), "{:?}", world.uplink.state());
        }
    }
    assert_eq!((world.cursor(), world.cluster.end()), (0, 0), "nothing is given up");
    assert!(batches(&world.cluster) < 120, "{} batches in ten minutes", batches(&world.cluster));
    let said = sentences(&world);
    let parked: Vec<_> = said.iter().filter(|said| said.contains("cleanup.policy")).collect();
    assert_eq!(parked.len(), 1, "{said:?}");
    assert!(parked[0].contains("without a key") && parked[0].contains("all records are kept"));
    assert!(!said.iter().any(|said| said.contains("takes its place in Kafka")), "{said:?}");

    // The topic is set right: every record arrives as itself, for the judge knows no reason for a gap.
    world.keyed_only = false;
    world.finish();
    assert_eq!(world.cluster.end(), 32);
}

#[test]
fn settings_and_clocks_that_a_person_can_mend_cost_no_record() {
    for code in [2, 32, 43, 44, 76] {
        let mut world = with_bad(&[]);
        for _ in 0..30 {
            world.cluster.errors.push_back((ApiKey::Produce, code));
        }
        while !world.cluster.errors.is_empty() {
            world.step();
            assert_eq!(world.cursor(), 0, "{code}");
        }
        assert!(world.now > 60_000, "{code}: thirty tries in {} ms", world.now);
        world.finish();
        assert_eq!(world.cluster.end(), 32, "{code}");
    }
}

#[test]
fn a_limit_of_the_broker_is_met_again_now_and_then_and_not_at_every_batch() {
    let mut world = with_bad(&[]);
    world.only_single_records = true;
    world.finish();
    let refusals = batches(&world.cluster) - 32;
    assert!(refusals <= 40, "{refusals} batches were refused for 32 records");
}

#[test]
fn a_record_that_fits_no_batch_is_told_once_it_is_replaced() {
    let mut world = World::new(1, 4096, 4);
    world.calm = true;
    for length in [20, 600, 20] {
        assert!(world.append(b"r", length));
    }
    world.sync();
    world.finish();
    let told = |notice: &&Notice| matches!(notice, Notice::RecordTooLarge { offset: 1 });
    assert_eq!(world.notices.iter().filter(told).count(), 1, "{:?}", sentences(&world));
}

fn refused(notice: &Notice) -> Option<u64> {
    match notice {
        Notice::RecordRefused { offset, .. } => Some(*offset),
        _ => None,
    }
}
