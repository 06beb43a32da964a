//! Every record is stored exactly once and in order, whatever breaks and whenever.
//!
//! The producer runs against an oracle broker through byte streams; each scenario runs once for
//! every place at which its fault can happen.

mod support;

use support::Random;
use support::device::Device;
use support::world::{Fault, World};

const RECORDS: u64 = 12;

/// Random scenarios per run; `EDGELOG_SEEDS` asks for more.
const SEEDS: u64 = 40_000;

fn world(seed: u64, first: u64) -> World {
    World::new(Device::new(first, first + RECORDS, seed), seed)
}

fn run(seed: u64, first: u64, lazy: u32, faults: &[Fault]) -> World {
    let mut world = world(seed, first);
    world.device.lazy = lazy;
    world.faults = faults.to_vec();
    // Some brokers do not tell what they hold, and everything must be read back from them.
    world.cluster.describes = seed % 4 != 3;
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        world.run();
        world.check();
    }));
    if let Err(cause) = outcome {
        println!("seed {seed}, first {first}, lazy {lazy}, faults {faults:?}");
        println!("events {:?}", world.device.events);
        std::panic::resume_unwind(cause);
    }
    world
}

/// Runs with a fault of `kind` at every place until it no longer happens; returns how many.
fn everywhere(kind: u64, seed: u64, lazy: u32) -> u64 {
    for at in 0.. {
        let world = run(seed, 0, lazy, &[Fault::new(kind, at, 9)]);
        if !world.faults.is_empty() {
            return at;
        }
    }
    0
}

#[test]
fn without_faults_every_record_is_stored_once() {
    for seed in 0..50 {
        let world = run(seed, seed * 1000, 1, &[]);
        assert!(world.device.events.is_empty(), "{:?}", world.device.events);
    }
}

#[test]
fn a_connection_cut_behind_any_byte_to_the_broker_costs_nothing() {
    for seed in 0..3 {
        assert!(everywhere(0, seed, 3) > 500);
    }
}

#[test]
fn a_connection_cut_behind_any_byte_to_the_device_costs_nothing() {
    for seed in 0..3 {
        assert!(everywhere(1, seed, 3) > 500);
    }
}

#[test]
fn a_fault_at_any_step_costs_nothing() {
    for kind in 2..Fault::KINDS {
        for seed in 0..10 {
            for lazy in [0, 1, 3] {
                assert!(everywhere(kind, seed, lazy) > 10, "kind {kind}");
            }
        }
    }
}

#[test]
fn a_cut_at_any_byte_and_a_restart_later_cost_nothing() {
    for seed in 0..2 {
        for at in (0..1500).step_by(7) {
            for later in [1, 4, 9] {
                let mut random = Random(seed ^ at << 8 ^ later);
                let restart = Fault::DeviceRestarts(random.below(40) + later);
                run(seed, 0, 0, &[Fault::CutDown(at), restart]);
                run(seed, 0, 2, &[Fault::CutUp(at), restart]);
            }
        }
    }
}

#[test]
fn any_faults_together_cost_nothing() {
    let seeds = std::env::var("EDGELOG_SEEDS").ok().and_then(|n| n.parse().ok());
    for seed in 0..seeds.unwrap_or(SEEDS) {
        let mut random = Random(seed);
        let first = random.below(3) * ((1 << 31) - 5);
        let lazy = u32::try_from(random.below(4)).unwrap();
        let count = 1 + random.below(6);
        let faults: Vec<_> = (0..count)
            .map(|_| {
                let kind = random.below(Fault::KINDS);
                let reach = if kind < 2 { 2500 } else { 120 };
                Fault::new(kind, random.below(reach), random.below(40))
            })
            .collect();
        run(seed, first, lazy, &faults);
    }
}
