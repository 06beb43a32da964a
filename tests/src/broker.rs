//! The brokers that facts are asked of.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::sync::OnceLock;

use xtask::kafka::{self, Builder, Cluster, Topic};

use crate::lane::Lane;
use crate::raw::RawClient;
use crate::support::OrFail;
use crate::wait;

const LEADER_BOUND: Duration = Duration::from_secs(60);

/// A cluster under test.
#[derive(Debug)]
pub struct Broker {
    addresses: Vec<String>,
    cluster: Option<Cluster>,
}

/// The one broker that the tests of a binary share: the cluster in `KAFKA_BOOTSTRAP`, or a single node that
/// ends with the process.
pub fn shared() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| match kafka::external_bootstrap() {
        Some(bootstrap) => Broker { addresses: split(&bootstrap), cluster: None },
        None => Broker::start(&Cluster::builder()),
    })
}

impl Broker {
    /// Starts one that ends with the value.
    #[must_use]
    pub fn start(what: &Builder) -> Self {
        let cluster = what.start().or_fail("start a broker");
        Self { addresses: split(cluster.bootstrap()), cluster: Some(cluster) }
    }

    /// Its processes, to end and start them; only a started one has them.
    pub fn cluster(&mut self) -> &mut Cluster {
        self.cluster.as_mut().or_fail("touch the processes of somebody else's cluster")
    }

    /// The `host:port` of every node.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// A client of the first node that can be reached.
    #[must_use]
    pub fn client(&self) -> RawClient {
        let reachable = self.addresses.iter().find(|it| std::net::TcpStream::connect(it).is_ok());
        RawClient::connect(reachable.or_fail("reach any node"))
    }

    /// A new topic with one partition and these settings; the label makes its name readable.
    #[must_use]
    pub fn topic(&self, label: &str, config: &[(&str, &str)]) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // The process and the time make names unique on a cluster that outlives the tests.
        let name = format!("facts-{label}-{}-{}-{number}", crate::batch::now(), std::process::id());
        self.create(&name, config);
        name
    }

    /// Creates a topic under exactly this name.
    pub fn create(&self, name: &str, config: &[(&str, &str)]) {
        let mut topic = Topic::new(name);
        for (key, value) in config {
            topic = topic.config(*key, *value);
        }
        kafka::create_topic(&self.addresses, &topic).or_fail("create a topic");
    }

    /// A new topic with a new producer on it.
    #[must_use]
    pub fn lane(&self, label: &str) -> Lane<'_> {
        self.lane_with(label, &[])
    }

    /// A new topic with these settings and a new producer on it.
    #[must_use]
    pub fn lane_with(&self, label: &str, config: &[(&str, &str)]) -> Lane<'_> {
        let topic = self.topic(label, config);
        let producer = self.client().new_producer();
        Lane::new(self, topic, producer)
    }

    /// The id and `host:port` of the topic's leader, once a node that is not `except` knows one.
    #[must_use]
    pub fn leader(&self, topic: &str, except: Option<usize>) -> (usize, String) {
        wait::until(LEADER_BOUND, "a leader", || {
            let reachable =
                self.addresses.iter().filter(|it| std::net::TcpStream::connect(it).is_ok());
            let known = reachable.filter_map(|it| RawClient::connect(it).leader(topic));
            known.into_iter().find(|(id, _)| Some(*id) != except)
        })
    }
}

fn split(bootstrap: &str) -> Vec<String> {
    bootstrap.split(',').map(str::to_owned).collect()
}
