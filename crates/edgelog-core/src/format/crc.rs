//! CRC-32C, bound to a place, so that bytes from elsewhere or from earlier never validate.

#[cfg(not(feature = "hardware-crc"))]
use super::put;
use crate::types::LogId;

/// The CRC-32C of what `crc` covers and of `bytes` behind it.
#[cfg(feature = "hardware-crc")]
#[inline]
fn append(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// The CRC-32C of what `crc` covers and of `bytes` behind it.
#[cfg(not(feature = "hardware-crc"))]
fn append(crc: u32, bytes: &[u8]) -> u32 {
    use crc::{CRC_32_ISCSI, Crc, Table};

    /// With the feature `fast-crc` a table of 1 KiB, and without it none: bit by bit.
    type Form = Table<{ cfg!(feature = "fast-crc") as usize }>;
    static CRC_32C: Crc<u32, Form> = Crc::<u32, Form>::new(&CRC_32_ISCSI);

    let mut digest = CRC_32C.digest_with_initial((!crc).reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// A running CRC-32C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// What the CRCs of all frames of a segment begin with: which log, which use of the segment.
    pub(crate) fn of_segment(log: LogId, generation: u64) -> Self {
        let mut crc = Self::new();
        crc.update(&log.0);
        crc.update(&generation.to_le_bytes());
        crc
    }

    /// What the CRC of one of the segment's frames begins with: to be continued over the frame's bytes, which begin with `stored`. The
    /// position stands in the CRC where `stored` stands in the frame: taking in one for the other is taking both into the register.
    #[inline]
    pub(crate) const fn of_frame(self, position: u32, stored: u32) -> Self {
        Self(self.0 ^ position ^ stored)
    }

    #[inline]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0 = append(self.0, bytes);
    }

    /// The CRC of a frame behind its own bytes. Epoch and offset come last, so that they can be found from it, too.
    #[cfg(not(feature = "hardware-crc"))]
    pub(crate) fn finish_frame(&self, epoch: u32, offset: u64) -> u32 {
        let mut last = [0; 12];
        put(&mut last, 0, &epoch.to_le_bytes());
        put(&mut last, 4, &offset.to_le_bytes());
        let mut crc = *self;
        crc.update(&last);
        crc.finish()
    }

    /// The CRC of a frame behind its own bytes. Epoch and offset come last, so that they can be found from it, too. By tables: to begin
    /// the processor's way anew takes longer than so few bytes do. And each by itself, as none has to wait for another then.
    #[cfg(feature = "hardware-crc")]
    #[inline]
    pub(crate) fn finish_frame(&self, epoch: u32, offset: u64) -> u32 {
        let (lower, upper) = halves(offset);
        let of_upper = if upper == 0 { 0 } else { sum_by_byte(&ON_4_BYTES, upper) };
        let of_epoch = sum_by_byte(&ON_12_BYTES, !self.finish() ^ epoch);
        !(of_epoch ^ sum_by_byte(&ON_8_BYTES, lower) ^ of_upper)
    }

    /// Whether `stored` is the CRC of the frame behind its own bytes.
    #[inline]
    pub(crate) fn is_of_frame(&self, epoch: u32, offset: u64, stored: u32) -> bool {
        self.finish_frame(epoch, offset) == stored
    }

    /// What the CRC of a frame must be behind its own bytes so that it is `stored` in the end. It needs none of these bytes: a processor
    /// finds it while it still takes them in.
    #[cfg(not(feature = "hardware-crc"))]
    pub(crate) fn of_unbound_frame(epoch: u32, offset: u64, stored: u32) -> Self {
        let (lower, upper) = halves(offset);
        let behind_epoch = back_4_bytes(back_4_bytes(!stored) ^ upper) ^ lower;
        Self(!(back_4_bytes(behind_epoch) ^ epoch))
    }

    /// What the CRC of a frame must be behind its own bytes so that it is `stored` in the end. It needs none of these bytes: a processor
    /// finds it while it still takes them in.
    #[cfg(feature = "hardware-crc")]
    #[inline]
    pub(crate) fn of_unbound_frame(epoch: u32, offset: u64, stored: u32) -> Self {
        let (lower, upper) = halves(offset);
        let of_upper = if upper == 0 { 0 } else { back_4_bytes(back_4_bytes(upper)) };
        Self(!(sum_by_byte(&BACK_12_BYTES, !stored) ^ of_upper ^ back_4_bytes(lower) ^ epoch))
    }

    /// The only offset with the upper half of `near` with which a frame of `epoch` has the CRC `stored`: a CRC of four bytes can be
    /// turned round. It says nothing by itself; the frame is verified when this is an offset that it can have.
    pub(crate) fn offset_of_frame(&self, epoch: u32, near: u64, stored: u32) -> u64 {
        let mut crc = *self;
        crc.update(&epoch.to_le_bytes());
        let (_, upper) = halves(near);
        let lower = back_4_bytes(back_4_bytes(!stored) ^ upper) ^ !crc.finish();
        u64::from(upper) << 32 | u64::from(lower)
    }

    /// The only epoch with which a frame of `offset` has the CRC `stored`. It says as little by itself.
    pub(crate) fn epoch_of_frame(&self, offset: u64, stored: u32) -> u32 {
        Self::of_unbound_frame(0, offset, stored).finish() ^ self.finish()
    }

    pub(crate) const fn finish(self) -> u32 {
        self.0
    }
}

/// The lower and the upper half.
const fn halves(offset: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = offset.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// What the CRC register held before it took four zero bytes in.
#[cfg(feature = "hardware-crc")]
#[inline]
fn back_4_bytes(register: u32) -> u32 {
    sum_by_byte(&BACK_4_BYTES, register)
}

/// What becomes of a register, by each of its bytes, the lowest first: the sum. 4 KiB each, and only for hosts.
#[cfg(feature = "hardware-crc")]
type ByByte = [[u32; 256]; 4];

/// What the CRC register holds behind so many zero bytes, or held before it took them in.
#[cfg(feature = "hardware-crc")]
static ON_4_BYTES: ByByte = by_byte(Way::On, 4);
#[cfg(feature = "hardware-crc")]
static ON_8_BYTES: ByByte = by_byte(Way::On, 8);
#[cfg(feature = "hardware-crc")]
static ON_12_BYTES: ByByte = by_byte(Way::On, 12);
#[cfg(feature = "hardware-crc")]
static BACK_4_BYTES: ByByte = by_byte(Way::Back, 4);
#[cfg(feature = "hardware-crc")]
static BACK_12_BYTES: ByByte = by_byte(Way::Back, 12);

#[cfg(feature = "hardware-crc")]
#[derive(Clone, Copy)]
enum Way {
    On,
    Back,
}

#[cfg(feature = "hardware-crc")]
#[expect(clippy::indexing_slicing, reason = "it is done while this is compiled")]
const fn by_byte(way: Way, bytes: u32) -> ByByte {
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 4 {
        let mut value = 0;
        while value < 256 {
            let register = value << (8 * byte);
            tables[byte][value as usize] = match way {
                Way::On => on_bits(register, 8 * bytes),
                Way::Back => back_bits(register, 8 * bytes),
            };
            value += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(feature = "hardware-crc")]
#[inline]
fn sum_by_byte([a, b, c, d]: &ByByte, register: u32) -> u32 {
    let of = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or(0);
    let [w, x, y, z] = register.to_le_bytes();
    of(a, w) ^ of(b, x) ^ of(c, y) ^ of(d, z)
}

/// What the CRC register held before it took four zero bytes in.
#[cfg(not(feature = "hardware-crc"))]
const fn back_4_bytes(register: u32) -> u32 {
    back_bits(register, 32)
}

const POLYNOMIAL: u32 = 0x82F6_3B78;

#[cfg(feature = "hardware-crc")]
const fn on_bits(mut register: u32, bits: u32) -> u32 {
    let mut bit = 0;
    while bit < bits {
        register = (register >> 1) ^ (POLYNOMIAL * (register & 1));
        bit += 1;
    }
    register
}

const fn back_bits(mut register: u32, bits: u32) -> u32 {
    let mut bit = 0;
    while bit < bits {
        let carry = register >> 31;
        register = ((register ^ (POLYNOMIAL * carry)) << 1) | carry;
        bit += 1;
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
            let mut crc = Crc::of_segment(LogId([3; 16]), 9).of_frame(1024, 0);
            crc.update(b"\0\0\0\0a frame");
            let mut as_told = Crc::new();
            as_told.update(
                &[[3; 16].as_slice(), &9u64.to_le_bytes(), &1024u32.to_le_bytes()].concat(),
            );
            as_told.update(b"a frame");
            assert_eq!(crc, as_told);
            let stored = crc.finish_frame(7, offset);
            let mut in_full = crc;
            in_full.update(&[7u32.to_le_bytes().as_slice(), &offset.to_le_bytes()].concat());
            assert_eq!(stored, in_full.finish());
            assert_eq!(crc.offset_of_frame(7, offset ^ 0xFFF, stored), offset);
            assert_eq!(crc.epoch_of_frame(offset, stored), 7);
            assert!(crc.is_of_frame(7, offset, stored));
            assert_eq!(Crc::of_unbound_frame(7, offset, stored), crc);
            assert!(!crc.is_of_frame(8, offset, stored) && !crc.is_of_frame(7, offset + 1, stored));
            assert_ne!(crc.epoch_of_frame(offset + 1, stored), 7);
            assert_ne!(crc.offset_of_frame(8, offset, stored), offset);
            assert_ne!(crc.offset_of_frame(7, offset, stored ^ 1), offset);
        }
    }

    #[test]
    fn a_frame_is_bound_to_its_epoch_and_offset_as_by_taking_in_their_bytes() {
        let plain = crc::Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for turn in 0..10_000 {
            let (frame, random) = (next().to_le_bytes(), next());
            let (epoch, _) = halves([random, random & 0xFF, 0, u64::from(u32::MAX)][turn % 4]);
            let (lower, upper) = halves(next());
            let offset = match turn % 5 {
                0 => u64::from(lower),
                1 => u64::from(upper) << 32,
                2 => u64::MAX,
                3 => 0,
                _ => u64::from(upper) << 32 | u64::from(lower),
            };
            let mut crc = Crc::new();
            crc.update(&frame);
            let in_full = [&frame[..], &epoch.to_le_bytes(), &offset.to_le_bytes()].concat();
            let stored = plain.checksum(&in_full);
            assert_eq!(crc.finish_frame(epoch, offset), stored, "turn {turn}");
            assert_eq!(Crc::of_unbound_frame(epoch, offset, stored), crc, "turn {turn}");
            assert_eq!(crc.epoch_of_frame(offset, stored), epoch, "turn {turn}");
            assert_eq!(crc.offset_of_frame(epoch, offset, stored), offset, "turn {turn}");
        }
    }
}
