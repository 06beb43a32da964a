//! The rows on their way into the log.

use super::table::{Columns, Row, Table};
use crate::intake::{Intake, Refused};
use crate::live::progress;
use crate::say;
use crate::schema::{Reading, Tables, encode};
use crate::ship::Shipping;
use crate::stop::Stop;
use anyhow::{anyhow, bail};
use edgelog::Event;
use indicatif::ProgressBar;
use std::time::{Duration, Instant};

/// All that takes part.
pub(super) struct Feed<'a> {
    /// The file's name, for messages.
    pub(super) file: String,
    pub(super) topic: &'a str,
    /// Whether the first bad row ends it.
    pub(super) strict: bool,
    /// The first line that is wanted.
    pub(super) from_line: u64,
    pub(super) intake: &'a mut Intake,
    pub(super) shipping: Option<&'a Shipping>,
    pub(super) stop: &'a Stop,
}

const PROGRESS: &str = "{bar:30} {percent:>3}%  {bytes} of {total_bytes}  {msg}  {eta} left";

/// How many rows pass between two looks at the progress bar.
const PROGRESS_EVERY: u64 = 256;

/// How often a full log is asked again whether shipping has made room.
const ROOM_EVERY: Duration = Duration::from_millis(20);

impl Feed<'_> {
    /// Stores row after row until the file ends, the end is wanted, or something fails.
    pub(super) fn everything(
        &mut self,
        table: &mut Table,
        columns: &Columns,
    ) -> anyhow::Result<()> {
        let mut payload = Vec::new();
        let bar = progress(table.bytes(), PROGRESS);
        while !self.stop.is_wanted() && table.next_row()? {
            if table.row_number() % PROGRESS_EVERY == 1 {
                bar.set_position(table.position());
                bar.set_message(format!("{} events", self.intake.stored()));
            }
            let line = table.line();
            if line < self.from_line {
                continue;
            }
            let stored = match table.row(columns) {
                Err(why) => Err(Refused::Bad(why)),
                Ok(Row { time_ms, number, fields, key }) => {
                    let fields = Tables::Slice(&fields);
                    let reading = Reading { time_ms, row: number, fields };
                    encode(&reading, &mut payload)
                        .map_err(|error| Refused::Bad(error.to_string()))
                        .and_then(|()| {
                            let event = Event::new(&payload);
                            self.store(&key.map_or(event, |key| event.key(key.as_bytes())), &bar)
                        })
                }
            };
            let at = || format!("{}:{line}", self.file);
            match stored {
                Ok(()) => {}
                Err(Refused::Bad(why)) if self.strict => {
                    bail!("{}: {why}; stopped there (--strict)", at())
                }
                Err(Refused::Bad(why)) => {
                    bar.suspend(|| say::note(&format!("{}: {why}", at())));
                    self.intake.count_bad();
                }
                Err(Refused::Topic(why)) => return Err(anyhow!("{}: {why}", at())),
                Err(Refused::Full(_)) if self.stop.is_wanted() => {}
                Err(Refused::Full(error) | Refused::Stop(error)) => {
                    return Err(error.context(at()));
                }
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Stores one event. A log that is being shipped is full only for a while.
    fn store(&mut self, event: &Event<'_>, bar: &ProgressBar) -> Result<(), Refused> {
        loop {
            let stored = self.intake.append(self.topic, event);
            let (Err(Refused::Full(_)), Some(shipping)) = (&stored, self.shipping) else {
                return stored;
            };
            // Only what is durable is shipped.
            self.intake.sync().map_err(Refused::Stop)?;
            bar.set_message("the log is full; waiting for Kafka to acknowledge");
            for notice in shipping.notices() {
                bar.suspend(|| say::note(&format!("edgelog: {notice}")));
            }
            if self.stop.wait_until(Instant::now() + ROOM_EVERY) {
                return stored;
            }
        }
    }
}
