//! Choices out of the fuzzer's bytes. When they are used up, every choice is 0.

use edgelog_core::Geometry;

/// The bytes that are left.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of them.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether something is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    /// A number of up to 16 bits.
    pub fn short(&mut self) -> usize {
        usize::from(u16::from_le_bytes(self.array()))
    }

    /// `length` bytes, or as many as are left.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(length.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// A number out of those at which counting goes wrong, or any number.
    pub fn number(&mut self, limit: u64) -> u64 {
        match self.byte() {
            0 => 1,
            1 => 0,
            2 => limit,
            3 => limit - 1,
            4 => limit.wrapping_add(1),
            5 => u64::MAX,
            6 => u64::from_le_bytes(self.array()),
            small => u64::from(small),
        }
    }

    /// A small medium of any word and erased value.
    pub fn geometry(&mut self) -> Geometry {
        let [word, size, count] = self.array();
        let segment_size = [1024, 1536, 2048, 4096][usize::from(size % 4)];
        let erased = if word & 0x80 == 0 { 0 } else { 0xFF };
        let geometry =
            Geometry::new(segment_size, 2 + u32::from(count % 4), 1 << (word % 6), erased);
        geometry.expect("all of these are geometries")
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }
}
