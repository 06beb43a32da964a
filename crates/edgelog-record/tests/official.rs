//! The official library accepts and reads what is written here, and the reverse; and both refuse the same bytes.

use edgelog_record::{Event, Invalid, Nested, Schema, Table};
use flatbuffers::FlatBufferBuilder;
use record_judge::generated::event::root_as_event;
use record_judge::{
    Everything, Pool, Random, judge_event, judge_everything, write_event, write_everything,
};

/// How many random tables each test writes.
const ROUNDS: u64 = 300;

#[test]
fn the_schema_of_the_official_code_is_what_the_macros_emit() {
    let again = "see crates/edgelog-record/judge/src/lib.rs";
    let emitted = Schema::of::<Everything<'_>>().to_string();
    let file = include_str!("../judge/schema/everything.fbs");
    assert_eq!(emitted, file, "{again}");
}

#[test]
fn the_official_library_verifies_and_reads_what_is_written_here() {
    for seed in 0..ROUNDS {
        let pool = Pool::new(seed);
        let mut random = Random::new(seed);
        let everything = pool.everything(&mut random);
        let written = written(&everything);
        assert_eq!(Everything::read(&written), Ok(everything), "seed {seed}");
        assert_eq!(judge_everything(&written), Ok(()), "seed {seed}");
        let event = pool.event(&mut random);
        let written = self::written(&event);
        assert_eq!(Event::read(&written), Ok(event), "seed {seed}");
        assert_eq!(judge_event(&written), Ok(()), "seed {seed}");
        assert!(root_as_event(&written).is_ok(), "seed {seed}: both would refuse it");
    }
}

#[test]
fn what_the_official_library_writes_is_read_here_and_is_never_shorter() {
    let mut builder = FlatBufferBuilder::new();
    for seed in 0..ROUNDS {
        let pool = Pool::new(seed);
        let mut random = Random::new(seed);
        let everything = pool.everything(&mut random);
        let theirs = write_everything(&everything);
        let seen = Everything::read(&theirs).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(seen, everything, "seed {seed}");
        let event = pool.event(&mut random);
        let theirs = write_event(&mut builder, &event);
        assert_eq!(Event::read(theirs), Ok(event), "seed {seed}");
        // Eight bytes, which the official builder does not give its nested buffers, can cost seven.
        let nested = if event.payload.is_some() { 7 } else { 0 };
        // A table that is aligned to 8 may stand 4 bytes further from the start; the official builder fills up elsewhere.
        let aligned = if event.schema_fingerprint == 0 { 0 } else { 4 };
        assert!(event.encoded_len() <= theirs.len() + nested + aligned, "seed {seed}");
    }
}

#[test]
fn a_cut_buffer_is_refused_or_read_as_the_official_library_reads_it() {
    for bytes in samples() {
        for len in 0..bytes.len() {
            agree(&bytes[..len], "cut", len);
        }
    }
}

#[test]
fn a_buffer_with_any_one_bit_flipped_is_refused_or_read_as_the_official_library_reads_it() {
    let (mut read, mut refused) = (0, 0);
    for mut bytes in samples() {
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            agree(&bytes, "bit", bit);
            *(if Everything::read(&bytes).is_ok() { &mut read } else { &mut refused }) += 1;
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(
        read > 1000 && refused > 1000,
        "{read} read, {refused} refused: one of them is untested"
    );
}

#[test]
fn every_word_of_a_buffer_can_be_any_offset_or_length() {
    let likely = [0, 1, 2, 4, 8, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFC, 0xFFFF_FFFF];
    for mut bytes in samples() {
        let len = u32::try_from(bytes.len()).unwrap();
        for at in (0..bytes.len() - 4).step_by(2) {
            let kept: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            for value in likely.into_iter().chain([len, len - 1, len / 2]) {
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                agree(&bytes, "word", at);
            }
            bytes[at..at + 4].copy_from_slice(&kept);
        }
    }
}

#[test]
fn random_bytes_are_refused_or_read_as_the_official_library_reads_them() {
    let mut random = Random::new(1);
    for round in 0..200_000 {
        let mut bytes = [0u8; 64];
        for byte in &mut bytes {
            // Small numbers, which are offsets that lead somewhere.
            *byte = if random.below(4) == 0 { random.scalar::<u8>() & 0x3C } else { 0 };
        }
        let identifier: &[u8; 4] = if round % 2 == 0 { b"JUD1" } else { b"EEV1" };
        bytes[4..8].copy_from_slice(identifier);
        agree(&bytes[..random.below(65)], "round", round);
    }
}

#[test]
fn a_length_that_no_memory_holds_is_refused_at_once() {
    let mut bytes = written(&Everything { raw: Some(&[1, 2, 3, 4, 5]), ..Default::default() });
    let at = bytes.windows(5).position(|it| it == [1, 2, 3, 4, 5]).unwrap() - 4;
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Everything::read(&bytes), Err(Invalid::OutOfBounds(at + 4)));
}

#[test]
fn a_nested_buffer_is_aligned_wherever_the_envelope_leaves_it() {
    for seed in 0..ROUNDS {
        let pool = Pool::new(seed);
        let event = pool.event(&mut Random::new(seed));
        let bytes = written(&event);
        let Some(Nested(payload)) = Event::read(&bytes).unwrap().payload else { continue };
        let at = payload.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(at % 8, 0, "seed {seed}");
    }
}

/// Some full tables and some that are nearly empty.
fn samples() -> Vec<Vec<u8>> {
    let tables = (0..6).map(|seed| {
        let pool = Pool::new(seed);
        written(&pool.everything(&mut Random::new(seed)))
    });
    let events = (0..6).map(|seed| {
        let pool = Pool::new(seed);
        written(&pool.event(&mut Random::new(seed)))
    });
    let official = {
        let pool = Pool::new(7);
        write_everything(&pool.everything(&mut Random::new(7)))
    };
    tables.chain(events).chain([official]).collect()
}

fn written<'a>(table: &impl Table<'a>) -> Vec<u8> {
    // Whatever was in the buffer must not matter.
    let mut buffer = vec![0xA5; table.encoded_len()];
    let len = table.write(&mut buffer).expect("it fits");
    assert_eq!(len, buffer.len());
    buffer
}

fn agree(bytes: &[u8], what: &str, at: usize) {
    for judged in [judge_everything(bytes), judge_event(bytes)] {
        if let Err(why) = judged {
            panic!("{what} {at}: {why}\n{bytes:02X?}");
        }
    }
}
