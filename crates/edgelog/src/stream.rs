//! A reader as a stream, for whatever runs it.

use crate::bell::Place;
use crate::error::ReadError;
use crate::owned::OwnedItem;
use crate::reader::Reader;
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// One copied item after the other, without end: it waits for what is appended next. [`Reader::into_stream`] gives it.
///
/// It needs no particular runtime and has no thread: who appends wakes the task. What is no longer in memory is read from the files while the
/// stream is polled. Dropping it, also while it waits, leaves nothing behind.
#[derive(Debug)]
#[must_use = "a stream does nothing unless it is polled"]
pub struct Items {
    reader: Reader,
    /// Where it waits.
    place: Option<Place>,
}

impl Items {
    pub(crate) const fn new(reader: Reader) -> Self {
        Self { reader, place: None }
    }
}

impl Stream for Items {
    type Item = Result<OwnedItem, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, place } = self.get_mut();
        loop {
            if let Some(item) = reader.next().transpose() {
                return Poll::Ready(Some(item.map(OwnedItem::from)));
            }
            if reader.poll_ready(place, context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.reader.leave(self.place.take());
    }
}
