//! Consumers whose effects are tables: the cursor commits with them, in one transaction of the user's own redb database.
//!
//! A consumer that handles a record and commits its cursor afterwards does it again after a crash between the two. Where the handling changes
//! nothing but tables of a redb database, a [`TableCursor`] ends that: the cursor is a row of the same database, so effects and cursor are
//! there together or not at all, and each record has its effects exactly once, whatever is killed or loses its power.
//!
//! ```
//! use edgelog::Item;
//! use edgelog::Start;
//! use edgelog::table::TableCursor;
//! use edgelog::table::redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
//!
//! /// How often each door was opened.
//! const OPENED: TableDefinition<'_, &[u8], u64> = TableDefinition::new("opened");
//!
//! # let directory = tempfile::tempdir()?;
//! # let log = edgelog::Options::new().open(&directory.path().join("log"))?;
//! # for door in [b"front", b"stair", b"front"] {
//! #     log.append("door", &edgelog::Event::new(b"open").key(door))?;
//! # }
//! # let path = directory.path().join("doors.redb");
//! let database = Database::create(path)?;
//! let cursor = TableCursor::open(&log, &database, "doors", 0)?;
//! let mut done = cursor.offset(&database)?;
//! let mut reader = log.reader(Start::Offset(done))?;
//! # let mut idle = false;
//! while !idle {
//!     // Before the transaction, so that nobody waits for the log's disk in it; and not everything at once.
//!     let end = log.sync()?.min(done + 1000);
//!     let transaction = database.begin_write()?;
//!     let due = cursor.commit(&transaction, done..end)?;
//!     let mut opened = transaction.open_table(OPENED)?;
//!     while reader.offset() < due.end {
//!         match reader.next()? {
//!             Some(Item::Record(record)) if due.contains(&record.identity.offset) => {
//!                 let key = record.key.unwrap_or_default();
//!                 let before = opened.get(key)?.map_or(0, |times| times.value());
//!                 opened.insert(key, before + 1)?;
//!             }
//!             Some(Item::Record(_done_before)) => {}
//!             Some(Item::Gap(gap)) => eprintln!("{} events are gone: {}", gap.count(), gap.reason),
//!             None => break,
//!         }
//!     }
//!     drop(opened);
//!     transaction.commit()?; // from here on the effects survive a power cut, and so does the cursor
//!     done = end;
//!     cursor.release(&database)?; // now and then: the log may free what the database has
//! #   idle = done == 3;
//! }
//! # let opened = database.begin_read()?.open_table(OPENED)?;
//! # assert_eq!(opened.get(&b"front"[..])?.map(|times| times.value()), Some(2));
//! # assert_eq!(cursor.offset(&database)?, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::error::AppendError;
use crate::log::Log;
use edgelog_core::{CursorId, LogId};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use std::fmt;
use std::ops::Range;

/// The release of redb that this crate takes databases of.
pub use redb;

/// The table of the user's database that all [`TableCursor`]s live in, by log id and name: everything below the offset is done.
///
/// It is here to be looked at, and to remove the rows of logs that are no more: nobody else does, and each takes some 60 bytes. A row
/// is moved by [`TableCursor::commit`] and [`TableCursor::restart`] only: whatever else writes here may lose records or have their effects twice.
pub const CURSORS: TableDefinition<'_, (&[u8; 16], &str), u64> =
    TableDefinition::new("edgelog.cursors");

/// A consumer of one log whose cursor is a row of the user's redb database, and commits in the user's transactions.
///
/// The log has a durable cursor of the same name, which follows ([`release`](Self::release)) and keeps the log from freeing what is not done.
/// Its place is never asked for: where the consumer goes on is what the database says, because the effects are there.
///
/// - The process is killed, or the power goes: the transaction was committed, with the effects and the cursor, or neither is there.
///   The log's cursor may be behind, which [`open`](Self::open) mends, never before.
/// - The log is created anew: it has another id, and the consumer another row.
/// - The database is older than the log's cursor (somebody restored a backup): the effects went back with the cursor, so the records
///   come again. Those that the log has freed come as a [`Gap`](crate::Gap) with the reason
///   [`Evicted`](crate::GapReason::Evicted).
/// - The database is further than the log (somebody restored a backup of the log, or its last segments are damaged): told by
///   [`TableError::Ahead`], as long as the log has not been appended to beyond the row's offset.
///
/// It keeps the log open, as a reader does. Several of one name, in several threads too, share one row: each record is done by one of them.
#[derive(Clone, Debug)]
pub struct TableCursor {
    log: Log,
    id: LogId,
    name: String,
    /// The log's own, which follows.
    follower: CursorId,
}

