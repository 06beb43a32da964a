//! Reading a FlatBuffers table without `unsafe`: the official verifier first, then bounds-checked reads.
//!
//! Every read checks its bounds again, so bytes that slipped past the verifier would give absent fields, never a panic.

use flatbuffers::{ForwardsUOffset, VOffsetT, Verifiable, Verifier, VerifierOptions};

/// Tables in one event. Far more than anything written here has, and little enough that a forged event cannot cost much time.
const TABLES_MAX: usize = 20_000;

/// A table of a verified buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// The vtable entry of the field that is declared `n`th, counted from 0.
pub(crate) const fn slot(n: VOffsetT) -> VOffsetT {
    4 + 2 * n
}

impl<'a> Table<'a> {
    /// The root of `bytes`, when the verifier accepts them as a `T`.
    pub(crate) fn root<T: Verifiable>(bytes: &'a [u8]) -> Option<Self> {
        let options = VerifierOptions {
            max_depth: 8,
            max_tables: TABLES_MAX,
            max_apparent_size: 1 << 24,
            ignore_missing_null_terminator: false,
        };
        let mut verifier = Verifier::new(&options, bytes);
        <ForwardsUOffset<T>>::run_verifier(&mut verifier, 0).ok()?;
        Some(Self { bytes, position: follow(bytes, 0)? })
    }

    pub(crate) fn i64(&self, slot: VOffsetT) -> i64 {
        self.scalar(slot).map_or(0, i64::from_le_bytes)
    }

    pub(crate) fn u64(&self, slot: VOffsetT) -> u64 {
        self.scalar(slot).map_or(0, u64::from_le_bytes)
    }

    pub(crate) fn f64(&self, slot: VOffsetT) -> f64 {
        self.scalar(slot).map_or(0.0, f64::from_le_bytes)
    }

    pub(crate) fn str(&self, slot: VOffsetT) -> Option<&'a str> {
        let start = follow(self.bytes, self.field(slot)?)?;
        let length = usize::try_from(u32::from_le_bytes(read(self.bytes, start)?)).ok()?;
        let text = start.checked_add(4)?;
        std::str::from_utf8(self.bytes.get(text..text.checked_add(length)?)?).ok()
    }

    /// The tables of a vector; none when it is absent.
    pub(crate) fn tables(&self, slot: VOffsetT) -> impl Iterator<Item = Table<'a>> + use<'a> {
        let bytes = self.bytes;
        let vector = self.field(slot).and_then(|field| follow(bytes, field));
        let length = vector.and_then(|at| read(bytes, at)).map_or(0, u32::from_le_bytes);
        let first = vector.map_or(0, |at| at.saturating_add(4));
        let entries = (0..length).map_while(move |n| {
            let entry = first.checked_add(usize::try_from(n).ok()?.checked_mul(4)?)?;
            Some(Table { bytes, position: follow(bytes, entry)? })
        });
        entries.into_iter()
    }

    fn scalar<const N: usize>(&self, slot: VOffsetT) -> Option<[u8; N]> {
        read(self.bytes, self.field(slot)?)
    }

    /// Where a field stands; `None` when it is absent.
    fn field(&self, slot: VOffsetT) -> Option<usize> {
        let back = i32::from_le_bytes(read(self.bytes, self.position)?);
        let vtable = i64::try_from(self.position).ok()?.checked_sub(i64::from(back))?;
        let vtable = usize::try_from(vtable).ok()?;
        if slot >= u16::from_le_bytes(read(self.bytes, vtable)?) {
            return None;
        }
        let entry = u16::from_le_bytes(read(self.bytes, vtable.checked_add(usize::from(slot))?)?);
        if entry == 0 { None } else { self.position.checked_add(usize::from(entry)) }
    }
}

/// Where the forward offset at `position` points to.
fn follow(bytes: &[u8], position: usize) -> Option<usize> {
    let forward = u32::from_le_bytes(read(bytes, position)?);
    position.checked_add(usize::try_from(forward).ok()?)
}

fn read<const N: usize>(bytes: &[u8], position: usize) -> Option<[u8; N]> {
    bytes.get(position..)?.first_chunk().copied()
}
