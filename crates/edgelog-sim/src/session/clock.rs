//! The session's clock, and what the log's time may be.

use super::{ClockModel, Outcome, Session};
use crate::medium::SimMedium;
use crate::model::Stamp;
use crate::rng::Rng;

/// What the session's `now` is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// UTC, however wrong.
    Utc,
    /// Uptime of a device that does not know the time. At `since` the log's time was from `low` to `high`; the clock was never
    /// seen later than `top`.
    Unset { since: u64, low: u64, high: u64, top: u64 },
    /// Uptime; at `since` it was set to `utc`.
    Set { since: u64, utc: u64 },
}

impl<M: SimMedium> Session<M> {
    /// Time goes on: mostly forward, sometimes back, far ahead or to nothing.
    pub(super) fn tick(&mut self, rng: &mut Rng) {
        self.goes_to(match rng.below(40) {
            0 => 0,
            1 => self.now.saturating_sub(86_400_000),
            2 => self.now + (1 << 33),
            _ => self.now + rng.bits() % 1000,
        });
    }

    /// It is `now`.
    pub(super) fn goes_to(&mut self, now: u64) {
        self.now = now;
        if let Clock::Unset { top, .. } = &mut self.clock {
            *top = now.max(*top);
        }
        let latest = match self.clock {
            Clock::Utc => now,
            Clock::Unset { since, high: then, .. } | Clock::Set { since, utc: then } => {
                then.saturating_add(now.saturating_sub(since))
            }
        };
        self.model.latest = self.model.latest.max(latest);
    }

    /// The uptime, unless it ran backwards.
    fn uptime(&self) -> Option<u64> {
        match self.clock {
            Clock::Unset { since, top, .. } => {
                (self.now >= top && self.now >= since).then_some(self.now)
            }
            _ => None,
        }
    }

    /// What is known of the time that a record gets now.
    pub(super) fn stamp(&self) -> Stamp {
        let (floor, unset) = match self.clock {
            Clock::Utc => (self.now, false),
            Clock::Unset { since, low, .. } => {
                (low.saturating_add(self.now.saturating_sub(since)), true)
            }
            Clock::Set { since, utc } => {
                (utc.saturating_add(self.now.saturating_sub(since)), false)
            }
        };
        // It is never earlier than the record before.
        let floor = floor.max(self.last_floor());
        Stamp { floor, unset, uptime: self.uptime() }
    }

    fn last_floor(&self) -> u64 {
        let last = self.model.records.last_key_value();
        last.map_or(0, |(_, stored)| stored.attempt.stamp.floor)
    }

    /// It is not known; `uptime` is.
    pub(super) fn clock_is_unset(&mut self, uptime: u64) {
        self.now = uptime;
        let (low, high) = (self.last_floor(), self.model.latest);
        self.clock = Clock::Unset { since: uptime, low, high, top: uptime };
        self.log.clock_is_unset(uptime);
    }

    /// Sets it right, or far back, or far ahead.
    pub(super) fn set_some_clock(&mut self, rng: &mut Rng) -> Outcome<(), M> {
        if !matches!(self.clock, Clock::Unset { .. }) {
            return Ok(());
        }
        let utc = rng.bits() % (self.model.latest + (1 << 33));
        self.set_clock(utc)
    }

    /// A clock that was not unset is left alone, and no two are set to the same time: they are told apart by it.
    pub(super) fn set_clock(&mut self, utc: u64) -> Outcome<(), M> {
        let is_new = self.model.clocks.iter().all(|clock| clock.utc != utc);
        if !is_new || !matches!(self.clock, Clock::Unset { .. }) {
            return Ok(());
        }
        let (uptime, now) = (self.uptime(), self.now);
        self.model.clocks.push(ClockModel { utc, uptime, epoch: None, synced: false });
        self.model.latest = self.model.latest.max(utc);
        self.call_between(|log| log.set_clock(now, utc))?;
        self.clock = Clock::Set { since: now, utc };
        if let Some(clock) = self.model.clocks.last_mut() {
            clock.epoch = Some(self.log.epoch());
        }
        Ok(())
    }
}
