//! Types that `flatc` generated, read with the `flatbuffers` crate. It needs an allocator for its errors only.

use flatbuffers::{
    Follow, ForwardsUOffset, InvalidFlatbuffer, Verifiable, Verifier, VerifierOptions,
};

/// How deep tables may lie in tables.
const DEPTH_MAX: usize = 32;
/// How often each byte may be looked at, because tables can share what they lead to: a small table with a vtable for some 350 fields is no attack.
const LOOKS_PER_BYTE: usize = 64;

/// Verifies `bytes` once as a buffer whose root is `T`, and gives the view of it: nothing is copied.
///
/// The cost is bounded by the length of `bytes`, whatever they say.
///
/// # Errors
///
/// The bytes are no such buffer, tables lie more than 32 deep, or so much is shared that they would be looked at 64 times over.
pub fn read<'a, T>(bytes: &'a [u8]) -> Result<T::Inner, InvalidFlatbuffer>
where
    T: Follow<'a> + Verifiable + 'a,
{
    flatbuffers::root_with_opts::<T>(&options(bytes), bytes)
}

/// Verifies as [`read`] does, for those who do not read.
///
/// # Errors
///
/// As [`read`].
pub fn verify<T: Verifiable>(bytes: &[u8]) -> Result<(), InvalidFlatbuffer> {
    let options = options(bytes);
    <ForwardsUOffset<T>>::run_verifier(&mut Verifier::new(&options, bytes), 0)
}

fn options(bytes: &[u8]) -> VerifierOptions {
    VerifierOptions {
        max_depth: DEPTH_MAX,
        max_tables: bytes.len(),
        max_apparent_size: bytes.len().saturating_mul(LOOKS_PER_BYTE),
        ..Default::default()
    }
}
