//! Files mapped into memory to be read, and pinned for as long as they are.
//!
//! A mapped file is borrowed as bytes that must not change, although the file system lets others write to it. So whoever writes keeps
//! two rules, and everybody who reads keeps the lock that the second one asks for:
//!
//! - what readers were told of (the frames of a segment up to a watermark) is never written again, only what comes behind it;
//! - a file is used anew, or made shorter, only by who [may](may_rewrite) rewrite it: while nobody has it mapped. Otherwise a new file takes
//!   its name, and the old one lives on without a name until the last reader lets go of it.

mod write_out;

pub use write_out::begin_write_out;

use memmap2::{Advice, Mmap, MmapOptions};
use std::fs::{File, TryLockError};
use std::io;

/// All bytes of a file, mapped. While it lives, [`may_rewrite`] says no, in this and every other process.
///
/// Costs one file descriptor, and address space of the file's length; memory only for the pages that are touched, which the system takes
/// back when it needs them.
#[derive(Debug)]
pub struct MappedFile {
    bytes: Mmap,
    /// Holds the shared lock; closing it gives the lock back.
    _pin: File,
}

impl MappedFile {
    /// Maps what `file`, which must be open for reading, holds, up to `limit` bytes; waits while somebody rewrites it.
    ///
    /// Reading bytes that the device cannot give, or that somebody outside of edgelog cut off, ends the process with `SIGBUS`: that is
    /// the price of a mapping. Whoever cannot pay it reads through a buffer.
    ///
    /// # Errors
    ///
    /// The file system has no locks or no mappings.
    pub fn new(file: File, limit: usize) -> io::Result<Self> {
        file.lock_shared()?;
        let stored = file.metadata()?;
        // A device has no length there; whoever maps one knows it.
        let stored = if stored.is_file() { stored.len() } else { u64::MAX };
        let length = usize::try_from(stored).unwrap_or(usize::MAX).min(limit);
        #[expect(unsafe_code, reason = "a mapping has no safe form")]
        // SAFETY: The bytes must not change while they are borrowed. Those that edgelog hands out are frames that were validated below a
        // watermark; its writers never write there again (the first rule above), and neither reuse nor shorten a file that is
        // locked shared (the second). Others who write into a log's files break more than this, and are told so.
        let bytes = unsafe { MmapOptions::new().len(length).map(&file)? };
        Ok(Self { bytes, _pin: file })
    }

    /// Brings all of it into memory at once, which takes less time than one page after the other, and tells what the device cannot give.
    /// Bytes that the system takes back, because it needs the memory, are read again when they are touched, as any other.
    ///
    /// # Errors
    ///
    /// The device could not read, or the system (Linux before 5.14) cannot do this: read through a buffer.
    pub fn populate(&self) -> io::Result<()> {
        self.bytes.advise(Advice::PopulateRead)
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The right to write over what a file holds; given back when it is dropped.
#[derive(Debug)]
pub struct Rewriting<'f>(&'f File);

impl Drop for Rewriting<'_> {
    fn drop(&mut self) {
        // Nothing waits for it but new readers, and closing the file gives it back too.
        let _ = self.0.unlock();
    }
}

/// Whether `file` may be written over: nobody has it [mapped](MappedFile), and nobody can map it until the answer is dropped. Never waits.
///
/// # Errors
///
/// The file system has no locks.
pub fn may_rewrite(file: &File) -> io::Result<Option<Rewriting<'_>>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(Rewriting(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_mapped_file_may_not_be_rewritten_until_the_last_mapping_is_gone() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"12345678").unwrap();
        let owner = file.reopen().unwrap();
        assert!(may_rewrite(&owner).unwrap().is_some());
        let one = MappedFile::new(file.reopen().unwrap(), 8).unwrap();
        let two = MappedFile::new(file.reopen().unwrap(), 4).unwrap();
        assert_eq!((one.bytes(), two.bytes()), (&b"12345678"[..], &b"1234"[..]));
        assert!(may_rewrite(&owner).unwrap().is_none());
        drop(one);
        assert!(may_rewrite(&owner).unwrap().is_none());
        drop(two);
        assert!(may_rewrite(&owner).unwrap().is_some());
    }

    #[test]
    fn a_file_is_mapped_up_to_its_end_and_an_empty_one_has_no_bytes() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(MappedFile::new(file.reopen().unwrap(), 8).unwrap().bytes(), b"");
        file.write_all(b"123").unwrap();
        assert_eq!(MappedFile::new(file.reopen().unwrap(), 8).unwrap().bytes(), b"123");
    }
}
