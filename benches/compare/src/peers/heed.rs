//! LMDB, through heed: a memory-mapped copy-on-write B-tree.

use super::number;
use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::{Error, Result, bail};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, PutFlags};

/// Room in the address space.
const MAP_BYTES: usize = 64 << 30;

pub(crate) struct Heed {
    /// For ever: the log borrows it, and the process ends by a kill.
    environment: &'static Env,
    log: Database<'static, Bytes, Bytes>,
}

impl Store for Heed {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(MAP_BYTES);
        let durable = plan.purpose == Purpose::Durable;
        #[expect(unsafe_code, reason = "LMDB maps a file that others could change; here none do")]
        // SAFETY: The folder is the bench's own, and this process the only one in it. Without syncs a power cut may cost the file.
        let environment = unsafe {
            if !durable {
                options.flags(EnvFlags::NO_SYNC);
            }
            options.open(plan.folder)?
        };
        let environment: &'static Env = Box::leak(Box::new(environment));
        let transaction = environment.write_txn()?;
        let created =
            environment.create_databases_and_commit(transaction, |create, transaction| {
                let log = create.create_database(transaction, None)?;
                Ok::<_, Error>(CommitOrAbort::<_, ()>::Commit(log))
            })?;
        let CommitOrAbort::Commit(log) = created else { bail!("LMDB has no table") };
        Ok(Self { environment, log })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.append_all(&[record])
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let mut transaction = self.environment.write_txn()?;
        let last = self.log.last(&transaction)?.map_or(0, |(key, _)| number(key));
        for (key, record) in (last + 1..).zip(records) {
            let key = key.to_be_bytes();
            self.log.put_with_flags(&mut transaction, PutFlags::APPEND, &key, record)?;
        }
        Ok(transaction.commit()?)
    }

    fn keep(&self) -> Result<()> {
        Ok(self.environment.force_sync()?)
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        let transaction = self.environment.read_txn()?;
        for entry in self.log.iter(&transaction)? {
            seen.see(entry?.1);
        }
        Ok(seen)
    }
}
