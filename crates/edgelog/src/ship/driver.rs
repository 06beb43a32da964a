//! Drives the sans-IO uplink: log, clock and TCP.

use super::connection::{self, Incoming, News, Socket};
use super::status::{Board, LinkState};
use super::{ShipOptions, shipped};
use crate::FileError;
use crate::event::now_ms;
use crate::log::{Engine, Log};
use crate::reader::frame_buffer;
use crossbeam::channel::{Receiver, Sender, bounded};
use edgelog_kafka::{Config, Event, Instant, ParkReason, Target};
use edgelog_uplink::{Error, Notice, Step, Uplink};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

pub(super) struct Driver {
    log: Log,
    uplink: Uplink<Vec<u8>>,
    bootstrap: Vec<String>,
    topic: String,
    board: Arc<Board>,
    started: std::time::Instant,
    news: Receiver<News>,
    news_sender: Sender<News>,
    /// The number of the connection in use; news of others is stale.
    connection: u64,
    address: String,
    socket: Option<Socket>,
    request: Vec<u8>,
    /// The durable offset when the uplink last had nothing to do.
    seen_durable: u64,
}

/// Pieces of 16 KiB that may wait for the driver; a connection that is ahead of it waits.
const NEWS_MAX: usize = 8;
/// A request without its batch is shorter.
const REQUEST_LEN: usize = 1 << 10;
/// Headers of a record and its place in a batch take less than this beside the record itself.
const RECORD_OVERHEAD: usize = 512;
/// How long to wait after the log failed the uplink, and at most between looks at the clock.
const PATIENCE: Duration = Duration::from_secs(1);

impl Driver {
    pub(super) fn new(
        log: Log,
        config: Config,
        options: &ShipOptions,
        board: Arc<Board>,
    ) -> Result<Self, Error<FileError>> {
        let topic = config.topic.as_str().to_owned();
        let uplink = {
            let mut engine = log.engine();
            let frame = frame_buffer(engine.medium());
            let batch_len = options.batch_bytes.max(log.record_bytes_max() + RECORD_OVERHEAD);
            let uplink = Uplink::new(config, &mut engine, vec![0; batch_len], frame);
            log.recent().show(engine.visible());
            uplink.map_err(|error| explained(&log, &engine, error))?
        };
        let (news_sender, news) = bounded(NEWS_MAX);
        Ok(Self {
            log,
            uplink,
            bootstrap: options.bootstrap.clone(),
            topic,
            board,
            started: std::time::Instant::now(),
            news,
            news_sender,
            connection: 0,
            address: String::new(),
            socket: None,
            request: vec![0; REQUEST_LEN],
            seen_durable: 0,
        })
    }

    pub(super) fn run(mut self) {
        while !self.board.stopping() {
            self.uplink.handle_timeout(self.now());
            while let Ok(news) = self.news.try_recv() {
                self.take(news);
            }
            let step = self.poll();
            self.board.set_link(LinkState::of(self.uplink.state(), self.now()));
            match step {
                Ok(Step::Idle) => self.wait(),
                Ok(step) => self.carry_out(step),
                Err(error) => {
                    self.board.notice(format!("{error}; shipping goes on when it can"));
                    let _ = self.log.wait_until(PATIENCE, |_| self.board.stopping());
                }
            }
        }
        self.hang_up();
    }

    fn poll(&mut self) -> Result<Step, Error<FileError>> {
        let now = self.now();
        let mut engine = self.log.engine();
        let before = (shipped(&engine), engine.durable());
        let step = self.uplink.poll(now, now_ms(), &mut engine);
        self.seen_durable = engine.durable();
        let moved = (shipped(&engine), self.seen_durable) != before;
        // A segment may have begun, behind records that were given up.
        self.log.recent().show(engine.visible());
        let step = step.map_err(|error| explained(&self.log, &engine, error));
        drop(engine);
        if moved {
            self.log.nudge();
        }
        step
    }

