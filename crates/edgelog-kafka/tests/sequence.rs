//! Sequences, anchors and sizes.

mod support;

use edgelog_kafka::producer::{BadAnchor, ProduceError};
use edgelog_kafka::wire::Malformed;
use edgelog_kafka::{Action, Anchor, Event, Producer};
use support::device::Device;
use support::world::{Fault, World};

const ANCHOR: Anchor = Anchor {
    producer_id: 0x0102_0304_0506_0708,
    producer_epoch: 0x1112,
    partition: 0x2122_2324,
    base_index: 0x3132_3334_3536_3738,
    start_offset: 0x4142_4344_4546_4748,
    cluster: 0x5152_5354,
    topic: 0x6162_6364,
};

#[test]
fn an_anchors_bytes_are_as_documented() {
    let golden = [
        1, 0, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 8, 7, 6, 5, 4, 3, 2, 1, 0x38, 0x37, 0x36, 0x35,
        0x34, 0x33, 0x32, 0x31, 0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41, 0x54, 0x53, 0x52,
        0x51, 0x64, 0x63, 0x62, 0x61,
    ];
    assert_eq!(ANCHOR.to_bytes(), golden);
    assert_eq!(Anchor::from_bytes(&golden), Ok(ANCHOR));
    for (at, bad) in [(0, 2), (0, 0), (1, 1), (3, 0x80), (7, 0x80), (15, 0x80), (31, 0x80)] {
        let mut bytes = golden;
        bytes[at] = bad;
        assert_eq!(Anchor::from_bytes(&bytes), Err(BadAnchor), "byte {at}");
    }
}

#[test]
fn sequences_wrap_and_batches_end_there() {
    let anchor = Anchor { base_index: 100, ..ANCHOR };
    let wrap = 100 + (1 << 31);
    assert_eq!((anchor.sequence(100), anchor.room(100)), (0, 1 << 31));
    assert_eq!((anchor.sequence(wrap - 1), anchor.room(wrap - 1)), (i32::MAX, 1));
    assert_eq!((anchor.sequence(wrap), anchor.room(wrap)), (0, 1 << 31));
    assert_eq!(anchor.sequence(wrap + (5 << 31) + 7), 7);
}

/// A world whose next sequence is a few records before the wrap.
fn near_the_wrap(seed: u64, before: u64) -> World {
    let start = 1000;
    let first = start + (1 << 31) - before;
    let mut world = World::new(Device::new(first, first + 2, seed), seed);
    world.device.lazy = 1;
    world.run();
    let mut anchor = world.device.durable.anchor.unwrap();
    // The same broker state under an anchor that began long ago: shift what the broker knows.
    anchor.base_index = start;
    world.cluster.shift_sequences(i64::try_from(first - start).unwrap());
    world.device.durable.anchor = Some(anchor);
    world.device.restart();
    world.device.end = first + 40;
    world
}

#[test]
fn no_batch_straddles_the_wrap_and_positions_are_lifted_across_it() {
    for before in 2..30 {
        for at in 0..120 {
            for fault in
                [Fault::DeviceRestarts(at), Fault::CutDown(at * 23), Fault::ProducersExpire(at)]
            {
                let mut world = near_the_wrap(before, before);
                let shift = world.steps;
                world.faults = vec![match fault {
                    Fault::CutDown(at) => Fault::CutDown(world.down + at),
                    Fault::DeviceRestarts(at) => Fault::DeviceRestarts(shift + at),
                    _ => Fault::ProducersExpire(shift + at),
                }];
                world.device.lazy = u32::try_from(at % 3).unwrap();
                world.run();
                world.check();
                // A connection that is cut before the first answer looks like a foreign server.
                let closed = Event::NotKafka(Malformed::Closed);
                assert!(world.device.events.iter().all(|event| *event == closed));
            }
        }
    }
}

#[test]
fn batches_that_may_not_be_announced_are_refused() {
    let mut world = World::new(Device::new(5, 9, 1), 1);
    assert_eq!(world.device.producer.produce(5, 1, 80), Err(ProduceError::NotReady));
    let producer = &mut world.device.producer;
    assert_eq!((producer.room(5), producer.stamp(5)), (0, None));
    world.run_until(|world| world.device.producer.anchor().is_some());
    loop {
        let now = world.instant();
        match world.device.producer.poll(now) {
            Action::ReadyFor { index } => {
                assert_eq!(index, 5);
                break;
            }
            Action::Idle => panic!("not ready"),
            other => drop(world.device.act(other)),
        }
    }
    let producer = &mut world.device.producer;
    assert_eq!(producer.produce(6, 1, 80), Err(ProduceError::WrongIndex { expected: 5 }));
    assert_eq!(producer.produce(5, 0, 80), Err(ProduceError::WrongCount { room: 1 << 31 }));
    assert_eq!(producer.produce(5, u32::MAX, 80), Err(ProduceError::WrongCount { room: 1 << 31 }));
    assert_eq!(producer.produce(5, 1, usize::MAX), Err(ProduceError::TooLong));
    assert_eq!(producer.produce(5, 1, 80), Ok(()));
    assert_eq!(producer.produce(6, 1, 80), Err(ProduceError::NotReady));
}

#[test]
fn a_producer_takes_no_more_than_two_kibibytes() {
    let size = size_of::<Producer>();
    println!("size_of::<Producer>() = {size}");
    assert!(size <= 2048, "{size}");
}