impl TableCursor {
    /// The consumer `name` of `log`, whose row is in `database`. Names are as with [`Log::cursor`]: 1 to 32 bytes, and 8 in a log. Where it is new in
    /// the database it begins at `start`, or at the durable offset if that is less: 0 takes everything that is still there, `u64::MAX` only
    /// what comes. Open it before the log is appended to: it is what keeps the log from freeing records.
    ///
    /// It does a transaction or two of its own, so the caller must not have a write transaction open: this would wait for it for ever.
    /// Costs a sync of the log and up to two of the database. Power loss meanwhile: open it again.
    ///
    /// # Errors
    ///
    /// [`TableError::Log`] as with [`Log::cursor`] and [`Log::sync`], and [`TableError::Database`]. A database that is ahead is told later, so
    /// that [`restart`](Self::restart) can be called.
    pub fn open(
        log: &Log,
        database: &Database,
        name: &str,
        start: u64,
    ) -> Result<Self, TableError> {
        let id = log.engine().id();
        let known = row_of(database, &id, name)?;
        let follower = log.cursor(name, known.unwrap_or(start))?;
        // Before there is a row: the log keeps from now on what the row will say is not done.
        let durable = log.sync()?;
        let cursor = Self { log: log.clone(), id, name: name.to_owned(), follower };
        if known.is_none() {
            let transaction = database.begin_write()?;
            cursor.set(&transaction, start.min(durable))?;
            transaction.commit()?;
        }
        match cursor.release(database) {
            Ok(_) | Err(TableError::Ahead { .. }) => Ok(cursor),
            Err(error) => Err(error),
        }
    }

    /// Where the consumer goes on: the effects of every record below this are in the database, those of the others are not. Costs a
    /// lookup, no sync.
    ///
    /// # Errors
    ///
    /// [`TableError::Ahead`], [`TableError::Missing`], [`TableError::Database`].
    pub fn offset(&self, database: &impl ReadableDatabase) -> Result<u64, TableError> {
        self.checked(row_of(database, &self.id, &self.name)?)
    }

    /// Commits, with `transaction`, that the records and gaps of `offsets` are done, and gives those of them that are due: the transaction
    /// must hold the effects of exactly these, and they belong to it alone. The others were done before, so committing late, twice or by two threads at once is
    /// harmless: nothing is due then. Out of order is refused, so nothing is passed over.
    ///
    /// An effect must not outlive its record, whose offset would be given to another one: what of `offsets` is visible only is made durable
    /// in the log first, which costs a sync of it, or nothing when [`Log::sync`] has covered it. Otherwise it costs a lookup and an
    /// insertion. It may be called several times in a transaction; call it before [`CURSORS`] is opened there.
    /// When the transaction is dropped instead of committed, or the power goes, it is as if it had never been called.
    ///
    /// # Errors
    ///
    /// The row is as it was. [`TableError::Skips`], [`TableError::Ahead`], [`TableError::Missing`], [`TableError::Database`];
    /// [`TableError::Log`] with [`Unknown`](AppendError::Unknown) when `offsets` end behind the last record, or as [`Log::sync`]: some of the
    /// records may be gone when the log is opened again, so drop the transaction if it has effects of them.
    pub fn commit(
        &self,
        transaction: &WriteTransaction,
        offsets: Range<u64>,
    ) -> Result<Range<u64>, TableError> {
        let Range { start, end } = offsets;
        let done = self.done_in(transaction)?;
        if start > done {
            return Err(TableError::Skips { done, start });
        }
        if end <= done {
            return Ok(done..done);
        }
        self.make_durable(end)?;
        self.set(transaction, end)?;
        Ok(done..end)
    }

    /// Lets the log free the segments whose records are done: moves its cursor to what the database says, and gives that. To be called now and then, say
    /// after each hundredth transaction or once a second, without a write transaction open: it does an empty one.
    ///
    /// Costs one or two syncs of the database: what was committed with less than [`redb::Durability::Immediate`] is made durable first, so that the log never frees a
    /// record whose effects a power cut could take. The log's cursor is durable with its next sync.
    /// Power loss before that, or before this is called at all: the log keeps the records longer, and nothing is done twice.
    ///
    /// # Errors
    ///
    /// [`TableError::Ahead`], [`TableError::Missing`], [`TableError::Database`], and [`TableError::Log`] as with [`Log::commit`].
    pub fn release(&self, database: &Database) -> Result<u64, TableError> {
        let transaction = database.begin_write()?;
        let done = self.done_in(&transaction)?;
        // An empty one, but it makes those before it durable.
        transaction.commit()?;
        self.log.commit(self.follower, done)?;
        Ok(done)
    }

