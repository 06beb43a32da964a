//! Fields of fixed places.

/// The `N` bytes at `at`; `None` where there are fewer.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
