//! CRC-32C, bound to a place, so that bytes from elsewhere or from earlier never validate.

use super::put;
use crate::types::LogId;

#[cfg(feature = "hardware-crc")]
mod register {
    /// The processor's own instruction, where it has one.
    #[derive(Clone)]
    pub(super) struct Register(u32);

    impl Register {
        pub(super) const fn new() -> Self {
            Self(0)
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0 = crc32c::crc32c_append(self.0, bytes);
        }

        pub(super) const fn finish(self) -> u32 {
            self.0
        }
    }
}

#[cfg(not(feature = "hardware-crc"))]
mod register {
    use crc::{CRC_32_ISCSI, Digest, Table};

    /// With the feature `fast-crc` a table of 1 KiB, and without it none: bit by bit.
    type Form = Table<{ cfg!(feature = "fast-crc") as usize }>;

    static CRC_32C: crc::Crc<u32, Form> = crc::Crc::<u32, Form>::new(&CRC_32_ISCSI);

    #[derive(Clone)]
    pub(super) struct Register(Digest<'static, u32, Form>);

    impl Register {
        pub(super) fn new() -> Self {
            Self(CRC_32C.digest())
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> u32 {
            self.0.finalize()
        }
    }
}

/// A running CRC-32C.
#[derive(Clone)]
pub(crate) struct Crc(register::Register);

impl Crc {
    pub(crate) fn new() -> Self {
        Self(register::Register::new())
    }

    /// The CRC of a frame before the frame's own bytes: which log, which use of the segment, which place.
    pub(crate) fn of_frame(log: LogId, generation: u64, position: u32) -> Self {
        let mut place = [0; 28];
        put(&mut place, 0, &log.0);
        put(&mut place, 16, &generation.to_le_bytes());
        put(&mut place, 24, &position.to_le_bytes());
        let mut crc = Self::new();
        crc.update(&place);
        crc
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC of a frame behind its own bytes. Epoch and offset come last, so that they can be found from it, too.
    pub(crate) fn finish_frame(&self, epoch: u32, offset: u64) -> u32 {
        let mut last = [0; 12];
        put(&mut last, 0, &epoch.to_le_bytes());
        put(&mut last, 4, &offset.to_le_bytes());
        let mut crc = self.clone();
        crc.update(&last);
        crc.finish()
    }

    /// The only offset with the upper half of `near` with which a frame of `epoch` has the CRC `stored`: a CRC of four bytes can be
    /// turned round. It says nothing by itself; the frame is verified when this is an offset that it can have.
    pub(crate) fn offset_of_frame(&self, epoch: u32, near: u64, stored: u32) -> u64 {
        let mut crc = self.clone();
        crc.update(&epoch.to_le_bytes());
        let (_, upper) = halves(near);
        let lower = back_4_bytes(back_4_bytes(!stored) ^ upper) ^ !crc.finish();
        u64::from(upper) << 32 | u64::from(lower)
    }

    /// The only epoch with which a frame of `offset` has the CRC `stored`. It says as little by itself.
    pub(crate) fn epoch_of_frame(&self, offset: u64, stored: u32) -> u32 {
        let (lower, upper) = halves(offset);
        let behind_epoch = back_4_bytes(back_4_bytes(!stored) ^ upper) ^ lower;
        back_4_bytes(behind_epoch) ^ !self.clone().finish()
    }

    pub(crate) fn finish(self) -> u32 {
        self.0.finish()
    }
}

/// The lower and the upper half.
const fn halves(offset: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = offset.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// What the CRC register held before it took four zero bytes in.
fn back_4_bytes(mut register: u32) -> u32 {
    const POLYNOMIAL: u32 = 0x82F6_3B78;
    for _ in 0..32 {
        let carry = register >> 31;
        register = ((register ^ (POLYNOMIAL * carry)) << 1) | carry;
    }
    register
}

#[cfg(test)]
mod tests {
    use super::*;
    use crc::{CRC_32_ISCSI, Table};

    #[test]
    fn the_crc_is_crc_32c_by_the_processor_with_a_table_and_without() {
        let mut crc = Crc::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.finish(), 0xE306_9283);
        for bytes in [b"123456789".as_slice(), &[0; 32], &[0xFF; 77], b"a"] {
            let with_table = crc::Crc::<u32, Table<1>>::new(&CRC_32_ISCSI).checksum(bytes);
            let without = crc::Crc::<u32, Table<0>>::new(&CRC_32_ISCSI).checksum(bytes);
            let mut crc = Crc::new();
            crc.update(bytes);
            assert_eq!((with_table, crc.finish()), (without, without));
        }
    }

    #[test]
    fn the_offset_or_epoch_that_gives_a_crc_is_found_from_it() {
        for offset in [0, 1, 77, 0xFFFF_FFFF, 0x1_0000_0000, 0x1234_5678_9ABC, u64::MAX >> 1] {
            let mut crc = Crc::of_frame(LogId([3; 16]), 9, 1024);
            crc.update(b"a frame");
            let stored = crc.finish_frame(7, offset);
            assert_eq!(crc.offset_of_frame(7, offset ^ 0xFFF, stored), offset);
            assert_eq!(crc.epoch_of_frame(offset, stored), 7);
            assert_ne!(crc.epoch_of_frame(offset + 1, stored), 7);
            assert_ne!(crc.offset_of_frame(8, offset, stored), offset);
            assert_ne!(crc.offset_of_frame(7, offset, stored ^ 1), offset);
        }
    }
}
