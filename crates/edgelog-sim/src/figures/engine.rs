//! The engine as a subject.

use super::{Chip, Failure, Meter, SEGMENT, Subject, record, time_ms};
use edgelog_core::{
    Class, CursorId, Event, FullPolicy, Item, Log, LogId, NorMedium, Reader, TopicId,
};
use embedded_storage::nor_flash::ReadNorFlash;

/// The engine, with one topic and one cursor. It drops its oldest records when it is full, as its peers do.
#[derive(Debug)]
pub struct Engine<C: Chip> {
    log: Log<NorMedium<Meter<C>>, Buffer>,
    topic: TopicId,
    cursor: CursorId,
}

type Buffer = [u8; 512];

impl<C: Chip> Engine<C> {
    fn medium(chip: Meter<C>) -> Result<NorMedium<Meter<C>>, Failure> {
        let capacity = u32::try_from(chip.capacity()).map_err(Failure::broken)?;
        NorMedium::new(chip, 0..capacity, SEGMENT).map_err(Failure::broken)
    }

    fn with(mut log: Log<NorMedium<Meter<C>>, Buffer>) -> Result<Self, Failure> {
        log.set_full_policy(FullPolicy::DropOldest);
        let topic = log.topic("sensor").map_err(Failure::broken)?;
        let cursor = log.cursor("uplink", 0).map_err(Failure::broken)?;
        Ok(Self { log, topic, cursor })
    }
}

impl<C: Chip> Subject<C> for Engine<C> {
    const RETAINED: u64 = 45_000;

    fn is_header(position: u32) -> bool {
        position < 80
    }

    fn create(chip: Meter<C>) -> Result<Self, Failure> {
        let medium = Self::medium(chip)?;
        let log = Log::create(medium, [0; 512], LogId([7; 16]), time_ms(0));
        Self::with(log.map_err(Failure::broken)?)
    }

    fn mount(chip: Meter<C>) -> Result<Self, Failure> {
        Self::with(Log::mount(Self::medium(chip)?, [0; 512]).map_err(Failure::broken)?)
    }

    fn append(&mut self, n: u64) -> Result<(), Failure> {
        let payload = &record(n);
        let event = Event { topic: self.topic, class: Class::Normal, key: None, payload };
        let offset = self.log.append(&event, time_ms(n)).map_err(Failure::broken)?;
        let durable = self.log.sync().map_err(Failure::broken)?;
        if (offset, durable) != (n, n + 1) {
            return Err(Failure::Broken(format!("record {n} got offset {offset}")));
        }
        Ok(())
    }

    fn maintain(&mut self) -> Result<(), Failure> {
        self.log.maintain(1).map(|_| ()).map_err(Failure::broken)
    }

    fn seek(&mut self, n: u64) -> Result<Vec<u8>, Failure> {
        let mut buffer = [0; 512];
        let limit = self.log.durable();
        let offset = self.log.seek_time(time_ms(n)).map_err(Failure::broken)?;
        let mut reader = Reader::at(offset);
        match self.log.read(&mut reader, limit, &mut buffer).map_err(Failure::broken)? {
            Some(Item::Record(record)) => Ok(record.payload.to_vec()),
            other => Err(Failure::broken(other)),
        }
    }

    fn commit(&mut self, n: u64) -> Result<(), Failure> {
        self.log.commit(self.cursor, n, 0).map_err(Failure::broken)?;
        self.log.sync().map(|_| ()).map_err(Failure::broken)
    }
}
