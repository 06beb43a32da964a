//! Positions in a buffer that someone else may have written.

use crate::value::Value;
use core::fmt;

/// Bytes are not what they should be. Nothing of them was given out. Positions count from the buffer's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The buffer does not carry the identifier of the type that was asked for.
    Identifier,
    /// What should lie at this position ends beyond the buffer, or begins before it.
    OutOfBounds(usize),
    /// What lies at this position should lie at a multiple of its alignment.
    Misaligned(usize),
    /// The string at this position is not UTF-8.
    Utf8(usize),
    /// The string at this position is not followed by a zero.
    Unterminated(usize),
    /// A required field is missing.
    Missing(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identifier => f.write_str("not a buffer of this type: its identifier is another"),
            Self::OutOfBounds(at) => write!(f, "cut or damaged: byte {at} leads out of the buffer"),
            Self::Misaligned(at) => write!(f, "damaged: what lies at byte {at} is misaligned"),
            Self::Utf8(at) => write!(f, "damaged: the string at byte {at} is not UTF-8"),
            Self::Unterminated(at) => write!(f, "damaged: the string at byte {at} has no end"),
            Self::Missing(field) => write!(f, "the required field {field} is missing"),
        }
    }
}

impl core::error::Error for Invalid {}

/// The fields of a table in a buffer; for [`Table::from_fields`](crate::Table::from_fields).
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    table: usize,
    vtable: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The table at the position `table` of `bytes`, when its vtable lies in the buffer. Its fields are looked at as they are asked for.
    fn at(bytes: &'a [u8], table: usize) -> Result<Self, Invalid> {
        let back = i32::from_le_bytes(aligned_word(bytes, table)?);
        let distance = usize::try_from(back.unsigned_abs()).unwrap_or(usize::MAX);
        let vtable =
            if back > 0 { table.checked_sub(distance) } else { table.checked_add(distance) };
        let vtable = vtable.ok_or(Invalid::OutOfBounds(table))?;
        let len = usize::from(u16::from_le_bytes(aligned_word(bytes, vtable)?));
        if !len.is_multiple_of(2) {
            return Err(Invalid::Misaligned(vtable));
        }
        Ok(Self { bytes, table, vtable: slice(bytes, vtable, len)? })
    }

    /// The table that the offset at the position `at` of `bytes` leads to.
    ///
    /// # Errors
    ///
    /// Offset, table or vtable are not inside of the buffer, or misaligned.
    pub fn behind(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        Self::at(bytes, follow(bytes, at)?)
    }

    /// The field `id`, or `None` where the writer left it out.
    ///
    /// # Errors
    ///
    /// It is not one of this type.
    #[inline]
    pub fn get<V: Value<'a>>(&self, id: usize) -> Result<Option<V>, Invalid> {
        let entry = id.saturating_mul(2).saturating_add(4);
        let entry = self.vtable.get(entry..).and_then(|rest| rest.first_chunk());
        match entry.map_or(0, |entry| usize::from(u16::from_le_bytes(*entry))) {
            0 => Ok(None),
            offset => V::get(self.bytes, self.table.saturating_add(offset)).map(Some),
        }
    }
}

/// The `len` bytes from `at` on.
#[inline]
pub(crate) fn slice(bytes: &[u8], at: usize, len: usize) -> Result<&[u8], Invalid> {
    let to = at.checked_add(len).ok_or(Invalid::OutOfBounds(at))?;
    bytes.get(at..to).ok_or(Invalid::OutOfBounds(at))
}

/// The word of `N` bytes at a multiple of `N`.
#[inline]
fn aligned_word<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Invalid> {
    check_alignment(at, N)?;
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk());
    word.copied().ok_or(Invalid::OutOfBounds(at))
}

#[inline]
pub(crate) const fn check_alignment(at: usize, align: usize) -> Result<(), Invalid> {
    if at.is_multiple_of(align) { Ok(()) } else { Err(Invalid::Misaligned(at)) }
}

/// Where the offset at `at` leads: always ahead.
#[inline]
pub(crate) fn follow(bytes: &[u8], at: usize) -> Result<usize, Invalid> {
    let offset = u32::from_le_bytes(aligned_word(bytes, at)?);
    let offset = usize::try_from(offset).map_err(|_| Invalid::OutOfBounds(at))?;
    at.checked_add(offset).ok_or(Invalid::OutOfBounds(at))
}

/// The vector that the offset at `at` leads to: where it begins and how many elements it has.
#[inline]
pub(crate) fn vector(bytes: &[u8], at: usize) -> Result<(usize, usize), Invalid> {
    let start = follow(bytes, at)?;
    let count = u32::from_le_bytes(aligned_word(bytes, start)?);
    let count = usize::try_from(count).map_err(|_| Invalid::OutOfBounds(start))?;
    Ok((start, count))
}
