//! The one thing that must be durable: what ties indices to sequences.

use core::fmt;

use crate::batch::{SEQUENCE_MODULUS, Stamp};
use crate::bytes::field;

/// A producer id, and the index at which its sequence starts.
///
/// `sequence = (index - base_index) mod 2^31`. An anchor is made durable before its first use and
/// changes only with the producer id or epoch. Everything before `base_index` is settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Anchor {
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
    /// The partition.
    pub partition: i32,
    /// Index of the record with sequence 0.
    pub base_index: u64,
    /// A partition offset before which no record of this anchor is stored.
    pub start_offset: i64,
    /// CRC-32C of the cluster id, 0 for a cluster without one.
    pub cluster: u32,
    /// CRC-32C of the topic name.
    pub topic: u32,
}

/// Where to go on after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The last anchor that was made durable.
    pub anchor: Anchor,
    /// First index not known to be acknowledged; may be lower than the truth, never higher.
    pub acked_index: u64,
    /// Partition offset behind the last record before `acked_index`, when known; it must come from
    /// the same acknowledgement. It only shortens a scan.
    pub acked_offset: Option<i64>,
}

/// The bytes are not an anchor of a known layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadAnchor;

impl fmt::Display for BadAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes are not an anchor of a known layout")
    }
}

impl core::error::Error for BadAnchor {}

impl Anchor {
    /// Length of [`Anchor::to_bytes`].
    pub const LEN: usize = 40;

    /// The anchor as bytes, little-endian:
    ///
    /// ```text
    /// offset size field               offset size field
    ///      0    1 layout = 1               16    8 base index
    ///      1    1 zero                     24    8 start offset
    ///      2    2 producer epoch           32    4 cluster
    ///      4    4 partition                36    4 topic
    ///      8    8 producer id
    /// ```
    ///
    /// There is no checksum: the store that keeps the bytes is expected to have one.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [e0, e1] = self.producer_epoch.to_le_bytes();
        let mut bytes = [0; Self::LEN];
        let fields: [&[u8]; 7] = [
            &[LAYOUT, 0, e0, e1],
            &self.partition.to_le_bytes(),
            &self.producer_id.to_le_bytes(),
            &self.base_index.to_le_bytes(),
            &self.start_offset.to_le_bytes(),
            &self.cluster.to_le_bytes(),
            &self.topic.to_le_bytes(),
        ];
        for (byte, value) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *value;
        }
        bytes
    }

    /// The anchor in `bytes`.
    ///
    /// # Errors
    ///
    /// [`BadAnchor`] for another layout or an impossible value.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, BadAnchor> {
        let anchor = Self::parse(bytes).ok_or(BadAnchor)?;
        let numbers = [
            anchor.producer_id,
            anchor.producer_epoch.into(),
            anchor.partition.into(),
            anchor.start_offset,
        ];
        let known = bytes.starts_with(&[LAYOUT, 0]);
        if known && numbers.iter().all(|number| *number >= 0) { Ok(anchor) } else { Err(BadAnchor) }
    }

    /// Sequence of the record at `index`, 0 to 2^31 - 1.
    #[must_use]
    pub fn sequence(&self, index: u64) -> i32 {
        let sequence = index.wrapping_sub(self.base_index) % SEQUENCE_MODULUS;
        // The remainder is below 2^31, so the conversion cannot fail.
        i32::try_from(sequence).unwrap_or(0)
    }

    /// The identity of a batch that starts at `index`.
    #[must_use]
    pub fn stamp(&self, index: u64) -> Stamp {
        Stamp {
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.sequence(index),
        }
    }

    /// Records that a batch starting at `index` may have, so that its sequence does not wrap within.
    #[must_use]
    pub fn room(&self, index: u64) -> u32 {
        // Some brokers refuse a batch across the wrap, so none is ever cut there.
        (1 << 31) - self.sequence(index).unsigned_abs()
    }

    fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        Some(Self {
            producer_epoch: i16::from_le_bytes(field(bytes, 2)?),
            partition: i32::from_le_bytes(field(bytes, 4)?),
            producer_id: i64::from_le_bytes(field(bytes, 8)?),
            base_index: u64::from_le_bytes(field(bytes, 16)?),
            start_offset: i64::from_le_bytes(field(bytes, 24)?),
            cluster: u32::from_le_bytes(field(bytes, 32)?),
            topic: u32::from_le_bytes(field(bytes, 36)?),
        })
    }
}

const LAYOUT: u8 = 1;
