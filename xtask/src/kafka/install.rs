//! Apache Kafka's jars, fetched once from the pinned POM.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::target_directory;
use anyhow::{Context, Result, bail, ensure};

const POM: &str = include_str!("../../kafka/pom.xml");
/// Holds the POM the jars came from, so that a changed POM fetches anew.
const MARKER: &str = "complete";
const OLDEST_JAVA: u32 = 17;

/// Jars and the Java that runs them.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) java: PathBuf,
    pub(super) class_path: String,
}

/// The version of Apache Kafka that is pinned.
#[must_use]
pub fn kafka_version() -> &'static str {
    POM.split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once("</kafka.version>"))
        .map_or("unknown", |(version, _)| version)
}

/// Where everything about brokers is kept: jars, state, logs.
pub(super) fn home() -> Result<PathBuf> {
    Ok(target_directory()?.join("kafka"))
}

/// Finds Java and the jars, fetching them if they are not complete.
pub(super) fn installation() -> Result<Installation> {
    let java = java()?;
    let folder = home()?.join(kafka_version());
    if fs::read_to_string(folder.join(MARKER)).ok().as_deref() != Some(POM) {
        fetch(&folder)?;
    }
    let class_path = folder.join("libs").join("*");
    Ok(Installation { java, class_path: class_path.display().to_string() })
}

fn fetch(folder: &Path) -> Result<()> {
    eprintln!("fetching Apache Kafka {} (once)", kafka_version());
    let home = home()?;
    fs::create_dir_all(&home)?;
    // Several test processes may fetch at once: each into its own folder, and the rename decides.
    let staging = tempfile::Builder::new().prefix("fetch-").tempdir_in(home)?;
    let pom = staging.path().join("pom.xml");
    fs::write(&pom, POM)?;
    let libs = staging.path().join("libs");
    let output = Command::new("mvn")
        .args(["-B", "-q", "-f"])
        .arg(&pom)
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", libs.display()))
        .output()
        .context("Maven is needed to fetch Apache Kafka: apt-get install maven")?;
    if !output.status.success() {
        bail!(
            "Maven cannot fetch Apache Kafka:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    fs::write(staging.path().join(MARKER), POM)?;
    if fs::rename(staging.path(), folder).is_ok() {
        return Ok(());
    }
    if fs::read_to_string(folder.join(MARKER)).ok().as_deref() == Some(POM) {
        return Ok(());
    }
    fs::remove_dir_all(folder).with_context(|| format!("remove the old {}", folder.display()))?;
    fs::rename(staging.path(), folder).with_context(|| format!("put {}", folder.display()))
}

fn java() -> Result<PathBuf> {
    let java = std::env::var_os("JAVA_HOME")
        .map_or_else(|| PathBuf::from("java"), |home| PathBuf::from(home).join("bin").join("java"));
    let output = Command::new(&java).arg("-version").output().with_context(|| {
        format!(
            "{} does not run; Apache Kafka needs Java {OLDEST_JAVA} or newer: \
             apt-get install default-jre-headless",
            java.display()
        )
    })?;
    let text = String::from_utf8_lossy(&output.stderr);
    let major = major_version(&text)
        .with_context(|| format!("cannot tell the version of {} from: {text}", java.display()))?;
    ensure!(
        major >= OLDEST_JAVA,
        "{} is version {major}; Apache Kafka needs {OLDEST_JAVA} or newer: \
         apt-get install default-jre-headless",
        java.display()
    );
    Ok(java)
}

fn major_version(text: &str) -> Option<u32> {
    let (_, quoted) = text.split_once("version \"")?;
    quoted.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_read_from_the_pom() {
        let parts: Vec<u32> =
            kafka_version().split('.').map(|part| part.parse().unwrap()).collect();
        assert_eq!(parts.len(), 3);
        assert!(parts[0] >= 4);
    }

    #[test]
    fn the_java_version_is_read_from_what_java_prints() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major_version("java version \"1.8.0_292\""), Some(1));
        assert_eq!(major_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major_version("no such thing"), None);
    }
}
