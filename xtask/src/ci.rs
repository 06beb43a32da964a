//! `cargo xtask ci`: the gate.

use crate::cargo::{cargo, run};
use crate::chaos::{self, ChaosArguments};
use crate::crash::{self, CrashArguments};
use crate::firmware::{self, FirmwareArguments};
use crate::fuzz::{self, FuzzArguments};
use crate::models;
use crate::test::{self, TestArguments};
use anyhow::Result;

/// Formatting, lints, documentation, all tests (the layering test among them), firmware, 100,000 power cuts, 100 kills, 4,000 power
/// cuts under real files with 500 failing file calls, and short
/// fuzzing and chaos.
///
/// # Errors
///
/// The first step that fails.
pub fn gate() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    for apart in [
        "benches/compare/Cargo.toml",
        "benches/flash/Cargo.toml",
        "benches/flash_text/Cargo.toml",
        "benches/micro/Cargo.toml",
        "benches/record/Cargo.toml",
        "fuzz/Cargo.toml",
        "tests/models/Cargo.toml",
    ] {
        run(cargo().args(["fmt", "--check", "--manifest-path", apart]))?;
    }
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))?;
    fuzz::lint()?;
    models::lint()?;
    let mut docs = cargo();
    docs.args(["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"]);
    run(docs.env("RUSTDOCFLAGS", "-D warnings"))?;
    test::run(&TestArguments::default())?;
    firmware::run(&FirmwareArguments::default())?;
    crash::run(&CrashArguments::default())?;
    crash::run(&CrashArguments::short_host())?;
    crash::run(&CrashArguments::short_files())?;
    fuzz::run(&FuzzArguments::short())?;
    chaos::run(&ChaosArguments::short())
}
