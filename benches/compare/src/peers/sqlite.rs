//! SQLite with its write-ahead log, through rusqlite.

use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::Result;
use rusqlite::Connection;
use std::sync::{Mutex, MutexGuard, PoisonError};

const INSERT: &str = "INSERT INTO log (record) VALUES (?1)";

pub(crate) struct Sqlite(Mutex<Connection>);

impl Sqlite {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Sqlite {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let connection = Connection::open(plan.folder.join("sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let durable = plan.purpose == Purpose::Durable;
        connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, record BLOB NOT NULL)",
        )?;
        Ok(Self(Mutex::new(connection)))
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.connection().prepare_cached(INSERT)?.execute([record])?;
        Ok(())
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for record in records {
                insert.execute([record])?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn keep(&self) -> Result<()> {
        Ok(())
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        let connection = self.connection();
        let mut select = connection.prepare("SELECT record FROM log ORDER BY id")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            seen.see(row.get_ref(0)?.as_blob()?);
        }
        Ok(seen)
    }
}
