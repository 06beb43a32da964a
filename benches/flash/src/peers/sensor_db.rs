//! sensor-db: pages of 256 bytes, synced after every record, because only then is it durable.

use edgelog_sim::figures::{Chip, Failure, Meter, SEGMENT, SEGMENTS, Subject, record, time_ms};
use sensor_db::SensorDb;

const PAGE: usize = 256;
const SENSOR: u16 = 1;

type Db<C> = SensorDb<Meter<C>, PAGE, SEGMENTS>;

/// The log. On the heap here, as it takes some 49 KB.
pub struct SensorLog<C: Chip>(Box<Db<C>>);

impl<C: Chip> SensorLog<C> {
    fn new(chip: Meter<C>) -> Result<Self, Failure> {
        let segments = u16::try_from(SEGMENTS).map_err(Failure::broken)?;
        Ok(Self(Box::new(SensorDb::new(chip, 0, segments, 1).map_err(Failure::broken)?)))
    }
}

impl<C: Chip> Subject<C> for SensorLog<C> {
    const RETAINED: u64 = 14_000;

    /// The header, and the page with the footer.
    fn is_header(position: u32) -> bool {
        position < 28 || position >= SEGMENT - PAGE as u32
    }

    fn create(chip: Meter<C>) -> Result<Self, Failure> {
        let mut log = Self::new(chip)?;
        log.0.format().map_err(Failure::broken)?;
        Ok(log)
    }

    fn mount(chip: Meter<C>) -> Result<Self, Failure> {
        let mut log = Self::new(chip)?;
        log.0.mount().map_err(Failure::broken)?;
        Ok(log)
    }

    fn append(&mut self, n: u64) -> Result<(), Failure> {
        self.0.append(SENSOR, time_ms(n), &record(n)).map_err(Failure::broken)?;
        self.0.sync().map_err(Failure::broken)
    }

    fn seek(&mut self, n: u64) -> Result<Vec<u8>, Failure> {
        let mut found = Vec::new();
        let take = |_: &_, payload: &[u8]| {
            found = payload.to_vec();
            false
        };
        let time = time_ms(n);
        self.0.query_range(Some(SENSOR), time, time, take).map_err(Failure::broken)?;
        Ok(found)
    }

    fn commit(&mut self, _n: u64) -> Result<(), Failure> {
        Err(Failure::Unable(
            "its only durable position stands on a second medium, which it copies the records to",
        ))
    }
}
