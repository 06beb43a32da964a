//! One request and its response at a time.

use super::Producer;
use crate::Instant;
use crate::wire::answer::{
    ApiVersions, InitProducerId, Metadata, Offsets, PartitionChoice, Produced, Producers, Stored,
};
use crate::wire::request::{self, FetchFrom, Header, OffsetAt};
use crate::wire::{Api, Malformed, RequestError, Sink, Value};

/// What is done over an open connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Ask what the broker speaks.
    Versions,
    /// Ask who leads the partition.
    Metadata,
    /// Ask where the partition ends, to make an anchor there.
    AnchorOffset,
    /// Ask for a producer id, to make an anchor of it.
    ProducerId,
    /// Ask which sequence the broker holds.
    Describe,
    /// Ask where the partition ends, to read back up to there.
    ScanEnd,
    /// Ask where the partition starts, to read back from there.
    ScanStart,
    /// Read back.
    Scan,
    /// Nothing: records may be sent.
    Stream,
    /// Send a batch.
    Produce,
}

impl Step {
    /// What is asked, if anything.
    pub(super) const fn api(self) -> Option<Api> {
        Some(match self {
            Self::Versions => Api::ApiVersions,
            Self::Metadata => Api::Metadata,
            Self::AnchorOffset | Self::ScanEnd | Self::ScanStart => Api::ListOffsets,
            Self::ProducerId => Api::InitProducerId,
            Self::Describe => Api::DescribeProducers,
            Self::Scan => Api::Fetch,
            Self::Produce => Api::Produce,
            Self::Stream => return None,
        })
    }
}

/// What the response under way has brought so far.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    None,
    ApiVersions(ApiVersions),
    Metadata(Metadata),
    InitProducerId(InitProducerId),
    Offsets(Offsets),
    Producers(Producers),
    Stored(Stored),
    Produced(Produced),
}

impl Sink for Answer {
    fn field(&mut self, id: u8, value: Value<'_>) -> Result<(), Malformed> {
        match self {
            Self::None => Ok(()),
            Self::ApiVersions(answer) => answer.field(id, value),
            Self::Metadata(answer) => answer.field(id, value),
            Self::InitProducerId(answer) => answer.field(id, value),
            Self::Offsets(answer) => answer.field(id, value),
            Self::Producers(answer) => answer.field(id, value),
            Self::Stored(answer) => answer.field(id, value),
            Self::Produced(answer) => answer.field(id, value),
        }
    }
}

impl Producer {
    /// Writes the request that [`Action::Transmit`](super::Action::Transmit) announced into `buffer`
    /// and returns its length; 1 KiB is always enough.
    ///
    /// From here on the request counts as sent. If sending fails, call `handle_disconnected`.
    ///
    /// # Errors
    ///
    /// [`RequestError::BufferTooSmall`] with the length needed, and
    /// [`RequestError::NothingToSend`] when no request was announced; nothing has changed then.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<usize, RequestError> {
        let api = self.step.api().filter(|_| !self.sent && self.can_send(now));
        let api = api.ok_or(RequestError::NothingToSend)?;
        let id = self.correlation_id.wrapping_add(1);
        let len = self.encode(buffer, id)?;
        self.answer = self.expected_answer();
        self.reader.expect(api, id);
        self.correlation_id = id;
        self.sent = true;
        self.deadline = Some(self.overdue(now));
        if let Some(flight) = &mut self.flight {
            flight.sent = true;
            self.position.sent_end = self.position.sent_end.max(flight.end());
        }
        Ok(len)
    }

    /// Makes `step` the next thing to do over the connection.
    pub(super) fn go(&mut self, step: Step) {
        self.step = step;
        self.sent = false;
        self.ready_told = false;
        if step == Step::Stream {
            // What parked a batch is believed to be mended when one is acknowledged, not before.
            self.parked = self.told_parked.filter(|why| self.failing && why.concerns_batches());
            self.detours = 0;
            self.shrunk = 0;
            if !self.failing {
                self.told_parked = None;
                self.backoff.reset();
            }
        }
    }

    fn can_send(&self, now: Instant) -> bool {
        matches!(self.link, super::Link::Up { .. })
            && !self.suspended
            && self.pause.is_none_or(|until| until <= now)
    }

    fn encode(&self, buffer: &mut [u8], correlation_id: i32) -> Result<usize, RequestError> {
        let config = &self.config;
        let header = Header { correlation_id, client_id: &config.client_id };
        let (topic, partition) = (config.topic.as_str(), self.partition);
        let offset_at = |buffer, at| request::list_offsets(buffer, header, topic, partition, at);
        match self.step {
            Step::Versions => request::api_versions(buffer, header),
            Step::Metadata => request::metadata(buffer, header, topic, config.allow_auto_create),
            Step::AnchorOffset | Step::ScanEnd => offset_at(buffer, OffsetAt::Latest),
            Step::ScanStart => offset_at(buffer, OffsetAt::Earliest),
            Step::ProducerId => request::init_producer_id(buffer, header),
            Step::Describe => request::describe_producers(buffer, header, topic, partition),
            Step::Scan => {
                let from = FetchFrom {
                    partition,
                    offset: self.scan.map_or(0, |scan| scan.at),
                    wait_ms: SCAN_WAIT_MS,
                    bytes_max: i32::try_from(config.fetch_bytes).unwrap_or(i32::MAX),
                };
                request::fetch(buffer, header, topic, from)
            }
            Step::Produce => {
                let timeout = i32::try_from(config.request_timeout_ms).unwrap_or(i32::MAX);
                let batch_len = self.flight.ok_or(RequestError::NothingToSend)?.batch_len;
                request::produce(buffer, header, topic, partition, timeout, batch_len)
            }
            Step::Stream => Err(RequestError::NothingToSend),
        }
    }

    fn expected_answer(&self) -> Answer {
        let (topic, partition) = (self.config.topic.as_str(), self.partition);
        let anchor = self.anchor.as_ref();
        let producer_id = anchor.map_or(-1, |anchor| anchor.producer_id);
        let epoch = anchor.map_or(-1, |anchor| anchor.producer_epoch);
        match self.step {
            Step::Versions => Answer::ApiVersions(ApiVersions::default()),
            Step::Metadata => {
                let choice = anchor.map_or(self.config.partition, |anchor| {
                    PartitionChoice::Fixed(anchor.partition)
                });
                let wanted = self.leader.as_ref().map(|leader| leader.node);
                Answer::Metadata(Metadata::new(topic, choice, wanted))
            }
            Step::AnchorOffset | Step::ScanEnd | Step::ScanStart => {
                Answer::Offsets(Offsets::new(topic, partition))
            }
            Step::ProducerId => Answer::InitProducerId(InitProducerId::default()),
            Step::Describe => Answer::Producers(Producers::new(topic, partition, producer_id)),
            Step::Scan => Answer::Stored(Stored::new(topic, partition, producer_id, epoch)),
            Step::Produce => Answer::Produced(Produced::new(topic, partition)),
            Step::Stream => Answer::None,
        }
    }
}

/// Milliseconds a broker may wait for records when reading back; they should be there already.
const SCAN_WAIT_MS: i32 = 500;
