//! Bytes as an event: written ones with changes, or any bytes, judged beside the official library.

use edgelog_record::{Event, Invalid, Table};
use record_judge::{Everything, Pool, Random, judge_event, judge_everything};
use std::fmt::Debug;

/// The first byte says what follows: any bytes, or a seed and the changes to what is written of it.
///
/// # Panics
///
/// The two sides do not agree on what the bytes are, or what was read is another when it is written and read again.
pub fn run(input: &[u8]) {
    let [how, rest @ ..] = input else { return };
    let envelope = how & 1 != 0;
    let mut bytes = match (how & 2, rest) {
        (0, [seed, changes @ ..]) => changed(written(*seed, envelope), changes),
        _ => rest.to_vec(),
    };
    if how & 4 != 0
        && let Some(identifier) = bytes.get_mut(4..8)
    {
        identifier.copy_from_slice(if envelope { b"EEV1" } else { b"JUD1" });
    }
    for judged in [judge_everything(&bytes), judge_event(&bytes)] {
        judged.unwrap_or_else(|why| panic!("{why}\n{bytes:02X?}"));
    }
    if let Ok(seen) = Everything::read(&bytes) {
        same(&seen, Everything::read(&to_vec(&seen)));
    }
    if let Ok(seen) = Event::read(&bytes) {
        same(&seen, Event::read(&to_vec(&seen)));
    }
}

fn written(seed: u8, envelope: bool) -> Vec<u8> {
    let pool = Pool::new(seed.into());
    let random = &mut Random::new(seed.into());
    if envelope { to_vec(&pool.event(random)) } else { to_vec(&pool.everything(random)) }
}

/// Each change is where, to what, and how many bytes.
fn changed(mut bytes: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % (bytes.len() + 1);
        if change[3] == 0xFF {
            bytes.truncate(at);
        }
        for byte in bytes.iter_mut().skip(at).take(usize::from(change[3] % 5)) {
            *byte = change[2];
        }
    }
    bytes
}

/// What can be read can be written, and is then the same. NaN equals nothing: its text does.
fn same<T: Debug>(seen: &T, again: Result<T, Invalid>) {
    let again = again.expect("what is written is valid");
    assert_eq!(format!("{again:?}"), format!("{seen:?}"));
}

fn to_vec<'a>(table: &impl Table<'a>) -> Vec<u8> {
    let mut bytes = vec![0xA5; table.encoded_len()];
    assert_eq!(table.write(&mut bytes), Ok(bytes.len()));
    bytes
}
