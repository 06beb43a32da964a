//! What a field can hold.

use crate::fixed::Fixed;
use crate::reader::{Invalid, check_alignment, slice, vector};
use crate::schema::Type;
use crate::writer::{Writer, length};

/// A value that a field of a table can hold: one of a fixed size lies in the table, every other behind an offset.
///
/// It is there for scalars, for what [`fixed!`](crate::fixed!) and [`table!`](crate::table!) make, for `&str`, `&[u8]`, [`Nested`] and
/// [`Vector`](crate::Vector); there is no need to implement it.
pub trait Value<'a>: Copy {
    /// Bytes in the table.
    const SIZE: usize;
    /// A power of two, 8 at most: where in a buffer such bytes may lie.
    const ALIGN: usize;
    /// What a schema calls it.
    const TYPE: &'static Type;

    /// Stores it at `at`, where room for `SIZE` bytes is, and appends what does not lie there.
    fn put(&self, writer: &mut Writer<'_>, at: usize);

    /// Verifies the one at `at`, and gives it.
    ///
    /// # Errors
    ///
    /// There is no such value.
    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid>;
}

impl<'a, T: Fixed> Value<'a> for T {
    const SIZE: usize = T::SIZE;
    const ALIGN: usize = T::ALIGN;
    const TYPE: &'static Type = T::TYPE;

    #[inline]
    fn put(&self, writer: &mut Writer<'_>, at: usize) {
        if let Some(room) = writer.room(at, T::SIZE) {
            self.store(room);
        }
    }

    #[inline]
    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        check_alignment(at, T::ALIGN)?;
        slice(bytes, at, T::SIZE).map(T::load)
    }
}

/// Offsets are of 32 bits.
pub(crate) const OFFSET: usize = 4;

/// A string, borrowed. Its bytes are followed by a zero, which is not part of it.
impl<'a> Value<'a> for &'a str {
    const SIZE: usize = OFFSET;
    const ALIGN: usize = OFFSET;
    const TYPE: &'static Type = &Type::Text;

    #[inline]
    fn put(&self, writer: &mut Writer<'_>, at: usize) {
        let end = self.len().saturating_add(5);
        let start = writer.append(0, end, 4);
        writer.point(at, start);
        writer.set(start, &length(self.len()));
        writer.set(start.saturating_add(4), self.as_bytes());
        writer.set(start.saturating_add(end - 1), &[0]);
    }

    #[inline]
    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        let (start, len) = vector(bytes, at)?;
        let text = slice(bytes, start.saturating_add(4), len)?;
        let end = start.saturating_add(4).saturating_add(len);
        if bytes.get(end) != Some(&0) {
            return Err(Invalid::Unterminated(start));
        }
        core::str::from_utf8(text).map_err(|_| Invalid::Utf8(start))
    }
}

/// Bytes, borrowed.
impl<'a> Value<'a> for &'a [u8] {
    const SIZE: usize = OFFSET;
    const ALIGN: usize = OFFSET;
    const TYPE: &'static Type = &Type::Vector(&Type::Scalar("ubyte"));

    #[inline]
    fn put(&self, writer: &mut Writer<'_>, at: usize) {
        write_bytes(self, 1, writer, at);
    }

    #[inline]
    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        let (start, len) = vector(bytes, at)?;
        slice(bytes, start.saturating_add(4), len)
    }
}

/// Bytes, borrowed, the first of them at a multiple of 8 from the start of the buffer around them, so that a FlatBuffer in them can be
/// read in place by every reader. Reading does not ask for the alignment, because not every writer keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is what it wraps")]
pub struct Nested<'a>(
    /// The bytes.
    pub &'a [u8],
);

impl<'a> Value<'a> for Nested<'a> {
    const SIZE: usize = OFFSET;
    const ALIGN: usize = OFFSET;
    const TYPE: &'static Type = &Type::Nested;

    #[inline]
    fn put(&self, writer: &mut Writer<'_>, at: usize) {
        write_bytes(self.0, 8, writer, at);
    }

    #[inline]
    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        <&[u8]>::get(bytes, at).map(Self)
    }
}

#[inline]
fn write_bytes(bytes: &[u8], align: usize, writer: &mut Writer<'_>, at: usize) {
    let start = append_vector(writer, at, bytes.len(), bytes.len(), align);
    writer.set(start, bytes);
}

/// Appends a vector of `count` elements in `len` bytes, and gives where they begin.
#[inline]
pub(crate) fn append_vector(
    writer: &mut Writer<'_>,
    at: usize,
    count: usize,
    len: usize,
    align: usize,
) -> usize {
    let start = writer.append(4, len.saturating_add(4), align.max(4));
    writer.point(at, start);
    writer.set(start, &length(count));
    start.saturating_add(4)
}
