//! Several logs under one byte budget.

mod budget;
mod names;
mod room;

pub(crate) use budget::Share;
pub(crate) use names::store_at;
pub(crate) use room::Member;

use crate::error::{FileError, OpenError, ReadError};
use crate::file::stored_bytes;
use crate::lock::OwnerLock;
use crate::log::Log;
use crate::options::Options;
use crate::sync::Arc;
use budget::Budget;
use edgelog_core::Class;
use names::{check, log_folders};
use room::Rooms;
use std::fs;
use std::path::{Path, PathBuf};

/// Several logs in one folder that share one byte budget, so that a gateway's alarms need no space of their own set aside and are never lost
/// for want of it. Clones share it; it is closed, and its lock released, when the last clone and the last of its logs are dropped.
///
/// Each log is a [`Log`] like any other, in a sub-folder of its name. Any of them may grow as long as all segment files together, also those of
/// logs that are not open, stay within the budget. Beyond that, room for a log's next segment is made by giving up an old one: of the
/// logs that are open, the oldest of the lowest [`Class`] whose [full policy](crate::FullPolicy) lets it go, and never one of a higher class
/// than that of the log which grows. Where there is none the append is refused with [`Full`](crate::AppendError::Full), and passes when there is:
/// room is always left for cursors and acknowledgements, which is what makes it under the policies that wait for them. What
/// was given up is a [`Gap`](crate::Gap) to those who come to it.
///
/// Class and policy are said at each opening and not stored, so what a log holds that is not open stays. The newest segment of a log always
/// stays: the budget should have room for two of each log at least. A log that drops its oldest may take all that logs of its class and below can
/// give, and these are then refused as full: bound it with a budget or a retention of its own.
///
/// What somebody else adds to a log's folder under a segment's name, or removes from it, is counted when that log is next opened.
///
/// ```
/// use edgelog::{Class, Event, FullPolicy, Options, StoreOptions};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// let store = StoreOptions::new().budget_bytes(64 << 20).open(path)?;
/// let segments = Options::new().segment_bytes(1 << 20);
/// // Alarms wait for whoever has a cursor; readings make room for them, oldest first.
/// let alarms = store.log("alarms", Class::Critical, &segments)?;
/// let readings = store.log("readings", Class::Bulk, &segments.clone().full(FullPolicy::DropOldest))?;
///
/// alarms.append("door", &Event::new(b"open"))?;
/// readings.append("temperature", &Event::new(b"21.5"))?;
/// let status = store.status()?;
/// assert_eq!(status.bytes, 2 << 20, "one segment of each");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    directory: PathBuf,
    budget: Arc<Budget>,
    rooms: Rooms,
    _lock: OwnerLock,
}

/// Options for opening a [`Store`].
#[derive(Clone, Debug)]
pub struct StoreOptions {
    budget_bytes: u64,
}

/// As a log's.
const BUDGET_BYTES_DEFAULT: u64 = 1 << 30;

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { budget_bytes: BUDGET_BYTES_DEFAULT }
    }

    /// Bytes on disk that the segment files of all logs may take together. Default: 1 GiB. Not stored, and may be another at each opening;
    /// where more is there already, it is made less when a log next needs a segment.
    ///
    /// Beyond it, for each reader that holds segments which were given up since, up to two segments: a reader that reads on gives them back. And
    /// for each log that compresses, while it does, one compressed segment.
    #[must_use]
    pub const fn budget_bytes(mut self, bytes: u64) -> Self {
        self.budget_bytes = bytes;
        self
    }

    /// Opens the store in `directory` as its owner, and creates the folder when there is none. Opens no log, and counts the files of all.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: another process owns the store, the folder is that of a log, or the file system failed.
    pub fn open(&self, directory: impl AsRef<Path>) -> Result<Store, OpenError> {
        let directory = directory.as_ref();
        fs::create_dir_all(directory)
            .map_err(|error| FileError::new("create the folder", directory, error))?;
        let lock = OwnerLock::take(directory)?;
        if stored_bytes(directory)? > 0 {
            return Err(OpenError::NotAStore(directory.to_owned()));
        }
        let budget = Arc::new(Budget::new(self.budget_bytes));
        for (name, bytes) in log_folders(directory)? {
            Share::new(&budget, &name).set_files(bytes);
        }
        let directory = directory.to_owned();
        let shared = Shared { directory, budget, rooms: Rooms::default(), _lock: lock };
        Ok(Store { shared: Arc::new(shared) })
    }
}

/// The figures of a store at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreStatus {
    /// What all logs may take together.
    pub budget_bytes: u64,
    /// The lengths of all segment files.
    pub bytes: u64,
    /// Records of all logs that were given up since each was opened.
    pub evicted: u64,
    /// Each log, by name.
    pub logs: Vec<StoreLogStatus>,
}

/// The figures of one log of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreLogStatus {
    /// Its name.
    pub name: String,
    /// The lengths of its segment files.
    pub bytes: u64,
    /// What more is known while it is open: its class and its own figures.
    pub open: Option<(Class, crate::Status)>,
}

impl Store {
    /// Opens the log `name` (1 to 64 letters, digits, `-`, `_` or `.`, and no `.` at the beginning), which is created when it is new, with the
    /// class by which it gets and makes room. A new log's own budget is the store's unless `options` say otherwise; it bounds the log besides
    /// the store's.
    ///
    /// A log that is open already is refused as [`Locked`](OpenError::Locked): share it by cloning it.
    ///
    /// # Errors
    ///
    /// [`OpenError`], as [`Options::open`]; [`OpenError::Full`] where there is no room for a new log's first segment.
    pub fn log(&self, name: &str, class: Class, options: &Options) -> Result<Log, OpenError> {
        check(name)?;
        let share = Share::new(&self.shared.budget, name);
        let member = Member::new(Arc::clone(&self.shared), share, class);
        options.open_in_store(&self.shared.directory.join(name), member)
    }

    /// The figures of this moment.
    ///
    /// # Errors
    ///
    /// The file system failed.
    pub fn status(&self) -> Result<StoreStatus, ReadError> {
        let mut logs = Vec::new();
        for (name, bytes) in self.shared.budget.files() {
            let open = match self.shared.rooms.log(&name) {
                Some((class, log)) => Some((class, log.status()?)),
                None => None,
            };
            logs.push(StoreLogStatus { name, bytes, open });
        }
        logs.retain(|log| log.bytes > 0 || log.open.is_some());
        let evicted = |log: &StoreLogStatus| log.open.as_ref().map_or(0, |(_, it)| it.evicted);
        Ok(StoreStatus {
            budget_bytes: self.shared.budget.limit(),
            bytes: logs.iter().map(|log| log.bytes).sum(),
            evicted: logs.iter().map(evicted).sum(),
            logs,
        })
    }

    /// The store's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The names of the logs in the store at `directory`, with the lengths of their segment files; none where it is no store. Needs no lock and
    /// changes nothing. Each of them can be read with a [`View`](crate::View) of `directory/name`.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn list(directory: impl AsRef<Path>) -> Result<Vec<(String, u64)>, FileError> {
        log_folders(directory.as_ref())
    }
}
