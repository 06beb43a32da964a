//! How a log is created and opened.

use crate::commit::Committer;
use crate::error::{FileError, OpenError};
use crate::event::now_ms;
use crate::file::{FileMedium, Listing, Stored, stored_bytes};
use crate::folder;
use crate::lock::OwnerLock;
use crate::log::Log;
use crate::retention::{Limits, Retention};
use crate::store::{Member, store_at};
use crate::writer::Orders;
use edgelog_core::{FullPolicy, Geometry, LogId, MountError};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Options for opening a log. All have defaults; an existing log keeps the sizes it was created with.
///
/// # Limits
///
/// What is beyond a limit is refused with an error that names it, and the log goes on as it was.
///
/// | what | limit | refused with |
/// | --- | --- | --- |
/// | segment | 1024 bytes to 4 GiB - 8, a multiple of 8 and of the chip's program word | [`OpenError::Sizes`] |
/// | segments in a log | 2 to 2^32 - 1 | [`OpenError::Sizes`] |
/// | record: header, key and payload | the least of [`record_bytes_max`](Self::record_bytes_max), what a segment holds beside its header, and 16 MiB - 1 | [`TooLarge`](crate::AppendError::TooLarge) |
/// | events appended as one | together as one record | [`TooLarge`](crate::AppendError::TooLarge) |
/// | key | 255 bytes; it may be empty | [`BadLength`](crate::AppendError::BadLength) |
/// | name of a topic | 1 to 64 bytes | [`BadLength`](crate::AppendError::BadLength) |
/// | topics | 32; with segments below some 4 KiB fewer | [`TooMany`](crate::AppendError::TooMany) |
/// | name of a cursor | 1 to 32 bytes | [`BadLength`](crate::AppendError::BadLength) |
/// | durable cursors, shipping's included | 8; with segments below some 4 KiB fewer | [`TooMany`](crate::AppendError::TooMany) |
/// | bytes stored | [`budget_bytes`](Self::budget_bytes) | [`Full`](crate::AppendError::Full), or as the full policy says |
/// | records in a log's life | 2^63 | [`TooMany`](crate::AppendError::TooMany) |
/// | openings that append, in a log's life | 2^32 - 1 | [`TooMany`](crate::AppendError::TooMany) |
/// | owners | one process | [`OpenError::Locked`] |
/// | readers, views and producer threads | none but memory: a reader keeps up to two segments mapped | |
#[derive(Clone, Debug)]
pub struct Options {
    budget_bytes: Option<u64>,
    segment_bytes: Option<u32>,
    chip: Option<(u32, u8)>,
    record_bytes_max: u32,
    batch: (Duration, u64),
    /// Zstd's level.
    #[cfg(feature = "zstd")]
    compress: Option<i32>,
    full: FullPolicy,
    retain: Limits,
}