    /// Sets, with `transaction`, where the consumer goes on, forwards or backwards: to build tables anew (take the effects of the
    /// records from `offset` on back in the same transaction), or after [`TableError::Ahead`]. What the log has freed does not come back, but as a gap.
    ///
    /// Costs as [`commit`](Self::commit).
    ///
    /// # Errors
    ///
    /// [`TableError::Database`], and [`TableError::Log`] as with [`commit`](Self::commit).
    pub fn restart(&self, transaction: &WriteTransaction, offset: u64) -> Result<(), TableError> {
        self.make_durable(offset)?;
        self.set(transaction, offset)
    }

    /// Returns when everything below `end` survives a power cut.
    fn make_durable(&self, end: u64) -> Result<(), TableError> {
        let Some(last) = end.checked_sub(1) else { return Ok(()) };
        self.log.durable(last).wait()?;
        Ok(())
    }

    fn done_in(&self, transaction: &WriteTransaction) -> Result<u64, TableError> {
        let table = transaction.open_table(CURSORS)?;
        self.checked(row(&table, &self.id, &self.name)?)
    }

    fn checked(&self, row: Option<u64>) -> Result<u64, TableError> {
        let Some(done) = row else {
            return Err(TableError::Missing { log: self.id, name: self.name.clone() });
        };
        let mut engine = self.log.engine();
        engine.settle().map_err(|error| self.log.committer().explained(&engine, error))?;
        let durable = engine.durable();
        drop(engine);
        if done > durable {
            return Err(TableError::Ahead { done, durable });
        }
        Ok(done)
    }

    fn set(&self, transaction: &WriteTransaction, offset: u64) -> Result<(), TableError> {
        let mut table = transaction.open_table(CURSORS)?;
        table.insert((&self.id.0, self.name.as_str()), offset)?;
        Ok(())
    }
}

fn row_of(
    database: &impl ReadableDatabase,
    id: &LogId,
    name: &str,
) -> Result<Option<u64>, TableError> {
    match database.begin_read()?.open_table(CURSORS) {
        Ok(table) => row(&table, id, name),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn row(
    table: &impl ReadableTable<(&'static [u8; 16], &'static str), u64>,
    id: &LogId,
    name: &str,
) -> Result<Option<u64>, TableError> {
    Ok(table.get((&id.0, name))?.map(|offset| offset.value()))
}

/// Why a [`TableCursor`] stays where it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum TableError {
    /// The offsets begin behind what is done: records between were neither done nor read. Read from [`TableCursor::offset`] on.
    Skips {
        /// Everything below this is done.
        done: u64,
        /// Where the offsets begin.
        start: u64,
    },
    /// The database has effects of records that the log does not have: the log was restored from a backup, or has lost its last segments. Whether
    /// other records have got their offsets, and what to do with the effects, nobody can tell but the user, who then calls [`TableCursor::restart`].
    Ahead {
        /// Everything below this was done.
        done: u64,
        /// The log's durable offset.
        durable: u64,
    },
    /// The database has no row of the consumer: it is another one than [`TableCursor::open`] had, or somebody removed the row.
    Missing {
        /// The log.
        log: LogId,
        /// The consumer's name.
        name: String,
    },
    /// The log refused or failed.
    Log(AppendError),
    /// The database refused or failed.
    Database(redb::Error),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skips { done, start } => write!(
                f,
                "cannot commit from offset {start} on: only what is below offset {done} is done; read from there"
            ),
            Self::Ahead { done, durable } => write!(
                f,
                "the database has the effects of all records below offset {done}, and the log ends at offset {durable}: the log is older than the database; restart the consumer at an offset that fits its tables"
            ),
            Self::Missing { log, name } => write!(
                f,
                "the database does not know consumer {name} of log {log}: open it with this database first"
            ),
            Self::Log(error) => error.fmt(f),
            Self::Database(error) => write!(f, "the database: {error}"),
        }
    }
}

impl std::error::Error for TableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Log(error) => error.source(),
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AppendError> for TableError {
    fn from(error: AppendError) -> Self {
        Self::Log(error)
    }
}

impl From<redb::TransactionError> for TableError {
    fn from(error: redb::TransactionError) -> Self {
        Self::Database(error.into())
    }
}

impl From<redb::TableError> for TableError {
    fn from(error: redb::TableError) -> Self {
        Self::Database(error.into())
    }
}

impl From<redb::StorageError> for TableError {
    fn from(error: redb::StorageError) -> Self {
        Self::Database(error.into())
    }
}

impl From<redb::CommitError> for TableError {
    fn from(error: redb::CommitError) -> Self {
        Self::Database(error.into())
    }
}
