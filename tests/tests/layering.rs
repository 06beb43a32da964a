//! The layers of the workspace: who may depend on whom, and what never allocates.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::cargo::target_directory;

/// Every crate of the workspace, with all that it may depend on outside of its tests.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "edgelog-core",
        &["crc", "crc32c", "embedded-storage", "embedded-storage-async", "heapless", "maybe-async"],
    ),
    ("edgelog-kafka", &["crc", "crc32c", "heapless"]),
    // Without the feature `alloc` it depends on nothing.
    ("edgelog-record", &["flatbuffers"]),
    ("edgelog-uplink", &["edgelog-core", "edgelog-kafka", "heapless"]),
    ("edgelog-map", &["libc", "memmap2"]),
    (
        "edgelog",
        &[
            "crossbeam",
            "edgelog-core",
            "edgelog-kafka",
            "edgelog-map",
            "edgelog-record",
            "edgelog-uplink",
            "flatbuffers",
            "futures-core",
            "getrandom",
            "redb",
            "rustix",
            "zstd",
        ],
    ),
    (
        "edgelog-cli",
        &[
            "anyhow",
            "base64",
            "clap",
            "csv",
            "edgelog",
            "edgelog-record",
            "flatbuffers",
            "flatbuffers-reflection",
            "indicatif",
            "jiff",
            "serde",
            "serde_json",
            "signal-hook",
            "sysinfo",
            "tempfile",
        ],
    ),
    ("edgelog-sim", &["edgelog-core", "embedded-storage", "embedded-storage-async"]),
    (
        "edgelog-tests",
        &[
            "bytes",
            "crc",
            "edgelog",
            "edgelog-record",
            "kafka-protocol",
            "serde_json",
            "tempfile",
            "xtask",
        ],
    ),
    (
        "xtask",
        &[
            "anyhow",
            "bytes",
            "clap",
            "edgelog",
            "edgelog-sim",
            "jiff",
            "kafka-protocol",
            "object",
            "rustc-demangle",
            "rustix",
            "serde",
            "serde_json",
            "tempfile",
        ],
    ),
];

/// The crates that run on a microcontroller: no std, no allocator, no unsafe.
const NO_ALLOC: &[&str] = &["edgelog-core", "edgelog-kafka", "edgelog-record", "edgelog-uplink"];

#[test]
fn no_crate_depends_on_more_than_its_layer_allows() {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        let allowed =
            allowed.get(name).unwrap_or_else(|| panic!("{name} is new: give it a row in ALLOWED"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let dependency_name = dependency["name"].as_str().expect("a name");
            let is_for_tests = dependency["kind"].as_str() == Some("dev");
            assert!(
                is_for_tests || allowed.contains(&dependency_name),
                "{name} must not depend on {dependency_name}, or its row in ALLOWED is out of date"
            );
        }
    }
}

#[test]
fn every_crate_inherits_the_workspace_lints_version_and_licence() {
    for package in packages() {
        let path = package["manifest_path"].as_str().expect("a path");
        let manifest = std::fs::read_to_string(path).expect("read the manifest");
        for line in ["version.workspace = true", "license.workspace = true"] {
            assert!(manifest.contains(line), "{path} lacks '{line}'");
        }
        // The one place with unsafe code cannot forbid it.
        let maps = package["name"].as_str() == Some("edgelog-map");
        let lints = if maps { "\nunsafe_code = \"deny\"" } else { "[lints]\nworkspace = true" };
        assert!(manifest.contains(lints), "{path} lacks '{lints}'");
    }
}

#[test]
fn the_crates_for_microcontrollers_say_no_std_and_read_no_clock_socket_or_thread() {
    for name in NO_ALLOC {
        let folder = root().join("crates").join(name).join("src");
        let library = std::fs::read_to_string(folder.join("lib.rs")).expect("read lib.rs");
        assert!(library.contains("#![no_std]"), "{name} must say no_std");
        for file in sources(&folder) {
            let text = std::fs::read_to_string(&file).expect("read a source");
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let foreign = line.contains("extern crate") || line.contains("std::");
                assert!(!foreign, "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn the_crates_for_microcontrollers_link_without_an_allocator() {
    let probe = root().join("tests/no_alloc_probe/Cargo.toml");
    let target = target_directory().expect("ask cargo").join("no-alloc-probe");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--lib", "--manifest-path"])
        .arg(&probe)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("run cargo");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .expect("run cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("read the metadata");
    metadata["packages"].as_array().expect("packages").clone()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("read the folder");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let here = files.into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"));
    here.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}
