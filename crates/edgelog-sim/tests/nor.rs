//! The promises on NOR flash, beyond what the crash campaign cuts.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog_core::{Class, Log, LogId, MountError, NorMedium};
use edgelog_sim::model::Full;
use edgelog_sim::oracle::mount_and_judge;
use edgelog_sim::{NorChip, NorOp, Request, Rng, Session, SimMedium, Stop, check, on_chip};

fn id(seed: u64) -> LogId {
    LogId(Rng::new(seed).bytes(16).try_into().unwrap())
}

fn blank<const WORD: usize>(seed: u64) -> NorMedium<NorChip<WORD, 1024>> {
    let mut rng = Rng::new(seed);
    let blocks = 1 + rng.below(2);
    let chip = NorChip::new(blocks * (2 + rng.below(4)));
    chip.set_ecc(rng.one_in(4));
    on_chip(chip, u32::try_from(blocks * 1024).unwrap())
}

/// Runs `test` for every word size and gives the sum.
macro_rules! on_every_word {
    ($test:ident, $seed:expr) => {
        $test::<1>($seed)
            + $test::<4>($seed)
            + $test::<8>($seed)
            + $test::<16>($seed)
            + $test::<32>($seed)
    };
}

#[test]
fn a_log_on_flash_lives_through_many_power_cuts_in_a_row() {
    fn lives<const WORD: usize>(seed: u64) -> u32 {
        let mut rng = Rng::new(seed);
        let mut session = Session::create(blank::<WORD>(seed), id(seed)).unwrap();
        for life in 0..40 {
            let name = format!("word {WORD}, seed {seed}, life {life}");
            session.disk().cut_in(rng.bits() % 3000, rng.bits());
            let stop = session.work(&mut rng, 80);
            assert!(matches!(stop, Ok(()) | Err(Stop::Power)), "{name}: {stop:?}");
            let medium = session.disk().restart(rng.bits());
            let mut model = session.end();
            let judged = if life % 2 == 0 {
                check(&medium, &mut model)
            } else {
                mount_and_judge(&medium, &mut model)
            };
            judged.unwrap_or_else(|why| panic!("{name}: {why}"));
            session = Session::resume(medium, model).unwrap();
        }
        40
    }
    let lives: u32 = (0..50).map(|seed| on_every_word!(lives, seed)).sum();
    println!("{lives} lives checked");
}

#[test]
fn a_log_on_flash_lives_through_many_cuts_of_its_first_frames_in_a_row() {
    fn lives<const WORD: usize>(seed: u64) -> u32 {
        let mut rng = Rng::new(seed);
        let mut session = Session::create(blank::<WORD>(seed), id(seed)).unwrap();
        session.set_full(Full::DropOldest);
        session.disk().flash().set_strict_marginal(!rng.one_in(4));
        for life in 0..60 {
            let name = format!("word {WORD}, seed {seed}, life {life}");
            let stop = session.work(&mut rng, if life % 20 == 0 { 30 } else { 3 });
            assert!(matches!(stop, Ok(()) | Err(Stop::Power)), "{name}: {stop:?}");
            let medium = session.disk().restart(rng.bits());
            let mut model = session.end();
            mount_and_judge(&medium, &mut model).unwrap_or_else(|why| panic!("{name}: {why}"));
            session = Session::resume(medium, model).unwrap();
            // Every byte of the words around the first frame, again and again.
            session.disk().cut_in(rng.bits() % [6, 40, 90][rng.below(3)], rng.bits());
        }
        check(&session.disk().restart(1), &mut session.end())
            .unwrap_or_else(|why| panic!("word {WORD}, seed {seed}: {why}"));
        60
    }
    let lives: u32 = (0..60).map(|seed| on_every_word!(lives, seed)).sum();
    println!("{lives} lives checked");
}

