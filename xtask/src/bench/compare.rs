//! The figures of a log on a host, of fan-out in a process, and of compressed segments: from `benches/compare`.

use super::Saving;
use crate::cargo::{cargo, target_directory, workspace};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::process::{Command, Stdio};

/// Arguments of the bench of a host's log.
#[derive(Args, Clone, Debug)]
pub struct HostArguments {
    /// Only edgelog and the plain loops that it is measured by
    #[arg(long)]
    without_peers: bool,
    /// Without RocksDB, which takes long to compile and needs libclang
    #[arg(long)]
    without_rocksdb: bool,
    /// Only the figures whose names begin so, for example host.append
    #[arg(long)]
    only: Option<String>,
    /// GiB in the larger of the two logs whose memory is compared
    #[arg(long, default_value_t = 1)]
    large_gib: u32,
    #[command(flatten)]
    pub(super) saving: Saving,
}

/// Everything of a host's log, as it is printed.
pub(super) fn host(arguments: &HostArguments) -> Result<String> {
    let with_rocksdb = !arguments.without_peers && !arguments.without_rocksdb;
    let mut bench = bench(with_rocksdb)?;
    bench.args(["host", "--large-gib", &arguments.large_gib.to_string()]);
    if arguments.without_peers {
        bench.arg("--without-peers");
    }
    if let Some(only) = &arguments.only {
        bench.args(["--only", only]);
    }
    figures(bench, with_rocksdb)
}

/// Everything of fan-out, as it is printed.
pub(super) fn fanout() -> Result<String> {
    let mut bench = bench(false)?;
    bench.arg("fanout");
    figures(bench, false)
}

/// Everything of compressed segments, as it is printed.
pub(super) fn rest() -> Result<String> {
    let mut bench = bench(false)?;
    bench.arg("rest");
    figures(bench, false)
}

/// What builds the bench and runs it; the name of what it is to measure has to follow.
fn bench(with_rocksdb: bool) -> Result<Command> {
    let target = target_directory()?.join("benches");
    let mut bench = cargo();
    bench.current_dir(workspace().join("benches/compare"));
    bench.args(["run", "--quiet", "--locked", "--release", "--target-dir"]).arg(&target);
    if !with_rocksdb {
        bench.arg("--no-default-features");
    }
    // Not below the system's folder for temporary files, which may be memory: here are disks to be measured.
    bench.arg("--").env("EDGELOG_BENCH_FOLDER", target.join("files"));
    Ok(bench)
}

fn figures(mut bench: Command, with_rocksdb: bool) -> Result<String> {
    let output = bench.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if output.status.success() {
        return String::from_utf8(output.stdout).context("benches/compare prints no text");
    }
    if with_rocksdb {
        bail!(
            "benches/compare failed; if RocksDB did not build: it needs a C++ compiler and libclang (Debian: libclang-dev), or --without-rocksdb"
        );
    }
    bail!("benches/compare failed")
}
