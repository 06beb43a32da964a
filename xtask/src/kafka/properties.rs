//! A node's `server.properties`.

use std::collections::BTreeMap;
use std::path::Path;

/// Where one node is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint {
    pub(super) id: usize,
    pub(super) port: u16,
    pub(super) controller_port: u16,
}

impl Endpoint {
    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// The text of the file: fixed wiring, small-machine defaults, then the caller's settings.
pub(super) fn render(
    node: &Endpoint,
    all: &[Endpoint],
    data: &Path,
    settings: &[(String, String)],
) -> String {
    let voters: Vec<String> = all
        .iter()
        .map(|other| format!("{}@127.0.0.1:{}", other.id, other.controller_port))
        .collect();
    let replicas = all.len().min(3).to_string();
    let in_sync = all.len().min(2).to_string();
    let client = format!("PLAINTEXT://{}", node.address());
    let controller = format!("CONTROLLER://127.0.0.1:{}", node.controller_port);

    let mut lines: BTreeMap<&str, String> = BTreeMap::from([
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", node.id.to_string()),
        ("controller.quorum.voters", voters.join(",")),
        ("listeners", format!("{client},{controller}")),
        ("advertised.listeners", client),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT".to_owned()),
        ("log.dirs", data.display().to_string()),
        ("auto.create.topics.enable", "false".to_owned()),
        ("default.replication.factor", replicas.clone()),
        ("offsets.topic.replication.factor", replicas.clone()),
        ("transaction.state.log.replication.factor", replicas.clone()),
        ("transaction.state.log.min.isr", in_sync.clone()),
        ("share.coordinator.state.topic.replication.factor", replicas),
        ("share.coordinator.state.topic.min.isr", in_sync),
        // Internal topics of 50 partitions would be most of a small broker's work.
        ("offsets.topic.num.partitions", "1".to_owned()),
        ("transaction.state.log.num.partitions", "1".to_owned()),
        ("share.coordinator.state.topic.num.partitions", "1".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ("log.cleaner.dedupe.buffer.size", "4194304".to_owned()),
        // A killed node is noticed in seconds, yet a busy machine does not fence a living one.
        ("broker.session.timeout.ms", "6000".to_owned()),
        ("broker.heartbeat.interval.ms", "1000".to_owned()),
    ]);
    for (key, value) in settings {
        lines.insert(key, value.clone());
    }
    lines.iter().map(|(key, value)| format!("{key}={value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_caller_replaces_the_default() {
        let node = Endpoint { id: 1, port: 9, controller_port: 10 };
        let settings = [("default.replication.factor".to_owned(), "7".to_owned())];
        let text = render(&node, &[node], Path::new("d"), &settings);
        assert!(text.contains("default.replication.factor=7\n"));
        assert_eq!(text.matches("default.replication.factor").count(), 1);
        assert!(text.contains("controller.quorum.voters=1@127.0.0.1:10\n"));
    }
}
