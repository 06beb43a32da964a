//! Items that outlive the reader's next step, and everything that gives them one after the other.

use crate::error::ReadError;
use crate::reader::Reader;
use edgelog_core::{Gap, Item, Record};

/// One thing that a reader met, with a copy of its bytes.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a consumer must handle both, and there is nothing else"
)]
pub enum OwnedItem {
    /// A record.
    Record(OwnedRecord),
    /// Records that are gone, counted.
    Gap(Gap),
}

/// A verified record with a copy of its key and payload. [`get`](Self::get) gives it as a reader does.
#[derive(Clone, Debug)]
pub struct OwnedRecord {
    record: Record<'static>,
    key: Option<Box<[u8]>>,
    payload: Box<[u8]>,
}

impl OwnedRecord {
    /// The record. Costs nothing.
    #[must_use]
    pub fn get(&self) -> Record<'_> {
        self.record.with_bytes(self.key.as_deref(), &self.payload)
    }
}

impl From<Record<'_>> for OwnedRecord {
    /// Costs an allocation for the payload, and one for the key.
    fn from(record: Record<'_>) -> Self {
        let (key, payload) = (record.key.map(Into::into), record.payload.into());
        Self { record: record.with_bytes(None, &[]), key, payload }
    }
}

impl From<Item<'_>> for OwnedItem {
    fn from(item: Item<'_>) -> Self {
        match item {
            Item::Record(record) => Self::Record(record.into()),
            Item::Gap(gap) => Self::Gap(gap),
        }
    }
}

/// What is visible, one copied item after the other; `Reader::into_iter` gives it. It ends where [`Reader::next`] finds nothing more, does not
/// wait, and goes on when it is asked again after something more was appended.
#[derive(Debug)]
pub struct Items(Reader);

impl Items {
    /// The reader, which goes on behind the last item.
    #[must_use]
    pub fn into_reader(self) -> Reader {
        self.0
    }
}

impl Iterator for Items {
    type Item = Result<OwnedItem, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|item| item.map(OwnedItem::from)).transpose()
    }
}

impl IntoIterator for Reader {
    type Item = Result<OwnedItem, ReadError>;
    type IntoIter = Items;

    /// Costs a copy of each record; [`Reader::next`] lends them without.
    fn into_iter(self) -> Items {
        Items(self)
    }
}
