//! CRC-32C, bound to a place, so that bytes from elsewhere or from earlier never validate.

use crate::types::LogId;
use crc::{CRC_32_ISCSI, Digest, Table};

static CRC_32C: crc::Crc<u32, Table<1>> = crc::Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// A running CRC-32C.
#[derive(Clone)]
pub(crate) struct Crc(Digest<'static, u32, Table<1>>);

impl Crc {
    pub(crate) fn new() -> Self {
        Self(CRC_32C.digest())
    }

    /// The CRC of a frame before the frame's own bytes: which log, which use of the segment, which place.
    pub(crate) fn of_frame(log: LogId, generation: u64, position: u32) -> Self {
        let mut crc = Self::new();
        crc.update(&log.0);
        crc.update(&generation.to_le_bytes());
        crc.update(&position.to_le_bytes());
        crc
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC of a frame behind its own bytes: its epoch and offset come last, so that several can be tried for one pass over the frame.
    pub(crate) fn finish_frame(&self, epoch: u32, offset: u64) -> u32 {
        let mut crc = self.clone();
        crc.update(&epoch.to_le_bytes());
        crc.update(&offset.to_le_bytes());
        crc.finish()
    }

    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}
