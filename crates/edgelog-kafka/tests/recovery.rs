//! What cannot go on as if nothing had happened: each case is settled as exactly as it can be, and
//! reported.

mod support;

use edgelog_kafka::producer::{ProduceError, RebaseError};
use edgelog_kafka::wire::Api;
use edgelog_kafka::{Action, ErrorCode, Event, ParkReason, Producer, Resume, State};
use kafka_protocol::messages::ApiKey;
use support::device::{Device, Durable, config, value};
use support::world::World;

/// Ten records, acknowledged and known to be so.
fn shipped() -> World {
    let mut world = World::new(Device::new(0, 10, 1), 1);
    world.device.lazy = 1;
    world.run();
    world.device.events.clear();
    world.cluster.seen.clear();
    world
}

fn restart(world: &mut World) {
    world.device.restart();
}

/// Runs until `end` records are acknowledged.
fn ship_to(world: &mut World, end: u64) {
    world.device.end = end;
    if world.device.producer.ready().is_some() {
        world.device.act(Action::ReadyFor { index: world.device.acked });
    }
    world.run();
}

fn stored(world: &World) -> Vec<Vec<u8>> {
    world.cluster.committed().iter().map(|value| value.to_vec()).collect()
}

fn values(indices: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    indices.into_iter().map(value).collect()
}

#[test]
fn an_idle_restart_asks_once_and_reads_nothing_back() {
    let mut world = shipped();
    world.cluster.expire();
    restart(&mut world);
    world.run_until(|world| world.device.producer.ready() == Some(10));
    assert!(world.cluster.seen.contains(&ApiKey::DescribeProducers));
    assert!(!world.cluster.seen.contains(&ApiKey::Fetch));
    assert!(world.device.events.is_empty());
}

#[test]
fn an_idle_reconnect_asks_nothing() {
    let mut world = shipped();
    world.run_until(|world| world.device.producer.ready() == Some(10));
    let now = world.instant();
    world.device.producer.handle_disconnected(now);
    ship_to(&mut world, 20);
    world.check();
    assert!(!world.cluster.seen.contains(&ApiKey::DescribeProducers));
}

#[test]
fn a_forgotten_producer_finds_its_last_batch_among_others() {
    let mut world = shipped();
    world.device.durable = Durable { acked_index: 4, acked_offset: None, ..world.device.durable };
    for _ in 0..50 {
        world.cluster.append_foreign();
    }
    world.cluster.expire();
    restart(&mut world);
    world.device.acked = 0;
    ship_to(&mut world, 13);
    assert_eq!(stored(&world), values(0..13));
    assert!(world.device.events.is_empty());
}

#[test]
fn retention_that_removed_the_evidence_is_reported_and_nothing_is_lost() {
    let mut world = shipped();
    world.device.durable =
        Durable { acked_index: 6, acked_offset: Some(6), ..world.device.durable };
    world.cluster.expire();
    for _ in 0..5 {
        world.cluster.append_foreign();
    }
    world.cluster.retain_from(12);
    restart(&mut world);
    world.device.acked = 6;
    ship_to(&mut world, 10);
    assert_eq!(world.device.events, [Event::PossibleDuplicates { from: 6, to: 10 }]);
    assert_eq!(stored(&world), values(6..10));
}

#[test]
fn retention_that_left_the_last_batch_leaves_no_doubt() {
    let mut world = shipped();
    world.device.durable =
        Durable { acked_index: 2, acked_offset: Some(2), ..world.device.durable };
    world.cluster.expire();
    let last = world.cluster.log.last().unwrap().base_offset;
    world.cluster.retain_from(last);
    restart(&mut world);
    ship_to(&mut world, 12);
    assert!(world.device.events.is_empty());
    assert_eq!(stored(&world).last(), Some(&value(11)));
    assert_eq!(world.cluster.end(), 12);
}

