//! `cargo xtask test`: everything that can be tested, with what it needs.

use crate::cargo::{Tally, cargo, run_tests, test_targets};
use crate::kafka::{BOOTSTRAP_VARIABLE, Cluster, external_bootstrap};
use crate::models;
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
    /// The tests against a real Apache Kafka (they need Java, Maven, kcat and Python)
    Kafka,
}

/// The package with features of its own.
const FRONT_DOOR: &str = "edgelog";

/// The packages with test targets that need a broker, which are named `kafka` or `kafka_*`.
const SPANNING: &str = "edgelog-tests";
const COMMANDS: &str = "xtask";

/// Runs the tests.
///
/// # Errors
///
/// A tool is missing, a test failed, or no test ran.
pub fn run(arguments: &TestArguments) -> Result<()> {
    let started = Instant::now();
    let with_kafka = !arguments.without.contains(&Part::Kafka);
    // Before the first test: what is missing should not be told after minutes.
    if with_kafka {
        tools::ensure(tools::FOR_KAFKA)?;
    }
    tools::ensure(tools::FOR_ALL)?;
    let plan = Plan::new(&test_targets(SPANNING)?, &test_targets(COMMANDS)?);
    let mut tally = Tally::default();
    for arguments in &plan.without_broker {
        run_tests(cargo().args(arguments), &mut tally)?;
    }
    models::run(&mut tally)?;
    if with_kafka {
        run_kafka_tests(&plan, &mut tally)?;
    }
    summary(tally, started, &plan.broker_targets, with_kafka)
}

/// Which tests are run how.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Arguments of cargo that run all tests which start or need no broker.
    without_broker: Vec<Vec<String>>,
    /// The same for those that do.
    with_broker: Vec<Vec<String>>,
    /// The names of the latter.
    broker_targets: Vec<String>,
}

impl Plan {
    /// Given the test targets of the two packages.
    fn new(spanning: &[String], commands: &[String]) -> Self {
        let test = |words: &[&str], targets: &[String]| -> Vec<String> {
            let words = ["test"].iter().chain(words).chain(&["--no-fail-fast"]);
            words.copied().chain(each(targets)).map(str::to_owned).collect()
        };
        let (spanning_kafka, spanning) = apart(spanning);
        let (commands_kafka, commands) = apart(commands);
        Self {
            without_broker: vec![
                test(
                    &[
                        "--workspace",
                        "--exclude",
                        FRONT_DOOR,
                        "--exclude",
                        SPANNING,
                        "--exclude",
                        COMMANDS,
                    ],
                    &[],
                ),
                // Parts of it, their tests and examples are behind features that nothing else turns on.
                test(&["-p", FRONT_DOOR, "--all-features"], &[]),
                test(&["-p", COMMANDS, "--lib", "--bins"], &commands),
                test(&["-p", SPANNING, "--lib"], &spanning),
            ],
            with_broker: vec![
                test(&["-p", COMMANDS], &commands_kafka),
                test(&["-p", SPANNING], &spanning_kafka),
            ],
            broker_targets: [commands_kafka, spanning_kafka].concat(),
        }
    }
}

/// Those that need a broker, and the others.
fn apart(targets: &[String]) -> (Vec<String>, Vec<String>) {
    targets.iter().cloned().partition(|target| target.split('_').next() == Some("kafka"))
}

/// One broker for all tests that can share one; it ends with this value, or with this process.
fn run_kafka_tests(plan: &Plan, tally: &mut Tally) -> Result<()> {
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
    for arguments in &plan.with_broker {
        run_tests(cargo().args(arguments).env(BOOTSTRAP_VARIABLE, &bootstrap), tally)?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_broker_is_left_out_without_kafka() {
        let (spanning, commands) =
            (test_targets(SPANNING).unwrap(), test_targets(COMMANDS).unwrap());
        let plan = Plan::new(&spanning, &commands);
        let workspace = &plan.without_broker[0];
        // Otherwise their broker tests would be run with all others.
        for package in [SPANNING, COMMANDS] {
            assert!(
                workspace.windows(2).any(|pair| pair == ["--exclude", package]),
                "{workspace:?}"
            );
        }
        for target in spanning.iter().chain(&commands) {
            let runs = |calls: &[Vec<String>]| {
                calls.iter().flatten().filter(|word| *word == target).count()
            };
            let broker = target.starts_with("kafka");
            assert_eq!(runs(&plan.with_broker), usize::from(broker), "{target}");
            assert_eq!(runs(&plan.without_broker), usize::from(!broker), "{target}");
            assert_eq!(plan.broker_targets.contains(target), broker, "{target}");
        }
        assert!(plan.broker_targets.iter().any(|target| target == "kafka"));
    }
}
