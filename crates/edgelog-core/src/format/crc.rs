//! CRC-32C, seeded so that bytes from elsewhere or from earlier never validate.

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

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// What every frame of one segment and epoch is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    pub(crate) log: LogId,
    pub(crate) generation: u64,
    pub(crate) epoch: u32,
}

impl Seed {
    /// The CRC of a frame at `position`, before the frame's own bytes.
    pub(crate) fn at(&self, position: u32) -> Crc {
        let mut crc = Crc::new();
        crc.update(&self.log.0);
        crc.update(&self.generation.to_le_bytes());
        crc.update(&self.epoch.to_le_bytes());
        crc.update(&position.to_le_bytes());
        crc
    }
}
