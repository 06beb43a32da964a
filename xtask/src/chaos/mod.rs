//! `cargo xtask chaos`: real readings, a real broker, and a process that is killed again and again.
//!
//! An import of real sensor readings that also ships them is ended by SIGKILL at random moments and started anew; the broker is killed and
//! restarted in between. In the end an independent client reads the topic, and every reading must be there once and in order.

mod judge;
mod victim;

use crate::cargo::{cargo, run as run_cargo, target_directory, workspace};
use crate::kafka::{Cluster, Topic};
use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use judge::Verdict;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use victim::{Moment, Victim};

/// Arguments of `chaos`.
#[derive(Args, Clone, Debug)]
pub struct ChaosArguments {
    /// How often the process is killed
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// How often the broker is killed and restarted
    #[arg(long, default_value_t = 3)]
    broker_restarts: u32,
    /// Reproduces the choice of moments (not what the machine does in them)
    #[arg(long)]
    seed: Option<u64>,
}

impl ChaosArguments {
    /// Enough to see that nothing is broken, in half a minute.
    #[must_use]
    pub const fn short() -> Self {
        Self { kills: 10, broker_restarts: 1, seed: None }
    }
}

/// The readings that are imported.
const DATA: &str = "tests/data/machine_temperature.csv";
const TOPIC: &str = "chaos";
/// How long the last, undisturbed run may take.
const FINISH_BOUND: Duration = Duration::from_secs(300);
/// Process kills while the broker is down.
const KILLS_WITHOUT_BROKER: u32 = 2;

/// Runs the campaign.
///
/// # Errors
///
/// A tool is missing, something did not start, or a reading is missing, doubled or out of order.
pub fn run(arguments: &ChaosArguments) -> Result<()> {
    tools::ensure(tools::FOR_KAFKA)?;
    tools::ensure(tools::FOR_ALL)?;
    let seed = arguments.seed.unwrap_or_else(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    });
    println!("chaos.seed = {seed}");
    run_cargo(cargo().args(["build", "--release", "--quiet", "--package", "edgelog-cli"]))?;

    let started = Instant::now();
    let folder = tempfile::tempdir()?;
    let mut cluster = Cluster::builder().topic(Topic::new(TOPIC)).start()?;
    let data = workspace().join(DATA);
    let expected = judge::readings(&data)?;
    let victim = Victim {
        program: target_directory()?.join("release/edgelog"),
        log: folder.path().join("log"),
        data,
        bootstrap: cluster.bootstrap().to_owned(),
        topic: TOPIC.to_owned(),
    };
    let told = campaign(arguments, &victim, &mut cluster, Random(seed), expected.len())?;
    let finished = victim.run_to_the_end(FINISH_BOUND)?;
    ensure!(finished, "the last run, which nobody disturbed, did not end within {FINISH_BOUND:?}");
    let verdict = judge::judge(cluster.bootstrap(), TOPIC, &expected, folder.path())?;
    report(&verdict, &told, &expected, started);
    if verdict.is_clean() {
        Ok(())
    } else {
        bail!("readings are missing, doubled, reordered or changed; seed {seed}")
    }
}

/// What was done.
struct Told {
    kills: u32,
    ended_by_themselves: u32,
    broker_restarts: u32,
}

fn campaign(
    arguments: &ChaosArguments,
    victim: &Victim,
    cluster: &mut Cluster,
    mut random: Random,
    rows: usize,
) -> Result<Told> {
    let mut told = Told { kills: 0, ended_by_themselves: 0, broker_restarts: 0 };
    let mut down_since: Option<u32> = None;
    while told.kills < arguments.kills {
        if let Some(since) = down_since
            && told.kills >= since + KILLS_WITHOUT_BROKER
        {
            cluster.restart(1)?;
            told.broker_restarts += 1;
            down_since = None;
        }
        // Spread over the campaign: the n-th broker kill comes after n parts of it.
        let parts = arguments.broker_restarts + 1;
        let due = arguments.kills * (told.broker_restarts + 1) / parts;
        if down_since.is_none()
            && told.broker_restarts < arguments.broker_restarts
            && told.kills >= due
        {
            cluster.kill(1).context("kill the broker")?;
            down_since = Some(told.kills);
        }
        let left = u64::from(arguments.kills - told.kills);
        let rows_left = (rows as u64).saturating_sub(victim.imported());
        let moment = Moment::random(&mut random, rows_left, left, down_since.is_some());
        // Only a kill that met a running process counts.
        if victim.run_and_kill(moment)? {
            told.kills += 1;
        } else {
            told.ended_by_themselves += 1;
            let ended = told.ended_by_themselves;
            ensure!(
                ended <= arguments.kills,
                "the import is too fast to be killed in the middle so often"
            );
        }
    }
    if down_since.is_some() {
        cluster.restart(1)?;
        told.broker_restarts += 1;
    }
    Ok(told)
}

fn report(verdict: &Verdict, told: &Told, expected: &[judge::Reading], started: Instant) {
    println!("chaos.readings = {}", expected.len());
    println!("chaos.kills = {}", told.kills);
    println!("chaos.broker_restarts = {}", told.broker_restarts);
    println!("chaos.missing = {}", verdict.missing);
    println!("chaos.duplicates = {}", verdict.duplicates);
    println!("chaos.reordered = {}", verdict.reordered);
    println!("chaos.changed = {}", verdict.changed);
    println!("chaos.gap_records = {}", verdict.gaps);
    println!("chaos.seconds = {}", started.elapsed().as_secs());
}

/// SplitMix64: ten lines are no dependency, and the seed on the first line reproduces its numbers for ever.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform enough below `bound`, which must not be 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// The schema that an independent decoder reads the events with.
fn schema() -> PathBuf {
    workspace().join("crates/edgelog-cli/schema/reading.fbs")
}
