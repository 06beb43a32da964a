//! Reading a compressed segment anywhere.

use super::{BLOCK_LEN, block_len, block_lens, table};
use crate::file::read_full;
use crate::sync::atomic::{AtomicU64, Ordering};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::{compress_bound, find_frame_compressed_size, get_frame_content_size};

/// A compressed segment that is open for reading.
#[derive(Debug)]
pub(crate) struct Packed {
    file: File,
    /// Plain bytes.
    size: u32,
    /// What bytes read as that cannot be had any more.
    damaged: u8,
    /// Where each frame begins, as far as that is known, and where the last one ends.
    pub(super) starts: Vec<u64>,
    /// No other one that was ever open has it.
    id: u64,
}

/// The blocks that were decompressed last: records often stand in two. About 300 KB, from the first use on; each reader has one.
#[derive(Default)]
pub(crate) struct Blocks {
    decompressor: Option<Decompressor<'static>>,
    frame: Vec<u8>,
    /// The one that was used last first.
    blocks: [Block; 2],
}

#[derive(Default)]
struct Block {
    /// The file's id, and which block of it.
    of: Option<(u64, usize)>,
    plain: Vec<u8>,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.blocks.iter().map(|block| block.of)).finish()
    }
}

impl Packed {
    /// Opens a file that holds a segment of `size` bytes. Whatever is wrong with it reads as damage: as the opposite of `erased`, which is no
    /// record and no unused space. Costs one read; where the table is damaged, one of each frame.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) fn open(file: File, size: u32, erased: u8) -> io::Result<Self> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let mut packed = Self { file, size, damaged: !erased, starts: vec![0], id };
        let lens = packed.told()?;
        let mut at = 0;
        for length in lens.unwrap_or_default() {
            at += u64::from(length);
            packed.starts.push(at);
        }
        if packed.starts.len() == 1 {
            packed.walk()?;
        }
        Ok(packed)
    }

    /// The first bytes of a segment of any size; none where they are damaged.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) fn head(file: &File) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; compress_bound(BLOCK_LEN)];
        let read = read_full(file, &mut bytes, 0)?;
        let bytes = bytes.get(..read).unwrap_or_default();
        let plain = get_frame_content_size(bytes).ok().flatten();
        let plain = plain.and_then(|length| usize::try_from(length).ok());
        let packed = find_frame_compressed_size(bytes).ok();
        let (Some(length), Some(frame)) =
            (plain.filter(|&length| length <= BLOCK_LEN), packed.and_then(|end| bytes.get(..end)))
        else {
            return Ok(Vec::new());
        };
        Ok(Decompressor::new()?.decompress(frame, length).unwrap_or_default())
    }

    /// The lengths of the frames, by the table.
    fn told(&self) -> io::Result<Option<Vec<u32>>> {
        let mut bytes = vec![0; table::len(self.size)];
        let Some(at) = self.file.metadata()?.len().checked_sub(bytes.len() as u64) else {
            return Ok(None);
        };
        let read = read_full(&self.file, &mut bytes, at)?;
        Ok(table::read(bytes.get(..read).unwrap_or_default(), self.size, at))
    }

    /// Finds the frames one behind the other, up to the first that is none.
    fn walk(&mut self) -> io::Result<()> {
        let mut frame = vec![0; compress_bound(BLOCK_LEN)];
        let mut at = 0;
        for plain in block_lens(self.size) {
            let read = read_full(&self.file, &mut frame, at)?;
            let bytes = frame.get(..read).unwrap_or_default();
            let told = get_frame_content_size(bytes).ok().flatten();
            let Ok(length) = find_frame_compressed_size(bytes) else { return Ok(()) };
            if told != Some(plain as u64) {
                return Ok(());
            }
            at += length as u64;
            self.starts.push(at);
        }
        Ok(())
    }

    /// Writes the segment, plain, to the start of a file.
    ///
    /// # Errors
    ///
    /// One of the files fails; damage is none.
    pub(crate) fn copy_to(&self, plain: &File) -> io::Result<()> {
        let (mut blocks, mut at) = (Blocks::default(), 0);
        for index in 0..block_lens(self.size).count() {
            let block = blocks.get(self, index)?;
            plain.write_all_at(block, at)?;
            at += block.len() as u64;
        }
        Ok(())
    }

    /// Fills `bytes` with those from `position` on, of which those that the segment does not have are damaged. Costs the decompressing of the
    /// blocks that they are in, unless these are the last two that were read.
    ///
    /// # Errors
    ///
    /// The file cannot be read; damage is none.
    pub(crate) fn read(
        &self,
        blocks: &mut Blocks,
        position: u32,
        mut bytes: &mut [u8],
    ) -> io::Result<()> {
        let mut position = usize::try_from(position).unwrap_or(usize::MAX);
        while !bytes.is_empty() {
            let plain = blocks.get(self, position / BLOCK_LEN)?;
            let mut plain = plain.get(position % BLOCK_LEN..).unwrap_or_default();
            let read = plain.read(bytes)?;
            if read == 0 {
                bytes.fill(self.damaged);
                return Ok(());
            }
            bytes = bytes.get_mut(read..).unwrap_or_default();
            position += read;
        }
        Ok(())
    }
}

impl Blocks {
    /// The plain bytes of a block; none beyond the segment's end.
    fn get(&mut self, packed: &Packed, index: usize) -> io::Result<&[u8]> {
        let wanted = Some((packed.id, index));
        let [first, second] = &mut self.blocks;
        if first.of != wanted {
            std::mem::swap(first, second);
        }
        if first.of != wanted {
            first.of = None;
            first.plain.clear();
            first.plain.resize(block_len(packed.size, index), packed.damaged);
            self.unpack(packed, index)?;
        }
        let [first, _] = &mut self.blocks;
        first.of = wanted;
        Ok(&first.plain)
    }

    /// Decompresses a block into the first place, if it is whole.
    fn unpack(&mut self, packed: &Packed, index: usize) -> io::Result<()> {
        let Self { decompressor, frame, blocks: [Block { plain, .. }, _] } = self;
        let (Some(&start), Some(&end)) = (packed.starts.get(index), packed.starts.get(index + 1))
        else {
            return Ok(());
        };
        // A table that is right in itself may tell any length: no frame is longer than this.
        let length = usize::try_from(end - start).unwrap_or(usize::MAX);
        if length > compress_bound(BLOCK_LEN) {
            return Ok(());
        }
        frame.resize(length, 0);
        let read = read_full(&packed.file, frame, start)?;
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            None => decompressor.insert(Decompressor::new()?),
        };
        let frame = frame.get(..read).unwrap_or_default();
        let unpacked = decompressor.decompress_to_buffer(frame, plain.as_mut_slice());
        if !unpacked.is_ok_and(|length| length == plain.len()) {
            // Zstd may have left there anything.
            plain.fill(packed.damaged);
        }
        Ok(())
    }
}
