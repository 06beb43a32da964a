//! A medium that costs next to nothing, so that what is measured is the log. It stores nothing and is never run.

use core::fmt;
use core::hint::black_box;
use edgelog_core::{Geometry, Medium};

/// Every call is one function with nothing in it that the optimiser can see through: what a driver gives is known only at run time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flash {
    geometry: Geometry,
}

impl Flash {
    /// With sizes that are known at run time only.
    pub(crate) fn new() -> Option<Self> {
        let [segment_size, segment_count, word] = black_box([4096, 4, 4]);
        Some(Self { geometry: Geometry::new(segment_size, segment_count, word, 0xFF).ok()? })
    }
}

impl Medium for Flash {
    type Error = Broken;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    #[inline(never)]
    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        answer((slot, position, bytes.as_mut_ptr(), bytes.len()))
    }

    #[inline(never)]
    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Broken> {
        answer((slot, position, bytes.as_ptr(), bytes.len()))
    }

    #[inline(never)]
    fn erase(&mut self, slot: u32) -> Result<(), Broken> {
        answer(slot)
    }

    #[inline(never)]
    fn sync(&mut self) -> Result<(), Broken> {
        answer(())
    }
}

fn answer<T>(question: T) -> Result<(), Broken> {
    black_box(question);
    if black_box(false) { Err(Broken) } else { Ok(()) }
}

/// The device does not answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device does not answer")
    }
}

impl core::error::Error for Broken {}
