//! A build that cannot decompress says so, instead of taking a compressed segment for one that is not there.

use std::fs::File;
use std::io;

/// A compressed segment: in this build there is none.
#[derive(Debug)]
pub(crate) struct Packed(());

/// Nothing is ever decompressed.
#[derive(Debug, Default)]
pub(crate) struct Blocks(());

impl Packed {
    /// # Errors
    ///
    /// Always.
    pub(crate) fn open(_: File, _: u32, _: u8) -> io::Result<Self> {
        Err(refusal())
    }

    /// # Errors
    ///
    /// Always.
    pub(crate) fn head(_: &File) -> io::Result<Vec<u8>> {
        Err(refusal())
    }

    pub(crate) fn copy_to(&self, _: &File) -> io::Result<()> {
        Err(refusal())
    }

    pub(crate) fn read(&self, _: &mut Blocks, _: u32, _: &mut [u8]) -> io::Result<()> {
        Err(refusal())
    }
}

fn refusal() -> io::Error {
    let needed = "it is compressed, and this program was built without edgelog's feature `zstd`: build it with that feature, or decompress the file with `zstd -d --rm`";
    io::Error::new(io::ErrorKind::Unsupported, needed)
}
