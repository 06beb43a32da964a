//! A Rust toolchain that can build for a target it has no library for: it needs the sources of Rust's own library, and LLVM's linker.

use crate::tools::install_if_allowed;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// Where Debian puts its own, beside that of rustup.
const DEBIAN: [&str; 2] = ["/usr/bin/cargo", "/usr/bin/rustc"];
/// The packages that have it. The one for the web browsers is the one that is kept new.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];
/// The linker among them. A toolchain of rustup has its own, which is the targets' default.
const DEBIAN_LINKER: &str = "ld.lld";

/// A compiler with its cargo.
#[derive(Debug)]
pub(super) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// Where the targets' default linker is not there.
    linker: Option<&'static str>,
}

impl Toolchain {
    /// The toolchain in use, if it has the sources; otherwise Debian's, which is installed where that is possible.
    ///
    /// # Errors
    ///
    /// Names the commands that install what is missing.
    pub(super) fn ensure() -> Result<Self> {
        if let Some(found) = Self::in_use().or_else(Self::debian) {
            return Ok(found);
        }
        install_if_allowed(&DEBIAN_PACKAGES)?;
        match Self::debian() {
            Some(found) => Ok(found),
            None => bail!(
                "building for microcontrollers needs the sources of Rust's own library, and lld\n  \
                 with rustup:  rustup component add rust-src\n  \
                 on Debian:  sudo apt-get install {}",
                DEBIAN_PACKAGES.join(" ")
            ),
        }
    }

    fn in_use() -> Option<Self> {
        let named = |variable, otherwise: &str| {
            std::env::var_os(variable).map_or_else(|| otherwise.into(), PathBuf::from)
        };
        let found =
            Self { cargo: named("CARGO", "cargo"), rustc: named("RUSTC", "rustc"), linker: None };
        let linker = found.told(&["--print", "target-libdir"])?.with_file_name("bin/rust-lld");
        (found.has_sources() && linker.exists()).then_some(found)
    }

    fn debian() -> Option<Self> {
        let [cargo, rustc] = DEBIAN.map(PathBuf::from);
        let found = Self { cargo, rustc, linker: Some(DEBIAN_LINKER) };
        let has_cargo = answer(Command::new(&found.cargo).arg("-V")).is_some();
        let has_linker = answer(Command::new(DEBIAN_LINKER).arg("--version")).is_some();
        (has_cargo && has_linker && found.has_sources()).then_some(found)
    }

    fn has_sources(&self) -> bool {
        self.told(&["--print", "sysroot"])
            .is_some_and(|it| it.join("lib/rustlib/src/rust/library/core/Cargo.toml").exists())
    }

    fn told(&self, arguments: &[&str]) -> Option<PathBuf> {
        answer(Command::new(&self.rustc).args(arguments)).map(|path| path.trim_end().into())
    }

    /// Its cargo, allowed to build Rust's own library for `targets`.
    pub(super) fn cargo(&self, targets: &[&str]) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        // Every program then tells the stack frames of its functions. Flags for the host are not for these targets.
        cargo.env("RUSTFLAGS", "-Zemit-stack-sizes").env_remove("CARGO_ENCODED_RUSTFLAGS");
        for target in targets {
            if let Some(linker) = self.linker {
                let name = target.to_uppercase().replace('-', "_");
                cargo.env(format!("CARGO_TARGET_{name}_LINKER"), linker);
            }
        }
        cargo
    }
}

/// What a program prints, if it is there and ends well.
fn answer(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