#[test]
fn a_scan_that_would_cost_too_much_is_ended_and_reported() {
    let mut world = shipped();
    world.device.durable = Durable { acked_index: 8, acked_offset: None, ..world.device.durable };
    world.cluster.expire();
    let Durable { anchor, .. } = world.device.durable;
    let mut config = config(5);
    config.scan_bytes_max = 100;
    let resume = Resume { anchor: anchor.unwrap(), acked_index: 8, acked_offset: None };
    world.device.producer = Producer::new(config, Some(resume), 8..10);
    world.run_until(|world| {
        world.device.producer.ready().is_some() || !world.device.events.is_empty()
    });
    assert_eq!(world.device.events, [Event::PossibleDuplicates { from: 8, to: 10 }]);
}

#[test]
fn a_leader_that_forgets_what_it_has_not_replicated_makes_a_duplicate() {
    // The honest exception: nobody can see the batch, so it is sent again.
    let mut world = World::new(Device::new(0, 1, 1), 1);
    world.cluster.replicates = false;
    world.run_until(|world| world.cluster.end() == 1);
    world.cluster.expire_all();
    world.run_until(|world| world.cluster.end() == 2);
    world.cluster.replicate();
    world.run();
    assert_eq!(stored(&world), values([0, 0]));
}

#[test]
fn records_that_the_broker_lost_are_reported_and_sent_again() {
    let mut world = shipped();
    world.cluster.lose_from(world.cluster.log[1].base_offset);
    let kept = u64::try_from(world.cluster.end()).unwrap();
    ship_to(&mut world, 14);
    let lost = Event::DataLossOnBroker { from: kept, to: 10 };
    assert!(world.device.events.contains(&lost), "{:?}", world.device.events);
    assert_eq!(stored(&world), values(0..14));
}

#[test]
fn lost_records_that_the_caller_no_longer_holds_are_left_out() {
    let mut world = shipped();
    world.cluster.lose_from(world.cluster.log[1].base_offset);
    let kept = u64::try_from(world.cluster.end()).unwrap();
    restart(&mut world);
    loop {
        let now = world.instant();
        if world.device.producer.ready() == Some(kept) {
            break;
        }
        let action = world.device.producer.poll(now);
        match action {
            Action::ReadyFor { .. } => {}
            Action::Connect(_) => world.device.producer.handle_connected(),
            Action::Transmit { with_batch } => {
                let bytes = world.device.transmit(now, with_batch);
                let leader = world.cluster.leader;
                let node = if world.device.producer.leader().is_some() { leader } else { 1 };
                let answer = world.cluster.handle(node, &bytes[4..]).unwrap();
                world.device.producer.handle_input(now, &answer);
            }
            Action::Disconnect | Action::Idle => {}
            other => assert!(world.device.act(other)),
        }
    }
    assert_eq!(world.device.producer.rebase(kept - 1), Err(RebaseError::Backwards { next: kept }));
    world.device.producer.rebase(10).unwrap();
    assert_eq!(world.device.producer.anchor().unwrap().producer_epoch, 1);
    assert_eq!(world.device.producer.anchor().unwrap().base_index, 10);
    let stamp = world.device.producer.stamp(10).unwrap();
    assert_eq!((stamp.base_sequence, stamp.producer_epoch), (0, 1));
    assert_eq!(world.device.producer.produce(10, 1, 100), Err(ProduceError::NotReady));
    let now = world.instant();
    let Action::PersistAnchor(anchor) = world.device.producer.poll(now) else {
        panic!("no anchor")
    };
    assert_eq!(world.device.producer.poll(now), Action::Idle, "nothing before it is durable");
    world.device.producer.anchor_persisted(&anchor);
    assert_eq!(world.device.producer.poll(now), Action::ReadyFor { index: 10 });
}

#[test]
fn gaps_are_bridged_by_a_new_epoch_and_survive_restarts() {
    let mut world = shipped();
    for gap in 0..3 {
        world.run_until(|world| world.device.producer.ready() == Some(world.device.end));
        let first = world.device.end + 5;
        world.device.producer.rebase(first).unwrap();
        world.device.durable.acked_index = first;
        world.device.durable.acked_offset = None;
        world.device.acked = first;
        world.device.end = first + 6;
        if gap != 1 {
            let now = world.instant();
            let action = world.device.producer.poll(now);
            assert!(world.device.act(action));
            world.run_until(|world| world.device.acked > first);
            restart(&mut world);
        }
        world.run();
    }
    assert_eq!(stored(&world), values((0..10).chain(15..21).chain(26..32).chain(37..43)));
    assert!(world.device.events.is_empty(), "{:?}", world.device.events);
    assert_eq!(world.device.producer.anchor().unwrap().producer_epoch, 3);
}

