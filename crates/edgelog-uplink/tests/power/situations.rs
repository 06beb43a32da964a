//! Single situations that a random life does not often meet.

use crate::support::broker::Cluster;
use crate::world::{Trouble, World};
use kafka_protocol::messages::ApiKey;

fn calm(seed: u64, segment_size: u32) -> World {
    let mut world = World::new(seed, segment_size, 4);
    world.calm = true;
    world
}

fn records(world: &mut World, count: u64) {
    for _ in 0..count {
        assert!(world.append(b"r", 0));
    }
    world.sync();
}

/// Steps until the broker was sent `batches` batches, or nothing is left to do.
fn until_batches(world: &mut World, batches: usize) {
    let sent =
        |world: &World| world.cluster.seen.iter().filter(|api| **api == ApiKey::Produce).count();
    for _ in 0..2000 {
        if sent(world) >= batches {
            return;
        }
        world.step();
    }
}

/// A log with the records `damaged` of `count` gone; nothing was shipped.
fn with_gap(count: u64, damaged: core::ops::Range<u64>) -> World {
    let mut world = calm(1, 4096);
    records(&mut world, count);
    world.restart();
    records(&mut world, 1);
    assert!(world.restart_with_rot(damaged));
    world
}

#[test]
fn a_batch_that_the_broker_refuses_for_its_timestamps_is_not_given_up() {
    // A clock two hours ahead: the broker refuses every batch with INVALID_TIMESTAMP until somebody sets the clock.
    let mut world = calm(2, 4096);
    records(&mut world, 4);
    for _ in 0..60 {
        world.cluster.errors.push_back((ApiKey::Produce, 32));
    }
    let started = world.now;
    while !world.cluster.errors.is_empty() {
        world.step();
    }
    let waited = world.now - started > 10_000;
    // The clock is right again: nothing may be lost, and nobody hammered the broker meanwhile.
    world.finish();
    assert!(waited, "refused batches are sent again without waiting");
}

#[test]
fn a_gap_record_that_the_broker_refuses_keeps_its_range() {
    let mut world = with_gap(12, 2..8);
    until_batches(&mut world, 1);
    for _ in 0..200 {
        if world.cursor() == 2 {
            break;
        }
        world.step();
    }
    for _ in 0..3 {
        world.cluster.errors.push_back((ApiKey::Produce, 87));
    }
    world.finish();
}

#[test]
fn a_gap_behind_records_whose_evidence_retention_has_deleted_is_told() {
    let mut world = calm(3, 4096);
    records(&mut world, 3);
    world.finish();
    records(&mut world, 2);
    world.lose_produce_answer = true;
    while world.cluster.end() < 5 {
        world.step();
    }
    world.lose_produce_answer = false;
    assert_eq!((world.cluster.end(), world.cursor()), (5, 3), "two are sent and not acknowledged");
    records(&mut world, 12);
    world.restart();
    records(&mut world, 1);
    assert!(world.restart_with_rot(5..9));
    // Retention removed the batch; the leader still knows the producer.
    world.judge();
    world.forget_judgement(5, 0);
    world.cluster.retain_from(5);
    world.finish();
}

#[test]
fn a_gap_in_the_oldest_segment_of_a_full_log_does_not_stop_shipping() {
    full_log(false);
}

#[test]
fn a_gap_in_the_oldest_segment_of_a_full_log_survives_the_power() {
    full_log(true);
}

fn full_log(power_goes: bool) {
    // Small batches: each acknowledgement takes 32 bytes of what a full log keeps for cursors and anchors.
    let mut world = World::new(4, 2048, 3);
    world.calm = true;
    while world.append(b"r", 0) {}
    world.sync();
    // Near the end of the oldest segment.
    assert!(world.restart_with_rot(22..25));
    // A slow line, or a broker that takes small batches only: one record a batch.
    let mut steps = 0;
    let mut based = 0;
    while world.cursor() < world.log.durable() {
        // Refusing a larger batch makes the uplink halve it.
        world.only_single_records = true;
        steps += 1;
        assert!(
            steps < 20_000,
            "stuck at {} of {}: {:?}",
            world.cursor(),
            world.log.durable(),
            world.last_error
        );
        world.step_or_full();
        // The power goes between the anchor of a gap and its record, while commits hold in memory.
        let base = world.uplink.producer().anchor().map_or(0, |anchor| anchor.base_index);
        if !power_goes {
            world.sync();
        } else if base != based {
            based = base;
            world.step_or_full();
            world.restart();
        }
    }
    world.finish();
}