/// 1 GiB: weeks of telemetry, and small beside the cheapest SD card.
const BUDGET_BYTES_DEFAULT: u64 = 1 << 30;
/// 8 MiB: erased in some 10 ms even where zeros have to be written, walked in some 50 ms after a crash.
const SEGMENT_BYTES_DEFAULT: u32 = 8 << 20;
/// 512 KiB: half of what a Kafka broker takes by default.
const RECORD_BYTES_MAX_DEFAULT: u32 = 512 << 10;
/// 1 s: what other stores lose at the most when they are told to sync in the background (Redis' `everysec`, InnoDB's flush each second).
const BATCH_AFTER_DEFAULT: Duration = Duration::from_secs(1);
/// 256 KiB: a sync gives a disk some 5 to 9 KB beside the data (benches/results), which is less than 4 % of it.
const BATCH_BYTES_DEFAULT: u64 = 256 << 10;
/// Room for a segment header with a full snapshot.
const RECORD_BYTES_MAX_MIN: u32 = 8 << 10;

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            budget_bytes: None,
            segment_bytes: None,
            chip: None,
            record_bytes_max: RECORD_BYTES_MAX_DEFAULT,
            batch: (BATCH_AFTER_DEFAULT, BATCH_BYTES_DEFAULT),
            #[cfg(feature = "zstd")]
            compress: None,
            full: FullPolicy::Refuse,
            retain: Limits { bytes: None, age: None, segments: None },
        }
    }

    /// Bytes on disk that the segments may take, rounded down to whole segments. Default: 1 GiB. Fixed when the log is created.
    ///
    /// Beyond it one segment more, the spare file that is made ready for the next one (not in a [`Store`](crate::Store), nor with segments below
    /// 64 KiB; on a disk that is full there is none), and, for each reader that holds segments which were recycled since, up to two segments: a reader that reads on gives them back.
    ///
    /// What a full log does is its [full policy](Self::full): unless told otherwise, it refuses appends until every cursor has passed its oldest
    /// segment (where there is none nothing goes), and never drops what was not read. A disk that has less space than this makes it full as well: the policy says whether the oldest segment
    /// goes, each as a file that is removed, and an append that is refused says that there is no space.
    #[must_use]
    pub const fn budget_bytes(mut self, bytes: u64) -> Self {
        self.budget_bytes = Some(bytes);
        self
    }

    /// Bytes in a segment, a multiple of 8, at least 1024. Default: 8 MiB. Fixed when the log is created.
    ///
    /// Space is freed a segment at a time; opening walks one segment.
    #[must_use]
    pub const fn segment_bytes(mut self, bytes: u32) -> Self {
        self.segment_bytes = Some(bytes);
        self
    }

    /// Makes a new log in the shape of a chip with this program word (1 to 32 bytes, a power of two) and erased value (0x00 or 0xFF), so that
    /// its segment files, joined in order and filled up to the budget with the erased value, are an image that firmware mounts; the
    /// segment size must be the chip's, the budget that of its log. Default: word 1, erased value 0x00. Fixed when the log is created.
    #[must_use]
    pub const fn chip(mut self, program_word: u32, erased: u8) -> Self {
        self.chip = Some((program_word, erased));
        self
    }

    /// The largest record with its header, in bytes; at least 8 KiB, a smaller value counts as that. Default: 512 KiB. A record must also
    /// fit a segment beside its header, so small segments make the limit smaller. The owner keeps a buffer of this size; a reader keeps one of
    /// a whole segment, of which the system gives only the pages that a record reaches.
    #[must_use]
    pub const fn record_bytes_max(mut self, bytes: u32) -> Self {
        self.record_bytes_max = bytes;
        self
    }

    /// When records that are appended [batched](crate::Durability::Batched) are made durable: when the first of them is so old, or when
    /// so many bytes of payload have come together, whichever is first. Default: 1 s and 256 KiB. Not stored: set it at each opening.
    ///
    /// Longer and larger saves a device syncs, each of which writes at least a block, and so wears flash; it is also what a power cut takes at
    /// the most, besides the time that the sync itself takes. A sync that somebody else asks for covers the batch, and the time begins anew.
    #[must_use]
    pub const fn batch(mut self, after: Duration, bytes: u64) -> Self {
        self.batch = (after, bytes);
        self
    }

    /// Keeps segments compressed with zstd at `level`, once they are sealed; the newest two stay as they are. Levels are zstd's: 1 is fast, 3 is
    /// zstd's own default, 19 small and slow; 0 counts as 3, and others as the nearest there is. Default: off. Not stored: what is compressed is read
    /// whatever this says, and nothing is decompressed when it is off again.
    ///
    /// A thread compresses one segment after the other in blocks of 64 KiB, reads back what it wrote, and only then removes the plain file; it
    /// needs room for one more compressed segment. [`Log::compression`] tells how far it got.
    ///
    /// **What it costs readers.** A compressed segment is not mapped: a zero-copy reader becomes a copying one there. It reads
    /// about 0.45 times as many records in the same time (a sensor's readings of 30 bytes, `cargo xtask bench rest`), and keeps some 300 KB more.
    /// Looking for an offset or a time costs one block for each segment that is looked at. A flipped bit on the
    /// disk takes the records of its block, not one record; they are a gap, as all damage is. In the first block of the oldest segment it
    /// takes that segment, because nothing else says where it begins.
    ///
    /// **What it saves.** Those readings take 0.35 of their space. The [budget](Self::budget_bytes) and [`retain_bytes`](Self::retain_bytes) count plain bytes: a log by itself holds as much
    /// as before in less space on the disk. A [`Store`](crate::Store)'s budget counts what the files take: logs in it hold
    /// more, if their own budgets are larger than the store's. A segment that is recycled takes a whole file again, for which on a
    /// disk that others filled more than one old one may have to go, or the append is refused until there is room.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub const fn compress(mut self, level: i32) -> Self {
        self.compress = Some(level);
        self
    }

    /// What a full log does, and what retention may give up. Default: [`FullPolicy::Refuse`]. It is not stored: say it at each opening,
    /// or later with [`Log::set_full_policy`].
    #[must_use]
    pub const fn full(mut self, full: FullPolicy) -> Self {
        self.full = full;
        self
    }

    /// Bytes that the log's segments may take before old ones are given up, rounded down to whole segments, of which the newest always stays.
    /// Default: what the [budget](Self::budget_bytes) allows. Unlike the budget it is not stored, and may be another at each opening. Segments that
    /// were compressed count as whole ones.
    ///
    /// The three retentions are looked at when a segment is opened, and by [`Log::trim`]; whichever is exceeded counts. The oldest segment goes
    /// first, and only as far as the [full policy](Self::full) lets it: by default not before every cursor has passed it. Then the log keeps
    /// more, up to its budget. Readers that come to what went get a [`Gap`](crate::Gap), and [`Status::evicted`](crate::Status::evicted) counts it.
    #[must_use]
    pub const fn retain_bytes(mut self, bytes: u64) -> Self {
        self.retain.bytes = Some(bytes);
        self
    }

    /// How many segments the log may have before old ones are given up, at least 1. Default: what the budget allows.
    /// Otherwise as [`retain_bytes`](Self::retain_bytes).
    #[must_use]
    pub const fn retain_segments(mut self, segments: u64) -> Self {
        self.retain.segments = Some(segments);
        self
    }

    /// How old a segment's newest record may get before the segment is given up. Default: any age. Also looked at once a minute while
    /// something is appended. Otherwise as [`retain_bytes`](Self::retain_bytes).
    ///
    /// Age is told by the log's own time, that of its newest record, so a log to which nothing is appended keeps what it has. And it runs no
    /// faster than the wall clock and the time that has passed since the log was opened: a clock that jumps far ahead while the log
    /// is open ages nothing, and the time while it was closed counts from the next opening on. Records that were appended while the
    /// clock was ahead stay until it has caught up, or until there are too many. Records from before the clock was set (it told a time before 2020)
    /// are as old as the first one from after that, and stay until there is one. A clock that was wrong otherwise, and was set forward by more
    /// than this, ages the records from before at the next opening: where that may be, limit bytes or segments instead.
    #[must_use]
    pub const fn retain_age(mut self, age: Duration) -> Self {
        self.retain.age = Some(age);
        self
    }

    /// Opens the log in `directory` as its owner, and creates folder and log when there is none.
    ///
    /// A new log is durable, with its directory entries, when this returns. An existing log costs a look at each segment's length,
    /// the headers of some, and one pass over its newest one; no record is written before the first append.
    /// What a process that was killed left written and not synced is made durable in the background, and whoever appends, commits,
    /// asks for the [status](Log::status) or [waits](Log::durable) before is held up by it. Should that fail, the log ends with the
    /// error, as it does after any sync that failed.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing that was in the folder has been changed.
    pub fn open(&self, directory: impl AsRef<Path>) -> Result<Log, OpenError> {
        self.open_as(directory.as_ref(), None)
    }

    /// Opens one of a store's logs.
    pub(crate) fn open_in_store(&self, path: &Path, member: Member) -> Result<Log, OpenError> {
        self.open_as(path, Some(member))
    }

    fn open_as(&self, directory: &Path, member: Option<Member>) -> Result<Log, OpenError> {
        fs::create_dir_all(directory)
            .map_err(|error| FileError::new("create the folder", directory, error))?;
        let mut lock = OwnerLock::take(directory)?;
        let listing = Listing::of(directory)?;
        let found = Stored::of(&listing)?;
        let Stored { geometry: stored, files, data, first, .. } = found;
        // A blank file is what a crash leaves of a log that was being created.
        if stored.is_none() && data {
            return Err(found.refusal(directory));
        }
        if files == 0
            && member.is_none()
            && let Some(store) = store_at(directory)
        {
            return Err(store);
        }
        let budget = member.as_ref().map_or(BUDGET_BYTES_DEFAULT, Member::budget);
        let geometry = self.geometry(stored, budget)?;
        let mut medium =
            FileMedium::new(directory, geometry, Some(lock.file()?)).beginning_at(first);
        medium.rewrite(lock.doubtful(), &listing)?;
        lock.settle();
        medium.mend_lengths(&listing)?;
        medium.remove_unfinished(&listing)?;
        medium = medium.listed(listing);
        if let Some(member) = &member {
            member.share().set_files(stored_bytes(directory)?);
            medium = medium.sharing(member.share().clone());
            let segment = u64::from(geometry.segment_size());
            if stored.is_none() && !member.claim(segment).unwrap_or(false) {
                return Err(OpenError::Full(directory.to_owned()));
            }
        }
        let buffer_len = self.record_bytes_max.max(RECORD_BYTES_MAX_MIN);
        let buffer_len = usize::try_from(buffer_len).unwrap_or(usize::MAX);
        let buffer = vec![0; buffer_len];
        if stored.is_none() {
            folder::make_durable(directory)?;
        }
        let mounted = match stored {
            Some(_) => edgelog_core::Log::mount(medium, buffer),
            None => edgelog_core::Log::create(medium, buffer, random_id()?, now_ms()),
        };
        let mut engine = mounted.map_err(|source| match source {
            MountError::Medium(error) => OpenError::File(error),
            MountError::NoLog { .. } => OpenError::NotALog { path: directory.to_owned(), files },
            source => OpenError::Mount { path: directory.to_owned(), source },
        })?;
        let id = engine.id();
        engine.medium_mut().set_log(id)?;
        engine.set_full_policy(self.full);
        let retention = Retention::new(self.retain, &mut engine)?;
        let (after, bytes) = self.batch;
        let committer = Committer::new(engine, Orders::new(after, bytes), retention);
        let opened = Log::new(committer, lock, directory.to_owned(), buffer_len, member);
        #[cfg(feature = "zstd")]
        let opened = opened.and_then(|log| log.compressing(self.compress));
        Ok(opened.map_err(|error| FileError::new("start a thread for", directory, error))?)
    }

    fn geometry(&self, stored: Option<Geometry>, budget: u64) -> Result<Geometry, OpenError> {
        if let Some(stored) = stored {
            self.check_against(&stored)?;
            return Ok(stored);
        }
        let segment = self.segment_bytes.unwrap_or(SEGMENT_BYTES_DEFAULT);
        let budget = self.budget_bytes.unwrap_or(budget);
        let count = u32::try_from(budget / u64::from(segment.max(1))).unwrap_or(u32::MAX);
        let (word, erased) = self.chip.unwrap_or((1, 0x00));
        Geometry::new(segment, count, word, erased).map_err(|error| {
            OpenError::Sizes(format!(
                "a log cannot have a budget of {budget} bytes in segments of {segment}: {error}"
            ))
        })
    }

    fn check_against(&self, stored: &Geometry) -> Result<(), OpenError> {
        let segment = u64::from(stored.segment_size());
        let count = u64::from(stored.segment_count());
        let same_segment = self.segment_bytes.is_none_or(|asked| u64::from(asked) == segment);
        let same_budget = self.budget_bytes.is_none_or(|asked| asked / segment == count);
        let (word, erased) = (stored.program_word(), stored.erased());
        if self.chip.is_some_and(|asked| asked != (word, erased)) {
            return Err(OpenError::Sizes(format!(
                "the log was created with program words of {word} bytes and the erased value {erased:#04X} and keeps them: leave them out, or create a new log in another folder"
            )));
        }
        if same_segment && same_budget {
            return Ok(());
        }
        Err(OpenError::Sizes(format!(
            "the log was created with {count} segments of {segment} bytes and keeps them: leave the sizes out, or create a new log in another folder"
        )))
    }
}

fn random_id() -> Result<LogId, OpenError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| OpenError::NoRandomId(error.to_string()))?;
    Ok(LogId(id))
}
