//! The world between device and brokers: connections that break, and time.

use edgelog_kafka::{Action, Instant, Target};

use super::Random;
use super::broker::Cluster;
use super::device::{Device, value};

/// Something that goes wrong once, at a byte or at a step of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The connection breaks behind this many bytes to the broker.
    CutUp(u64),
    /// The connection breaks behind this many bytes to the device.
    CutDown(u64),
    LeaderMoves(u64),
    BrokerRestarts(u64),
    ProducersExpire(u64),
    DeviceRestarts(u64),
    /// From this step on nothing is replicated; some steps later the other node leads.
    TailIsLost(u64),
    /// From this step on nothing is replicated; some steps later it is.
    TailIsLate(u64),
    /// The next batch from this step on is held back, the connection breaks, and the batch reaches
    /// the leader this many steps later.
    Zombie(u64, u64),
}

impl Fault {
    pub const KINDS: u64 = 9;

    /// The fault of this kind at this place.
    pub fn new(kind: u64, at: u64, delay: u64) -> Self {
        match kind {
            0 => Self::CutUp(at),
            1 => Self::CutDown(at),
            2 => Self::LeaderMoves(at),
            3 => Self::BrokerRestarts(at),
            4 => Self::ProducersExpire(at),
            5 => Self::DeviceRestarts(at),
            6 => Self::TailIsLost(at),
            7 => Self::TailIsLate(at),
            _ => Self::Zombie(at, delay),
        }
    }
}

/// One device, one cluster, at most one connection.
#[derive(Debug)]
pub struct World {
    pub cluster: Cluster,
    pub device: Device,
    pub now: u64,
    pub faults: Vec<Fault>,
    /// Steps of the device so far.
    pub steps: u64,
    /// Bytes so far, to the broker and to the device.
    pub up: u64,
    pub down: u64,
    node: Option<i32>,
    to_broker: Vec<u8>,
    zombie: Option<(u64, Vec<u8>)>,
    /// The step before which no producer expires.
    calm: u64,
    held_until: Option<(u64, bool)>,
    random: Random,
}

impl World {
    pub fn new(device: Device, seed: u64) -> Self {
        Self {
            cluster: Cluster::default(),
            device,
            now: 0,
            faults: Vec::new(),
            steps: 0,
            up: 0,
            down: 0,
            node: None,
            to_broker: Vec::new(),
            zombie: None,
            calm: 0,
            held_until: None,
            random: Random(seed),
        }
    }

