//! The crash campaign: random work, the power cut in every call that changes the medium, and again during recovery.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog_core::{Class, Event, FullPolicy, Item, Log, LogId, MountError, Reader};
use edgelog_sim::oracle::mount_and_judge;
use edgelog_sim::{Answer, Fault, FaultKind, Op, Request, Rng, Session, SimDisk, Stop, check};
use std::collections::BTreeMap;

const GEOMETRIES: [(u32, u32); 5] = [(1024, 2), (1024, 3), (2048, 2), (1536, 5), (4096, 3)];

fn id(seed: u64) -> LogId {
    LogId(Rng::new(seed).bytes(16).try_into().unwrap())
}

fn new_disk(seed: u64) -> SimDisk {
    let (segment_size, segment_count) = GEOMETRIES[Rng::new(seed).below(GEOMETRIES.len())];
    let disk = SimDisk::new(segment_size, segment_count);
    disk.set_sector([512, 512, 64, 8][Rng::new(!seed).below(4)]);
    disk
}

/// One life of a log: created, worked on, until the steps are done or the power goes.
fn live(seed: u64, steps: usize, cut_at: Option<u64>) -> Option<Session> {
    let disk = new_disk(seed);
    let mut session = Session::create(disk.clone(), id(seed)).unwrap();
    if let Some(mutation) = cut_at {
        disk.cut_power_in(mutation);
    }
    match session.work(&mut Rng::new(seed), steps) {
        Ok(()) | Err(Stop::Power) => Some(session),
        Err(stop) => panic!("seed {seed}, cut at {cut_at:?}: {stop:?}"),
    }
}

#[test]
fn every_call_may_be_the_last_before_the_power_goes_and_recovery_may_be_cut_too() {
    let mut states = 0;
    for seed in 0..250 {
        let session = live(seed, 80, None).unwrap();
        let mutations = session.disk().counters().mutations();
        for cut_at in 0..mutations {
            let Some(session) = live(seed, 80, Some(cut_at)) else { continue };
            let dark = session.disk().clone();
            let model = session.end();
            for cut in 0..3 {
                let name = format!("seed {seed}, cut at call {cut_at}, outcome {cut}");
                let outcome = cut_at.wrapping_mul(1000) + cut;
                let disk = dark.cut(outcome);
                // The second cut: recovery and new work, up to its n-th call.
                let mut second = model.clone();
                mount_and_judge(&disk, &mut second).unwrap_or_else(|why| panic!("{name}: {why}"));
                let mut again = Session::resume(disk.clone(), second).unwrap();
                disk.cut_power_in(cut_at % 7);
                match again.work(&mut Rng::new(outcome), 12) {
                    Ok(()) | Err(Stop::Power) => {}
                    Err(stop) => panic!("{name}, resumed: {stop:?}"),
                }
                let mut second = again.end();
                let twice = disk.cut(outcome + 1);
                check(&twice, &mut second).unwrap_or_else(|why| panic!("{name}, twice: {why}"));
                // And the plain recovery.
                let mut first = model.clone();
                let disk = dark.cut(outcome);
                check(&disk, &mut first).unwrap_or_else(|why| panic!("{name}: {why}"));
                states += 2;
            }
        }
    }
    println!("{states} power-cut states checked");
    assert!(states >= 100_000, "only {states} states");
}

#[test]
fn a_log_lives_through_many_power_cuts_in_a_row() {
    let mut states = 0;
    for seed in 1000..1100 {
        let mut rng = Rng::new(seed);
        let disk = new_disk(seed);
        let mut session = Session::create(disk.clone(), id(seed)).unwrap();
        let mut life = 0;
        while life < 25 {
            session.disk().cut_power_in(rng.bits() % 60);
            let stop = session.work(&mut rng, 80);
            assert!(matches!(stop, Ok(()) | Err(Stop::Power)), "seed {seed}, {life}: {stop:?}");
            let disk = session.disk().cut(rng.bits());
            let mut model = session.end();
            let judged = if life % 2 == 0 {
                check(&disk, &mut model)
            } else {
                mount_and_judge(&disk, &mut model)
            };
            judged.unwrap_or_else(|why| panic!("seed {seed}, life {life}: {why}"));
            session = Session::resume(disk, model).unwrap();
            life += 1;
            states += 1;
        }
    }
    println!("{states} lives checked");
}

#[test]
fn a_device_that_fails_once_costs_no_promise() {
    let mut failures = 0;
    for seed in 2000..2060 {
        for op in [Op::Erase, Op::Program, Op::Sync, Op::Read] {
            for kind in [FaultKind::NoSpace, FaultKind::Io] {
                let disk = new_disk(seed);
                let mut session = Session::create(disk.clone(), id(seed)).unwrap();
                let mut rng = Rng::new(seed);
                let span = if op == Op::Read { 400 } else { 40 };
                let call = 2 + rng.bits() % span;
                disk.plan(Fault { op, call, kind });
                let name = format!("seed {seed}, {kind:?} in {op:?} {call}");
                let mut stop = session.work(&mut rng, 60);
                if let Err(Stop::Broken(why)) = &stop
                    && why.contains("the medium failed")
                {
                    // The judge itself met the failing read.
                    stop = session.work(&mut rng, 40);
                }
                assert!(!matches!(stop, Err(Stop::Broken(_))), "{name}: {stop:?}");
                failures += u32::from(stop.is_err());
                disk.heal();
                let after = disk.cut(seed);
                let mut model = session.end();
                check(&after, &mut model).unwrap_or_else(|why| panic!("{name}: {why}"));
            }
        }
    }
    assert!(failures > 50, "only {failures} faults poisoned the log");
}

