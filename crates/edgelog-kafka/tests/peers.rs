//! Peers that are no Kafka brokers, too old, or hostile: never a panic, never a busy loop, and a
//! report that says what is wrong.

mod support;

use edgelog_kafka::producer::Target;
use edgelog_kafka::wire::{Api, Malformed};
use edgelog_kafka::{Action, Event, Instant, ParkReason, Producer, State};
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use proptest::prelude::*;
use support::codec::response;
use support::device::{Device, config};
use support::world::World;

const T0: Instant = Instant::from_millis(0);

/// A producer that has asked for the API versions, and the number of that request.
fn negotiating() -> (Producer, i32) {
    let mut producer = Producer::new(config(1), None, 0..1);
    assert_eq!(producer.poll(T0), Action::Connect(Target::Bootstrap { attempt: 0 }));
    producer.handle_connected();
    assert_eq!(producer.state(), State::Negotiating);
    assert_eq!(producer.poll(T0), Action::Transmit { with_batch: false });
    let mut buffer = [0; 64];
    producer.poll_transmit(T0, &mut buffer).unwrap();
    (producer, i32::from_be_bytes(buffer[8..12].try_into().unwrap()))
}

#[test]
fn other_servers_are_told_from_brokers() {
    for (greeting, why) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], Malformed::FrameLength(0x4854_5450)),
        (&[0x15, 3, 3, 0, 2, 2, 70], Malformed::FrameLength(0x1503_0300)),
        (&[0xFF; 16], Malformed::FrameLength(-1)),
    ] {
        let (mut producer, _) = negotiating();
        producer.handle_input(T0, greeting);
        let Action::Report(event) = producer.poll(T0) else { panic!("no report") };
        assert_eq!(event, Event::NotKafka(why));
        assert!(event.to_string().contains("Kafka"));
        assert_eq!(producer.poll(T0), Action::Disconnect);
        assert_eq!(producer.poll(T0.after(200)), Action::Connect(Target::Bootstrap { attempt: 1 }));
    }
    let (mut producer, _) = negotiating();
    producer.handle_disconnected(T0);
    assert_eq!(producer.poll(T0), Action::Report(Event::NotKafka(Malformed::Closed)));
    assert!(matches!(producer.state(), State::Backoff { .. }));
}

#[test]
fn answers_that_nobody_asked_for_end_the_connection() {
    let mut producer = Producer::new(config(1), None, 0..1);
    let _ = producer.poll(T0);
    producer.handle_connected();
    producer.handle_input(T0, b"SSH-2.0-OpenSSH");
    assert_eq!(producer.poll(T0), Action::Report(Event::NotKafka(Malformed::Unasked)));
    assert_eq!(producer.poll(T0), Action::Disconnect);
}

#[test]
fn a_broker_that_does_not_speak_our_versions_is_named() {
    for (api, offer) in
        [(Api::Produce, Some((8, 13))), (Api::InitProducerId, Some((0, 1))), (Api::Fetch, None)]
    {
        let (mut producer, id) = negotiating();
        let keys = Api::ALL.into_iter().filter_map(|known| {
            let (min, max) = if known == api { offer? } else { (0, 20) };
            Some(
                ApiVersion::default()
                    .with_api_key(known.key())
                    .with_min_version(min)
                    .with_max_version(max),
            )
        });
        let answer = ApiVersionsResponse::default().with_api_keys(keys.collect());
        producer.handle_input(T0, &response(ApiKey::ApiVersions, 0, id, &answer));
        let Action::Report(Event::Parked(reason)) = producer.poll(T0) else { panic!("not parked") };
        let ParkReason::Unsupported { api: named, offer: found } = reason else {
            panic!("{reason}")
        };
        assert_eq!((named, found.map(|offer| (offer.min, offer.max))), (api, offer));
        assert!(reason.to_string().contains(&api.to_string()));
        assert_eq!(producer.poll(T0), Action::Disconnect);
        assert_eq!(producer.poll(T0), Action::Idle);
        let again = producer.poll_timeout().unwrap();
        assert!(again.since(T0) >= 15_000);
        assert!(matches!(producer.poll(again), Action::Connect(Target::Bootstrap { .. })));
    }
}

#[test]
fn failures_are_retried_for_ever_with_growing_waits() {
    let mut producer = Producer::new(config(7), None, 0..1);
    let mut now = T0;
    let mut longest = 0;
    for attempt in 0..500 {
        assert_eq!(producer.poll(now), Action::Connect(Target::Bootstrap { attempt }));
        producer.connect_failed(now);
        let until = producer.poll_timeout().unwrap();
        longest = longest.max(until.since(now));
        now = until;
    }
    assert!((20_000..=30_000).contains(&longest));
}