#[test]
fn an_epoch_that_cannot_grow_gives_way_to_a_new_producer_id() {
    let mut world = shipped();
    let mut anchor = world.device.durable.anchor.unwrap();
    anchor.producer_epoch = i16::MAX;
    anchor.base_index = 10;
    world.device.durable.anchor = Some(anchor);
    restart(&mut world);
    world.run_until(|world| world.device.producer.ready() == Some(10));
    world.device.producer.rebase(20).unwrap();
    world.device.acked = 20;
    world.device.end = 25;
    world.run();
    let renewed = *world.device.producer.anchor().unwrap();
    assert_ne!(renewed.producer_id, anchor.producer_id);
    assert_eq!((renewed.producer_epoch, renewed.base_index), (0, 20));
    assert_eq!(stored(&world), values((0..10).chain(20..25)));
}

#[test]
fn a_rebase_waits_until_nothing_is_unsettled() {
    let mut world = World::new(Device::new(0, 4, 3), 3);
    world.device.producer.rebase(2).unwrap();
    world.device.first = 2;
    world.device.acked = 2;
    world.run_until(|world| {
        world.device.producer.ready().is_none() && !world.device.batch.is_empty()
    });
    assert_eq!(world.device.producer.rebase(9), Err(RebaseError::Unsettled));
    world.run();
    assert_eq!(stored(&world), values(2..4));
    restart(&mut world);
    assert_eq!(world.device.producer.rebase(9), Err(RebaseError::Unsettled));
}

#[test]
fn a_cloned_storage_is_told_by_what_the_broker_holds() {
    let mut world = shipped();
    let clone = world.device.durable;
    ship_to(&mut world, 16);
    world.device.durable = clone;
    world.device.end = 12;
    restart(&mut world);
    world.device.acked = 10;
    world.run();
    assert_eq!(world.device.events, [Event::AheadOfLog { held: 16, end: 12 }]);
    assert_ne!(
        world.device.producer.anchor().unwrap().producer_id,
        clone.anchor.unwrap().producer_id
    );
    assert_eq!(stored(&world), values((0..16).chain(10..12)));
}

#[test]
fn a_storage_rolled_back_behind_what_it_knows_to_be_acknowledged_takes_a_new_identity() {
    let mut world = shipped();
    world.device.end = 7;
    restart(&mut world);
    world.device.acked = 7;
    world.device.end = 9;
    world.run();
    assert_eq!(world.device.events, [Event::AheadOfLog { held: 10, end: 7 }]);
    assert_eq!(stored(&world), values((0..10).chain(7..9)));
}

#[test]
fn a_newer_epoch_elsewhere_is_reported_and_left_alone() {
    let mut world = shipped();
    world.run_until(|world| world.device.producer.ready() == Some(10));
    let before = world.device.producer.anchor().unwrap().producer_id;
    world.cluster.bump_epoch_elsewhere();
    ship_to(&mut world, 15);
    assert_eq!(world.device.events, [Event::Fenced]);
    assert_ne!(world.device.producer.anchor().unwrap().producer_id, before);
    assert_eq!(stored(&world), values(0..15));

    world.device.events.clear();
    world.cluster.bump_epoch_elsewhere();
    restart(&mut world);
    ship_to(&mut world, 20);
    assert_eq!(world.device.events, [Event::Fenced]);
    assert_eq!(stored(&world), values(0..20));
}

#[test]
fn a_broker_that_insists_on_a_new_producer_id_gets_one() {
    let mut world = shipped();
    world.run_until(|world| world.device.producer.ready() == Some(10));
    world.cluster.errors.push_back((ApiKey::Produce, 59));
    ship_to(&mut world, 15);
    assert_eq!(world.device.events, [Event::ProducerForgotten]);
    assert_eq!(stored(&world), values(0..15));
    assert_eq!(world.device.producer.anchor().unwrap().base_index, 10);
}