#[test]
fn records_given_up_after_a_header_failed_may_be_missing_in_it() {
    let mut failures = 0;
    for seed in 0..200 {
        let disk = SimDisk::new(1024, 2);
        let mut session = Session::create(disk.clone(), id(seed)).unwrap();
        session.request(&Request::GiveUp(5)).unwrap();
        let call = disk.counters().syncs + seed % 4;
        disk.plan(Fault { op: Op::Sync, call, kind: FaultKind::Io });
        let payloads = [vec![7; 60]];
        let append = Request::AppendBatch { topic: "a", payloads: &payloads };
        let failed = (0..20).any(|_| session.request(&append) != Ok(Answer::Done));
        failures += u32::from(failed);
        let _ = session.request(&Request::GiveUp(2));
        disk.heal();
        check(&disk.cut(seed), &mut session.end())
            .unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(failures > 50, "only {failures} appends failed");
}

#[test]
fn creating_a_log_leaves_no_log_or_an_empty_one() {
    let (mut none, mut empty) = (0, 0);
    for seed in 0..300 {
        let disk = new_disk(seed);
        disk.cut_power_in(seed % 3);
        assert!(Session::create(disk.clone(), id(seed)).is_err(), "seed {seed}");
        let after = disk.cut(seed);
        match Log::mount(after.clone(), vec![0; 512]) {
            Ok(log) => {
                assert_eq!((log.id(), log.visible()), (id(seed), 0), "seed {seed}");
                empty += 1;
            }
            Err(MountError::NoLog { .. }) => {
                none += 1;
                assert!(Session::create(after, id(seed + 1)).is_ok(), "seed {seed}");
            }
            Err(other) => panic!("seed {seed}: {other}"),
        }
    }
    assert!(none > 20 && empty > 20, "{none} without a log, {empty} empty");
}

#[test]
fn the_checker_finds_a_disk_that_lies_about_sync() {
    let found = (0..50)
        .filter(|&seed| {
            let disk = new_disk(seed);
            let mut session = Session::create(disk.clone(), id(seed)).unwrap();
            disk.lie_about_sync();
            assert_eq!(session.work(&mut Rng::new(seed), 60), Ok(()), "seed {seed}");
            // A lie shows only in what the cut then takes.
            let model = session.end();
            (0..3).any(|cut| check(&disk.cut(3 * seed + cut), &mut model.clone()).is_err())
        })
        .count();
    assert!(found >= 45, "only {found} of 50 lies were found");
}

#[test]
fn many_mounts_without_an_append_write_nothing() {
    let session = live(7, 200, None).unwrap();
    let disk = session.disk().clone();
    let image = disk.image();
    let before = disk.counters();
    for _ in 0..100 {
        let mut log = Log::mount(disk.clone(), vec![0; 2048]).unwrap();
        assert_eq!(log.sync().unwrap(), log.visible());
    }
    let after = disk.counters();
    assert_eq!((after.programs, after.erases), (before.programs, before.erases));
    assert_eq!(disk.image(), image);
}

/// The oldest segment goes when the ring turns, and of two segments the newest is then all that there is: its header must be there first.
#[test]
fn a_ring_that_turns_while_its_barriers_are_pending_is_a_log_after_every_cut() {
    for length in 20..120 {
        let disk = SimDisk::new(1024, 2);
        let mut log = Log::create(disk.clone(), vec![0; 512], id(length), 1).unwrap();
        log.set_full_policy(FullPolicy::DropOldest);
        let topic = log.topic("t").unwrap();
        let payload = vec![7; usize::try_from(length).unwrap()];
        for record in 0..60 {
            let event = Event { topic, class: Class::Normal, key: None, payload: &payload };
            log.append(&event, 1).unwrap();
            for seed in 0..6 {
                let after = Log::mount(disk.cut(seed), vec![0; 512]);
                let name = format!("length {length}, record {record}, seed {seed}");
                let visible = after.unwrap_or_else(|error| panic!("{name}: {error}")).visible();
                assert!(visible >= log.durable(), "{name}: {visible}");
            }
        }
    }
}

/// Mounting waits for no device, so until it is past the first barrier a power cut may take what a killed owner left unsynced.
#[test]
fn what_a_killed_owner_left_is_told_as_durable_when_it_is_and_a_commit_waits_for_that() {
    for records in 1..20 {
        let disk = SimDisk::new(4096, 3);
        let mut log = Log::create(disk.clone(), vec![0; 512], id(records), 1).unwrap();
        let (topic, cursor) = (log.topic("t").unwrap(), log.cursor("c", 0).unwrap());
        let event = Event { topic, class: Class::Normal, key: None, payload: &[7; 100] };
        let outlives = |log: &Log<SimDisk, Vec<u8>>| {
            for seed in 0..20 {
                let after = Log::mount(disk.cut(seed), vec![0; 512]).unwrap();
                let name = format!("{records} records, seed {seed}");
                assert!(after.visible() >= log.durable(), "{name}: {}", after.visible());
                assert!(after.cursors()[0].offset <= log.durable(), "{name}");
            }
        };
        log.append(&event, 1).unwrap();
        log.sync().unwrap();
        log.commit(cursor, 1, 0).unwrap();
        for _ in 0..records {
            log.append(&event, 1).unwrap();
        }
        drop(log);
        let mut log = Log::mount(disk.clone(), vec![0; 512]).unwrap();
        assert_eq!((log.durable(), log.visible()), (1, 1 + records));
        outlives(&log);
        log.commit(cursor, 1 + records, 0).unwrap();
        assert_eq!((log.durable(), log.cursors()[0].offset), (1 + records, 1 + records));
        outlives(&log);
    }
}

/// What one run was told.
#[derive(Default)]
struct Told {
    /// Of every identity, the payload that it named first.
    named: BTreeMap<(u32, u64), u64>,
    /// The records below this were durable, and what they are.
    durable: u64,
    latest: BTreeMap<u64, u64>,
}

impl Told {
    fn look(&mut self, log: &Log<SimDisk, Vec<u8>>) {
        self.durable = self.durable.max(log.durable());
        assert!(log.durable() <= log.visible());
        for cursor in log.cursors() {
            assert!(cursor.offset <= log.durable());
        }
    }

    /// Everything that is there has the name that it had, and what was durable is there.
    fn hold(&mut self, log: &mut Log<SimDisk, Vec<u8>>) {
        assert!(log.visible() >= self.durable, "{} of {} are left", log.visible(), self.durable);
        self.latest.split_off(&log.visible());
        let (mut reader, mut buffer) = (Reader::at(0), vec![0; 1024]);
        while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
            let Item::Record(record) = item else { continue };
            let edgelog_core::Identity { epoch, offset, .. } = record.identity;
            let payload = u64::from_le_bytes(record.payload[..8].try_into().unwrap());
            assert_eq!(
                self.named.get(&(epoch, offset)),
                Some(&payload),
                "epoch {epoch}, offset {offset}"
            );
            assert_eq!(self.latest.get(&offset), Some(&payload), "offset {offset}");
        }
    }
}

