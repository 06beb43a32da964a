//! What the programs in `bin` share: a flash driver that costs next to nothing, and no runtime. Nothing here is ever run.
//!
//! Each program does with one library what `tests/no_alloc_probe` does with the engine: open or create, append, make durable, read
//! back, and let go of what was read where the library can do that. What it holds beyond `empty` is the library.
#![no_std]

use core::hint::black_box;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use ekv::flash::PageID;
use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};

/// Segments on the chip.
pub const SEGMENTS: usize = 1024;
/// Bytes in each.
pub const SEGMENT: usize = 4096;
/// Bytes of all.
pub const CAPACITY: u32 = (SEGMENTS * SEGMENT) as u32;

/// Every call is one function with nothing in it that the optimiser can see through.
#[derive(Debug)]
pub struct Flash;

/// The device does not answer.
#[derive(Debug)]
pub struct Broken;

impl NorFlashError for Broken {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Flash {
    type Error = Broken;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    #[inline(never)]
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        answer((offset, bytes.as_mut_ptr(), bytes.len()))
    }

    fn capacity(&self) -> usize {
        SEGMENTS * SEGMENT
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SEGMENT;

    #[inline(never)]
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        answer((from, to))
    }

    #[inline(never)]
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Broken> {
        answer((offset, bytes.as_ptr(), bytes.len()))
    }
}

impl MultiwriteNorFlash for Flash {}

impl embedded_storage_async::nor_flash::ReadNorFlash for Flash {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        ReadNorFlash::read(self, offset, bytes)
    }

    fn capacity(&self) -> usize {
        SEGMENTS * SEGMENT
    }
}

impl embedded_storage_async::nor_flash::NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = SEGMENT;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        NorFlash::erase(self, from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Broken> {
        NorFlash::write(self, offset, bytes)
    }
}

impl embedded_storage_async::nor_flash::MultiwriteNorFlash for Flash {}

impl ekv::flash::Flash for Flash {
    type Error = Broken;

    fn page_count(&self) -> usize {
        SEGMENTS
    }

    async fn erase(&mut self, page: PageID) -> Result<(), Broken> {
        NorFlash::erase(self, page.index() as u32, 0)
    }

    async fn read(&mut self, page: PageID, at: usize, bytes: &mut [u8]) -> Result<(), Broken> {
        ReadNorFlash::read(self, (page.index() + at) as u32, bytes)
    }

    async fn write(&mut self, page: PageID, at: usize, bytes: &[u8]) -> Result<(), Broken> {
        NorFlash::write(self, (page.index() + at) as u32, bytes)
    }
}

fn answer<T>(question: T) -> Result<(), Broken> {
    black_box(question);
    if black_box(false) { Err(Broken) } else { Ok(()) }
}

/// Runs what is never pending.
pub fn now<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = work.as_mut().poll(&mut context) {
            return output;
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
