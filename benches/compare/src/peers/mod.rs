//! The logs and stores that people use instead, each as it is meant to be used and without compression. In a table, a running number is the key.

mod commitlog;
mod fjall;
mod heed;
mod okaywal;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod sqlite;
mod walrus;

pub(crate) use commitlog::Commitlog;
pub(crate) use fjall::Fjall;
pub(crate) use heed::Heed;
pub(crate) use okaywal::Okaywal;
pub(crate) use redb::Redb;
#[cfg(feature = "rocksdb")]
pub(crate) use rocksdb::Rocksdb;
pub(crate) use sqlite::Sqlite;
pub(crate) use walrus::Walrus;

/// The number behind a key of eight bytes.
fn number(key: &[u8]) -> u64 {
    key.try_into().map_or(0, u64::from_be_bytes)
}
