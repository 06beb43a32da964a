//! Stands in for the bytes of a write: of each only its number counts, and when it reaches the disk.

use crate::sync::{Arc, Mutex};
use std::fs::File;
use std::io;

pub(crate) const WRITE_LEN: usize = 256 << 10;

/// The numbers of the writes that were done, in order.
pub(crate) type Written = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
pub(crate) struct Tail {
    slot: u32,
    number: u8,
    disk: Written,
}

impl Tail {
    pub(crate) const fn new(slot: u32, number: u8, disk: Written) -> Self {
        Self { slot, number, disk }
    }

    #[expect(clippy::unused_self, reason = "as the log's own")]
    pub(crate) const fn len(&self) -> usize {
        1
    }

    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the log's own")]
    pub(crate) fn write_to(self, _: &File) -> io::Result<Vec<u8>> {
        self.disk.lock().unwrap().push(self.number);
        Ok(Vec::new())
    }
}
