//! What the engine asks of flash, as equalities: whoever changes what an append, a mount, a seek, a boot or a commit costs changes
//! a number here, and says why. `cargo xtask bench flash` prints the same figures beside those of other libraries.

use edgelog_sim::figures::{Appends, Boots, Cost, ERASE, Engine, Meter, Reads, Ring};
use edgelog_sim::{NorChip, figures};
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

type Chip<const WORD: usize> = NorChip<WORD, ERASE>;

const fn cost(
    reads: u64,
    bytes_read: u64,
    programs: u64,
    bytes_programmed: u64,
    erases: u64,
) -> Cost {
    Cost { reads, bytes_read, programs, bytes_programmed, erases }
}

fn full_ring<const WORD: usize>() -> Ring<Engine<Chip<WORD>>, Chip<WORD>> {
    Ring::fill().expect("the engine fills the ring")
}

#[test]
fn with_words_of_4_bytes_the_engine_asks_of_flash_exactly_this() {
    let ring = full_ring::<4>();
    assert_eq!(ring.laps(), cost(0, 0, 136_018, 9_912_000, 2_473));
    let appends = Appends { worst: cost(2, 126, 2, 200, 0), usual: cost(0, 0, 1, 72, 0) };
    assert_eq!(ring.warm_appends(), Ok(appends));
    assert_eq!(ring.mounts(), Ok(Reads { header_reads: 19, reads: 160, bytes: 10_688 }));
    assert_eq!(ring.seeks(), Ok(Reads { header_reads: 22, reads: 204, bytes: 19_868 }));
    let spent = cost(292_959, 22_121_109, 2_033, 123_432, 33);
    let boots = Boots { cost: spent, bytes_programmed_again: 0, bytes_passed_over: 7_728 };
    assert_eq!((ring.boots(), boots.extra_erases()), (Ok(boots), 0));
    assert_eq!(ring.commit(), Ok(cost(0, 0, 1, 32, 0)));
}

#[test]
fn with_words_of_32_bytes_the_engine_asks_of_flash_exactly_this() {
    assert_eq!(full_ring::<32>().laps(), cost(0, 0, 137_794, 13_228_224, 3_361));
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
fn a_word_that_is_left_alone_between_two_programs_is_passed_over_and_the_rest_of_a_segment_is_not()
{
    let mut meter = Meter::new(Chip::<4>::new(2));
    for (at, passed_over) in [(0, 0), (8, 4), (44, 36), (84, 36), (4100, 36)] {
        meter.write(at, &[1; 4]).expect("program");
        assert_eq!(meter.bytes_passed_over(), passed_over, "at {at}");
    }
    meter.erase(0, 4096).expect("erase");
    meter.write(16, &[1; 4]).expect("program");
    assert_eq!(meter.bytes_passed_over(), 36, "what an erased segment held before is nothing");
}

#[test]
fn boots_are_charged_for_erases_that_full_segments_do_not_explain() {
    let boots = |erases, bytes_programmed, bytes_programmed_again| {
        let cost = Cost { erases, bytes_programmed, ..Cost::default() };
        Boots { cost, bytes_programmed_again, bytes_passed_over: 0 }.extra_erases()
    };
    let segment = u64::from(figures::SEGMENT);
    assert_eq!(boots(10, 10 * segment, 0), 0);
    assert_eq!(boots(10, 9 * segment, 0), 1);
    assert_eq!(boots(10, 9 * segment + 1, 0), 0, "a segment that was begun was erased");
    assert_eq!(boots(10, 10 * segment, 5 * segment), 5, "a word programmed twice fills no more");
    assert_eq!(boots(1, 10 * segment, 0), 0);
}