#[test]
fn another_cluster_gets_a_new_anchor() {
    let mut world = shipped();
    world.cluster = support::broker::Cluster::default();
    world.cluster.id = "cluster-b";
    restart(&mut world);
    world.device.end = 14;
    world.run();
    assert_eq!(world.device.events, [Event::ClusterChanged]);
    assert_eq!(stored(&world), values(10..14));
    assert_eq!(world.device.producer.anchor().unwrap().base_index, 10);
}

#[test]
fn another_topic_or_partition_gets_a_new_anchor() {
    let world = shipped();
    let anchor = world.device.durable.anchor.unwrap();
    for anchor in [
        edgelog_kafka::Anchor { topic: anchor.topic ^ 1, ..anchor },
        edgelog_kafka::Anchor { partition: 1, ..anchor },
    ] {
        let mut world = shipped();
        world.device.durable.anchor = Some(anchor);
        restart(&mut world);
        ship_to(&mut world, 12);
        assert_eq!(world.device.events, [Event::TopicChanged]);
        assert_eq!(world.device.producer.anchor().unwrap().partition, 0);
    }
}

#[test]
fn a_topic_made_anew_is_noticed_by_its_end() {
    let mut world = shipped();
    world.device.durable.acked_index = 7;
    world.device.durable.acked_offset = Some(7);
    world.cluster = support::broker::Cluster::default();
    restart(&mut world);
    world.device.acked = 7;
    world.run();
    assert_eq!(world.device.events, [Event::PartitionShrank { end: 0, acknowledged: 7 }]);
    assert_eq!(stored(&world), values(7..10));
    assert_eq!(world.device.producer.anchor().unwrap().start_offset, 0);
}

#[test]
fn an_offset_from_before_the_anchor_does_not_hide_a_batch() {
    let mut world = World::new(Device::new(0, 4, 1), 1);
    world.device.lazy = 0;
    world.run();
    world.cluster.expire_all();
    // It was acknowledged by the cluster before this one, whose partition was longer.
    world.device.durable.acked_offset = Some(1_000);
    restart(&mut world);
    world.device.acked = 0;
    world.run();
    world.check();
    assert_eq!(world.device.events, []);
}

#[test]
fn every_retriable_answer_to_a_batch_leads_back_to_the_same_place() {
    for code in [-1, 3, 5, 6, 7, 9, 13, 19, 20, 45, 51, 56, 72, 74, 75, 89, 100, 103, 999] {
        let mut world = World::new(Device::new(0, 9, 2), 2);
        for _ in 0..4 {
            world.cluster.errors.push_back((ApiKey::Produce, code));
        }
        world.run();
        world.check();
        assert_eq!(world.device.events.len(), 4, "{code}");
    }
}

#[test]
fn errors_at_every_other_step_are_retried() {
    for api in [ApiKey::Metadata, ApiKey::InitProducerId, ApiKey::ListOffsets] {
        for code in [5, 15, -1] {
            let mut world = World::new(Device::new(0, 9, 2), 2);
            world.cluster.errors.push_back((api, code));
            world.run();
            world.check();
            assert_eq!(world.device.events.len(), 1, "{api:?} {code}");
        }
    }
    for api in [ApiKey::DescribeProducers, ApiKey::ListOffsets, ApiKey::Fetch] {
        let mut world = shipped();
        world.device.durable.acked_index = 4;
        world.device.durable.acked_offset = Some(4);
        if api != ApiKey::DescribeProducers {
            world.cluster.expire();
        }
        world.cluster.errors.push_back((api, 6));
        restart(&mut world);
        ship_to(&mut world, 12);
        world.check();
        assert_eq!(world.device.events.len(), 1, "{api:?}");
    }
}

