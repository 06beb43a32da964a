//! A log on a simulated disk, its uplink, and an oracle broker, in virtual time; and the judge of what the broker holds.

use std::collections::BTreeSet;

use bytes::Bytes;
use edgelog_core::{AppendError, Class, Event, Log, LogId, Medium, TopicId};
use edgelog_kafka::{Config, Instant, PartitionChoice, Target};
use edgelog_sim::{Rng, SimDisk, SimError};
use edgelog_uplink::{CURSOR_NAME, GAP_HEADER, IDENTITY_HEADER, Notice, Step, Uplink};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::RecordBatchDecoder;

use crate::support::broker::{Cluster, TOPIC};

pub const LOG: LogId = LogId([7; 16]);
/// A payload that begins so is refused by the broker for good.
pub const BAD: &[u8] = b"refuse-me";
/// Bytes of the batch buffer: a record longer than that fits no batch.
const BATCH_BYTES: usize = 512;
/// Bytes of the log's frame buffer, and of the uplink's.
const FRAME_BYTES: usize = 4096;

/// What goes wrong with the network, once, in the n-th exchange from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The request is lost, and the connection with it.
    RequestLost,
    /// The broker did what it was asked; the answer is lost, and the connection with it.
    AnswerLost,
    /// The request is lost with the connection, and reaches the leader a few steps later.
    Zombie,
    /// The same, and the power goes.
    RequestLostAndPower,
    /// The broker did what it was asked, and the power goes.
    AnswerLostAndPower,
    /// The leader appends and answers an error, and the other node takes over without what was not replicated.
    TailLost,
    /// The broker restarts behind its answer.
    Restart,
    /// The other node leads behind the answer.
    LeaderMoves,
    /// The broker has forgotten all producers behind the answer, and the connection breaks.
    Forgets,
}

impl Trouble {
    pub const ALL: [Self; 9] = [
        Self::RequestLost,
        Self::AnswerLost,
        Self::Zombie,
        Self::RequestLostAndPower,
        Self::AnswerLostAndPower,
        Self::TailLost,
        Self::Restart,
        Self::LeaderMoves,
        Self::Forgets,
    ];
}

/// A record as it was appended.
#[derive(Clone, Debug)]
struct Truth {
    /// `None` for one that a power cut interrupted: then the log tells whether and how it is there.
    epoch: Option<u32>,
    payload: Vec<u8>,
}

type TestLog = Log<SimDisk, Vec<u8>>;

pub struct World {
    pub cluster: Cluster,
    pub disk: SimDisk,
    pub log: TestLog,
    pub uplink: Uplink<Vec<u8>>,
    pub notices: Vec<Notice>,
    pub troubles: Vec<(u64, Trouble)>,
    /// Requests sent so far.
    pub exchanges: u64,
    /// Steps of the uplink so far.
    pub steps: u64,
    pub boots: u64,
    pub now: u64,
    /// What the device takes for the time.
    pub wall: u64,
    pub topic: &'static str,
    truth: Vec<Truth>,
    /// Records below this are durable.
    durable: u64,
    /// Offsets whose bytes were damaged.
    damaged: BTreeSet<u64>,
    node: Option<i32>,
    zombie: Option<(u64, Vec<u8>)>,
    /// What the broker holds for each offset that is accounted for; judged as it grows.
    judged: u64,
    judged_batches: usize,
    /// Greatest cursor that was ever seen.
    shipped: u64,
    rng: Rng,
    serial: u64,
    /// Booting is never cut short.
    pub calm: bool,
    /// The power goes whenever the answer to a batch is on its way.
    pub lose_produce_answer: bool,
    /// The broker takes no batch of more than one record.
    pub only_single_records: bool,
    /// The topic takes records with a key only, and there are none.
    pub keyed_only: bool,
    /// What the log said last when it failed the uplink, in `step_or_full`.
    pub last_error: String,
}

/// A device error while the power is gone is the cut; any other is a fault of the test or of the engine.
fn dark(disk: &SimDisk) -> bool {
    matches!(disk.clone().read(0, 0, &mut [0]), Err(SimError::PowerCut))
}

fn config(topic: &str, seed: u64) -> Config {
    let mut config = Config::new("device", topic, PartitionChoice::Fixed(0), seed).unwrap();
    config.fetch_bytes = 700;
    config
}

