//! The programs that the tests need beside Rust, and how to get them.

use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// A program, and the Debian and Homebrew packages that have it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// What is run.
    pub program: &'static str,
    /// What makes it print something and end.
    pub probe: &'static str,
    /// Debian's package.
    pub debian: &'static str,
    /// Homebrew's package.
    pub homebrew: &'static str,
    /// What it is for.
    pub why: &'static str,
}

/// For the tests against a real Kafka.
pub const FOR_KAFKA: &[Tool] = &[
    Tool {
        program: "java",
        probe: "-version",
        debian: "openjdk-17-jre-headless",
        homebrew: "openjdk@17",
        why: "runs Apache Kafka",
    },
    Tool {
        program: "mvn",
        probe: "-v",
        debian: "maven",
        homebrew: "maven",
        why: "fetches Apache Kafka",
    },
    Tool {
        program: "kcat",
        probe: "-V",
        debian: "kcat",
        homebrew: "kcat",
        why: "reads back what Kafka holds, independently of this project",
    },
];

/// For all other tests.
pub const FOR_ALL: &[Tool] = &[Tool {
    program: "flatc",
    probe: "--version",
    debian: "flatbuffers-compiler",
    homebrew: "flatbuffers",
    why: "decodes events, independently of this project",
}];

/// Makes sure that all of `tools` are there: installs what is missing where apt-get may, and names it otherwise.
///
/// # Errors
///
/// Names every missing tool, what it is for, and the commands that install it.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.debian).collect();
    if rustix::process::geteuid().is_root() && runs("apt-get", "--version") {
        eprintln!("installing {}", packages.join(" "));
        install(&packages)?;
    }
    let missing = self::missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> =
        missing.iter().map(|tool| format!("{} ({})", tool.program, tool.why)).collect();
    let homebrew: Vec<&str> = missing.iter().map(|tool| tool.homebrew).collect();
    bail!(
        "missing: {}\n  on Debian:  sudo apt-get install {}\n  on macOS:   brew install {}",
        names.join(", "),
        packages.join(" "),
        homebrew.join(" ")
    )
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| !runs(tool.program, tool.probe)).collect()
}

fn runs(program: &str, probe: &str) -> bool {
    let probed = Command::new(program)
        .arg(probe)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probed.is_ok_and(|status| status.success())
}

fn install(packages: &[&str]) -> Result<()> {
    for arguments in [
        vec!["update", "-q"],
        [&["install", "-y", "-q", "--no-install-recommends"], packages].concat(),
    ] {
        let output = Command::new("apt-get")
            .args(&arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            bail!("apt-get {} failed", arguments.join(" "));
        }
    }
    Ok(())
}
