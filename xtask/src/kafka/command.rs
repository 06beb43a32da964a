//! `cargo xtask kafka`.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::state::{self, State};
use super::{
    BOOTSTRAP_VARIABLE, Builder, Cluster, Topic, admin, external_bootstrap, kafka_version,
};

/// What to do with the cluster that outlives the command.
#[derive(Debug, Subcommand)]
pub enum KafkaCommand {
    /// Start brokers and print their address alone on the last line
    ///
    /// Brokers listen on 127.0.0.1 only, at free ports, and run until `down`. Needs a JDK (17 or newer);
    /// the first run needs Maven and a connection to fetch the pinned Apache Kafka.
    /// Where `KAFKA_BOOTSTRAP` is set, that cluster is used and nothing is started.
    /// `EDGELOG_KAFKA_STATE` names another folder for state and data, and with it another cluster.
    Up(UpArguments),
    /// Start brokers that run until this command ends (Ctrl-C) and leave nothing behind
    Run(UpArguments),
    /// Stop what `up` started, and remove its data
    Down,
    /// Tell what runs
    Status,
    /// Create a topic
    Topic(TopicArguments),
}

/// Arguments of `up` and `run`.
#[derive(Args, Debug)]
pub struct UpArguments {
    /// Brokers to start, each a controller as well
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    nodes: u8,
    /// A topic to create; may be repeated
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// Partitions of these topics
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// A line of server.properties; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    settings: Vec<(String, String)>,
}

/// Arguments of `topic`.
#[derive(Args, Debug)]
pub struct TopicArguments {
    /// Its name
    name: String,
    /// Its partitions
    #[arg(long, default_value_t = 1)]
    partitions: i32,
    /// A topic setting, such as message.timestamp.type=LogAppendTime; may be repeated
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = key_and_value)]
    config: Vec<(String, String)>,
}

impl KafkaCommand {
    /// Does it.
    ///
    /// # Errors
    /// When a tool is missing, the cluster does not come up, or it refuses.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Up(arguments) => up(&arguments),
            Self::Run(arguments) => run(&arguments),
            Self::Down => down(),
            Self::Status => status(),
            Self::Topic(arguments) => topic(arguments),
        }
    }
}

impl UpArguments {
    fn builder(&self) -> Builder {
        let mut builder = Cluster::builder().nodes(self.nodes.into());
        for (key, value) in &self.settings {
            builder = builder.set(key, value);
        }
        self.topics().fold(builder, Builder::topic)
    }

    fn topics(&self) -> impl Iterator<Item = Topic> {
        self.topics.iter().map(|name| Topic::new(name).partitions(self.partitions))
    }
}

fn up(arguments: &UpArguments) -> Result<()> {
    if let Some(bootstrap) = external_bootstrap() {
        let addresses: Vec<&str> = bootstrap.split(',').collect();
        arguments.topics().try_for_each(|topic| admin::create_topic(&addresses, &topic))?;
        println!("{BOOTSTRAP_VARIABLE} is set: using that cluster, starting nothing");
        println!("{bootstrap}");
        return Ok(());
    }
    if let Some(state) = State::load()? {
        if state.alive() > 0 {
            bail!(
                "a cluster is up already at {}; `cargo xtask kafka down` ends it",
                state.bootstrap
            );
        }
        state::forget()?;
    }
    let builder = arguments.builder().detached_in(state::data_folder()?);
    match builder.start_noting(&State::note) {
        Ok(cluster) => {
            let bootstrap = cluster.bootstrap().to_owned();
            cluster.detach();
            announce("`cargo xtask kafka down`", &bootstrap);
            Ok(())
        }
        Err(error) => {
            // The brokers went with the cluster value; leave no memory of them.
            if State::load()?.is_some() {
                state::forget()?;
            }
            Err(error)
        }
    }
}

fn run(arguments: &UpArguments) -> Result<()> {
    if let Some(bootstrap) = external_bootstrap() {
        bail!("{BOOTSTRAP_VARIABLE} is set to {bootstrap}; unset it to run brokers of your own");
    }
    let cluster = arguments.builder().start()?;
    announce("Ctrl-C", cluster.bootstrap());
    // The brokers' watchdogs notice the end of this process, whatever ends it.
    loop {
        std::thread::park();
    }
}

fn announce(end: &str, bootstrap: &str) {
    println!("Apache Kafka {} is up; {end} ends it", kafka_version());
    println!("export {BOOTSTRAP_VARIABLE}={bootstrap}");
    println!("{bootstrap}");
}

fn down() -> Result<()> {
    match State::load()? {
        Some(state) => {
            state.end()?;
            println!("the cluster at {} is down and its data is removed", state.bootstrap);
        }
        None => println!("nothing is up"),
    }
    Ok(())
}

fn status() -> Result<()> {
    if let Some(bootstrap) = external_bootstrap() {
        println!("{BOOTSTRAP_VARIABLE} names {bootstrap}");
    }
    match State::load()? {
        Some(state) => {
            println!(
                "Apache Kafka {}: {} of {} nodes run",
                state.version,
                state.alive(),
                state.processes.len()
            );
            println!("logs: {}", state::data_folder()?.join("<node>/broker.log").display());
            println!("{}", state.bootstrap);
        }
        None => println!("nothing is up"),
    }
    Ok(())
}

fn topic(arguments: TopicArguments) -> Result<()> {
    let addresses = match external_bootstrap() {
        Some(bootstrap) => bootstrap.split(',').map(str::to_owned).collect(),
        None => State::load()?
            .filter(|state| state.alive() > 0)
            .context("nothing is up; `cargo xtask kafka up` starts a broker")?
            .addresses(),
    };
    let mut topic = Topic::new(arguments.name).partitions(arguments.partitions);
    for (key, value) in arguments.config {
        topic = topic.config(key, value);
    }
    admin::create_topic(&addresses, &topic)?;
    println!("created topic {}", topic.name());
    Ok(())
}

fn key_and_value(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_splits_at_its_first_equals_sign() {
        assert_eq!(key_and_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(key_and_value("a").is_err());
        assert!(key_and_value("=b").is_err());
    }
}
