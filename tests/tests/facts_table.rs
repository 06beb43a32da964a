//! The table in `docs/UPLINK.md` and the fact suite say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const SUITES: [&str; 3] = ["kafka_facts", "kafka_facts_restart", "kafka_facts_cluster.rs"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for suite in SUITES {
        let path = here().join("tests").join(suite);
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    files
}

/// The names of the functions marked as tests.
fn facts() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources() {
        let text = fs::read_to_string(file).unwrap();
        for (_, rest) in
            text.match_indices("#[test]\nfn ").map(|(at, mark)| (at, &text[at + mark.len()..]))
        {
            names.insert(rest.split('(').next().unwrap().to_owned());
        }
    }
    names
}

/// The names in the last column of the table's rows.
fn rows() -> BTreeSet<String> {
    let text = fs::read_to_string(here().join("../docs/UPLINK.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_suffix("` |")?.rsplit_once("| `"));
    cells.map(|(_, name)| name.to_owned()).collect()
}

#[test]
fn every_fact_has_a_row_and_every_row_a_fact() {
    let (facts, rows) = (facts(), rows());
    assert!(facts.len() > 90, "only {} facts were found", facts.len());
    let unnamed: Vec<_> = facts.difference(&rows).collect();
    assert!(unnamed.is_empty(), "facts that docs/UPLINK.md does not name: {unnamed:#?}");
    let gone: Vec<_> = rows.difference(&facts).collect();
    assert!(gone.is_empty(), "rows of docs/UPLINK.md without a fact: {gone:#?}");
}
