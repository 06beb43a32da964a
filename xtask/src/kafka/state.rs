//! What `kafka up` started, for `status`, `topic` and `down`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::node::{self, STOP_BOUND};
use super::process::Process;
use super::{Cluster, install};

/// The cluster that `up` left running.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct State {
    pub(super) version: String,
    pub(super) bootstrap: String,
    pub(super) processes: Vec<Process>,
}

impl State {
    /// Remembers a cluster.
    pub(super) fn note(cluster: &Cluster) -> Result<()> {
        let state = Self {
            version: install::kafka_version().to_owned(),
            bootstrap: cluster.bootstrap().to_owned(),
            processes: cluster.processes(),
        };
        let folder = folder()?;
        fs::create_dir_all(&folder)?;
        // Written aside and renamed, so that an interrupted write never hides a running process.
        let aside = folder.join("state.json.new");
        fs::write(&aside, serde_json::to_vec_pretty(&state)?)?;
        fs::rename(aside, file()?)?;
        Ok(())
    }

    /// The remembered cluster, if there is one, running or not.
    pub(super) fn load() -> Result<Option<Self>> {
        let file = file()?;
        match fs::read(&file) {
            Ok(text) => {
                let state = serde_json::from_slice(&text)
                    .with_context(|| format!("{} is not readable", file.display()))?;
                Ok(Some(state))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn alive(&self) -> usize {
        self.processes.iter().filter(|process| process.is_alive()).count()
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        self.bootstrap.split(',').map(str::to_owned).collect()
    }

    /// Ends what still runs of it, and forgets it and its data.
    pub(super) fn end(&self) -> Result<()> {
        self.processes.iter().for_each(Process::terminate);
        for process in &self.processes {
            if !process.ended_within(STOP_BOUND) {
                eprintln!("process {} ignores SIGTERM, killing it", process.pid());
                process.kill();
                anyhow::ensure!(
                    process.ended_within(STOP_BOUND),
                    "process {} outlives SIGKILL",
                    process.pid()
                );
            }
        }
        forget()
    }
}

/// Removes the data and the memory of a cluster that has ended.
pub(super) fn forget() -> Result<()> {
    node::remove(&data_folder()?);
    fs::remove_file(file()?).context("forget the cluster")
}

/// Where the brokers of `up` keep their data and logs.
pub(super) fn data_folder() -> Result<PathBuf> {
    Ok(folder()?.join("up"))
}

fn file() -> Result<PathBuf> {
    Ok(folder()?.join("state.json"))
}

fn folder() -> Result<PathBuf> {
    std::env::var_os("EDGELOG_KAFKA_STATE").map_or_else(install::home, |it| Ok(it.into()))
}
