//! Vectors of tables, which the macro `table!` leaves to who needs them.

use edgelog_record::{Field, Fields, Invalid, Need, Table, Type, Value, Vector, Writer};
use serde::{Serialize, Serializer};
use std::fmt;

/// How often the bytes of an event may be looked at: its tables may share what they lead to.
const LOOKS_PER_BYTE: usize = 16;

/// Tables, borrowed: a slice that is to be written, or a buffer that is read. A field of this type is always written, and empty where
/// nothing was.
#[derive(Clone, Copy)]
pub(crate) enum Tables<'a, T> {
    Slice(&'a [T]),
    /// Offsets from a position of the bytes on; each was followed and verified.
    Offsets {
        bytes: &'a [u8],
        first: usize,
        count: usize,
    },
}

impl<'a, T: Table<'a>> Tables<'a, T> {
    /// All of them, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (told, (bytes, first, count)) = match *self {
            Self::Slice(tables) => (tables, (&[][..], 0, 0)),
            Self::Offsets { bytes, first, count } => (&[][..], (bytes, first, count)),
        };
        let stored = (0..count).map_while(move |n| T::get(bytes, first + 4 * n).ok());
        told.iter().copied().chain(stored)
    }
}

impl<T> Default for Tables<'_, T> {
    fn default() -> Self {
        Self::Slice(&[])
    }
}

impl<'a, T: Table<'a> + PartialEq> PartialEq for Tables<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Table<'a> + fmt::Debug> fmt::Debug for Tables<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Table<'a> + Serialize> Serialize for Tables<'a, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'a, T: Table<'a>> Value<'a> for Tables<'a, T> {
    const SIZE: usize = 4;
    const ALIGN: usize = 4;
    const TYPE: &'static Type = &Type::Vector(T::TYPE);

    fn put(&self, writer: &mut Writer<'_>, at: usize) {
        let count = self.iter().count();
        let start = writer.append(0, 4 + 4 * count, 4);
        writer.point(at, start);
        writer.set(start, &u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
        for (n, table) in self.iter().enumerate() {
            table.put(writer, start + 4 + 4 * n);
        }
    }

    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        let count = <Vector<'_, u32> as Value<'_>>::get(bytes, at)?.len();
        let offset = usize::try_from(u32::get(bytes, at)?).unwrap_or(usize::MAX);
        // The vector lies in the bytes, and so does what follows its length.
        let first = at.saturating_add(offset).saturating_add(4);
        let mut looks = bytes.len().saturating_mul(LOOKS_PER_BYTE);
        for n in 0..count {
            let entry = first + 4 * n;
            let table = T::get(bytes, entry)?;
            looks = looks.checked_sub(table.encoded_len()).ok_or(Invalid::OutOfBounds(entry))?;
        }
        Ok(Self::Offsets { bytes, first, count })
    }
}

impl<'a, T: Table<'a>> Field<'a> for Tables<'a, T> {
    type Value = Self;
    const NEED: Need = Need::Optional;

    fn to_store(&self, _: &Self) -> Option<Self> {
        Some(*self)
    }

    fn load(fields: &Fields<'a>, id: usize, _: Self, _: &'static str) -> Result<Self, Invalid> {
        Ok(fields.get(id)?.unwrap_or_default())
    }
}