/// Killed, the device was not even restarted: the barriers of one owner may be pending when the next one comes, and goes.
#[test]
fn owners_that_are_killed_before_anything_has_settled_tell_nothing_as_durable_that_a_cut_takes() {
    for seed in 0..1500 {
        let mut rng = Rng::new(seed);
        let mut disk = SimDisk::new(1024, 2 + u32::try_from(rng.below(4)).unwrap());
        let mut log = Log::create(disk.clone(), vec![0; 1024], id(seed), 1).unwrap();
        let (mut told, mut appended) = (Told::default(), 0u64);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..120 {
                log.set_full_policy(FullPolicy::DropOldest);
                match rng.below(24) {
                    0 | 1 => _ = log.sync().unwrap(),
                    2 => {
                        let cursor = log.cursor("c", 0).unwrap();
                        log.commit(cursor, log.visible(), 0).unwrap();
                    }
                    3 => _ = log.maintain(1).unwrap(),
                    4 => _ = log.evict().unwrap(),
                    5 => log.settle().unwrap(),
                    6..9 => {
                        told.look(&log);
                        disk = if rng.one_in(2) { disk.kill() } else { disk.cut(rng.bits()) };
                        log = Log::mount(disk.clone(), vec![0; 1024]).unwrap();
                        told.look(&log);
                        told.hold(&mut log);
                    }
                    9 => {
                        // Only looked at, and killed at once.
                        log = Log::mount(disk.kill(), vec![0; 1024]).unwrap();
                        told.look(&log);
                        disk = log.medium().kill();
                        log = Log::mount(disk.clone(), vec![0; 1024]).unwrap();
                        told.hold(&mut log);
                    }
                    _ => {
                        let topic = log.topic("t").unwrap();
                        let mut payload = vec![7; 8 + rng.below(150)];
                        payload[..8].copy_from_slice(&appended.to_le_bytes());
                        let event =
                            Event { topic, class: Class::Normal, key: None, payload: &payload };
                        let offset = log.append(&event, 1).unwrap();
                        assert!(offset >= told.durable);
                        let before = told.named.insert((log.epoch(), offset), appended);
                        assert_eq!(before, None, "epoch {}, offset {offset}", log.epoch());
                        told.latest.insert(offset, appended);
                        appended += 1;
                    }
                }
                told.look(&log);
            }
        }));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
