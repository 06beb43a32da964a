//! Vectors of values of a fixed size.

use crate::fixed::Fixed;
use crate::reader::{Invalid, check_alignment, slice, vector};
use crate::schema::Type;
use crate::value::{OFFSET, Value, append_vector};
use crate::writer::Writer;
use core::fmt;

/// Values of a fixed size, borrowed: a slice that is to be written, or bytes of a buffer that is read.
#[derive(Clone, Copy)]
pub struct Vector<'a, T>(Source<'a, T>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    Slice(&'a [T]),
    Bytes(&'a [u8]),
}

impl<'a, T: Fixed> Vector<'a, T> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Slice(items) => items.len(),
            Source::Bytes(bytes) => bytes.len() / T::SIZE,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at `index`, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        match self.0 {
            Source::Slice(items) => items.get(index).copied(),
            Source::Bytes(bytes) => {
                let start = index.checked_mul(T::SIZE)?;
                bytes.get(start..start.checked_add(T::SIZE)?).map(T::load)
            }
        }
    }

    /// All of them, in order.
    #[must_use]
    pub fn iter(&self) -> Items<'a, T> {
        Items(self.0)
    }
}

impl<'a, T> From<&'a [T]> for Vector<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self(Source::Slice(items))
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for Vector<'a, T> {
    fn from(items: &'a [T; N]) -> Self {
        Self(Source::Slice(items))
    }
}

impl<T> Default for Vector<'_, T> {
    fn default() -> Self {
        Self(Source::Bytes(&[]))
    }
}

impl<T: Fixed> PartialEq for Vector<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Fixed + fmt::Debug> fmt::Debug for Vector<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, T: Fixed> IntoIterator for Vector<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

/// The values of a [`Vector`].
#[derive(Clone)]
pub struct Items<'a, T>(Source<'a, T>);

impl<T> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}

impl<T: Fixed> Iterator for Items<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        match &mut self.0 {
            Source::Slice(items) => items.split_off_first().copied(),
            Source::Bytes(bytes) => bytes.split_off(..T::SIZE).map(T::load),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = Vector(self.0).len();
        (left, Some(left))
    }
}

impl<T: Fixed> ExactSizeIterator for Items<'_, T> {}

impl<'a, T: Fixed> Value<'a> for Vector<'a, T> {
    const SIZE: usize = OFFSET;
    const ALIGN: usize = OFFSET;
    const TYPE: &'static Type = &Type::Vector(T::TYPE);

    #[inline]
    fn put(&self, writer: &mut Writer<'_>, at: usize) {
        let len = self.len().saturating_mul(T::SIZE);
        let start = append_vector(writer, at, self.len(), len, T::ALIGN);
        match self.0 {
            Source::Bytes(bytes) => writer.set(start, bytes),
            Source::Slice(items) => {
                let room = writer.room(start, len).unwrap_or_default();
                for (item, room) in items.iter().zip(room.chunks_exact_mut(T::SIZE)) {
                    item.store(room);
                }
            }
        }
    }

    #[inline]
    fn get(bytes: &'a [u8], at: usize) -> Result<Self, Invalid> {
        let (start, count) = vector(bytes, at)?;
        let first = start.saturating_add(4);
        // The builder of C++ aligns elements, and where there are none it may not.
        if count > 0 {
            check_alignment(first, T::ALIGN)?;
        }
        let len = count.checked_mul(T::SIZE).ok_or(Invalid::OutOfBounds(start))?;
        slice(bytes, first, len).map(|bytes| Self(Source::Bytes(bytes)))
    }
}