    pub fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// Runs until every record is acknowledged and nothing is left to go wrong.
    pub fn run(&mut self) {
        self.run_until(|world| world.device.done() && world.held_until.is_none());
    }

    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            assert!(self.steps < 20_000, "no progress: {:?}", self.device.producer.state());
            self.step();
        }
    }

    /// One action of the device, or the next moment at which there is one.
    pub fn step(&mut self) {
        self.steps += 1;
        self.fate();
        let action = self.device.producer.poll(self.instant());
        match action {
            Action::Connect(target) => self.connect(target),
            Action::Disconnect => self.forget(),
            Action::Transmit { with_batch } => {
                let bytes = self.device.transmit(self.instant(), with_batch);
                self.send(&bytes, with_batch);
            }
            Action::Idle => {
                let next = self.device.producer.poll_timeout().map_or(0, Instant::as_millis);
                self.now = self.now.max(next);
                self.device.producer.handle_timeout(self.instant());
            }
            other => {
                let before = self.device.acked;
                assert!(self.device.act(other));
                if let Action::Acknowledged { next_index, .. } = other {
                    self.check_acknowledged(before..next_index);
                }
            }
        }
    }

    /// Every index exactly once, in order.
    pub fn check(&self) {
        let expected: Vec<_> = (self.device.first..self.device.end).map(value).collect();
        let stored: Vec<_> = self.cluster.committed().iter().map(|v| v.to_vec()).collect();
        assert_eq!(stored, expected, "stored exactly once, in order");
    }

    /// What is acknowledged is replicated at that moment, unless retention has removed it since.
    fn check_acknowledged(&self, indices: core::ops::Range<u64>) {
        let committed = self.cluster.committed();
        for index in indices {
            let found = committed.iter().any(|stored| *stored == value(index));
            assert!(found || self.cluster.log_start > 0, "{index} is not replicated");
        }
    }

    fn connect(&mut self, target: Target) {
        self.to_broker.clear();
        self.node = Some(match target {
            Target::Bootstrap { attempt } => 1 + (attempt % 2) as i32,
            Target::Leader => {
                let leader = self.device.producer.leader().unwrap();
                assert_eq!(leader.host.as_str(), format!("node-{}", leader.node));
                assert_eq!(i32::from(leader.port), 9090 + leader.node);
                leader.node
            }
        });
        // A bootstrap address must not tell which node it is: only the leader's may.
        self.device.producer.handle_connected();
    }

    fn forget(&mut self) {
        self.node = None;
        self.to_broker.clear();
    }

    fn cut(&mut self) {
        if self.node.is_some() {
            self.forget();
            self.device.producer.handle_disconnected(self.instant());
        }
    }

    fn send(&mut self, bytes: &[u8], with_batch: bool) {
        let node = self.node.expect("a connection");
        if with_batch
            && self
                .take(|fault, world| match fault {
                    Fault::Zombie(at, delay) if *at <= world.steps => Some(world.steps + delay),
                    _ => None,
                })
                .map(|due| self.zombie = Some((due, bytes[4..].to_vec())))
                .is_some()
        {
            return self.cut();
        }
        let sent = bytes.len() as u64;
        let cut = self.take(|fault, world| match fault {
            Fault::CutUp(at) if (world.up..world.up + sent).contains(at) => Some(at - world.up),
            _ => None,
        });
        let kept = cut.unwrap_or(sent);
        self.up += kept;
        self.to_broker.extend_from_slice(&bytes[..kept as usize]);
        let mut answer = None;
        if let Some((size, frame)) = self.to_broker.split_first_chunk()
            && frame.len() == i32::from_be_bytes(*size) as usize
        {
            answer = self.cluster.handle(node, frame);
            self.to_broker.clear();
        }
        self.now += 1 + self.random.below(20);
        match (cut, answer) {
            (None, Some(answer)) => self.deliver(&answer),
            (Some(_), _) => self.cut(),
            (None, None) => {}
        }
    }

    fn deliver(&mut self, answer: &[u8]) {
        let sent = answer.len() as u64;
        let cut = self.take(|fault, world| match fault {
            Fault::CutDown(at) if (world.down..world.down + sent).contains(at) => {
                Some(at - world.down)
            }
            _ => None,
        });
        let kept = cut.unwrap_or(sent);
        self.down += kept;
        let mut rest = &answer[..kept as usize];
        while !rest.is_empty() {
            let portion = (1 + self.random.below(40) as usize).min(rest.len());
            self.device.producer.handle_input(self.instant(), &rest[..portion]);
            rest = &rest[portion..];
        }
        if cut.is_some() {
            self.cut();
        }
    }

    /// Takes the first fault for which `due` says something.
    fn take<T>(&mut self, due: impl Fn(&Fault, &Self) -> Option<T>) -> Option<T> {
        let (at, said) =
            self.faults.iter().enumerate().find_map(|(at, fault)| Some((at, due(fault, self)?)))?;
        self.faults.remove(at);
        Some(said)
    }

    /// What happens at this step.
    fn fate(&mut self) {
        if self.cluster.high_watermark < self.cluster.end() {
            self.calm = self.steps + 40;
        }
        if let Some((due, frame)) = self.zombie.take() {
            if due <= self.steps {
                // Harsher than a network: it reaches the leader even if another node was meant.
                let leader = self.cluster.leader;
                let _ = self.cluster.handle(leader, &frame);
                self.calm = self.steps + 40;
            } else {
                self.zombie = Some((due, frame));
            }
        }
        if let Some((due, lost)) = self.held_until.filter(|(due, _)| *due <= self.steps) {
            let _ = due;
            self.held_until = None;
            if lost {
                self.cut();
                self.cluster.move_leader();
            } else {
                self.cluster.replicate();
            }
        }
        let due = self.take(|fault, world| match fault {
            Fault::LeaderMoves(at)
            | Fault::BrokerRestarts(at)
            | Fault::ProducersExpire(at)
            | Fault::DeviceRestarts(at)
            | Fault::TailIsLost(at)
            | Fault::TailIsLate(at)
                if *at <= world.steps =>
            {
                Some(*fault)
            }
            _ => None,
        });
        match due {
            Some(Fault::LeaderMoves(_)) => self.cluster.move_leader(),
            Some(Fault::BrokerRestarts(_)) => {
                self.cluster.restart();
                self.cut();
            }
            // A producer expires hours after its last batch, and no batch lingers that long.
            Some(Fault::ProducersExpire(_)) if self.zombie.is_none() && self.calm < self.steps => {
                self.cluster.expire();
            }
            Some(Fault::DeviceRestarts(_)) => {
                self.forget();
                self.device.restart();
            }
            Some(Fault::TailIsLost(_)) => self.hold(true),
            Some(Fault::TailIsLate(_)) => self.hold(false),
            _ => {}
        }
    }

    fn hold(&mut self, lost: bool) {
        self.cluster.replicates = false;
        self.held_until = Some((self.steps + 12, lost));
    }
}
