//! The plain loops that everything is measured by: frames of length, CRC-32C of the payload, and payload.

use crate::store::Seen;
use anyhow::{Result, ensure};
use edgelog_map::MappedFile;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes in front of a payload.
const HEADER: usize = 8;
/// Bytes of the buffer in front of the file.
const BUFFER: usize = 64 << 10;

/// A growing file behind a buffer.
pub(crate) struct Buffered(BufWriter<File>);

impl Buffered {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self(BufWriter::with_capacity(BUFFER, File::create(path)?)))
    }

    pub(crate) fn append(&mut self, record: &[u8]) -> Result<()> {
        self.0.write_all(&header(record))?;
        self.0.write_all(record)?;
        Ok(())
    }

    /// Gives the buffer to the system.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }

    pub(crate) fn sync(&mut self) -> Result<()> {
        self.flush()?;
        Ok(self.0.get_ref().sync_data()?)
    }
}

/// A file whose bytes were written, as zeros, before the first record comes.
pub(crate) struct ZeroFilled {
    file: File,
    position: u64,
    group: Vec<u8>,
}

impl ZeroFilled {
    /// With room for `bytes`, in whole steps of `step`, durable.
    pub(crate) fn create(path: &Path, bytes: u64, step: u64) -> Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        let mut at = 0;
        while at < bytes.next_multiple_of(step) {
            file.write_all_at(&zeros, at)?;
            at += zeros.len() as u64;
        }
        file.sync_all()?;
        Ok(Self { file, position: 0, group: Vec::new() })
    }

    /// One write and one fdatasync for all of them.
    pub(crate) fn append_durably(&mut self, records: &[&[u8]]) -> Result<()> {
        self.group.clear();
        for record in records {
            self.group.extend(header(record));
            self.group.extend(*record);
        }
        self.file.write_all_at(&self.group, self.position)?;
        self.file.sync_data()?;
        self.position += self.group.len() as u64;
        Ok(())
    }
}

/// Bytes that `count` records with `payload` bytes take.
pub(crate) fn file_bytes(count: usize, payload: u64) -> u64 {
    payload + (count * HEADER) as u64
}

/// One pass over a mapped file, with every CRC.
pub(crate) fn scan(path: &Path) -> Result<Seen> {
    let map = MappedFile::new(File::open(path)?, usize::MAX)?;
    let mut rest = map.bytes();
    let mut seen = Seen::default();
    while let Some((header, behind)) = rest.split_first_chunk::<HEADER>() {
        let [a, b, c, d, crc @ ..] = *header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length == 0 {
            break;
        }
        ensure!(length <= behind.len(), "a frame is longer than the file");
        let (payload, next) = behind.split_at(length);
        ensure!(crc32c::crc32c(payload) == u32::from_le_bytes(crc), "a frame is damaged");
        seen.see(payload);
        rest = next;
    }
    Ok(seen)
}

fn header(record: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let (length, crc) = header.split_at_mut(4);
    length.copy_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
    crc.copy_from_slice(&crc32c::crc32c(record).to_le_bytes());
    header
}
