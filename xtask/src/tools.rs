//! The programs that the tests need beside Rust, and how to get them.

use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// A program, and the Debian packages that have it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// What is run.
    pub program: &'static str,
    /// Arguments that make it show that it works here, and end.
    pub probe: &'static [&'static str],
    /// Debian's packages.
    pub debian: &'static [&'static str],
    /// What it is for, and what it needs beside its package.
    pub why: &'static str,
}

/// For the tests against a real Kafka.
pub const FOR_KAFKA: &[Tool] = &[
    Tool {
        program: "java",
        probe: &["-version"],
        debian: &["default-jre-headless"],
        why: "runs Apache Kafka",
    },
    Tool { program: "mvn", probe: &["-v"], debian: &["maven"], why: "fetches Apache Kafka" },
    Tool {
        program: "kcat",
        probe: &["-V"],
        debian: &["kcat"],
        why: "reads back what Kafka holds, independently of this project",
    },
    Tool {
        program: "python3",
        probe: &["-c", "import ensurepip, venv"],
        debian: &["python3", "python3-venv"],
        why: "runs the example of a consumer; with the module venv",
    },
];

/// For all other tests.
pub const FOR_ALL: &[Tool] = &[
    Tool {
        program: "cc",
        probe: &["--version"],
        debian: &["gcc", "libc6-dev"],
        why: "links Rust's programs, and compiles what stands between a process and its file calls",
    },
    Tool {
        program: "flatc",
        probe: &["--version"],
        debian: &["flatbuffers-compiler"],
        why: "decodes events, independently of this project",
    },
    Tool {
        program: "unshare",
        // What the tests do: a small file system that only their own processes see, and that goes away with them.
        probe: &["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/tmp"],
        debian: &["util-linux", "mount"],
        why: "mounts full and read-only disks for the tests; user namespaces must be allowed, which the \
              sysctl kernel.unprivileged_userns_clone, the sysctl user.max_user_namespaces or a container may forbid",
    },
];

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
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.debian).copied().collect();
    install_if_allowed(&packages)?;
    let missing = self::missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{}", told(&missing))
}

/// Installs Debian packages where apt-get may, which is as root on Debian; does nothing elsewhere.
///
/// # Errors
///
/// apt-get failed.
pub fn install_if_allowed(packages: &[&str]) -> Result<()> {
    if rustix::process::geteuid().is_root() && runs("apt-get", &["--version"]) {
        eprintln!("installing {}", packages.join(" "));
        install(packages)?;
    }
    Ok(())
}

/// Every tool that does not work here, what it is for, and the command that installs it.
fn told(missing: &[Tool]) -> String {
    let names: Vec<String> =
        missing.iter().map(|tool| format!("{} ({})", tool.program, tool.why)).collect();
    let packages: Vec<&str> = missing.iter().flat_map(|tool| tool.debian).copied().collect();
    format!(
        "missing, or not working here: {}\n  on Debian:  sudo apt-get install {}",
        names.join(", "),
        packages.join(" ")
    )
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| !runs(tool.program, tool.probe)).collect()
}

fn runs(program: &str, probe: &[&str]) -> bool {
    let probed = Command::new(program)
        .args(probe)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_there_and_cannot_do_its_work_here_is_missing() {
        let shell = |script| Tool {
            program: "sh",
            probe: script,
            debian: &["one", "two"],
            why: "does it; must be allowed",
        };
        let tools = [shell(&["-c", "exit 0"]), shell(&["-c", "exit 1"])];
        let missing = missing(&tools);
        assert_eq!(missing.len(), 1);
        let told = told(&missing);
        assert!(told.contains("sh (does it; must be allowed)"), "{told}");
        assert!(told.ends_with("apt-get install one two"), "{told}");
    }
}
