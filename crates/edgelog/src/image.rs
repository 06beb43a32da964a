//! An image pulled from a chip as a medium: one file that holds all segments back to back.

use crate::error::{FileError, OpenError};
use crate::file::read_full;
use edgelog_core::{
    Geometry, HEADER_LEN_MAX, LogView, Medium, MountError, SEGMENT_MAGIC, stored_header,
};
use edgelog_map::MappedFile;
use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Slot n stands at byte n * `segment_size`. It is only read. Bytes that the file lacks read as damage: as the opposite of the
/// erased value, which is no frame either.
#[derive(Debug)]
pub(crate) struct ImageMedium {
    file: File,
    path: PathBuf,
    /// Where slot 0 stands in the file: 0 for an image.
    begin: u64,
    /// The file's length.
    bytes: u64,
    geometry: Geometry,
    /// All of it, once it was asked for, unless it cannot be mapped.
    map: OnceCell<Option<MappedFile>>,
}

/// What the bytes of a file tell of the log in it.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// Geometries that segment headers tell, the one that most of them tell first. The first that mounts is the log's: a log may
    /// hold an image of another as a record.
    pub(crate) geometries: Vec<Geometry>,
    /// The first byte at which a valid header stands, in its place or not.
    header: Option<u64>,
    /// A version that this build does not read, should there be no header that it does.
    version: Option<u16>,
    blank: bool,
}

/// What is read at once in search of headers; a multiple of [`STEP`].
const CHUNK: usize = 1 << 18;
/// Every segment size is a multiple of this, so headers stand at multiples of it.
const STEP: usize = SEGMENT_MAGIC.len();
/// Geometries that are remembered. An honest image tells one or two; this bounds what hostile bytes cost.
const GEOMETRIES_MAX: usize = 64;

impl Image {
    /// Looks for the sizes of the log in the file `path`. Any segment may be damaged or blank, and bytes may follow the ring.
    ///
    /// Costs one read for each segment when the file begins with a header that most others agree with, otherwise one pass over the file.
    pub(crate) fn survey(path: &Path) -> Result<Self, FileError> {
        let failed = |doing| move |error| FileError::new(doing, path, error);
        let mut file = File::open(path).map_err(failed("open"))?;
        // Not from its metadata: a block device has no length there.
        let bytes = file.seek(SeekFrom::End(0)).map_err(failed("find the length of"))?;
        let (geometries, path) = (Vec::new(), path.to_owned());
        let mut image =
            Self { file, path, bytes, geometries, header: None, version: None, blank: true };
        match image.usual() {
            Ok(Some(geometry)) => {
                image.header = Some(0);
                image.geometries.push(geometry);
            }
            Ok(None) => image.search().map_err(failed("read"))?,
            Err(error) => return Err(failed("read")(error)),
        }
        Ok(image)
    }

    /// The sizes in the very first header, if they are told again by another one and no more others stand in such places.
    fn usual(&self) -> io::Result<Option<Geometry>> {
        let Some(geometry) = geometry_at(&self.file, 0)? else { return Ok(None) };
        let (mut same, mut other) = (0u64, 0u64);
        for slot in 0..u64::from(geometry.segment_count()) {
            let at = slot * u64::from(geometry.segment_size());
            if at >= self.bytes {
                break;
            }
            match geometry_at(&self.file, at)? {
                Some(told) if told == geometry => same += 1,
                Some(_) => other += 1,
                None => {}
            }
        }
        Ok((same >= 2 && same > other).then_some(geometry))
    }

    /// One pass over all bytes.
    fn search(&mut self) -> io::Result<()> {
        let mut votes: Vec<(Geometry, u64)> = Vec::new();
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        loop {
            let length = read_full(&self.file, &mut chunk, at)?;
            let bytes = chunk.get(..length).unwrap_or_default();
            self.blank &= is_blank(bytes);
            for (n, _) in
                bytes.chunks_exact(STEP).enumerate().filter(|(_, step)| *step == SEGMENT_MAGIC)
            {
                self.meet(at + (n * STEP) as u64, &mut votes)?;
            }
            if length < CHUNK {
                break;
            }
            at += length as u64;
        }
        // A stable sort: of equally many the one that was met first.
        votes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        self.geometries = votes.into_iter().map(|(geometry, _)| geometry).collect();
        Ok(())
    }

    /// Takes the header at `position` into account, if it is one. Only one that stands where a ring of its sizes has a segment has a vote.
    fn meet(&mut self, position: u64, votes: &mut Vec<(Geometry, u64)>) -> io::Result<()> {
        let Some(geometry) = geometry_at(&self.file, position)? else {
            if self.version.is_none() {
                self.version = other_version(&self.file, position)?;
            }
            return Ok(());
        };
        self.header.get_or_insert(position);
        let size = u64::from(geometry.segment_size());
        if position.is_multiple_of(size) && position / size < u64::from(geometry.segment_count()) {
            if let Some((_, count)) = votes.iter_mut().find(|(known, _)| *known == geometry) {
                *count += 1;
            } else if votes.len() < GEOMETRIES_MAX {
                votes.push((geometry, 1));
            }
        }
        Ok(())
    }