#[test]
fn what_only_a_person_can_mend_parks_and_is_tried_again() {
    for (api, code) in [
        (ApiKey::Metadata, 3),
        (ApiKey::Metadata, 29),
        (ApiKey::Metadata, 17),
        (ApiKey::InitProducerId, 31),
        (ApiKey::Produce, 29),
        (ApiKey::Produce, 32),
        (ApiKey::Produce, 43),
        (ApiKey::Produce, 44),
        (ApiKey::Produce, 76),
        (ApiKey::DescribeProducers, 29),
    ] {
        let mut world = shipped();
        world.device.durable.acked_index = 4;
        if api == ApiKey::InitProducerId {
            world.device.durable = Durable { acked_index: 10, ..Durable::default() };
        }
        restart(&mut world);
        for _ in 0..3 {
            world.cluster.errors.push_back((api, code));
        }
        world.device.end = 12;
        let started = world.now;
        world.run_until(|world| !world.device.events.is_empty());
        let [Event::Parked(reason)] = world.device.events[..] else { panic!("not parked") };
        assert_eq!(world.device.producer.state(), State::Parked(reason));
        assert_eq!(reason == ParkReason::UnknownTopic, code == 3);
        world.run();
        assert_eq!(world.device.events.len(), 1, "said once");
        assert!(world.now - started >= 45_000, "tried again slowly");
        world.check();
    }
}

#[test]
fn a_batch_that_is_refused_for_good_is_handed_back() {
    for code in [10, 18, 87] {
        let mut world = World::new(Device::new(0, 9, 2), 2);
        world.cluster.errors.push_back((ApiKey::Produce, code));
        world.run_until(|world| !world.device.rejected.is_empty());
        let (index, count, refused) = world.device.rejected[0];
        assert_eq!((index, refused), (0, code));
        assert!(count > 0);
        world.device.batch_max = 1;
        world.run();
        world.check();
    }
}

#[test]
fn a_batch_called_corrupt_is_sent_again_over_new_connections_for_ever() {
    let mut world = World::new(Device::new(0, 9, 2), 2);
    for _ in 0..12 {
        world.cluster.errors.push_back((ApiKey::Produce, 2));
    }
    world.run();
    world.check();
    assert_eq!(world.device.rejected, []);
    assert_eq!(world.device.events.len(), 12);
    let greetings = world.cluster.seen.iter().filter(|api| **api == ApiKey::ApiVersions);
    assert!(greetings.count() > 12, "a new connection each time");
}

#[test]
fn batches_refused_one_after_another_are_sent_less_and_less_often() {
    let mut world = World::new(Device::new(0, 9, 2), 2);
    world.device.batch_max = 1;
    for _ in 0..12 {
        world.cluster.errors.push_back((ApiKey::Produce, 87));
    }
    world.run();
    world.check();
    assert_eq!(world.device.rejected.len(), 12);
    assert!(world.now >= 30_000, "twelve refusals in {} ms", world.now);
}

#[test]
fn a_refused_record_that_nothing_can_replace_parks_until_it_is_taken() {
    let mut world = World::new(Device::new(0, 9, 2), 2);
    world.device.batch_max = 1;
    for _ in 0..3 {
        world.cluster.errors.push_back((ApiKey::Produce, 87));
    }
    let reason = ParkReason::NothingAccepted { index: 0, code: ErrorCode(87) };
    for round in 0..3 {
        let started = world.now;
        world.run_until(|world| world.device.rejected.len() > round);
        assert!(round == 0 || world.now - started >= 15_000, "{round} after {started}");
        let now = world.instant();
        world.device.producer.park_rejected(now, ErrorCode(87));
        assert_eq!(world.device.producer.state(), State::Parked(reason));
    }
    world.run();
    world.check();
    assert_eq!(world.device.events, [Event::Parked(reason)], "said once");
}

