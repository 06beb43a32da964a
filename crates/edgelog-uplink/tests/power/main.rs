//! The power goes at every step of log and network; in the end Kafka holds every durable record once and in order, and gap
//! records account for the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub, reason = "one module tree per test program")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "test data is small"
)]

mod refused;
mod situations;
#[path = "../../../edgelog-kafka/tests/support/mod.rs"]
mod support;
mod world;

use edgelog_sim::Rng;
use world::{BAD, Trouble, World};

/// Random lives per run; `EDGELOG_SEEDS` asks for more, `EDGELOG_SEED` for one only.
const SEEDS: u64 = 3_000;

/// Lives in which a promise was once broken.
const ONCE_FAILED: [u64; 3] = [176, 2_182, 51_407];

const GEOMETRIES: [(u32, u32); 4] = [(2048, 3), (1536, 4), (4096, 3), (2048, 6)];

fn world(seed: u64) -> World {
    let (size, count) = GEOMETRIES[Rng::new(seed).below(GEOMETRIES.len())];
    let mut world = World::new(seed, size, count);
    // Some brokers do not tell what they hold, and everything must be read back from them.
    world.cluster.describes = seed % 4 != 3;
    world
}

/// A little work: records of many sizes, some of which the broker refuses or no batch holds, and steps of the uplink between.
fn work(world: &mut World, rng: &mut Rng, rounds: usize) {
    for _ in 0..rounds {
        match rng.below(12) {
            0..=4 => {
                let start: &[u8] = if rng.one_in(12) { BAD } else { b"r" };
                let length = if rng.one_in(15) { 600 } else { rng.below(120) };
                world.append(start, length);
            }
            5 | 6 => world.sync(),
            _ => {
                for _ in 0..rng.below(6) {
                    world.step();
                }
            }
        }
    }
}

/// The same life with the power cut in its n-th mutation of the disk; returns how many there were.
fn life(seed: u64, cut_at: Option<u64>, troubles: &[(u64, Trouble)]) -> (u64, u64) {
    let mut world = world(seed);
    let before = world.disk.counters().mutations();
    let disk = world.disk.clone();
    if let Some(mutation) = cut_at {
        world.disk.cut_power_in(mutation);
    }
    world.troubles = troubles.to_vec();
    work(&mut world, &mut Rng::new(seed), 60);
    world.finish();
    (disk.counters().mutations() - before, world.exchanges)
}

/// Names what failed, so that it can be run again.
fn named<T>(name: impl FnOnce() -> String, run: impl FnOnce() -> T) -> T {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        Ok(value) => value,
        Err(cause) => {
            println!("{}", name());
            std::panic::resume_unwind(cause)
        }
    }
}

#[test]
fn without_trouble_every_record_arrives_once() {
    for seed in 0..200 {
        named(|| format!("seed {seed}"), || life(seed, None, &[]));
    }
}

#[test]
fn the_power_may_go_in_any_call_that_changes_the_disk() {
    let mut states = 0;
    for seed in 0..60 {
        let (mutations, _) = life(seed, None, &[]);
        for cut_at in 0..mutations {
            named(|| format!("seed {seed}, cut at {cut_at}"), || life(seed, Some(cut_at), &[]));
            states += 1;
        }
    }
    println!("{states} power cuts");
    assert!(states > 3_000, "only {states}");
}

#[test]
fn the_network_may_fail_and_the_power_go_in_any_exchange() {
    let mut states = 0;
    for seed in 0..24 {
        let (_, exchanges) = life(seed, None, &[]);
        for at in 0..exchanges {
            for trouble in Trouble::ALL {
                let name = || format!("seed {seed}, {trouble:?} in exchange {at}");
                named(name, || life(seed, None, &[(at, trouble)]));
                states += 1;
            }
        }
    }
    println!("{states} exchanges that failed");
    assert!(states > 3_000, "only {states}");
}

#[test]
fn the_power_may_go_at_any_step_of_telling_a_gap() {
    let mut states = 0;
    for seed in 0..40 {
        for cut_at in (0..14).map(Some).chain([None]) {
            for trouble in [None, Some(Trouble::AnswerLostAndPower), Some(Trouble::AnswerLost)] {
                for at in 0..if trouble.is_some() { 12 } else { 1 } {
                    let name =
                        || format!("seed {seed}, cut at {cut_at:?}, {trouble:?} in exchange {at}");
                    named(name, || gap(seed, cut_at, trouble.map(|trouble| (at, trouble))));
                    states += 1;
                }
            }
        }
    }
    println!("{states} gaps told");
}

/// Records, some of them shipped, some sent and not acknowledged; then damage, and trouble while the gap is told.
fn gap(seed: u64, cut_at: Option<u64>, trouble: Option<(u64, Trouble)>) {
    let mut rng = Rng::new(seed);
    let mut world = World::new(seed, 4096, 4);
    for _ in 0..6 + rng.below(20) {
        world.append(b"r", rng.below(60));
    }
    world.sync();
    for _ in 0..rng.below(40) {
        world.step();
    }
    for _ in 0..rng.below(6) {
        world.append(b"r", 0);
    }
    world.sync();
    // The next mount's first frame says that everything before it was durable.
    world.restart();
    world.append(b"r", 0);
    world.sync();
    let from = (world.cursor() + rng.below(4) as u64).saturating_sub(rng.below(3) as u64);
    world.restart_with_rot(from..from + 1 + rng.below(6) as u64);
    if let Some(mutation) = cut_at {
        world.disk.cut_power_in(mutation);
    }
    world.troubles =
        trouble.map(|(at, trouble)| (world.exchanges + at, trouble)).into_iter().collect();
    for _ in 0..rng.below(60) {
        world.step();
    }
    // The gap may grow before it is told.
    if rng.one_in(3) {
        let from = world.cursor() + rng.below(6) as u64;
        world.restart_with_rot(from..from + 1 + rng.below(6) as u64);
    }
    world.finish();
}

#[test]
fn any_troubles_together_lose_double_and_reorder_nothing() {
    let asked = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let seeds: Vec<u64> = match asked("EDGELOG_SEED") {
        Some(seed) => vec![seed],
        None => ONCE_FAILED.into_iter().chain(0..asked("EDGELOG_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    for seed in seeds {
        named(|| format!("seed {seed}"), || turbulent_life(seed));
    }
}

fn turbulent_life(seed: u64) {
    let mut rng = Rng::new(seed ^ 0xDEAD);
    let mut world = world(seed);
    for _ in 0..2 + rng.below(8) {
        for _ in 0..rng.below(4) {
            let trouble = Trouble::ALL[rng.below(Trouble::ALL.len())];
            world.troubles.push((world.exchanges + rng.below(30) as u64, trouble));
        }
        if rng.one_in(3) {
            world.disk.cut_power_in(rng.below(40) as u64);
        }
        let rounds = 10 + rng.below(40);
        work(&mut world, &mut rng, rounds);
        match rng.below(4) {
            0 => world.restart(),
            1 => {
                let from = world.cursor() + rng.below(5) as u64;
                world.restart_with_rot(from..from + 1 + rng.below(6) as u64);
            }
            _ => {}
        }
    }
    world.finish();
}
