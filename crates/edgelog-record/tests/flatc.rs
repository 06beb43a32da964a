//! `flatc`, which is C++ and knows the types only from the emitted schema, reads what is written here and writes what is read here.

use edgelog_record::{Event, Schema, Table};
use record_judge::{Newer, Older, Pool, Random};
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many random tables go through flatc.
const ROUNDS: u64 = 60;

#[test]
fn a_table_that_goes_through_the_json_of_flatc_is_the_same_afterwards() {
    there_and_back(|pool, random| pool.everything(random));
}

#[test]
fn an_envelope_that_goes_through_the_json_of_flatc_is_the_same_afterwards() {
    there_and_back(|pool, random| pool.event(random));
}

#[test]
fn flatc_makes_code_of_the_envelope_for_every_language_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.fbs"), Schema::of::<Event<'_>>().to_string()).unwrap();
    let languages =
        "--cpp --csharp --dart --go --java --kotlin --lua --php --python --rust --swift --ts";
    flatc(folder.path(), languages.split(' ').chain(["s.fbs"]));
}

#[test]
fn flatc_finds_that_the_newer_schema_conforms_to_the_older_and_that_one_with_another_type_does_not()
{
    let folder = tempfile::tempdir().unwrap();
    // Both are the same table to flatc.
    let older = Schema::of::<Older<'_>>().to_string().replace("Older", "Reading");
    let newer = Schema::of::<Newer<'_>>().to_string().replace("Newer", "Reading");
    let wrong = newer.replace("number:uint", "number:ulong");
    for (name, text) in [("older.fbs", &older), ("newer.fbs", &newer), ("wrong.fbs", &wrong)] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    flatc(folder.path(), ["--conform", "older.fbs", "newer.fbs"]);
    let refused = run(folder.path(), ["--conform", "older.fbs", "wrong.fbs"]);
    assert!(!refused.status.success(), "the type of a field changed");
}

/// Random tables, as bytes that are written here, as JSON, and as bytes that flatc writes.
fn there_and_back<'a, T: Table<'a> + PartialEq + std::fmt::Debug>(
    make: impl Fn(&'a Pool, &mut Random) -> T,
) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("s.fbs"), Schema::of::<T>().to_string()).unwrap();
    let mut written = Vec::new();
    for seed in 0..ROUNDS {
        // Lent for the rest of the test, because `T` borrows from it and from what flatc wrote.
        let pool: &'a Pool = Box::leak(Box::new(Pool::new(seed)));
        let table = make(pool, &mut Random::new(seed));
        let mut buffer = vec![0; table.encoded_len()];
        table.write(&mut buffer).expect("it fits");
        fs::write(folder.join(format!("{seed}.bin")), &buffer).unwrap();
        written.push(table);
    }
    let names = |end: &str| (0..ROUNDS).map(|seed| format!("{seed}{end}")).collect::<Vec<_>>();
    let to_json = ["--json", "--strict-json", "s.fbs", "--"];
    flatc(folder, to_json.iter().map(|&it| it.to_owned()).chain(names(".bin")));
    for name in names(".bin") {
        fs::remove_file(folder.join(name)).unwrap();
    }
    flatc(folder, ["--binary", "s.fbs"].iter().map(|&it| it.to_owned()).chain(names(".json")));
    for (seed, table) in written.iter().enumerate() {
        let theirs = fs::read(folder.join(format!("{seed}.bin"))).unwrap().leak();
        let json = fs::read_to_string(folder.join(format!("{seed}.json"))).unwrap();
        assert_eq!(T::read(theirs).as_ref(), Ok(table), "seed {seed}: {json}");
    }
}

fn flatc<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) {
    let output = run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn run<A: AsRef<std::ffi::OsStr>>(
    folder: &Path,
    arguments: impl IntoIterator<Item = A>,
) -> std::process::Output {
    let flatc = Command::new("flatc").current_dir(folder).args(arguments).output();
    flatc.expect("flatc is needed: apt-get install flatbuffers-compiler")
}