    /// The file as a medium of these sizes.
    pub(crate) fn medium(&self, geometry: Geometry) -> Result<ImageMedium, FileError> {
        let Self { file, path, bytes, .. } = self;
        let file = file.try_clone().map_err(|error| FileError::new("open", path, error))?;
        let map = OnceCell::new();
        Ok(ImageMedium { file, path: path.clone(), begin: 0, bytes: *bytes, geometry, map })
    }

    /// Why nothing in the file mounts.
    pub(crate) fn refusal(self) -> OpenError {
        let Self { path, bytes, header, version, blank, .. } = self;
        let source = match version {
            Some(found) if header.is_none() => MountError::Version { found },
            _ if blank && bytes > 0 => MountError::NoLog { blank },
            _ => return OpenError::NotAnImage { path, bytes, header },
        };
        OpenError::Mount { path, source }
    }
}

impl ImageMedium {
    /// The file's length.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn refuse(&self, doing: &'static str) -> FileError {
        let only_read = io::Error::new(io::ErrorKind::Unsupported, "an image is only read");
        FileError::new(doing, &self.path, only_read)
    }
}

impl Medium for ImageMedium {
    type Error = FileError;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn mapped(&self, slot: u32) -> Option<&[u8]> {
        let map = self.map.get_or_init(|| {
            let length = usize::try_from(self.bytes).ok()?;
            MappedFile::new(self.file.try_clone().ok()?, length).ok()
        });
        let bytes = map.as_ref()?.bytes();
        let size = usize::try_from(self.geometry.segment_size()).ok()?;
        let start = usize::try_from(slot).ok()?.checked_mul(size)?.min(bytes.len());
        bytes.get(start..start.saturating_add(size).min(bytes.len()))
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), FileError> {
        let in_ring =
            u64::from(slot) * u64::from(self.geometry.segment_size()) + u64::from(position);
        let at = self.begin.saturating_add(in_ring);
        let length = if at < self.bytes {
            read_full(&self.file, bytes, at)
                .map_err(|error| FileError::new("read", &self.path, error))?
        } else {
            0
        };
        bytes.get_mut(length..).unwrap_or_default().fill(!self.geometry.erased());
        Ok(())
    }

    fn program(&mut self, _: u32, _: u32, _: &[u8]) -> Result<(), FileError> {
        Err(self.refuse("write to"))
    }

    fn erase(&mut self, _: u32) -> Result<(), FileError> {
        Err(self.refuse("erase a segment of"))
    }

    fn sync(&mut self) -> Result<(), FileError> {
        Err(self.refuse("sync"))
    }
}

/// The format version that the bytes at `position` tell, if they are the start of a segment in a version that this build does not read.
pub(crate) fn other_version(file: &File, position: u64) -> io::Result<Option<u16>> {
    let (bytes, path, file) = (u64::MAX, PathBuf::new(), file.try_clone()?);
    // The engine knows how a version is told; it looks at the start of a segment, whatever the sizes.
    let Ok(geometry) = Geometry::new(edgelog_core::SEGMENT_SIZE_MIN, 2, 1, 0) else {
        return Ok(None);
    };
    // Only a header is read.
    let map = OnceCell::from(None);
    let segment = ImageMedium { file, path, begin: position, bytes, geometry, map };
    Ok(match LogView::open(segment) {
        Err(MountError::Version { found }) => Some(found),
        _ => None,
    })
}

/// Whether an erased chip could read so.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == 0x00) || bytes.iter().all(|&byte| byte == 0xFF)
}

fn geometry_at(file: &File, position: u64) -> io::Result<Option<Geometry>> {
    let mut head = [0; HEADER_LEN_MAX];
    let length = read_full(file, &mut head, position)?;
    Ok(stored_header(head.get(..length).unwrap_or_default()).map(|(_, geometry)| geometry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_refuses_every_write() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 2048]).unwrap();
        let image = Image::survey(file.path()).unwrap();
        let mut medium = image.medium(Geometry::new(1024, 2, 1, 0).unwrap()).unwrap();
        assert_eq!(medium.program(0, 0, &[1]).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(medium.erase(0).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(medium.sync().unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(std::fs::read(file.path()).unwrap(), [7; 2048]);
    }

    #[test]
    fn bytes_that_an_image_lacks_read_as_neither_erased_nor_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [7; 1500]).unwrap();
        let image = Image::survey(file.path()).unwrap();
        for erased in [0x00, 0xFF] {
            let mut medium = image.medium(Geometry::new(1024, 4, 1, erased).unwrap()).unwrap();
            for (slot, position, kept) in [(1, 470, 6), (1, 476, 0), (3, 0, 0)] {
                let mut bytes = [0x55; 8];
                medium.read(slot, position, &mut bytes).unwrap();
                assert!(bytes[..kept].iter().all(|&byte| byte == 7));
                assert!(bytes[kept..].iter().all(|&byte| byte == !erased));
            }
        }
    }
}
