//! What a bench found, on the terminal and in `benches/results`.

use crate::cargo::workspace;
use anyhow::{Context, Result};
use std::fs;

/// Prints `figures`, and saves them under `name` with machine and date.
pub(super) fn tell(name: &str, figures: &str, save: bool) -> Result<()> {
    print!("{figures}");
    if !save {
        return Ok(());
    }
    let folder = workspace().join("benches/results");
    let file = folder.join(format!("{name}.txt"));
    let text = format!("# cargo xtask bench {name}, {}, on {}\n\n{figures}", today(), machine());
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, text))
        .with_context(|| format!("cannot write {}", file.display()))?;
    println!("written to {}", file.display());
    Ok(())
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn machine() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor that does not tell its name", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{} {}, {model}, {cores} cores", std::env::consts::OS, std::env::consts::ARCH)
}
