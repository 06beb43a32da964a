//! What each response leads to, up to the point where records may be sent.

use super::exchange::{Answer, Step};
use super::{Anchor, Durable, Event, Link, ParkReason, Producer};
use crate::checksum::crc32c;
use crate::wire::answer::{ApiVersions, Broker, InitProducerId, Metadata, Offsets};
use crate::wire::{Api, Malformed};
use crate::{ErrorCode, Instant};

impl Producer {
    pub(super) fn answered(&mut self, now: Instant) {
        match core::mem::replace(&mut self.answer, Answer::None) {
            Answer::ApiVersions(answer) => self.on_versions(now, &answer),
            Answer::Metadata(answer) => self.on_metadata(now, answer),
            Answer::Offsets(answer) => self.on_offsets(now, &answer),
            Answer::InitProducerId(answer) => self.on_producer_id(now, &answer),
            Answer::Producers(answer) => self.on_described(now, &answer),
            Answer::Stored(answer) => self.on_scanned(now, &answer),
            Answer::Produced(answer) => self.on_produced(now, &answer),
            Answer::None => {}
        }
    }

    /// Whether the response brings what was asked; if it does not, what follows is arranged.
    pub(super) fn accept(&mut self, now: Instant, error: Option<ErrorCode>) -> bool {
        let Some(api) = self.step.api() else { return false };
        match error {
            Some(ErrorCode::NONE) => return true,
            None => self.malformed(now, Malformed::Field),
            Some(code) if code.parks() => self.park(now, ParkReason::Refused { api, code }),
            Some(code) => {
                self.report(Event::Refused { api, code });
                self.retry(now);
            }
        }
        false
    }

    /// Goes on with whatever is not settled yet.
    pub(super) fn advance(&mut self) {
        self.go(match self.anchor {
            None => Step::AnchorOffset,
            Some(_) if self.doubt => return self.settle(),
            Some(_) if self.renew => Step::AnchorOffset,
            Some(_) => Step::Stream,
        });
    }

    fn on_versions(&mut self, now: Instant, answer: &ApiVersions) {
        if !self.accept(now, Some(answer.error)) {
            return;
        }
        let missing = NEEDED.into_iter().find(|api| !answer.speaks(*api));
        if let Some(api) = missing {
            let offer = answer.offer(api);
            self.park(now, ParkReason::Unsupported { api, offer });
            self.link = Link::Closing;
            self.to_leader = false;
            return;
        }
        self.met = true;
        self.describes = answer.speaks(Api::DescribeProducers);
        self.go(Step::Metadata);
    }

    fn on_metadata(&mut self, now: Instant, answer: Metadata) {
        self.throttled(now, answer.throttle_ms);
        match answer.topic_error {
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                return self.park(now, ParkReason::UnknownTopic);
            }
            error if !self.accept(now, error) => return,
            _ => {}
        }
        if self.other_cluster(answer.cluster) {
            // The partition was chosen for the former cluster.
            return self.go(Step::Metadata);
        }
        match answer.partition_error {
            None => return self.park(now, ParkReason::UnknownPartition(answer.partition)),
            // The leader is there, which is all that matters.
            Some(ErrorCode::REPLICA_NOT_AVAILABLE) => {}
            error if !self.accept(now, error) => return,
            Some(_) => {}
        }
        if answer.leader < 0 {
            self.accept(now, Some(ErrorCode::LEADER_NOT_AVAILABLE));
            return;
        }
        self.cluster = answer.cluster;
        self.partition = answer.partition;
        self.follow(now, answer);
    }

    /// Stays if this is the leader, and otherwise goes there.
    fn follow(&mut self, now: Instant, answer: Metadata) {
        let node = match self.link {
            Link::Up { node } => node,
            _ => None,
        };
        // A bootstrap address does not tell which node answers, unless there is only one.
        if node == Some(answer.leader) || (node.is_none() && answer.brokers == 1) {
            self.detours = 0;
            self.leader = answer.broker.filter(|broker| broker.node == answer.leader);
            return self.advance();
        }
        self.detours += 1;
        if self.detours > DETOURS_MAX {
            self.detours = 0;
            self.leader = None;
            self.accept(now, Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
            return;
        }
        match answer.broker {
            Some(broker) if broker.node == answer.leader => {
                self.leader = Some(broker);
                self.redirect();
            }
            _ => {
                let host = heapless::String::new();
                self.leader = Some(Broker { node: answer.leader, host, port: 0 });
                self.go(Step::Metadata);
            }
        }
    }

    /// Drops the anchor when it was made for another cluster than this.
    fn other_cluster(&mut self, cluster: u32) -> bool {
        let other = self.anchor.is_some_and(|anchor| anchor.cluster != cluster);
        if other {
            self.report(Event::ClusterChanged);
            self.anchor = None;
            self.renew = false;
            self.doubt = false;
            self.confirm = false;
            self.position.restart(self.position.acked);
            self.position.acked_offset = None;
        }
        other
    }

    fn on_offsets(&mut self, now: Instant, answer: &Offsets) {
        self.throttled(now, answer.throttle_ms);
        if !self.accept(now, answer.error) {
            return;
        }
        match self.step {
            Step::ScanEnd => self.scan_up_to(now, answer.offset),
            Step::ScanStart => self.scan_from(now, answer.offset),
            _ => {
                self.start_offset = answer.offset;
                self.go(Step::ProducerId);
            }
        }
    }

    fn on_producer_id(&mut self, now: Instant, answer: &InitProducerId) {
        self.throttled(now, answer.throttle_ms);
        if !self.accept(now, Some(answer.error)) {
            return;
        }
        self.position.restart(self.position.acked);
        self.position.sent_end = self.position.acked;
        self.anchor = Some(Anchor {
            producer_id: answer.producer_id,
            producer_epoch: answer.producer_epoch,
            partition: self.partition,
            base_index: self.position.acked,
            start_offset: self.start_offset,
            cluster: self.cluster,
            topic: crc32c(self.config.topic.as_bytes()),
        });
        self.durable = Durable::No;
        self.renew = false;
        self.go(Step::Stream);
    }
}

/// What a broker must speak; DescribeProducers is spared where it is missing, at the price of
/// reading back more often.
const NEEDED: [Api; 5] =
    [Api::Produce, Api::Fetch, Api::ListOffsets, Api::Metadata, Api::InitProducerId];

/// Detours before a wait: a new leader takes two, and brokers that disagree never end them.
const DETOURS_MAX: u8 = 4;