    /// Until something comes in, a record becomes durable, or it is time.
    fn wait(&self) {
        let now = self.now();
        let until = self.uplink.poll_timeout().map(|at| Duration::from_millis(at.since(now)));
        let wants = self.uplink.waits_for().is_some();
        let _ = self.log.wait_until(until.unwrap_or(PATIENCE).min(PATIENCE), |engine| {
            self.board.stopping()
                || !self.news.is_empty()
                || (wants && engine.durable() > self.seen_durable)
        });
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Connect(target) => self.connect(target),
            Step::Disconnect => self.hang_up(),
            Step::Transmit { with_batch } => {
                if let Err(error) = self.transmit(with_batch) {
                    let address = &self.address;
                    self.board.notice(format!(
                        "the connection to {address} broke: {error}; connecting again"
                    ));
                    self.hang_up();
                    self.uplink.handle_disconnected(self.now());
                }
            }
            Step::Report(notice) => self.board.notice(self.sentence(&notice)),
            _ => {}
        }
    }

    fn connect(&mut self, target: Target) {
        self.hang_up();
        self.address = match (target, self.uplink.producer().leader()) {
            (Target::Leader, Some(leader)) => format!("{}:{}", leader.host, leader.port),
            (Target::Bootstrap { attempt }, _) => {
                let turn = usize::try_from(attempt).unwrap_or(0) % self.bootstrap.len().max(1);
                self.bootstrap.get(turn).cloned().unwrap_or_default()
            }
            (Target::Leader, None) => self.bootstrap.first().cloned().unwrap_or_default(),
        };
        let news = self.news_sender.clone();
        let started =
            connection::start(self.connection, self.address.clone(), news, self.log.waker());
        if let Err(error) = started {
            self.failed(&error);
        }
    }

    /// What comes from the old connection after this is ignored: it has another number.
    fn hang_up(&mut self) {
        self.connection += 1;
        self.board.set_socket(None);
        self.socket = None;
    }

    fn transmit(&mut self, with_batch: bool) -> io::Result<()> {
        let now = self.now();
        let length = self.uplink.transmit(now, &mut self.request).map_err(io::Error::other)?;
        let Socket(socket) = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        socket.write_all(self.request.get(..length).unwrap_or_default())?;
        if with_batch {
            socket.write_all(self.uplink.batch())?;
        }
        Ok(())
    }

    fn take(&mut self, (connection, incoming): News) {
        if connection != self.connection {
            return;
        }
        match incoming {
            Incoming::Connected(socket) => {
                self.board.set_socket(socket.0.try_clone().ok());
                self.socket = Some(socket);
                self.uplink.handle_connected();
            }
            Incoming::Failed(error) => self.failed(&error),
            Incoming::Bytes(bytes) => self.uplink.handle_input(self.now(), &bytes),
            Incoming::Closed => {
                self.hang_up();
                self.uplink.handle_disconnected(self.now());
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let address = &self.address;
        self.board.notice(format!(
            "cannot connect to {address}: {error}; check that a broker listens there - everything is kept and tried again"
        ));
        self.uplink.connect_failed(self.now());
    }

    fn sentence(&self, notice: &Notice) -> String {
        let (address, topic) = (&self.address, &self.topic);
        match notice {
            Notice::Producer(Event::Parked(ParkReason::UnknownTopic)) => format!(
                "the topic '{topic}' does not exist at {address}: create it, for example with 'kafka-topics.sh --bootstrap-server {address} --create --topic {topic}' - everything is kept and is shipped when it exists"
            ),
            Notice::Producer(_) if address.is_empty() => notice.to_string(),
            Notice::Producer(_) => format!("{address}: {notice}"),
            _ => notice.to_string(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// A failure that ends the log is told to all who use it.
fn explained(log: &Log, engine: &Engine, error: Error<FileError>) -> Error<FileError> {
    match error {
        Error::Store(error) => Error::Store(log.committer().explained(engine, error)),
        other => other,
    }
}
