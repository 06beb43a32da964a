//! A reader as a stream, for whatever runs it.

use crate::error::ReadError;
use crate::owned::OwnedItem;
use crate::reader::Reader;
use event_listener::EventListener;
use futures_core::Stream;
use std::future::Future;
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
    /// While there is nothing to read.
    waiting: Option<EventListener>,
}

impl Items {
    pub(crate) const fn new(reader: Reader) -> Self {
        Self { reader, waiting: None }
    }

    /// The reader, which goes on behind the last item.
    #[must_use]
    pub fn into_reader(self) -> Reader {
        self.reader
    }
}

impl Stream for Items {
    type Item = Result<OwnedItem, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { reader, waiting } = self.get_mut();
        loop {
            if let Some(listener) = waiting {
                match Pin::new(listener).poll(context) {
                    Poll::Ready(()) => *waiting = None,
                    Poll::Pending => return Poll::Pending,
                }
            }
            match reader.next() {
                Ok(None) => *waiting = reader.listen(),
                Ok(Some(item)) => return Poll::Ready(Some(Ok(item.into()))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
