//! The Kafka headers of a record, written without an allocator.

use core::fmt::{self, Write};
use edgelog_core::{Class, Identity, LogId};
use heapless::String;

/// Header with the record's identity, `log:epoch:offset`: 32 hexadecimal digits, then two decimal numbers. The same three name the
/// same record for ever, so a consumer that remembers the greatest offset for each log and epoch drops duplicates at no cost.
pub const IDENTITY_HEADER: &str = "edgelog";
/// Header with the name of the record's topic in its log.
pub const TOPIC_HEADER: &str = "edgelog-topic";
/// Header with the record's class, `critical` or `bulk`; left out for class normal.
pub const CLASS_HEADER: &str = "edgelog-class";
/// Header of a record that stands for records which are gone, `log:from:to:reason`; `to` is the first offset after the gap.
/// Such a record has neither key nor value, and no identity header.
pub const GAP_HEADER: &str = "edgelog-gap";

/// Room for the longest text: 32 digits, two 20-digit numbers, a reason of 32 bytes, three colons.
pub(crate) type Text = String<112>;

/// Why records are gone, as far as the cloud sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Log(edgelog_core::GapReason),
    /// The broker refused the record with this error code.
    Refused(i16),
    /// The record does not fit a batch.
    TooLarge,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(reason) => reason.fmt(f),
            Self::Refused(code) => write!(f, "refused-{code}"),
            Self::TooLarge => f.write_str("too-large"),
        }
    }
}

pub(crate) fn identity(identity: &Identity) -> Text {
    let Identity { log, epoch, offset } = identity;
    text(format_args!("{log}:{epoch}:{offset}"))
}

pub(crate) fn gap(log: LogId, from: u64, to: u64, reason: Reason) -> Text {
    text(format_args!("{log}:{from}:{to}:{reason}"))
}

pub(crate) const fn class(class: Class) -> Option<&'static str> {
    match class {
        Class::Critical => Some("critical"),
        Class::Normal => None,
        Class::Bulk => Some("bulk"),
    }
}

/// Every text fits by the limits above; a longer one would be cut, never overflow.
fn text(arguments: fmt::Arguments<'_>) -> Text {
    let mut text = Text::new();
    let _ = text.write_fmt(arguments);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use edgelog_core::GapReason;

    #[test]
    fn the_longest_texts_are_not_cut() {
        let log = LogId([0xAB; 16]);
        let longest = identity(&Identity { log, epoch: u32::MAX, offset: u64::MAX });
        assert_eq!(longest, "abababababababababababababababab:4294967295:18446744073709551615");
        let longest = gap(log, u64::MAX - 1, u64::MAX, Reason::Refused(i16::MIN));
        assert!(longest.ends_with(":18446744073709551614:18446744073709551615:refused--32768"));
        assert_eq!(
            gap(log, 1, 3, Reason::Log(GapReason::Damaged)).rsplit(':').next(),
            Some("damaged")
        );
    }
}
