//! A device that holds numbered records and drives a producer.

use edgelog_kafka::batch::{BatchBuilder, Record};
use edgelog_kafka::{Action, Anchor, Config, Event, Instant, PartitionChoice, Producer, Resume};

use super::Random;
use super::broker::TOPIC;

/// What survives a restart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Durable {
    pub anchor: Option<Anchor>,
    pub acked_index: u64,
    pub acked_offset: Option<i64>,
}

/// A producer, its records `first..end`, and its durable memory.
#[derive(Debug)]
pub struct Device {
    pub producer: Producer,
    pub durable: Durable,
    pub first: u64,
    pub end: u64,
    /// Acknowledged in this life or a former one.
    pub acked: u64,
    pub events: Vec<Event>,
    pub rejected: Vec<(u64, u32, i16)>,
    pub batch: Vec<u8>,
    /// Every how many acknowledgements the durable memory is brought up to date; 0: never.
    pub lazy: u32,
    /// Most records in a batch.
    pub batch_max: u64,
    acks: u32,
    random: Random,
}

pub fn config(seed: u64) -> Config {
    let mut config = Config::new("device", TOPIC, PartitionChoice::Fixed(0), seed).unwrap();
    config.fetch_bytes = 200;
    config
}

/// The value of the record at `index`.
pub fn value(index: u64) -> Vec<u8> {
    let mut value = index.to_be_bytes().to_vec();
    value.resize(8 + (index % 5) as usize, 0xEE);
    value
}

impl Device {
    pub fn new(first: u64, end: u64, seed: u64) -> Self {
        Self {
            producer: Producer::new(config(seed), None, first..end),
            durable: Durable { acked_index: first, ..Durable::default() },
            first,
            end,
            acked: first,
            events: Vec::new(),
            rejected: Vec::new(),
            batch: Vec::new(),
            lazy: 3,
            batch_max: 4,
            acks: 0,
            random: Random(seed),
        }
    }

    /// The power goes and comes back.
    pub fn restart(&mut self) {
        let Durable { anchor, acked_index, acked_offset } = self.durable;
        let resume = anchor.map(|anchor| Resume { anchor, acked_index, acked_offset });
        let seed = self.random.next();
        self.producer = Producer::new(config(seed), resume, acked_index..self.end);
    }

    pub fn done(&self) -> bool {
        self.acked == self.end
    }

    /// What does not concern the connection; true when it was such.
    pub fn act(&mut self, action: Action) -> bool {
        match action {
            Action::PersistAnchor(anchor) => {
                self.durable.anchor = Some(anchor);
                self.producer.anchor_persisted(&anchor);
            }
            Action::ReadyFor { index } if index >= self.end => self.producer.no_more(),
            Action::ReadyFor { index } => self.send(index, self.batch_max),
            Action::Acknowledged { next_index, next_offset, .. } => {
                self.acked = self.acked.max(next_index);
                self.acks += 1;
                if self.lazy != 0 && self.acks.is_multiple_of(self.lazy) {
                    self.durable.acked_index = next_index;
                    self.durable.acked_offset = next_offset;
                }
            }
            Action::Rejected { index, count, code } => self.rejected.push((index, count, code.0)),
            Action::Report(event) => {
                assert!(!event.to_string().is_empty());
                self.events.push(event);
            }
            _ => return false,
        }
        true
    }

    fn send(&mut self, index: u64, most: u64) {
        let room = u64::from(self.producer.room(index));
        let count = (1 + self.random.below(most)).min(self.end - index).min(room);
        let mut buffer = vec![0; 4096];
        let mut builder = BatchBuilder::new(&mut buffer);
        for index in index..index + count {
            let value = value(index);
            let record =
                Record { timestamp_ms: 1_000, key: None, value: Some(&value), headers: &[] };
            builder.try_push(&record).unwrap();
        }
        let stamp = self.producer.stamp(index).unwrap();
        self.batch = builder.finish(stamp).unwrap().to_vec();
        self.producer.produce(index, count as u32, self.batch.len()).unwrap();
    }

    pub fn transmit(&mut self, now: Instant, with_batch: bool) -> Vec<u8> {
        let mut buffer = [0; 1024];
        let len = self.producer.poll_transmit(now, &mut buffer).unwrap();
        let mut bytes = buffer[..len].to_vec();
        if with_batch {
            bytes.extend_from_slice(&self.batch);
        }
        bytes
    }
}
