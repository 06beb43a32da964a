//! ekv: a table used as a log. The key is the record's number, each append is one transaction, and every 32 appends one more
//! deletes as many of the oldest records.

use edgelog_sim::figures::{Chip, ERASE, Failure, Meter, RECORD, SEGMENTS, Subject, TRIM, record};
use ekv::config::{ALIGN, PAGE_SIZE};
use ekv::flash::{Flash, PageID};
use ekv::{Config, Database};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use pollster::block_on;

/// Records that the table keeps: some 30 percent of the chip. It has no ring: without deleting it would fill up. What an append
/// costs grows with what is kept: over the first 2,000 records of an empty table, bytes programmed / bytes of records is some 21.
const KEPT: u64 = 16_384;
/// The key of the consumer's position; sorts behind all records.
const CURSOR: [u8; 8] = [0xFF; 8];

type Db<C> = Database<Pages<C>, NoopRawMutex>;

/// The table.
pub struct Ekv<C: Chip>(Box<Db<C>>);

/// The chip in pages.
pub struct Pages<C>(Meter<C>);

impl<C: Chip> Flash for Pages<C> {
    type Error = C::Error;

    fn page_count(&self) -> usize {
        SEGMENTS
    }

    async fn erase(&mut self, page: PageID) -> Result<(), C::Error> {
        let at = address(page, 0);
        self.0.erase(at, at + PAGE_SIZE as u32)
    }

    async fn read(&mut self, page: PageID, at: usize, bytes: &mut [u8]) -> Result<(), C::Error> {
        self.0.read(address(page, at), bytes)
    }

    async fn write(&mut self, page: PageID, at: usize, bytes: &[u8]) -> Result<(), C::Error> {
        self.0.write(address(page, at), bytes)
    }
}

fn address(page: PageID, at: usize) -> u32 {
    (page.index() * PAGE_SIZE + at) as u32
}

impl<C: Chip> Ekv<C> {
    fn new(chip: Meter<C>) -> Result<Self, Failure> {
        const { assert!(PAGE_SIZE == ERASE) };
        if C::WRITE_SIZE > ALIGN {
            return Err(Failure::Unable("it programs words of 4 bytes at the most"));
        }
        // Random at every boot, says its documentation; the same here, so that figures repeat.
        Ok(Self(Box::new(Database::new(Pages(chip), Config::default()))))
    }
}

impl<C: Chip> Subject<C> for Ekv<C> {
    const RETAINED: u64 = KEPT - 1;

    /// Magic, page id, CRC, position, skip list and record boundary.
    fn is_header(position: u32) -> bool {
        position < 12 + 4 + 2 * 8 + 2
    }

    fn create(chip: Meter<C>) -> Result<Self, Failure> {
        let log = Self::new(chip)?;
        block_on(log.0.format()).map_err(Failure::broken)?;
        Ok(log)
    }

    fn mount(chip: Meter<C>) -> Result<Self, Failure> {
        let log = Self::new(chip)?;
        block_on(log.0.mount()).map_err(Failure::broken)?;
        Ok(log)
    }

    fn append(&mut self, n: u64) -> Result<(), Failure> {
        block_on(async {
            let mut transaction = self.0.write_transaction().await;
            transaction.write(&n.to_be_bytes(), &record(n)).await.map_err(Failure::broken)?;
            transaction.commit().await.map_err(Failure::broken)
        })
    }

    fn trim(&mut self, n: u64) -> Result<(), Failure> {
        let Some(old) = n.checked_sub(KEPT + TRIM) else { return Ok(()) };
        block_on(async {
            let mut transaction = self.0.write_transaction().await;
            for n in old..old + TRIM {
                transaction.delete(&n.to_be_bytes()).await.map_err(Failure::broken)?;
            }
            transaction.commit().await.map_err(Failure::broken)
        })
    }

    fn seek(&mut self, n: u64) -> Result<Vec<u8>, Failure> {
        block_on(async {
            let transaction = self.0.read_transaction().await;
            let mut buffer = [0; RECORD];
            let read = transaction.read(&n.to_be_bytes(), &mut buffer).await;
            read.map(|length| buffer[..length].to_vec()).map_err(Failure::broken)
        })
    }

    fn commit(&mut self, n: u64) -> Result<(), Failure> {
        block_on(async {
            let mut transaction = self.0.write_transaction().await;
            transaction.write(&CURSOR, &n.to_be_bytes()).await.map_err(Failure::broken)?;
            transaction.commit().await.map_err(Failure::broken)
        })
    }
}
