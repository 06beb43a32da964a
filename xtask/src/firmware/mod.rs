//! `cargo xtask firmware`: the crates for microcontrollers, built for them without an allocator, and what they take there.
//!
//! `tests/no_alloc_probe` has one program that does nothing, one that uses the log, one that also ships it, and one that
//! writes and reads an event. Only `core` is
//! built for them, so that nothing in them can allocate. What is counted is what a linked program holds in flash beyond the
//! one that does nothing: code, constants and initial values, unused parts removed, the few calls of the program itself and what
//! the compiler's own library adds for it (64-bit division, memcpy) included. Tables for unwinding, which firmware discards,
//! are not. The flash driver is a function of some 20 bytes an operation.

mod image;
mod toolchain;

use crate::cargo::{run as run_cargo, target_directory, workspace};
use anyhow::{Context, Result};
use clap::Args;
use image::{Image, Symbol};
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

/// Where the engine's probe is.
pub(crate) const ENGINE: &str = "tests/no_alloc_probe";

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
    let built = build(&Toolchain::ensure()?, ENGINE, &TARGETS.map(|(_, target)| target))?;
    println!("bytes of flash beyond a program that does nothing: code, constants, initial values");
    for (program, figure) in [
        ("log", "firmware.text"),
        ("uplink", "firmware.text_with_uplink"),
        ("event", "firmware.text_event"),
    ] {
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
    println!("flash.ram.log_bytes = {}", log_bytes(&symbols)?);
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

/// What a program takes of a device, beyond one that does nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Of its flash.
    pub(crate) flash_bytes: u64,
    /// Of its memory, for the log and its medium.
    pub(crate) log_bytes: u64,
}

/// What `programs` of the probe in the folder `project`, each with its `LOG_BYTES`, take on a Cortex-M4.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn on_cortex_m4<const N: usize>(
    project: &str,
    programs: [&str; N],
) -> Result<[Taken; N]> {
    let (_, target) = DETAILED;
    let built = build(&Toolchain::ensure()?, project, &[target])?.join(target).join("release");
    let empty = Image::read(&built.join("empty"))?.flash_bytes()?;
    let mut taken = [Taken { flash_bytes: 0, log_bytes: 0 }; N];
    for (taken, program) in taken.iter_mut().zip(programs) {
        let image = Image::read(&built.join(program))?;
        taken.flash_bytes = image.flash_bytes()?.saturating_sub(empty);
        taken.log_bytes = log_bytes(&image.symbols()?)?;
    }
    Ok(taken)
}

/// The bytes of flash that `program` of the probe in the folder `project` takes on a Cortex-M4, beyond one that does nothing.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn flash_bytes_on_cortex_m4(project: &str, program: &str) -> Result<u64> {
    let (_, target) = DETAILED;
    let built = build(&Toolchain::ensure()?, project, &[target])?.join(target).join("release");
    let empty = Image::read(&built.join("empty"))?.flash_bytes()?;
    Ok(Image::read(&built.join(program))?.flash_bytes()?.saturating_sub(empty))
}

fn log_bytes(symbols: &[Symbol]) -> Result<u64> {
    let memory = symbols.iter().find(|symbol| symbol.name == LOG_BYTES);
    Ok(memory.context("the probe has no LOG_BYTES")?.bytes)
}

/// Builds all programs of a probe for `targets`, and gives the folder that has a folder for each target.
fn build(toolchain: &Toolchain, project: &str, targets: &[&str]) -> Result<std::path::PathBuf> {
    let built = target_directory()?.join("firmware");
    let mut cargo = toolchain.cargo(targets);
    cargo.current_dir(workspace().join(project));
    cargo.args(["build", "--quiet", "--locked", "--release", "--bins", "-Zbuild-std=core"]);
    cargo.arg("--target-dir").arg(&built);
    for target in targets {
        cargo.args(["--target", target]);
    }
    run_cargo(&mut cargo)?;
    Ok(built)
}
