//! What the driver tells and the handle shows.

use edgelog_kafka::{Instant, State};
use std::collections::VecDeque;
use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the connection to Kafka is doing. `Display` is a few words for a status line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// Finding the broker, and what it already holds.
    #[default]
    Connecting,
    /// Sending, or everything is sent.
    Shipping,
    /// Waiting after a failure.
    Waiting {
        /// Milliseconds until it goes on.
        for_ms: u64,
    },
    /// Somebody must change something at the cluster or in the options; tried again now and then.
    Parked {
        /// What is wrong.
        why: String,
    },
}

impl LinkState {
    pub(crate) fn of(state: State, now: Instant) -> Self {
        match state {
            State::Streaming => Self::Shipping,
            State::Backoff { until } => Self::Waiting { for_ms: until.since(now) },
            State::Parked(why) => Self::Parked { why: why.to_string() },
            _ => Self::Connecting,
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Shipping => f.write_str("connected"),
            Self::Waiting { for_ms } => {
                write!(f, "offline, next try in {} s", for_ms.div_ceil(1000))
            }
            Self::Parked { why } => write!(f, "parked: {why}"),
        }
    }
}

/// The figures of an uplink at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UplinkStatus {
    /// What the connection is doing.
    pub link: LinkState,
    /// Every record below this offset was acknowledged by Kafka.
    pub shipped: u64,
    /// Connections opened so far.
    pub connections: u64,
    /// Notices that were dropped because nobody took them.
    pub notices_dropped: u64,
}

/// Shared between driver and handle.
#[derive(Debug, Default)]
pub(crate) struct Board {
    stopping: AtomicBool,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    link: LinkState,
    connections: u64,
    notices: VecDeque<String>,
    notices_dropped: u64,
    /// What was said since records were last acknowledged or could be: an outage says the same things at every try.
    said: VecDeque<String>,
    socket: Option<TcpStream>,
}

const NOTICES_MAX: usize = 64;
const SAID_MAX: usize = 8;

impl Board {
    pub(crate) fn status(&self, shipped: u64) -> UplinkStatus {
        let shown = self.shown();
        UplinkStatus {
            link: shown.link.clone(),
            shipped,
            connections: shown.connections,
            notices_dropped: shown.notices_dropped,
        }
    }

    pub(crate) fn take_notices(&self) -> Vec<String> {
        self.shown().notices.drain(..).collect()
    }

    /// Ends the driver's loop, and a write that it may be blocked in.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(socket) = self.shown().socket.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn set_link(&self, link: LinkState) {
        let mut shown = self.shown();
        if link == LinkState::Shipping && shown.link != LinkState::Shipping {
            shown.said.clear();
        }
        shown.link = link;
    }

    pub(crate) fn set_socket(&self, socket: Option<TcpStream>) {
        let mut shown = self.shown();
        shown.connections += u64::from(socket.is_some());
        shown.socket = socket;
    }

    /// Adds a sentence, unless it was said before in the same outage.
    pub(crate) fn notice(&self, notice: String) {
        let mut shown = self.shown();
        if shown.said.contains(&notice) {
            return;
        }
        if shown.said.len() == SAID_MAX {
            shown.said.pop_front();
        }
        shown.said.push_back(notice.clone());
        if shown.notices.len() == NOTICES_MAX {
            shown.notices.pop_front();
            shown.notices_dropped += 1;
        }
        shown.notices.push_back(notice);
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
