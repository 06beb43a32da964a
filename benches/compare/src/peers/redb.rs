//! redb: a copy-on-write B-tree.

use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::Result;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");

pub(crate) struct Redb {
    database: Database,
    durability: Durability,
}

impl Redb {
    fn store(&self, records: &[&[u8]], durability: Durability) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(durability)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            let last = table.last()?.map_or(0, |(key, _)| key.value());
            for (key, record) in (last + 1..).zip(records) {
                table.insert(key, *record)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

impl Store for Redb {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let database = Database::create(plan.folder.join("redb"))?;
        let durable = plan.purpose == Purpose::Durable;
        let durability = if durable { Durability::Immediate } else { Durability::None };
        Ok(Self { database, durability })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.store(&[record], self.durability)
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        self.store(records, self.durability)
    }

    fn keep(&self) -> Result<()> {
        self.store(&[], Durability::Immediate)
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(TABLE)?.iter()? {
            seen.see(entry?.1.value());
        }
        Ok(seen)
    }
}