#[test]
fn a_log_on_flash_goes_on_behind_a_cut_record_whose_bytes_look_erased() {
    fn goes_on<const WORD: usize>(seed: u64) -> u32 {
        let mut rng = Rng::new(seed);
        let mut session = Session::create(blank::<WORD>(seed), id(seed)).unwrap();
        session.must_append(1).unwrap();
        // Until its last byte is there it does not validate, and nobody sees where it ends.
        let payload = [vec![0xFF; rng.below(300)], vec![0]].concat();
        session.disk().cut_in(rng.bits() % 380, seed);
        let class = Class::Normal;
        let request = Request::Append { topic: "a", class, key: None, payload: &payload };
        let stop = session.request(&request);
        assert!(matches!(stop, Ok(_) | Err(Stop::Power)), "word {WORD}, seed {seed}: {stop:?}");
        check(&session.disk().restart(seed), &mut session.end())
            .unwrap_or_else(|why| panic!("word {WORD}, seed {seed}: {why}"));
        u32::from(stop.is_err())
    }
    let cut: u32 = (0..200).map(|seed| on_every_word!(goes_on, seed)).sum();
    assert!(cut > 400, "only {cut} of 1000 were cut");
}

#[test]
fn an_epoch_that_was_tried_twice_in_the_middle_of_a_boot_counts_for_mounts_as_for_readers() {
    fn counts<const WORD: usize>(seed: u64) -> u32 {
        let medium = blank::<WORD>(seed);
        let mut session = Session::create(medium.clone(), id(seed)).unwrap();
        session.request(&Request::Topic("a")).unwrap();
        session.request(&Request::ClockUnset(7)).unwrap();
        // Its first try, and the first frame behind it.
        let programs = medium.flash().counters().programs;
        medium.flash().plan_fault(NorOp::Program, programs);
        medium.flash().plan_fault(NorOp::Program, programs + 2);
        let stop = session.request(&Request::Topic("metrics"));
        assert!(stop.is_ok(), "word {WORD}, seed {seed}: {stop:?}");
        check(&medium.restart(seed), &mut session.end())
            .unwrap_or_else(|why| panic!("word {WORD}, seed {seed}: {why}"));
        1
    }
    let lives: u32 = (0..100).map(|seed| on_every_word!(counts, seed)).sum();
    assert_eq!(lives, 500);
}

#[test]
fn creating_a_log_on_flash_leaves_no_log_or_an_empty_one() {
    fn create<const WORD: usize>(seed: u64) -> u32 {
        let medium = blank::<WORD>(seed);
        medium.flash().set_ecc(false);
        let erase = u64::from(edgelog_core::Medium::geometry(&medium).segment_size());
        let step = if seed.is_multiple_of(2) { seed * 37 % erase } else { erase + seed % 80 };
        medium.cut_in(step, seed);
        assert!(Session::create(medium.clone(), id(seed)).is_err(), "word {WORD}, seed {seed}");
        let medium = medium.restart(seed);
        match Log::mount(medium.clone(), vec![0; 512]) {
            Ok(log) => panic!("word {WORD}, seed {seed}: {} exists too early", log.id()),
            Err(MountError::NoLog { .. }) => {
                assert!(Session::create(medium, id(seed + 1)).is_ok(), "word {WORD}, seed {seed}");
                1
            }
            Err(other) => panic!("word {WORD}, seed {seed}: {other}"),
        }
    }
    let states: u32 = (0..200).map(|seed| on_every_word!(create, seed)).sum();
    assert_eq!(states, 1000);
}

#[test]
fn flash_that_fails_once_costs_no_promise() {
    fn faults<const WORD: usize>(seed: u64) -> u32 {
        let mut poisoned = 0;
        for (op, span) in [(NorOp::Read, 400), (NorOp::Program, 40), (NorOp::Erase, 4)] {
            let medium = blank::<WORD>(seed);
            medium.flash().set_seed(seed);
            let mut session = Session::create(medium.clone(), id(seed)).unwrap();
            let mut rng = Rng::new(seed);
            let call = 2 + rng.bits() % span;
            medium.flash().plan_fault(op, call);
            let name = format!("word {WORD}, seed {seed}, {op:?} {call}");
            let mut stop = session.work(&mut rng, 60);
            if let Err(Stop::Broken(why)) = &stop
                && why.contains("the medium failed")
            {
                // The judge itself met the failing read.
                stop = session.work(&mut rng, 40);
            }
            assert!(!matches!(stop, Err(Stop::Broken(_))), "{name}: {stop:?}");
            poisoned += u32::from(stop.is_err());
            let after = medium.restart(seed);
            let mut model = session.end();
            check(&after, &mut model).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        poisoned
    }
    let poisoned: u32 = (0..60).map(|seed| on_every_word!(faults, seed)).sum();
    assert!(poisoned > 100, "only {poisoned} faults poisoned the log");
}
