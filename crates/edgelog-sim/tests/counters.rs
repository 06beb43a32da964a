//! What the engine asks of flash, as equalities: whoever changes what an append, a mount, a seek, a boot or a commit costs changes
//! a number here, and says why. `cargo xtask bench flash` prints the same figures beside those of other libraries.

use edgelog_sim::figures::{Appends, Boots, Cost, ERASE, Engine, Meter, Reads, Ring};
use edgelog_sim::{NorChip, figures};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

type Chip<const WORD: usize> = NorChip<WORD, ERASE>;

fn full_ring<const WORD: usize>() -> Ring<Engine<Chip<WORD>>, Chip<WORD>> {
    Ring::fill().expect("the engine fills the ring")
}

#[test]
fn with_words_of_4_bytes_the_engine_asks_of_flash_exactly_this() {
    let ring = full_ring::<4>();
    eprintln!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?} waf {}",
        ring.laps(),
        ring.warm_appends(),
        ring.mounts(),
        ring.seeks(),
        ring.boots(),
        ring.commit(),
        ring.write_amplification()
    );
    assert_eq!(ring.laps(), Cost::default());
    assert_eq!(ring.warm_appends(), Ok(Appends::default()));
    assert_eq!(ring.mounts(), Ok(Reads::default()));
    assert_eq!(ring.seeks(), Ok(Reads::default()));
    let boots = Boots { cost: Cost::default(), bytes_programmed_again: 0 };
    assert_eq!(ring.boots(), Ok(boots));
    assert_eq!(boots.extra_erases(), 0);
    assert_eq!(ring.commit(), Ok(Cost::default()));
}

#[test]
fn with_words_of_32_bytes_the_engine_programs_exactly_this() {
    assert_eq!(full_ring::<32>().laps(), Cost::default());
}

#[test]
fn the_meter_counts_what_the_chip_counts_and_nothing_that_the_chip_refused() {
    let mut meter = Meter::new(Chip::<4>::new(2));
    meter.write(0, &[1; 8]).expect("program");
    meter.write(4, &[1; 4]).expect_err("programmed twice");
    meter.read(2, &mut [0; 10]).expect("read");
    meter.read(8190, &mut [0; 10]).expect_err("behind the end");
    meter.erase(0, 8192).expect("erase");
    let cost = Cost { reads: 1, bytes_read: 10, programs: 1, bytes_programmed: 8, erases: 2 };
    assert_eq!(meter.cost(), cost);
    let chip = meter.chip().counters();
    assert_eq!((chip.reads, chip.bytes_read, chip.erases), (1, 10, 2));
    assert_eq!((chip.programs - chip.programmed_twice, chip.programmed_twice), (1, 1));
}

#[test]
fn boots_are_charged_for_erases_that_full_segments_do_not_explain() {
    let boots = |erases, bytes_programmed, bytes_programmed_again| {
        let cost = Cost { erases, bytes_programmed, ..Cost::default() };
        Boots { cost, bytes_programmed_again }.extra_erases()
    };
    let segment = u64::from(figures::SEGMENT);
    assert_eq!(boots(10, 10 * segment, 0), 0);
    assert_eq!(boots(10, 9 * segment, 0), 1);
    assert_eq!(boots(10, 9 * segment + 1, 0), 0, "a segment that was begun was erased");
    assert_eq!(boots(10, 10 * segment, 5 * segment), 5, "a word programmed twice fills no more");
    assert_eq!(boots(1, 10 * segment, 0), 0);
}