impl World {
    pub fn new(seed: u64, segment_size: u32, segment_count: u32) -> Self {
        let disk = SimDisk::new(segment_size, segment_count);
        disk.set_sector([512, 512, 64, 8][Rng::new(!seed).below(4)]);
        let mut log = Log::create(disk.clone(), vec![0; FRAME_BYTES], LOG, 1_000).unwrap();
        let uplink = new_uplink(&mut log, TOPIC, seed).unwrap();
        Self {
            cluster: Cluster::default(),
            disk,
            log,
            uplink,
            notices: Vec::new(),
            troubles: Vec::new(),
            exchanges: 0,
            steps: 0,
            boots: 0,
            now: 0,
            wall: 2_000,
            topic: TOPIC,
            truth: Vec::new(),
            durable: 0,
            damaged: BTreeSet::new(),
            node: None,
            zombie: None,
            judged: 0,
            judged_batches: 0,
            shipped: 0,
            rng: Rng::new(seed),
            serial: 0,
            calm: false,
            lose_produce_answer: false,
            only_single_records: false,
            keyed_only: false,
            last_error: String::new(),
        }
    }

    /// Appends a record with `start` and something unique in its payload, `length` bytes in all. True unless the log is full.
    pub fn append(&mut self, start: &[u8], length: usize) -> bool {
        self.serial += 1;
        let mut payload = start.to_vec();
        payload.extend_from_slice(format!("<{:016}>", self.serial).as_bytes());
        payload.resize(payload.len().max(length), b'.');
        let outcome = self.try_append(&payload);
        self.note_durable();
        match outcome {
            Ok(offset) => {
                assert_eq!(offset, self.truth.len() as u64, "offsets are counted");
                self.truth.push(Truth { epoch: Some(self.log.epoch()), payload });
                true
            }
            Err(AppendError::Full) => false,
            Err(error) => {
                assert!(dark(&self.disk), "append: {error}");
                self.truth.push(Truth { epoch: None, payload });
                self.restart();
                true
            }
        }
    }

    /// Rolling to the next segment and storing an anchor sync, too.
    fn note_durable(&mut self) {
        self.durable = self.durable.max(self.log.durable());
    }

    fn try_append(&mut self, payload: &[u8]) -> Result<u64, AppendError<SimError>> {
        let topic: TopicId = self.log.topic("t")?;
        let event = Event { topic, class: Class::Normal, key: None, payload };
        self.log.append(&event, 1_500)
    }

    pub fn sync(&mut self) {
        match self.log.sync() {
            Ok(_) => self.note_durable(),
            Err(error) => {
                assert!(dark(&self.disk), "sync: {error}");
                self.restart();
            }
        }
    }

    /// The power goes, and comes back.
    pub fn restart(&mut self) {
        self.restart_with(|_| {});
    }

    /// The same; meanwhile the records `range` rot, unless that would look like a torn end. True when they did.
    pub fn restart_with_rot(&mut self, range: core::ops::Range<u64>) -> bool {
        let patterns: Vec<(u64, Vec<u8>)> = range
            .filter_map(|offset| Some((offset, self.truth.get(offset as usize)?.payload.clone())))
            .collect();
        let geometry = self.disk.geometry();
        let mut rotten = None;
        // An old copy of a batch whose records rot meanwhile would be stored beside the gap that names them, which is allowed.
        self.zombie = None;
        self.restart_with(|disk| {
            let mut image = disk.image();
            let mut hit = BTreeSet::new();
            for (offset, pattern) in &patterns {
                for at in 0..image.len().saturating_sub(pattern.len()) {
                    if image[at..].starts_with(pattern) {
                        image[at] ^= 0x55;
                        hit.insert(*offset);
                    }
                }
            }
            let ends = |image: Vec<u8>| {
                let disk = SimDisk::from_image(geometry, image);
                let log = Log::mount(disk, vec![0; FRAME_BYTES]).unwrap();
                (log.visible(), log.cursors().to_vec())
            };
            if !hit.is_empty() && ends(disk.image()) == ends(image.clone()) {
                *disk = SimDisk::from_image(geometry, image);
                rotten = Some(hit);
            }
        });
        let rotted = rotten.is_some();
        self.damaged.extend(rotten.into_iter().flatten());
        rotted
    }

