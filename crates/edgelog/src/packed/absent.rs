//! A build that cannot decompress says so, instead of taking a compressed segment for one that is not there.

use std::fs::File;
use std::io;

/// There is none in this build.
#[derive(Debug)]
pub(crate) enum Packed {}

/// Nothing is ever decompressed.
#[derive(Debug, Default)]
pub(crate) struct Blocks;

impl Packed {
    /// # Errors
    ///
    /// Always.
    pub(crate) fn open(_: File, _: u32, _: u8) -> io::Result<Self> {
        let needed = "it is compressed, and this program was built without edgelog's feature `zstd`; build it with that feature, or decompress the file with `zstd -d`";
        Err(io::Error::new(io::ErrorKind::Unsupported, needed))
    }

    pub(crate) fn read(&self, _: &mut Blocks, _: u32, _: &mut [u8]) -> io::Result<()> {
        match *self {}
    }
}