#[test]
fn a_mark_of_another_cluster_does_not_hide_a_batch() {
    let mut world = calm(5, 4096);
    records(&mut world, 8);
    world.finish();
    assert_eq!(world.cursor(), 8);
    world.restart();
    // Another cluster, in whose partition others have written less than the mark says.
    let mut other = Cluster::default();
    other.id = "cluster-b";
    for _ in 0..5 {
        other.append_foreign();
    }
    world.cluster = other;
    world.forget_judgement(8, 5);
    records(&mut world, 3);
    // The batch is appended at 5..8, its answer is lost with the power.
    for _ in 0..300 {
        if world.cluster.end() > 5 {
            break;
        }
        world.lose_produce_answer = true;
        world.step();
    }
    world.lose_produce_answer = false;
    assert_eq!(world.cluster.end(), 8, "one batch of three");
    // Hours later.
    world.cluster.expire_all();
    world.finish();
}

#[test]
fn a_gap_that_can_be_read_again_is_not_passed_over_in_silence() {
    let mut world = with_gap(12, 2..8);
    let sound = world.sound_image();
    // The anchor of the gap is stored, its record is not sent.
    for _ in 0..300 {
        if world.uplink.producer().anchor().is_some_and(|anchor| anchor.base_index >= 7) {
            break;
        }
        world.step();
    }
    assert_eq!(world.uplink.producer().anchor().unwrap().base_index, 7);
    world.troubles = vec![(world.exchanges, Trouble::RequestLostAndPower)];
    while !world.troubles.is_empty() {
        world.step();
    }
    assert!((2..=3).contains(&world.cursor()));
    world.restore_rot(&sound);
    world.finish();
}

#[test]
fn a_gap_in_the_last_epoch_takes_a_new_producer_id() {
    for at in 0..25 {
        for trouble in
            [Trouble::AnswerLostAndPower, Trouble::RequestLostAndPower, Trouble::RequestLost]
        {
            let mut world = calm(7, 4096);
            records(&mut world, 3);
            world.finish();
            world.set_last_epoch();
            records(&mut world, 12);
            world.restart();
            records(&mut world, 1);
            assert!(world.restart_with_rot(5..9));
            world.troubles = vec![(world.exchanges + at, trouble)];
            world.finish();
            assert_eq!(world.uplink.producer().anchor().unwrap().producer_epoch, 0);
        }
    }
}

#[test]
fn records_that_take_the_place_of_a_rotten_end_are_shipped() {
    let mut world = rotten_end();
    records(&mut world, 1);
    world.finish();
    assert_fifth_arrived(&world);
}

#[test]
fn records_that_take_the_place_of_a_rotten_end_are_shipped_by_an_uplink_that_starts_later_too() {
    let mut world = rotten_end();
    records(&mut world, 1);
    // Only now somebody begins to ship: what it finds is no proof of what was sent.
    world.replace_uplink();
    world.finish();
    assert_fifth_arrived(&world);
}

#[test]
fn an_uplink_that_takes_the_place_of_another_doubles_nothing() {
    let mut world = calm(9, 4096);
    records(&mut world, 3);
    world.finish();
    for _ in 0..5 {
        records(&mut world, 2);
        world.lose_produce_answer = true;
        let before = world.cluster.end();
        while world.cluster.end() == before {
            world.step();
        }
        world.lose_produce_answer = false;
        world.replace_uplink();
    }
    world.finish();
}

/// Three records are acknowledged, the fourth is in Kafka without an answer, and has rotted in the log, whose end it was.
fn rotten_end() -> World {
    let mut world = calm(8, 4096);
    records(&mut world, 3);
    world.finish();
    records(&mut world, 1);
    world.lose_produce_answer = true;
    while world.cluster.end() < 4 {
        world.step();
    }
    world.lose_produce_answer = false;
    world.judge();
    world.lose_the_end();
    world.forget_judgement(3, world.cluster.log.len());
    world
}

/// The record that took the fourth one's place.
fn assert_fifth_arrived(world: &World) {
    let mut values = world.cluster.log.iter().flat_map(|batch| &batch.values);
    assert!(
        values.any(|value| value.ends_with(b"<0000000000000005>")),
        "the new record is not there"
    );
}