    fn restart_with(&mut self, meanwhile: impl FnOnce(&mut SimDisk)) {
        let mut disk = self.disk.cut(self.rng.bits());
        meanwhile(&mut disk);
        self.node = None;
        loop {
            self.boots += 1;
            self.disk = disk;
            if !self.calm && self.rng.one_in(4) {
                // Booting is cut short, too.
                self.disk.cut_power_in(self.rng.below(6) as u64);
            }
            let seed = self.rng.bits();
            let booted = match Log::mount(self.disk.clone(), vec![0; FRAME_BYTES]) {
                Ok(mut log) => new_uplink(&mut log, self.topic, seed).map(|up| (log, up)).ok(),
                Err(_) => None,
            };
            if let Some((log, uplink)) = booted {
                (self.log, self.uplink) = (log, uplink);
                break;
            }
            assert!(dark(&self.disk), "a log with power and without faults mounts");
            disk = self.disk.cut(self.rng.bits());
        }
        let visible = self.log.visible();
        assert!(visible >= self.durable, "{visible} of {} durable", self.durable);
        assert!(visible as usize <= self.truth.len(), "records from nowhere");
        self.truth.truncate(visible as usize);
        self.durable = visible;
    }

    /// One step of the uplink, and what the network and the broker make of it. False when there is nothing to do now.
    pub fn step(&mut self) -> bool {
        self.steps += 1;
        self.fate();
        let polled = self.uplink.poll(self.instant(), self.wall, &mut self.log);
        self.note_durable();
        let step = match polled {
            Ok(step) => step,
            Err(error) => {
                assert!(dark(&self.disk), "poll: {error}");
                self.restart();
                return true;
            }
        };
        match step {
            Step::Connect(target) => self.connect(target),
            Step::Disconnect => self.node = None,
            Step::Transmit { with_batch } => self.exchange(with_batch),
            Step::Report(notice) => self.notices.push(notice),
            _ => {
                let next = self.uplink.poll_timeout().map(Instant::as_millis);
                self.judge();
                let Some(next) = next else { return false };
                self.now = self.now.max(next);
                self.uplink.handle_timeout(self.instant());
            }
        }
        self.judge();
        true
    }

    /// Everything durable is shipped, nothing is left to go wrong, and the judge agrees.
    pub fn finish(&mut self) {
        self.disk.heal();
        self.sync();
        let limit = self.steps + 20_000;
        while self.cursor() < self.log.durable() || self.zombie.is_some() {
            assert!(
                self.steps < limit,
                "no progress at {} of {}: {:?}, {:?}",
                self.cursor(),
                self.log.durable(),
                self.uplink.state(),
                self.notices.last()
            );
            self.step();
            self.sync();
        }
        self.cluster.replicate();
        self.judge();
        assert_eq!(self.judged, self.log.durable(), "everything is accounted for");
    }

    /// Where the durable cursor stands, as far as this boot knows.
    pub fn cursor(&self) -> u64 {
        let cursors = self.log.cursors();
        cursors.iter().find(|cursor| cursor.name == CURSOR_NAME).map_or(0, |cursor| cursor.offset)
    }

    pub fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn connect(&mut self, target: Target) {
        self.node = Some(match target {
            Target::Bootstrap { attempt } => 1 + (attempt % 2) as i32,
            Target::Leader => self.uplink.producer().leader().unwrap().node,
        });
        self.uplink.handle_connected();
    }

    fn lose_connection(&mut self) {
        if self.node.take().is_some() {
            self.uplink.handle_disconnected(self.instant());
        }
    }

