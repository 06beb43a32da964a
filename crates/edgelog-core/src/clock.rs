//! From the caller's clock to the log's time.

/// How the caller's `now_ms` becomes the log's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It is UTC.
    #[default]
    Utc,
    /// It is uptime, and at `uptime` the log's time was `log`, which is only known to be not too late.
    Unset { uptime: u64, log: u64 },
    /// It is uptime, and at `uptime` it was `utc`.
    Uptime { uptime: u64, utc: u64 },
}

impl Clock {
    pub(crate) const fn unset(uptime: u64, log: u64) -> Self {
        Self::Unset { uptime, log }
    }

    pub(crate) const fn set(uptime: u64, utc: u64) -> Self {
        Self::Uptime { uptime, utc }
    }

    pub(crate) const fn is_unset(self) -> bool {
        matches!(self, Self::Unset { .. })
    }

    /// The log's time, in ms since 1970.
    pub(crate) const fn time_of(self, now_ms: u64) -> u64 {
        match self {
            Self::Utc => now_ms,
            Self::Unset { uptime, log: then } | Self::Uptime { uptime, utc: then } => {
                then.saturating_add(now_ms.saturating_sub(uptime))
            }
        }
    }
}