#[test]
fn a_connection_that_does_not_open_is_given_up_and_tried_again() {
    let mut producer = Producer::new(config(7), None, 0..1);
    let _ = producer.poll(T0);
    let late = producer.poll_timeout().unwrap();
    producer.handle_timeout(late);
    assert_eq!(producer.poll(late), Action::Report(Event::TimedOut { api: None }));
    assert_eq!(producer.poll(late), Action::Disconnect);
    producer.handle_connected();
    assert!(!matches!(producer.poll(late), Action::Transmit { .. }), "too late");
}

#[test]
fn brokers_that_disagree_about_the_leader_do_not_make_it_spin() {
    let mut world = World::new(Device::new(0, 1, 1), 1);
    for _ in 0..3000 {
        world.step();
        // Whichever node answers next says that it is the other one.
        world.cluster.leader = match world.device.producer.leader() {
            Some(leader) => 3 - leader.node,
            None => 2,
        };
    }
    assert!(world.now > 60_000, "waited: {}", world.now);
}

/// A world stopped at its `steps`-th step.
fn stopped(steps: u64) -> World {
    let mut world = World::new(Device::new(0, 12, 3), 3);
    for _ in 0..steps {
        if steps.is_multiple_of(7) && world.steps == steps / 2 {
            world.device.durable.acked_index = world.device.acked / 2;
            world.device.restart();
            world.cluster.expire();
        }
        world.step();
    }
    world
}

/// Feeds `bytes`, then polls; at most a handful of actions come before the producer is idle.
fn feed(world: &mut World, bytes: &[u8], portion: usize) {
    let now = world.instant();
    for chunk in bytes.chunks(portion.max(1)) {
        world.device.producer.handle_input(now, chunk);
    }
    for _ in 0..40 {
        match world.device.producer.poll(now) {
            Action::Idle => return,
            Action::Connect(_) => world.device.producer.connect_failed(now),
            Action::Transmit { with_batch } => drop(world.device.transmit(now, with_batch)),
            other => drop(world.device.act(other)),
        }
    }
    panic!("it spins in {:?}", world.device.producer.state());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_in_any_state_neither_panic_nor_spin(
        steps in 0..70_u64, bytes in prop::collection::vec(any::<u8>(), 1..300), portion in 1..300_usize,
    ) {
        let mut world = stopped(steps);
        feed(&mut world, &bytes, portion);
    }

    #[test]
    fn a_plausible_frame_with_arbitrary_contents_neither_panics_nor_spins(
        steps in 0..70_u64, bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>(), Just(1), Just(255)], 0..300),
        portion in 1..300_usize, id in 0..4_i32,
    ) {
        let mut world = stopped(steps);
        // Ask whatever is due, so that an answer is expected, and answer with the right number.
        let now = world.instant();
        let mut buffer = [0; 1024];
        let mut number = id;
        for _ in 0..8 {
            match world.device.producer.poll(now) {
                Action::Transmit { .. } => {
                    if world.device.producer.poll_transmit(now, &mut buffer).is_ok() {
                        number = i32::from_be_bytes(buffer[8..12].try_into().unwrap());
                    }
                }
                Action::Connect(_) => world.device.producer.handle_connected(),
                Action::Idle => break,
                other => drop(world.device.act(other)),
            }
        }
        let size = i32::try_from(bytes.len() + 4).unwrap();
        let frame = [&size.to_be_bytes()[..], &number.to_be_bytes(), &bytes].concat();
        feed(&mut world, &frame, portion);
    }
}

#[test]
fn an_answer_that_was_bent_in_transit_costs_at_most_a_connection() {
    // Flip one bit of one answer at a time; the lengths and numbers it hits are checked.
    for steps in 0..40 {
        let mut world = stopped(steps);
        let now = world.instant();
        if let Action::Transmit { with_batch } = world.device.producer.poll(now) {
            let request = world.device.transmit(now, with_batch);
            let leader = world.cluster.leader;
            let answer = world.cluster.handle(leader, &request[4..]).unwrap();
            for bit in 0..64.min(answer.len() * 8) {
                let mut bent = answer.clone();
                bent[bit / 8] ^= 1 << (bit % 8);
                let mut world = stopped(steps);
                let _ = world.device.producer.poll(now);
                let _ = world.device.transmit(now, with_batch);
                world.device.producer.handle_input(now, &bent);
                let waits = world.device.producer.poll_timeout().is_some();
                let Action::Report(event) = world.device.producer.poll(now) else {
                    assert!(waits, "a longer frame is waited for");
                    continue;
                };
                assert!(matches!(event, Event::NotKafka(_) | Event::Malformed { .. }), "{event}");
                assert_eq!(world.device.producer.poll(now), Action::Disconnect);
            }
        }
    }
}
