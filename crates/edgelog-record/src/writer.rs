//! Bytes of a buffer, written from its front to its end.

use crate::value::Value;
use core::fmt;

/// A buffer is shorter than what was to be written. What it holds now is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooSmall {
    /// Bytes that suffice; `usize::MAX` where none do, because a FlatBuffer ends before 2 GiB.
    pub needed: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needed == usize::MAX {
            return f.write_str("the event is longer than a FlatBuffer can be, 2 GiB: shorten it");
        }
        write!(f, "the buffer is too small: the event needs {} bytes", self.needed)
    }
}

impl core::error::Error for TooSmall {}

/// Where a table and its children are written; for [`Value::put`] and what [`table!`](crate::table!) generates.
///
/// It goes on past the end of the buffer, where nothing is stored and positions still count. So the same code
/// measures and writes, and no position is ever outside of anything.
#[derive(Debug)]
pub struct Writer<'b> {
    bytes: &'b mut [u8],
    end: usize,
}

/// Room in a table for a field.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    size: usize,
    align: usize,
    at: usize,
}

impl Slot {
    /// Room for `value`; none for a field that is left out.
    #[inline]
    pub fn of<'a, V: Value<'a>>(value: &Option<V>) -> Self {
        const { assert!(matches!(V::ALIGN, 1 | 2 | 4 | 8), "values are aligned to 1, 2, 4 or 8") };
        Self { size: if value.is_some() { V::SIZE } else { 0 }, align: V::ALIGN, at: 0 }
    }

    /// Where it is.
    #[inline]
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }
}

impl<'b> Writer<'b> {
    pub(crate) const fn new(bytes: &'b mut [u8]) -> Self {
        Self { bytes, end: 0 }
    }

    /// Stores `bytes` at the position `at`, inside of what was appended.
    #[inline]
    pub fn set(&mut self, at: usize, bytes: &[u8]) {
        let Some(to) = at.checked_add(bytes.len()) else { return };
        if let Some(place) = self.bytes.get_mut(at..to) {
            place.copy_from_slice(bytes);
        }
    }

    /// The bytes from `at` on, `len` of them, if the buffer has them all.
    #[inline]
    pub fn room(&mut self, at: usize, len: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(at..at.checked_add(len)?)
    }

    /// Appends `len` bytes that the caller sets, with the position after the first `before` of them at a multiple of `align`,
    /// a power of two; gives where they begin. The bytes left out before them are zero.
    #[inline]
    pub fn append(&mut self, before: usize, len: usize, align: usize) -> usize {
        let start = aligned(self.end.saturating_add(before), align).saturating_sub(before);
        self.clear(start);
        self.end = start.saturating_add(len).min(END_MAX);
        start
    }

    /// Says in the offset at `at` where what it leads to begins.
    #[inline]
    pub fn point(&mut self, at: usize, target: usize) {
        self.set(at, &length(target.saturating_sub(at)));
    }

    /// Appends what leads a buffer: room for the root's offset, and the identifier.
    pub(crate) fn header(&mut self, identifier: Option<[u8; 4]>) {
        self.append(0, 4, 1);
        if let Some(identifier) = identifier {
            let at = self.append(0, identifier.len(), 1);
            self.set(at, &identifier);
        }
    }

    /// Appends a vtable and a table with room for the fields in `slots`, which are those of the table by their ids. Gives where the
    /// table begins; each slot then knows where its field does.
    ///
    /// The widest fields stand first, so that nothing is left free between fields; and the vtable is as short as it can be.
    pub fn table(&mut self, slots: &mut [Slot]) -> usize {
        let present = |slot: &Slot| slot.size > 0;
        let entries = slots.iter().rposition(present).map_or(0, |last| last + 1);
        let vtable_len = VTABLE_HEADER + 2 * entries;
        let widest = slots.iter().filter(|slot| present(slot)).map(|slot| slot.align).max();
        let vtable = aligned(self.end, 2);
        let first = aligned(vtable + vtable_len + 4, widest.unwrap_or(4).max(4));
        let table = first - 4;
        let mut next = first;
        for align in [8, 4, 2, 1] {
            for slot in slots.iter_mut().filter(|slot| present(slot) && slot.align == align) {
                slot.at = next;
                next += slot.size;
            }
        }
        self.clear(next);
        self.set(vtable, &short(vtable_len));
        self.set(vtable + 2, &short(next - table));
        for (id, slot) in slots.iter().enumerate().filter(|(_, slot)| present(slot)) {
            self.set(vtable + VTABLE_HEADER + 2 * id, &short(slot.at - table));
        }
        // How far the vtable lies before the table.
        self.set(table, &length(table - vtable));
        table
    }

    /// Appends zeros up to the position `to`.
    #[inline]
    fn clear(&mut self, to: usize) {
        if to > self.end
            && let Some(bytes) = self.bytes.get_mut(self.end..to)
        {
            bytes.fill(0);
        }
        self.end = to;
    }

    pub(crate) fn finish(self) -> Result<usize, TooSmall> {
        if self.end > LEN_MAX {
            return Err(TooSmall { needed: usize::MAX });
        }
        if self.end > self.bytes.len() {
            return Err(TooSmall { needed: self.end });
        }
        Ok(self.end)
    }

    pub(crate) const fn end(&self) -> usize {
        self.end
    }
}

/// Its own length and that of the table, before the entries.
const VTABLE_HEADER: usize = 4;

/// The longest buffer: offsets to vtables are signed.
const LEN_MAX: usize = i32::MAX as usize;

/// Positions end here, where any table still fits behind: more is too long anyway, and nothing overflows.
const END_MAX: usize = usize::MAX - (1 << 17);

/// A length or distance as FlatBuffers has it. One that does not fit is in a buffer that [`Writer::finish`] refuses.
#[inline]
pub(crate) fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

/// As [`length`], for what `table!` has checked to be short.
#[inline]
fn short(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}

/// The first multiple of `align`, a power of two, from `at` on.
#[inline]
const fn aligned(at: usize, align: usize) -> usize {
    at.saturating_add(align - 1) & !(align - 1)
}
