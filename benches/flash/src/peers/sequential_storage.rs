//! sequential-storage: a queue that overwrites its oldest records, with all caches that it offers.

use super::CAPACITY;
use edgelog_sim::figures::{Chip, Failure, Meter, RECORD, SEGMENT, SEGMENTS, Subject, record};
use pollster::block_on;
use sequential_storage::cache::{
    Cache, Uncached, page_pointers::ArrayPagePointers, page_states::ArrayPageStates,
};
use sequential_storage::queue::{QueueConfig, QueueStorage};

type Caches = Cache<ArrayPageStates<SEGMENTS>, ArrayPagePointers<SEGMENTS>, Uncached>;

/// The queue. Only with both array caches does a warm push read nothing; they take 9 bytes a segment.
pub struct Queue<C: Chip>(QueueStorage<Meter<C>, Caches>);

impl<C: Chip> Subject<C> for Queue<C> {
    const SEEKS: bool = false;
    const RETAINED: u64 = 45_000;

    /// The markers at both ends of a page.
    fn is_header(position: u32) -> bool {
        let marker = C::WRITE_SIZE as u32;
        position < marker || position >= SEGMENT - marker
    }

    fn create(chip: Meter<C>) -> Result<Self, Failure> {
        Self::mount(chip)
    }

    /// Reads nothing: the first push finds the page to go on with.
    fn mount(chip: Meter<C>) -> Result<Self, Failure> {
        let caches = Cache::new(ArrayPageStates::new(), ArrayPagePointers::new(), Uncached);
        let config = QueueConfig::try_new(0..CAPACITY).map_err(Failure::broken)?;
        Ok(Self(QueueStorage::new(chip, config, caches)))
    }

    fn append(&mut self, n: u64) -> Result<(), Failure> {
        block_on(self.0.push(&record(n), true)).map_err(Failure::broken)
    }

    /// There is no seek: a walk from the oldest record, comparing what a user would have put into the record.
    fn seek(&mut self, n: u64) -> Result<Vec<u8>, Failure> {
        block_on(async {
            let mut buffer = [0; RECORD];
            let mut walk = self.0.iter().await.map_err(Failure::broken)?;
            while let Some(entry) = walk.next(&mut buffer).await.map_err(Failure::broken)? {
                if entry.starts_with(&n.to_le_bytes()) {
                    return Ok(entry.to_vec());
                }
            }
            Err(Failure::Broken(format!("record {n} is not there")))
        })
    }

    /// The nearest thing: to pop the oldest record, for the one consumer that there is, record by record.
    fn commit(&mut self, _n: u64) -> Result<(), Failure> {
        let mut buffer = [0; RECORD];
        let popped = block_on(self.0.pop(&mut buffer)).map_err(Failure::broken)?;
        popped.map(|_| ()).ok_or_else(|| Failure::Broken("nothing to pop".to_owned()))
    }
}
