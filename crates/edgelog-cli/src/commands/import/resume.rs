//! Where an earlier import of the same file stopped. The log itself knows: every reading carries its row's number.

use crate::reading::{Met, last_records, read_on};
use crate::schema::Reading;
use anyhow::bail;
use edgelog::View;
use edgelog_record::Table;
use std::path::Path;

/// The number of the newest row that `topic` holds; the rows before it were stored too, or named as bad. 0 for a topic without records.
pub(super) fn rows_stored(dir: &Path, topic: &str) -> anyhow::Result<u64> {
    let mut view = View::open(dir, last_records(dir, 1, Some(topic))?)?;
    let until = view.visible();
    let mut newest = None;
    read_on(&mut view, until, &mut |met| {
        if let Met::Record(name, record) = met
            && name == topic
        {
            newest = Some(Reading::read(record.payload).map_or(0, |reading| reading.row));
        }
        Ok(true)
    })?;
    let known = view.topics().iter().any(|known| known.name == topic);
    match newest {
        Some(0) => bail!(
            "cannot resume: the newest record of topic {topic} does not come from a file; say --from-line or another --topic"
        ),
        Some(row) => Ok(row),
        // A topic is named just before its first record: without one, either it never came, or the ring has come round.
        None if known && view.earliest()? > 0 => bail!(
            "cannot resume: the log has recycled all records of topic {topic}; say --from-line"
        ),
        None => Ok(0),
    }
}
