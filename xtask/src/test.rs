//! `cargo xtask test`: everything that can be tested, with what it needs.

use crate::cargo::{Tally, cargo, run_tests, test_targets};
use crate::kafka::{BOOTSTRAP_VARIABLE, Cluster, external_bootstrap};
use crate::tools;
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use std::time::Instant;

/// Arguments of `test`.
#[derive(Args, Clone, Debug, Default)]
pub struct TestArguments {
    /// Leave a part out; the summary says so
    #[arg(long, value_enum, value_name = "PART")]
    pub without: Vec<Part>,
}

/// What can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Part {
    /// The tests against a real Apache Kafka (they need Java, Maven and kcat)
    Kafka,
}

/// The package whose test targets named `kafka_*` need a broker.
const SPANNING: &str = "edgelog-tests";

/// Runs the tests.
///
/// # Errors
///
/// A tool is missing, a test failed, or no test ran.
pub fn run(arguments: &TestArguments) -> Result<()> {
    let started = Instant::now();
    let with_kafka = !arguments.without.contains(&Part::Kafka);
    tools::ensure(tools::FOR_ALL)?;
    let (kafka, other): (Vec<_>, Vec<_>) =
        test_targets(SPANNING)?.into_iter().partition(|target| target.starts_with("kafka_"));

    let mut tally = Tally::default();
    let mut crates = cargo();
    crates.args(["test", "--workspace", "--exclude", SPANNING, "--no-fail-fast"]);
    run_tests(&mut crates, &mut tally)?;
    let mut spanning = cargo();
    spanning.args(["test", "-p", SPANNING, "--no-fail-fast", "--lib"]).args(each(&other));
    run_tests(&mut spanning, &mut tally)?;
    if with_kafka {
        run_kafka_tests(&kafka, &mut tally)?;
    }
    summary(tally, started, &kafka, with_kafka)
}

/// One broker for all tests that can share one; it ends with this value, or with this process.
fn run_kafka_tests(targets: &[String], tally: &mut Tally) -> Result<()> {
    tools::ensure(tools::FOR_KAFKA)?;
    let (bootstrap, _cluster) = match external_bootstrap() {
        Some(bootstrap) => (bootstrap, None),
        None => {
            let cluster = Cluster::builder().start()?;
            println!(
                "Apache Kafka {} is up at {}",
                crate::kafka::kafka_version(),
                cluster.bootstrap()
            );
            (cluster.bootstrap().to_owned(), Some(cluster))
        }
    };
    let mut tests = cargo();
    tests.args(["test", "-p", SPANNING, "--no-fail-fast"]).args(each(targets));
    run_tests(tests.env(BOOTSTRAP_VARIABLE, bootstrap), tally)
}

fn each(targets: &[String]) -> impl Iterator<Item = &str> {
    targets.iter().flat_map(|target| ["--test", target.as_str()])
}

fn summary(tally: Tally, started: Instant, kafka: &[String], with_kafka: bool) -> Result<()> {
    let Tally { passed, failed, ignored, broken } = tally;
    println!();
    if !with_kafka {
        println!("left out: kafka ({}), because --without kafka says so", kafka.join(", "));
    }
    println!("{passed} passed, {failed} failed, {ignored} skipped");
    println!("took {} s", started.elapsed().as_secs());
    if failed > 0 || broken || passed == 0 {
        bail!("the tests did not pass");
    }
    Ok(())
}
