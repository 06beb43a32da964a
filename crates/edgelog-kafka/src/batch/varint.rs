//! Zig-zag variable-length integers, as records use them.

/// The zig-zag form of `value`: small magnitudes of either sign become small numbers.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Bytes that `value` takes as a zig-zag variable-length integer, 1 to 10.
pub(super) const fn len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// The bytes of `value` as a zig-zag variable-length integer, and how many of them count.
pub(super) fn encode(value: i64) -> ([u8; 10], usize) {
    let mut rest = zigzag(value);
    let mut bytes = [0; 10];
    let count = len(value);
    for byte in bytes.iter_mut().take(count) {
        *byte = (rest & 0x7F) as u8 | 0x80;
        rest >>= 7;
    }
    if let Some(last) = bytes.get_mut(count - 1) {
        *last &= 0x7F;
    }
    (bytes, count)
}

#[cfg(test)]
mod tests {
    use super::{encode, len};

    #[test]
    fn known_values_have_their_known_bytes() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (-1, &[0x01]),
            (1, &[0x02]),
            (63, &[0x7E]),
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            (i64::MIN, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
        ] {
            let (encoded, count) = encode(value);
            assert_eq!(&encoded[..count], bytes, "{value}");
            assert_eq!(len(value), bytes.len(), "{value}");
        }
    }
}