    fn exchange(&mut self, with_batch: bool) {
        let node = self.node.expect("a connection");
        let mut request = vec![0; 1024];
        let length = self.uplink.transmit(self.instant(), &mut request).unwrap();
        request.truncate(length);
        if with_batch {
            request.extend_from_slice(self.uplink.batch());
        }
        let frame = request.split_off(4);
        let due = self.troubles.iter().position(|(at, _)| *at <= self.exchanges);
        let trouble = due.map(|at| self.troubles.remove(at).1);
        self.exchanges += 1;
        self.now += 1 + self.rng.below(20) as u64;
        match trouble {
            Some(Trouble::RequestLost) => return self.lose_connection(),
            Some(Trouble::RequestLostAndPower) => return self.restart(),
            Some(Trouble::Zombie) => {
                if with_batch {
                    self.zombie = Some((self.steps + self.rng.below(40) as u64, frame));
                }
                return self.lose_connection();
            }
            Some(Trouble::TailLost) => self.cluster.replicates = false,
            _ => {}
        }
        let answer = self.ask(node, &frame);
        match trouble {
            _ if self.lose_produce_answer && with_batch => return self.restart(),
            Some(Trouble::AnswerLost) => return self.lose_connection(),
            Some(Trouble::AnswerLostAndPower) => return self.restart(),
            Some(Trouble::TailLost) => {
                self.cluster.move_leader();
                return self.lose_connection();
            }
            Some(Trouble::Restart) => self.cluster.restart(),
            Some(Trouble::LeaderMoves) => self.cluster.move_leader(),
            Some(Trouble::Forgets) if self.zombie.is_none() => {
                self.cluster.expire();
                return self.lose_connection();
            }
            _ => {}
        }
        for portion in answer.chunks(1 + self.rng.below(40)) {
            self.uplink.handle_input(self.instant(), portion);
        }
    }

    /// The broker refuses bad records for good.
    fn ask(&mut self, node: i32, frame: &[u8]) -> Vec<u8> {
        let produce = frame.starts_with(&(ApiKey::Produce as i16).to_be_bytes());
        let bad = frame.windows(BAD.len()).any(|bytes| bytes == BAD);
        let many = self.only_single_records && produce && {
            let at = frame.len() - self.uplink.batch().len();
            frame.len() > at + 61
                && i32::from_be_bytes(frame[at + 57..at + 61].try_into().unwrap()) > 1
        };
        if many {
            self.cluster.errors.push_front((ApiKey::Produce, 10));
        }
        if produce && self.keyed_only && node == self.cluster.leader {
            self.cluster.errors.push_front((ApiKey::Produce, 87));
        }
        if produce && bad && node == self.cluster.leader {
            self.cluster.errors.push_front((ApiKey::Produce, 87));
        }
        self.cluster.handle(node, frame).expect("an answer")
    }

    fn fate(&mut self) {
        if let Some((due, frame)) = self.zombie.take() {
            if due <= self.steps {
                let leader = self.cluster.leader;
                let _ = self.ask(leader, &frame);
            } else {
                self.zombie = Some((due, frame));
            }
        }
    }

