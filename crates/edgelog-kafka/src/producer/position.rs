//! How far the partition is known to hold the caller's records.

use crate::batch::SEQUENCE_MODULUS;

/// Positions in the caller's numbering, and the partition offset that belongs to one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// First index that is not acknowledged.
    pub(super) acked: u64,
    /// Partition offset behind the last record before `acked`, when known.
    pub(super) acked_offset: Option<i64>,
    /// Next index to send.
    pub(super) next: u64,
    /// First index that cannot have been sent.
    pub(super) sent_end: u64,
}

/// Where a sequence that a broker holds lies in the caller's numbering.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Located {
    /// The broker holds everything before this index, as expected.
    At(u64),
    /// The broker holds only what is before this index, though more was acknowledged.
    Lost(u64),
    /// The broker holds everything before this index, though less can have been sent.
    Ahead(u64),
}

impl Position {
    pub(super) const fn at(index: u64) -> Self {
        Self { acked: index, acked_offset: None, next: index, sent_end: index }
    }

    /// Finds the index behind the record with `last_sequence` (-1: before the first record).
    ///
    /// A sequence names an index modulo 2^31; the right one is the one between what is acknowledged
    /// and what can have been sent, or else the one nearest to that range.
    pub(super) fn locate(&self, base_index: u64, last_sequence: i32) -> Located {
        let held = base_index.wrapping_add_signed(i64::from(last_sequence) + 1);
        let beyond = held.wrapping_sub(self.acked) % SEQUENCE_MODULUS;
        let above = self.acked.saturating_add(beyond);
        let Some(sent) = self.sent_end.checked_sub(self.acked) else {
            return Located::Ahead(above);
        };
        if beyond <= sent {
            return Located::At(above);
        }
        let lost = SEQUENCE_MODULUS - beyond;
        match self.acked.checked_sub(lost) {
            Some(below) if below >= base_index && lost < beyond - sent => Located::Lost(below),
            _ => Located::Ahead(above),
        }
    }

    /// Everything up to `index` is replicated, the partition goes on at `offset`; true when this
    /// is news.
    pub(super) fn acknowledge(&mut self, index: u64, offset: Option<i64>) -> bool {
        let news = index > self.acked;
        self.acked = self.acked.max(index);
        self.next = self.next.max(self.acked);
        self.acked_offset = offset;
        news
    }

    /// Moves everything to `index`: nothing at or behind it is stored.
    pub(super) fn restart(&mut self, index: u64) {
        self.acked = index;
        self.next = index;
    }
}

#[cfg(test)]
mod tests {
    use super::{Located, Position};

    const M: u64 = 1 << 31;

    fn position(acked: u64, sent_end: u64) -> Position {
        Position { acked, acked_offset: None, next: acked, sent_end }
    }

    #[test]
    fn a_sequence_is_lifted_to_the_index_between_acknowledged_and_sent() {
        assert_eq!(position(100, 200).locate(100, -1), Located::At(100));
        assert_eq!(position(100, 200).locate(0, 149), Located::At(150));
        assert_eq!(position(100, 200).locate(0, 199), Located::At(200));
        assert_eq!(position(3 * M - 2, 3 * M + 50).locate(0, 9), Located::At(3 * M + 10));
        assert_eq!(position(3 * M - 2, 3 * M + 50).locate(0, i32::MAX), Located::At(3 * M));
        assert_eq!(position(M + 7, M + 9).locate(7, 1), Located::At(M + 9));
    }

    #[test]
    fn what_lies_outside_is_lost_or_ahead_whichever_is_nearer() {
        assert_eq!(position(100, 200).locate(0, 98), Located::Lost(99));
        assert_eq!(position(100, 200).locate(0, 200), Located::Ahead(201));
        assert_eq!(position(100, 200).locate(100, 150), Located::Ahead(251));
        assert_eq!(position(3 * M + 1, 3 * M + 50).locate(0, i32::MAX), Located::Lost(3 * M));
        assert_eq!(position(3 * M - 9, 3 * M - 1).locate(0, 4), Located::Ahead(3 * M + 5));
        assert_eq!(position(100, 50).locate(0, 99), Located::Ahead(100));
    }
}
