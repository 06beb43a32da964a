//! `cargo xtask firmware`: the crates for microcontrollers, built for them without an allocator, and what they take there.
//!
//! `tests/no_alloc_probe` has one program that does nothing, one that uses the log, and one that also ships it. Only `core` is
//! built for them, so that nothing in them can allocate. What is counted is what a linked program holds in flash beyond the
//! one that does nothing: code, constants and initial values, unused parts removed, the few calls of the program itself and what
//! the compiler's own library adds for it (64-bit division, memcpy) included. Tables for unwinding, which firmware discards,
//! are not. The flash driver is a function of some 20 bytes an operation.

mod image;
mod toolchain;

use crate::cargo::{run as run_cargo, target_directory, workspace};
use anyhow::{Context, Result};
use clap::Args;
use image::Image;
use std::path::Path;
use toolchain::Toolchain;

/// Arguments of `firmware`.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct FirmwareArguments {
    /// List the largest functions and constants of the log on a Cortex-M4, and the largest stack frames
    #[arg(long)]
    sizes: bool,
}

/// What is built for: the name in a figure, and Rust's target.
const TARGETS: [(&str, &str); 3] = [
    // No compare-and-swap, no division.
    ("thumbv6m", "thumbv6m-none-eabi"),
    DETAILED,
    ("riscv32imac", "riscv32imac-unknown-none-elf"),
];

/// The target whose symbols are listed.
const DETAILED: (&str, &str) = ("thumbv7em", "thumbv7em-none-eabihf");

/// How many symbols are listed.
const LINES_SHOWN: usize = 40;

/// The symbol whose size is that of a log in memory.
const LOG_BYTES: &str = "LOG_BYTES";

/// Builds the probe for every target, and prints one figure a line.
///
/// # Errors
///
/// No toolchain can build for the targets, or the crates do not build: they allocate, or need what a target has not.
pub fn run(arguments: &FirmwareArguments) -> Result<()> {
    let built = build(&Toolchain::ensure()?)?;
    println!("bytes of flash beyond a program that does nothing: code, constants, initial values");
    for (program, figure) in [("log", "firmware.text"), ("uplink", "firmware.text_with_uplink")] {
        for (name, target) in TARGETS {
            let folder = built.join(target).join("release");
            let empty = Image::read(&folder.join("empty"))?;
            let bytes = Image::read(&folder.join(program))?.flash_bytes()?;
            println!("{figure}.{name} = {}", bytes.saturating_sub(empty.flash_bytes()?));
        }
    }
    let (name, target) = DETAILED;
    let log = Image::read(&built.join(target).join("release/log"))?;
    println!("bytes of memory of a log and its medium, with a borrowed frame buffer");
    let symbols = log.symbols()?;
    let memory = symbols.iter().find(|symbol| symbol.name == LOG_BYTES);
    println!("flash.ram.log_bytes = {}", memory.context("the probe has no LOG_BYTES")?.bytes);
    let frames = log.frames()?;
    println!("bytes of the largest stack frame of any function on {name}");
    let (_, largest) = frames.first().context("the probe has no functions")?;
    println!("firmware.stack_frame.{name} = {largest}");
    if arguments.sizes {
        println!("the largest symbols of the log on {name}, and their bytes of flash");
        list(symbols.iter().filter(|it| it.in_flash).map(|it| (it.name.as_str(), it.bytes)));
        let named: u64 = symbols.iter().filter(|it| it.in_flash).map(|it| it.bytes).sum();
        let unnamed = log.flash_bytes()?.saturating_sub(named);
        println!("{unnamed:>6}  without a symbol: constants, padding");
        println!("the largest stack frames of the log on {name}, in bytes");
        list(frames.iter().map(|(name, bytes)| (name.as_str(), *bytes)));
    }
    Ok(())
}

fn list<'a>(largest_first: impl Iterator<Item = (&'a str, u64)>) {
    let mut rest = 0;
    for (at, (name, bytes)) in largest_first.enumerate() {
        if at < LINES_SHOWN {
            println!("{bytes:>6}  {name}");
        } else {
            rest += bytes;
        }
    }
    println!("{rest:>6}  all others together");
}

/// Builds all programs for all targets, and gives the folder that has a folder for each target.
fn build(toolchain: &Toolchain) -> Result<std::path::PathBuf> {
    let built = target_directory()?.join("firmware");
    let mut cargo = toolchain.cargo(&TARGETS.map(|(_, target)| target));
    cargo.current_dir(workspace().join(Path::new("tests/no_alloc_probe")));
    cargo.args(["build", "--quiet", "--locked", "--release", "--bins", "-Zbuild-std=core"]);
    cargo.arg("--target-dir").arg(&built);
    for (_, target) in TARGETS {
        cargo.args(["--target", target]);
    }
    run_cargo(&mut cargo)?;
    Ok(built)
}