    /// Walks what the broker has replicated since: each offset once and in order, as a record that is what was appended under
    /// that name, or within a gap record, and then there is a reason for it. The cursor is never ahead of that.
    pub fn judge(&mut self) {
        while let Some(batch) = self.cluster.log.get(self.judged_batches) {
            if batch.base_offset + batch.count > self.cluster.high_watermark {
                break;
            }
            self.judged_batches += 1;
            let bytes = Bytes::from(batch.bytes.clone());
            let decoded = RecordBatchDecoder::decode(&mut bytes.clone()).unwrap();
            for record in decoded.records {
                let header = |name: &'static str| {
                    let value = record.headers.get(&StrBytes::from_static_str(name));
                    value.map(|value| String::from_utf8(value.as_ref().unwrap().to_vec()).unwrap())
                };
                match (header(IDENTITY_HEADER), header(GAP_HEADER)) {
                    (Some(identity), None) => self.judge_record(&identity, record.value.as_ref()),
                    (None, Some(gap)) => self.judge_gap(&gap),
                    other => panic!("a record with the headers {other:?}"),
                }
            }
        }
        self.shipped = self.shipped.max(self.cursor());
        assert!(
            self.shipped <= self.judged,
            "{} acknowledged, {} there",
            self.shipped,
            self.judged
        );
    }

    fn judge_record(&mut self, identity: &str, value: Option<&Bytes>) {
        let mut parts = identity.split(':');
        assert_eq!(parts.next().unwrap(), LOG.to_string());
        let epoch: u32 = parts.next().unwrap().parse().unwrap();
        let offset: u64 = parts.next().unwrap().parse().unwrap();
        assert_eq!(offset, self.judged, "once and in order: {identity}");
        assert!(offset < self.durable, "{identity} was sent before it was durable");
        let truth = &mut self.truth[offset as usize];
        assert_eq!(*truth.epoch.get_or_insert(epoch), epoch, "the name of {offset}");
        assert_eq!(value.unwrap().to_vec(), truth.payload, "{identity}");
        self.judged += 1;
    }

    fn judge_gap(&mut self, gap: &str) {
        let mut parts = gap.split(':').skip(1);
        let from: u64 = parts.next().unwrap().parse().unwrap();
        let to: u64 = parts.next().unwrap().parse().unwrap();
        let reason = parts.next().unwrap();
        assert_eq!(from, self.judged, "gap {gap} begins where the records before it end");
        assert!(from < to && to <= self.durable, "gap {gap}");
        for offset in from..to {
            let truth = &self.truth[offset as usize];
            let true_reason = match reason {
                "damaged" => self.damaged.contains(&offset),
                "refused-87" => truth.payload.starts_with(BAD),
                "too-large" => truth.payload.len() + 100 > BATCH_BYTES,
                _ => false,
            };
            assert!(true_reason, "gap {gap} names {offset}, which is not gone");
        }
        self.judged = to;
    }

    /// Judges from here on, as if `offset` were next and the first `batches` batches were somebody else's.
    pub fn forget_judgement(&mut self, offset: u64, batches: usize) {
        (self.judged, self.judged_batches) = (offset, batches);
    }

    /// A step in which the log may be too full to store an anchor.
    pub fn step_or_full(&mut self) {
        match self.uplink.poll(self.instant(), self.wall, &mut self.log) {
            Ok(Step::Connect(target)) => self.connect(target),
            Ok(Step::Disconnect) => self.node = None,
            Ok(Step::Transmit { with_batch }) => self.exchange(with_batch),
            Ok(Step::Report(notice)) => self.notices.push(notice),
            Ok(_) => {
                if let Some(next) = self.uplink.poll_timeout().map(Instant::as_millis) {
                    self.now = self.now.max(next);
                    self.uplink.handle_timeout(self.instant());
                }
            }
            Err(error) => self.last_error = error.to_string(),
        }
        self.note_durable();
        self.judge();
    }

    /// The last durable record rots, which looks like a torn end.
    pub fn lose_the_end(&mut self) {
        let geometry = self.disk.geometry();
        let payload = self.truth.pop().unwrap().payload;
        self.durable = 0;
        self.restart_with(|disk| {
            let mut image = disk.image();
            for at in 0..image.len() - payload.len() {
                if image[at..].starts_with(&payload) {
                    image[at] ^= 0x55;
                }
            }
            *disk = SimDisk::from_image(geometry, image);
        });
    }

    /// The uplink is dropped and another one takes its place, without a restart.
    pub fn replace_uplink(&mut self) {
        self.node = None;
        let seed = self.rng.bits();
        self.uplink = new_uplink(&mut self.log, self.topic, seed).unwrap();
    }

    /// The anchor in the log gets the last epoch there is, at the cursor.
    pub fn set_last_epoch(&mut self) {
        let cursor = self.log.cursors()[0].clone();
        let mut anchor = cursor.anchor.to_vec();
        anchor.truncate(40);
        anchor[2..4].copy_from_slice(&i16::MAX.to_le_bytes());
        anchor[16..24].copy_from_slice(&cursor.offset.to_le_bytes());
        self.log.set_anchor(cursor.id, &anchor).unwrap();
        self.sync();
        self.restart();
    }

    /// The payloads that rotted, as they were.
    pub fn sound_image(&mut self) -> Vec<Vec<u8>> {
        self.damaged.iter().map(|offset| self.truth[*offset as usize].payload.clone()).collect()
    }

    /// What rotted can be read again after the power went.
    pub fn restore_rot(&mut self, sound: &[Vec<u8>]) {
        let geometry = self.disk.geometry();
        self.restart_with(|disk| {
            let mut image = disk.image();
            for payload in sound {
                for at in 0..image.len() - payload.len() {
                    if image[at] == payload[0] ^ 0x55 && image[at + 1..].starts_with(&payload[1..])
                    {
                        image[at] ^= 0x55;
                    }
                }
            }
            *disk = SimDisk::from_image(geometry, image);
        });
    }
}

fn new_uplink(
    log: &mut TestLog,
    topic: &str,
    seed: u64,
) -> Result<Uplink<Vec<u8>>, edgelog_uplink::Error<SimError>> {
    Uplink::new(config(topic, seed), log, vec![0; BATCH_BYTES], vec![0; FRAME_BYTES])
}
