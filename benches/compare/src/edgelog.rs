//! edgelog, through its public interface. What changes there is followed here alone.

use crate::store::{Plan, Purpose, Seen, Store};
use anyhow::{Context, Result, bail};
use edgelog::{Durability, Event, Item, Log, Options, Reader, Start, View};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where everything goes.
pub(crate) const TOPIC: &str = "bench";
/// Bytes of a segment, the library's default: what a crash leaves to be walked.
pub(crate) const SEGMENT_BYTES: u32 = 8 << 20;
/// Appends between two looks at the number of segments.
const LOOK: usize = 256;

pub(crate) struct Edgelog {
    log: Option<Log>,
    folder: PathBuf,
    durability: Durability,
}

impl Edgelog {
    fn log(&self) -> Result<&Log> {
        self.log.as_ref().context("it was opened for reading")
    }
}

/// A log with room for `bytes` of payload in records that are not tiny.
pub(crate) fn open(folder: &Path, bytes: u64) -> Result<Log> {
    let options = Options::new().segment_bytes(SEGMENT_BYTES);
    // An existing log keeps its sizes.
    let exists = folder.join("lock").exists();
    let options =
        if exists { Options::new() } else { options.budget_bytes(2 * bytes + (256 << 20)) };
    Ok(options.open(folder)?)
}

impl Store for Edgelog {
    fn open(plan: Plan<'_>) -> Result<Self> {
        let log = match plan.purpose {
            Purpose::Reading => None,
            Purpose::Visible | Purpose::Durable => Some(open(plan.folder, plan.bytes)?),
        };
        let durability = match plan.purpose {
            Purpose::Durable => Durability::Durable,
            Purpose::Visible | Purpose::Reading => Durability::Visible,
        };
        Ok(Self { log, folder: plan.folder.to_owned(), durability })
    }

    fn append(&self, record: &[u8]) -> Result<()> {
        self.log()?.append_as(self.durability, TOPIC, &Event::new(record))?;
        Ok(())
    }

    fn append_all(&self, records: &[&[u8]]) -> Result<()> {
        let events: Vec<_> = records.iter().map(|record| Event::new(record)).collect();
        self.log()?.append_batch_as(self.durability, TOPIC, &events)?;
        Ok(())
    }

    fn keep(&self) -> Result<()> {
        self.log()?.sync()?;
        Ok(())
    }

    fn read(&self) -> Result<Seen> {
        let mut seen = Seen::default();
        if let Some(log) = &self.log {
            let mut reader = log.reader(Start::Earliest)?;
            while let Some(item) = reader.next()? {
                see(&mut seen, &item)?;
            }
        } else {
            let mut view = View::open(&self.folder, Start::Earliest)?;
            while let Some(item) = view.next()? {
                see(&mut seen, &item)?;
            }
        }
        Ok(seen)
    }

    /// Ends with a newest segment that is nearly full: the most that there can be to walk after a crash.
    fn fill(&self, records: &[&[u8]], count: usize) -> Result<usize> {
        let log = self.log()?;
        let mut segments = log.status()?.segments;
        // Records of the last full segment, and where the newest began.
        let (mut full, mut began) = (usize::MAX, 0);
        for (done, record) in records.iter().cycle().enumerate() {
            if done % LOOK == 0 {
                let now = log.status()?.segments;
                if now != segments {
                    (full, began, segments) = (done - began, done, now);
                }
                if done >= count && done - began >= full.saturating_sub(4 * LOOK) {
                    log.sync()?;
                    return Ok(done);
                }
            }
            log.append(TOPIC, &Event::new(record))?;
        }
        bail!("there are no records")
    }
}

fn see(seen: &mut Seen, item: &Item<'_>) -> Result<()> {
    match item {
        Item::Record(record) => seen.see(record.payload),
        Item::Gap(gap) => bail!("records are gone: {gap:?}"),
    }
    Ok(())
}

/// Leaves behind a log with so many segments in use, and gives the offset where the newest two of them begin.
pub(crate) fn fill_segments(folder: &Path, records: &[&[u8]], segments: u64) -> Result<u64> {
    let log = open(folder, segments * u64::from(SEGMENT_BYTES))?;
    // Where each segment begins, nearly.
    let mut begins = vec![0];
    for records in records.chunks(LOOK).cycle() {
        let used = log.status()?.segments;
        if used > begins.len() as u64 {
            begins.push(log.status()?.visible.saturating_sub(LOOK as u64));
        }
        if used >= segments {
            log.sync()?;
            return begins.iter().rev().nth(1).copied().context("there are not two segments");
        }
        let events: Vec<_> = records.iter().map(|record| Event::new(record)).collect();
        log.append_batch(TOPIC, &events)?;
    }
    bail!("there are no records")
}

/// Compresses so many segments of a log, and gives their bytes before and after.
pub(crate) fn compress(folder: &Path, level: i32, segments: u64) -> Result<(u64, u64)> {
    let log = Options::new().compress(level).open(folder)?;
    loop {
        let done = log.compression().context("it is off")?;
        if let Some(failure) = done.failure {
            bail!(failure);
        }
        if done.segments >= segments {
            return Ok((done.plain_bytes, done.packed_bytes));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads a log's records from one offset up to another, as another process does, and gives how many there were.
pub(crate) fn read_until(folder: &Path, from: u64, until: u64) -> Result<u64> {
    let mut view = View::open(folder, Start::Offset(from))?;
    let mut seen = Seen::default();
    while view.offset() < until
        && let Some(item) = view.next()?
    {
        see(&mut seen, &item)?;
    }
    Ok(view.offset() - from)
}

/// A log that threads of one process use to tell each other things.
pub(crate) struct Bus(Log);

impl Bus {
    pub(crate) fn open(folder: &Path, bytes: u64) -> Result<Self> {
        Ok(Self(open(folder, bytes)?))
    }

    /// To all consumers.
    pub(crate) fn publish(&self, payload: &[u8]) -> Result<()> {
        self.0.append(TOPIC, &Event::new(payload))?;
        Ok(())
    }

    /// Gets what is published from now on.
    pub(crate) fn consumer(&self) -> Result<Consumer> {
        Ok(Consumer(self.0.reader(Start::Latest)?))
    }
}

pub(crate) struct Consumer(Reader);

impl Consumer {
    /// Takes everything that is there, and waits for something when nothing is; gives how much it took.
    pub(crate) fn take(&mut self, mut each: impl FnMut(&[u8])) -> Result<usize> {
        let mut taken = 0;
        while let Some(item) = self.0.next()? {
            match item {
                Item::Record(record) => each(record.payload),
                Item::Gap(gap) => bail!("records are gone: {gap:?}"),
            }
            taken += 1;
        }
        if taken == 0 {
            // Whoever asks again does not mind that nothing came.
            let _ = self.0.wait(Duration::from_millis(50));
        }
        Ok(taken)
    }
}
