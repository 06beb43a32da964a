//! A partition and a producer that writes to it.

use core::time::Duration;

use crate::batch::{Batch, Producer};
use crate::broker::Broker;
use crate::code;
use crate::raw::{Ack, Known, RawClient};
use crate::support::require;
use crate::wait;

const LEADER_BOUND: Duration = Duration::from_secs(60);
const ANY_EPOCH: i32 = -1;

/// A topic of one partition, its leader's client, and a producer identity.
#[derive(Debug)]
pub struct Lane<'a> {
    /// Where it is.
    pub broker: &'a Broker,
    /// The topic.
    pub topic: String,
    /// Who writes.
    pub producer: Producer,
    /// A connection to the leader.
    pub client: RawClient,
}

impl<'a> Lane<'a> {
    /// A lane on an existing topic, once its leader answers as one.
    #[must_use]
    pub fn new(broker: &'a Broker, topic: String, producer: Producer) -> Self {
        Self::led_by_other(broker, topic, producer, None)
    }

    /// The same, once a node that is not `old` leads.
    #[must_use]
    pub fn led_by_other(
        broker: &'a Broker,
        topic: String,
        producer: Producer,
        old: Option<usize>,
    ) -> Self {
        // Metadata names a leader a moment before that node knows of it.
        let client = wait::until(LEADER_BOUND, "the leader answers as one", || {
            let mut client = RawClient::connect(&broker.leader(&topic, old).1);
            (client.latest_at_epoch(&topic, ANY_EPOCH).0 == code::NONE).then_some(client)
        });
        Self { broker, topic, producer, client }
    }

    /// Closes the connection and opens another one under this client id.
    pub fn reconnect_as(&mut self, client_id: &str) {
        let (_, address) = self.broker.leader(&self.topic, None);
        self.client = RawClient::connect_as(&address, client_id);
    }

    /// A batch of this lane's producer.
    #[must_use]
    pub fn batch(&self, base_sequence: i32, count: usize) -> Batch {
        Batch::new(self.producer, base_sequence, count)
    }

    /// Sends a batch of this lane's producer.
    pub fn send(&mut self, base_sequence: i32, count: usize) -> Ack {
        let batch = self.batch(base_sequence, count);
        self.produce(&batch)
    }

    /// Sends any batch with acks = -1.
    pub fn produce(&mut self, batch: &Batch) -> Ack {
        self.client.produce(&self.topic, batch)
    }

    /// Sends a batch that must be accepted, and gives its first offset.
    #[track_caller]
    pub fn accepted(&mut self, base_sequence: i32, count: usize) -> i64 {
        let ack = self.send(base_sequence, count);
        let what = format!("error {} for {count} records from sequence {base_sequence}", ack.error);
        require(ack.error == code::NONE, &what);
        ack.base_offset
    }

    /// Sends a batch that must be refused, and checks that nothing was appended.
    #[track_caller]
    pub fn refused(&mut self, batch: &Batch) -> i16 {
        let before = self.end();
        let ack = self.produce(batch);
        require(ack.error != code::NONE, &format!("accepted at offset {}", ack.base_offset));
        require(self.end() == before, "refused and yet appended");
        ack.error
    }

    /// The end of the partition.
    pub fn end(&mut self) -> i64 {
        self.client.latest(&self.topic)
    }

    /// What the broker says of the producer.
    pub fn known(&mut self) -> Option<Known> {
        self.client.known(&self.topic, self.producer.id)
    }

    /// The last sequence the broker says it has of the producer.
    pub fn last_sequence(&mut self) -> Option<i32> {
        self.known().map(|known| known.last_sequence)
    }

    /// Every value in the partition, read with this client.
    pub fn values(&mut self) -> Vec<String> {
        let fetched = self.client.fetch(&self.topic, 0);
        let values = fetched.records.iter().map(|record| record.value.as_deref());
        values.map(|it| String::from_utf8_lossy(it.unwrap_or_default()).into_owned()).collect()
    }
}
