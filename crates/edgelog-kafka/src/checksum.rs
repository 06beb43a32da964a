//! CRC-32C, as record batches use it; also the hash that binds an anchor to its cluster and topic.

use crc::{CRC_32_ISCSI, Crc};

/// CRC-32C (Castagnoli), with a table of 1 KiB.
pub(crate) const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// CRC-32C of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    CRC32C.checksum(bytes)
}
