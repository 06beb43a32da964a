//! Errors that say what holds now and what to do.

use edgelog_core::MountError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why something could not be appended. Everything that was acknowledged before still holds.
pub type AppendError = edgelog_core::AppendError<FileError>;

/// Why something could not be read. Damage is not an error but a [`Gap`](crate::Gap).
pub type ReadError = edgelog_core::ReadError<FileError>;

/// An operation on a file of the log failed.
#[derive(Clone, Debug)]
pub struct FileError {
    /// One pointer, because the results of calls that do not fail have its size too. Many may be told of one failure.
    failure: Arc<Failure>,
}

#[derive(Clone, Debug)]
struct Failure {
    doing: &'static str,
    path: PathBuf,
    source: Arc<io::Error>,
    durable: Option<u64>,
}

impl FileError {
    pub(crate) fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let (path, source) = (path.to_owned(), Arc::new(source));
        Self { failure: Arc::new(Failure { doing, path, source, durable: None }) }
    }

    /// This failure is why a log takes no more.
    pub(crate) fn ending(self, durable: u64) -> Self {
        let failure = Failure { durable: Some(durable), ..Arc::unwrap_or_clone(self.failure) };
        Self { failure: Arc::new(failure) }
    }

    /// Told to the owner of another log, which goes on: this one's durable offset is not his.
    pub(crate) fn elsewhere(self) -> Self {
        let failure = Failure { durable: None, ..Arc::unwrap_or_clone(self.failure) };
        Self { failure: Arc::new(failure) }
    }

    /// The durable offset of the log that this failure ended: every record below it survives a power cut; those from it on may be there
    /// or not when the log is opened again, which it must be to go on. `None`: the log goes on.
    #[must_use]
    pub fn durable(&self) -> Option<u64> {
        self.failure.durable
    }

    /// The operating system's error kind.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.failure.source.kind()
    }

    /// Whether it passes when something is given up.
    pub(crate) fn is_want_of_space(&self) -> bool {
        matches!(self.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    fn advice(&self) -> &'static str {
        match self.kind() {
            _ if self.is_want_of_space() => {
                "; free some space, then go on: nothing that was stored is lost"
            }
            io::ErrorKind::PermissionDenied => {
                "; give this user permission there, or choose another folder"
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "; the file system is mounted read-only: choose another folder or remount it"
            }
            io::ErrorKind::NotADirectory => {
                "; a part of this path is a file: choose another folder"
            }
            io::ErrorKind::NotSeekable => "; that is a pipe: write the image into a file first",
            io::ErrorKind::AlreadyExists => {
                "; that is a file, which can be read if it is an image of a log; to append choose a folder"
            }
            _ => "",
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { doing, path, source, durable } = &*self.failure;
        write!(f, "cannot {doing} {}: {source}{}", path.display(), self.advice())?;
        match durable {
            Some(durable) => write!(
                f,
                "; every record below offset {durable} is durable, what is behind it is unknown until the log is opened again, and until then it takes no more"
            ),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.failure.source)
    }
}

/// Why a log could not be opened. The log, if there is one, was not changed; the folder and its lock file may have been created.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process owns the log.
    Locked {
        /// The log's directory.
        path: PathBuf,
        /// The process id and the program, as the owner wrote them down: `4711 (gateway)`.
        owner: String,
    },
    /// There is no log in the directory, and none was to be created.
    NoLog(PathBuf),
    /// The directory has segment files, but none of them has a valid header.
    NotALog {
        /// The log's directory.
        path: PathBuf,
        /// How many segment files there are.
        files: usize,
    },
    /// The file is no image of a log.
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The first byte at which a segment header is whole but stands where no ring that begins with the file has one.
        header: Option<u64>,
    },
    /// The options ask for sizes that cannot be, or that this existing log does not have.
    Sizes(String),
    /// The name cannot be that of a log in a store.
    BadName(String),
    /// The folder is that of a store and not of a log.
    IsAStore {
        /// The store's directory.
        path: PathBuf,
        /// The names of its logs, each in a folder of its own.
        logs: Vec<String>,
    },
    /// The folder is that of a log and not of a store.
    NotAStore(PathBuf),
    /// The store's budget has no room for a new log's first segment.
    Full(PathBuf),
    /// The system gives no random number for the id of a new log.
    NoRandomId(String),
    /// A file operation failed.
    File(FileError),
    /// The log is there and cannot be mounted, or the image is blank.
    Mount {
        /// The log's directory or image.
        path: PathBuf,
        /// Why.
        source: MountError<FileError>,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, owner } => write!(
                f,
                "the log {} is owned by process {owner}: {}, or choose another folder (reading does not need the lock)",
                path.display(),
                if is_own(owner) {
                    "that is this process's own number, so drop all clones, readers, uplinks and the like of the log first, or share it by cloning"
                } else {
                    "end that process first"
                }
            ),
            Self::NoLog(path) => write!(
                f,
                "there is no log in {}: check the folder, or append something first",
                path.display()
            ),
            Self::NotALog { path, files } => write!(
                f,
                "{} has {files} segment {}, but none with a valid edgelog header: it is not a log, or all headers are damaged; nothing was changed - choose another folder, or move these files away",
                path.display(),
                if *files == 1 { "file" } else { "files" }
            ),
            Self::NotAnImage { path, bytes: 0, .. } => write!(
                f,
                "{} is empty: it is not an image of a log; read the chip out again, or give a log's folder",
                path.display()
            ),
            Self::NotAnImage { path, header: Some(header), .. } => write!(
                f,
                "{} has a segment header of edgelog at byte {header}, but no log begins at its first byte: cut the log's part out of the image (all segments, from the first), or give the folder if this is one segment's file",
                path.display()
            ),
            Self::NotAnImage { path, bytes, header: None } => write!(
                f,
                "{} has no valid edgelog header in its {bytes} bytes: it is not an image of a log, or all headers are damaged; nothing was changed",
                path.display()
            ),
            Self::Sizes(what) => f.write_str(what),
            Self::BadName(name) => write!(
                f,
                "a log in a store cannot be named {name:?}: use 1 to 64 letters, digits, '-', '_' or '.', with no '.' at the beginning, and not 'lock'"
            ),
            Self::IsAStore { path, logs } => write!(
                f,
                "{} is a store and not a log: give the folder of one of its logs ({})",
                path.display(),
                logs.join(", ")
            ),
            Self::NotAStore(path) => write!(
                f,
                "{} holds the segments of a log, so it cannot be a store: open it as a log, or choose another folder",
                path.display()
            ),
            Self::Full(path) => write!(
                f,
                "the store's budget has no room for the first segment of {}: let other logs give some up, or open the store with a larger budget",
                path.display()
            ),
            Self::NoRandomId(why) => write!(f, "the system gives no random log id: {why}"),
            Self::File(error) => error.fmt(f),
            Self::Mount { path, source } => write!(f, "cannot open {}: {source}", path.display()),
        }
    }
}

/// Whether an owner has the number of this process. In containers others may have it too.
fn is_own(owner: &str) -> bool {
    owner.split(' ').next() == Some(&std::process::id().to_string())
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Mount { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<FileError> for OpenError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}
