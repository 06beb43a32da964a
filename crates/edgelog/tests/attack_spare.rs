//! What happens to the file that was made ready for the next segment must not cost a record.

use edgelog::{Durability, Event, FullPolicy, Item, Log, Options, Start, View};
use std::fs;
use std::path::Path;

const SEGMENT: u32 = 64 << 10;

fn open(folder: &Path) -> Log {
    let options = Options::new().segment_bytes(SEGMENT).budget_bytes(4 * u64::from(SEGMENT));
    options.full(FullPolicy::DropOldest).open(folder).unwrap()
}

#[test]
fn a_spare_file_that_somebody_removed_costs_no_durable_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let spare = folder.path().join("spare.new");
    let mut durable = 0;
    let mut removed = 0;
    for _ in 0..2000 {
        durable = log.append_as(Durability::Durable, "t", &Event::new(&[7; 1000])).unwrap() + 1;
        // Somebody tidies up.
        removed += usize::from(fs::remove_file(&spare).is_ok());
    }
    assert!(removed > 0);
    drop(log);
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    let first = view.earliest().unwrap();
    let mut next = first;
    while let Some(item) = view.next().unwrap() {
        let Item::Record(record) = item else { panic!("{item:?}") };
        assert_eq!(record.identity.offset, next);
        next += 1;
    }
    assert_eq!(next, durable, "from {first} on");
    assert!(durable - first > 100, "only {first}..{durable} is left");
}
