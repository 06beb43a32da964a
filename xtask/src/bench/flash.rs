//! The flash figures: counts from `benches/flash`, sizes from programs for a Cortex-M4.

use crate::cargo::{cargo, target_directory, workspace};
use crate::firmware::{ENGINE, Taken, on_cortex_m4};
use anyhow::{Context, Result, bail};
use std::fmt::Write;
use std::process::Stdio;

/// A library that was measured on a Cortex-M4.
struct Subject {
    /// What stands behind a figure's name.
    suffix: &'static str,
    taken: Taken,
    /// Bytes of buffers in its log object. They are not counted.
    buffers_inside: u64,
    /// What the log object is made of.
    memory: &'static str,
}

/// Everything, as it is printed.
pub(super) fn figures() -> Result<String> {
    let sizes = sizes()?;
    let mut text = counts()?;
    text.push_str(
        "# memory of the log and its medium for 1,024 segments on thumbv7em, buffers left out\n",
    );
    for Subject { suffix, taken, buffers_inside, memory } in &sizes {
        let bytes = taken.log_bytes.saturating_sub(*buffers_inside);
        write!(text, "flash.ram.log_bytes{suffix} = {bytes}\n#   {memory}\n")?;
    }
    text.push_str(
        "\n# code, constants and initial values on thumbv7em, optimised for size, beyond a program that does nothing: to open or\n\
         # create, append, make durable, read back, and let go of what was read where the library can\n",
    );
    for Subject { suffix, taken, .. } in &sizes {
        writeln!(text, "flash.text.thumbv7em{suffix} = {}", taken.flash_bytes)?;
    }
    Ok(text)
}

/// What the simulated chip counts.
fn counts() -> Result<String> {
    let mut bench = cargo();
    bench.current_dir(workspace().join("benches/flash"));
    bench.args(["run", "--quiet", "--locked", "--release", "--target-dir"]);
    bench.arg(target_directory()?.join("benches"));
    let output = bench.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("benches/flash failed");
    }
    String::from_utf8(output.stdout).context("benches/flash prints no text")
}

fn sizes() -> Result<[Subject; 4]> {
    let [engine] = on_cortex_m4(ENGINE, ["log"])?;
    let [queue, sensor_db, ekv] =
        on_cortex_m4("benches/flash_text", ["sequential_storage", "sensor_db", "ekv"])?;
    Ok([
        Subject {
            suffix: "",
            taken: engine,
            buffers_inside: 0,
            memory: "32 topics and 8 cursors with names and anchors, nothing for each segment; its frame buffer is borrowed: \
                     512 bytes here",
        },
        Subject {
            suffix: ".sequential-storage",
            taken: queue,
            buffers_inside: 0,
            memory: "caches of 1 + 8 bytes for each segment, without which appends read; no buffer",
        },
        Subject {
            suffix: ".sensor-db",
            taken: sensor_db,
            buffers_inside: 256,
            memory: "an index of 48 bytes for each segment; its page buffer of 256 bytes left out",
        },
        Subject {
            suffix: ".ekv",
            taken: ekv,
            buffers_inside: 2 * 4096,
            memory: "the files, and one bit for each segment; its two chunk buffers of 4,096 bytes left out",
        },
    ])
}