#[test]
fn a_parked_batch_names_the_setting_to_change() {
    for (code, setting) in [
        (17, "topic's name"),
        (29, "WRITE"),
        (32, "message.timestamp.type=LogAppendTime"),
        (32, "message.timestamp.before.max.ms"),
        (32, "clock"),
        (43, "message format"),
        (44, "policy"),
        (76, "compression.type"),
    ] {
        let reason = ParkReason::Refused { api: Api::Produce, code: ErrorCode(code) };
        let sentence = Event::Parked(reason).to_string();
        assert!(sentence.contains(setting) && sentence.contains("kept"), "{code}: {sentence}");
    }
    for (code, setting) in [(87, "cleanup.policy=delete"), (10, "max.message.bytes")] {
        let reason = ParkReason::NothingAccepted { index: 7, code: ErrorCode(code) };
        let sentence = Event::Parked(reason).to_string();
        assert!(sentence.contains(setting) && sentence.contains("record 7"), "{code}: {sentence}");
    }
}

#[test]
fn the_brokers_wish_for_silence_is_kept() {
    let mut world = World::new(Device::new(0, 8, 2), 2);
    world.device.batch_max = 1;
    world.cluster.throttle_ms = 10_000;
    world.run();
    world.check();
    assert!(world.now >= 70_000, "eight batches, seven silences: {}", world.now);
}

#[test]
fn a_silent_broker_is_left_and_asked_what_it_holds() {
    let mut world = World::new(Device::new(0, 4, 2), 2);
    world.run_until(|world| {
        world.device.producer.ready().is_none() && !world.device.batch.is_empty()
    });
    let now = world.instant();
    assert_eq!(world.device.producer.poll(now), Action::Transmit { with_batch: true });
    let lost = world.device.transmit(now, true);
    world.cluster.handle(1, &lost[4..]);
    assert_eq!(world.device.producer.poll(now), Action::Idle);
    let late = world.device.producer.poll_timeout().unwrap();
    assert_eq!(late, now.after(45_000));
    world.device.producer.handle_timeout(late);
    world.now = late.as_millis();
    world.run();
    world.check();
    assert!(matches!(world.device.events[..], [Event::TimedOut { api: Some(_) }]));
    assert!(world.cluster.seen.contains(&ApiKey::DescribeProducers));
}

#[test]
fn what_was_appended_is_confirmed_by_reading_it_back() {
    let mut world = shipped();
    world.device.durable =
        Durable { acked_index: 3, acked_offset: Some(3), ..world.device.durable };
    restart(&mut world);
    world.device.acked = 3;
    world.run();
    assert!(world.cluster.seen.contains(&ApiKey::Fetch));
    assert!(!world.cluster.seen.contains(&ApiKey::Produce));
    world.check();
}

#[test]
fn what_cannot_be_read_back_stays_unacknowledged_until_a_later_batch() {
    let mut world = shipped();
    world.device.durable =
        Durable { acked_index: 3, acked_offset: Some(3), ..world.device.durable };
    restart(&mut world);
    world.device.acked = 3;
    for _ in 0..5 {
        world.cluster.append_foreign();
    }
    world.cluster.retain_from(12);
    world.run_until(|world| !world.device.events.is_empty());
    assert_eq!(world.device.events, [Event::Unconfirmed { from: 3, to: 10 }]);
    assert_eq!(world.device.acked, 3);
    ship_to(&mut world, 12);
    assert_eq!(world.device.acked, 12);
    assert_eq!(stored(&world), values(10..12));
}

#[test]
fn a_suspended_producer_keeps_quiet_until_it_is_resumed() {
    let mut world = shipped();
    world.run_until(|world| world.device.producer.ready() == Some(10));
    let now = world.instant();
    world.device.producer.suspend(now);
    assert_eq!(world.device.producer.poll(now), Action::Disconnect);
    assert_eq!(world.device.producer.poll(now), Action::Idle);
    assert_eq!(world.device.producer.poll_timeout(), None);
    assert_eq!(world.device.producer.state(), State::Suspended);
    world.device.producer.resume();
    ship_to(&mut world, 12);
    world.check();
}

#[test]
fn a_cluster_that_takes_no_batches_for_long_is_asked_ever_less_often() {
    let mut world = World::new(Device::new(0, 4, 2), 2);
    for _ in 0..60 {
        world.cluster.errors.push_back((ApiKey::Produce, 19));
    }
    world.run();
    world.check();
    // Fifty waits of up to 30 seconds each; reaching the broker in between does not shorten them.
    assert!(world.now > 300_000, "{}", world.now);
}
