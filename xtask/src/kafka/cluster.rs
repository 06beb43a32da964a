//! A cluster of one or more brokers on loopback.

use core::hash::BuildHasher;
use core::time::Duration;
use std::hash::RandomState;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::admin::{self, Topic};
use super::install::{self, Installation};
use super::node::{self, Life, Node};
use super::ports;
use super::process::Process;
use super::properties::{self, Endpoint};

const READY_BOUND: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);
/// Another program can take a free port before the broker does; then other ports are tried.
const PORT_ATTEMPTS: usize = 3;

/// Running brokers. Dropping it ends exactly the processes it started and removes their data;
/// so does the end of the process that holds it, even by SIGKILL.
///
/// Nodes are numbered from 1.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    bootstrap: String,
    java: Installation,
    // After the nodes: fields go in order, and the brokers write here.
    _folder: Option<TempDir>,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Builder {
    nodes: usize,
    settings: Vec<(String, String)>,
    topics: Vec<Topic>,
    detached_in: Option<PathBuf>,
}

impl Cluster {
    /// One node, no topics and small-machine settings, unless told otherwise.
    #[must_use]
    pub const fn builder() -> Builder {
        Builder { nodes: 1, settings: Vec::new(), topics: Vec::new(), detached_in: None }
    }

    /// Every node's `host:port`, separated by commas.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// How many nodes it has, running or not.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The `host:port` of a node; it stays the same over restarts.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn address(&self, node: usize) -> Result<String> {
        let found = self.nodes.iter().find(|it| it.endpoint.id == node);
        Ok(found.with_context(|| format!("no node {node}"))?.endpoint.address())
    }

    /// Ends a node with SIGKILL; its data stays.
    ///
    /// # Errors
    /// When there is no such node or it does not run.
    pub fn kill(&mut self, node: usize) -> Result<()> {
        self.node(node)?.kill()
    }

    /// Ends a node in an orderly way and waits for it; its data stays.
    ///
    /// # Errors
    /// When there is no such node, it does not run, or had to be killed after all.
    pub fn stop(&mut self, node: usize) -> Result<()> {
        self.node(node)?.stop()
    }

    /// Holds a node still with SIGSTOP: it keeps its connections and answers nobody.
    ///
    /// # Errors
    /// When there is no such node or it does not run.
    pub fn pause(&mut self, node: usize) -> Result<()> {
        self.node(node)?.signal(Process::pause)
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    /// When there is no such node or it does not run.
    pub fn resume(&mut self, node: usize) -> Result<()> {
        self.node(node)?.signal(Process::resume)
    }

    /// Starts a stopped or killed node where it was, and waits until it answers.
    ///
    /// # Errors
    /// When there is no such node, it already runs, or does not answer in time.
    pub fn restart(&mut self, node: usize) -> Result<()> {
        let java = self.java.clone();
        self.node(node)?.spawn(&java)?;
        self.wait_ready()
    }

    /// Creates a topic and waits until every running node knows its leaders.
    ///
    /// # Errors
    /// When the cluster refuses it or does not elect leaders in time.
    pub fn create_topic(&self, topic: &Topic) -> Result<()> {
        let running = self.nodes.iter().filter(|node| node.is_alive());
        let addresses: Vec<String> = running.map(|node| node.endpoint.address()).collect();
        admin::create_topic(&addresses, topic)
    }

    /// The last lines a node printed.
    #[must_use]
    pub fn log_tail(&self, node: usize) -> String {
        let found = self.nodes.iter().find(|it| it.endpoint.id == node);
        found.map(Node::log_tail).unwrap_or_default()
    }

    /// Leaves the brokers running for good.
    pub(super) fn detach(mut self) {
        self.nodes.drain(..).for_each(Node::detach);
    }

    pub(super) fn processes(&self) -> Vec<Process> {
        self.nodes.iter().filter_map(|node| node.process().cloned()).collect()
    }

    fn node(&mut self, node: usize) -> Result<&mut Node> {
        let found = self.nodes.iter_mut().find(|it| it.endpoint.id == node);
        found.with_context(|| format!("no node {node}"))
    }

    /// Waits until each running node answers and knows of the other running ones.
    fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + READY_BOUND;
        let running: Vec<&Node> = self.nodes.iter().filter(|it| it.process().is_some()).collect();
        for node in &running {
            let address = node.endpoint.address();
            while !admin::live_brokers(&address).is_ok_and(|known| known >= running.len()) {
                let id = node.endpoint.id;
                if !node.is_alive() {
                    bail!("node {id} ended; the end of its log:\n{}", node.log_tail());
                }
                if Instant::now() > deadline {
                    bail!(
                        "node {id} does not answer after {READY_BOUND:?}; the end of its log:\n{}",
                        node.log_tail()
                    );
                }
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }
}

impl Builder {
    /// With this many brokers, each a controller as well.
    #[must_use]
    pub const fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// With this line in every node's `server.properties`.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// With this topic.
    #[must_use]
    pub fn topic(mut self, topic: Topic) -> Self {
        self.topics.push(topic);
        self
    }

    /// Starts it and waits until it can be used.
    ///
    /// # Errors
    /// When Java, Maven or the artifacts are missing, or a broker does not come up; the end of its log is
    /// in the error.
    pub fn start(&self) -> Result<Cluster> {
        self.start_noting(&|_| Ok(()))
    }

    /// Keeps the brokers in `folder` and running when the starting process ends.
    pub(super) fn detached_in(mut self, folder: PathBuf) -> Self {
        self.detached_in = Some(folder);
        self
    }

    /// Starts it and calls `launched` as soon as there are processes that somebody may have to end.
    pub(super) fn start_noting(
        &self,
        launched: &dyn Fn(&Cluster) -> Result<()>,
    ) -> Result<Cluster> {
        ensure!(self.nodes > 0, "a cluster has at least one node");
        let mut attempt = 1;
        loop {
            let cluster = self.launch()?;
            launched(&cluster)?;
            match cluster.wait_ready() {
                Ok(()) => {
                    self.topics.iter().try_for_each(|topic| cluster.create_topic(topic))?;
                    return Ok(cluster);
                }
                Err(error) if attempt < PORT_ATTEMPTS && lost_a_port(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn launch(&self) -> Result<Cluster> {
        let java = install::installation()?;
        let endpoints = self.endpoints()?;
        let (root, folder, life) = match &self.detached_in {
            Some(path) => (path.clone(), None, Life::Detached),
            None => {
                let folder = TempDir::with_prefix("edgelog-kafka-")?;
                (folder.path().to_owned(), Some(folder), Life::Watched)
            }
        };
        if life == Life::Detached {
            node::remove(&root);
        }
        let mut nodes = Vec::new();
        for endpoint in &endpoints {
            let home = root.join(endpoint.id.to_string());
            let data = home.join(node::DATA);
            let text = properties::render(endpoint, &endpoints, &data, &self.settings);
            nodes.push(Node::new(*endpoint, home, &text, life)?);
        }
        let cluster_id = random_id();
        let formats: Result<Vec<_>> =
            nodes.iter().map(|node| node.format(&java, &cluster_id)).collect();
        formats?.into_iter().try_for_each(node::finish_format)?;
        for node in &mut nodes {
            node.spawn(&java)?;
        }
        let addresses: Vec<String> = endpoints.iter().map(Endpoint::address).collect();
        Ok(Cluster { nodes, bootstrap: addresses.join(","), java, _folder: folder })
    }

    fn endpoints(&self) -> Result<Vec<Endpoint>> {
        let ports = ports::pick(self.nodes * 2)?;
        let pairs = ports.chunks_exact(2).enumerate();
        Ok(pairs
            .map(|(at, pair)| Endpoint { id: at + 1, port: pair[0], controller_port: pair[1] })
            .collect())
    }
}

fn lost_a_port(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("Address already in use")
}

fn random_id() -> String {
    let high = RandomState::new().hash_one("high");
    let low = RandomState::new().hash_one("low");
    format!("{high:016x}{low:016x}")
}
