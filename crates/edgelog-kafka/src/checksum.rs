//! CRC-32C, as record batches use it; also the hash that binds an anchor to its cluster and topic.

/// CRC-32C (Castagnoli) of `bytes`, by the processor's own instruction, where it has one.
#[cfg(feature = "hardware-crc")]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// CRC-32C (Castagnoli) of `bytes`, with a table of 1 KiB.
#[cfg(not(feature = "hardware-crc"))]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    use crc::{CRC_32_ISCSI, Crc};
    static TABLE: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
    TABLE.checksum(bytes)
}
