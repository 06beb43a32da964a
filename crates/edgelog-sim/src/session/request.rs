//! What a session does when it is told what to do, instead of choosing by itself.

use super::{Answer, Outcome, Session, Stop, some_content};
use crate::medium::SimMedium;
use crate::model::{Content, Full};
use crate::oracle::judge;
use edgelog_core::{Class, Log};

/// One thing to do to a log.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// The clock reads so many ms since 1970-01-01 UTC, or of uptime after [`ClockUnset`](Self::ClockUnset); it need not go forward.
    Clock(u64),
    /// Says that only the uptime is known, in ms.
    ClockUnset(u64),
    /// Says what time it is, in ms since 1970-01-01 UTC, if that was not known. A time that another clock was set to is left alone.
    SetClock(u64),
    /// Gives up so many records.
    GiveUp(u32),
    /// Appends one event at the clock's time; its topic is created when it is new.
    Append {
        /// The topic's name.
        topic: &'a str,
        /// The class.
        class: Class,
        /// The key.
        key: Option<&'a [u8]>,
        /// The payload.
        payload: &'a [u8],
    },
    /// Appends plain events of one topic in one program.
    AppendBatch {
        /// The topic's name.
        topic: &'a str,
        /// Their payloads.
        payloads: &'a [Vec<u8>],
    },
    /// Makes everything so far durable.
    Sync,
    /// Says what a full log does.
    Full(&'a Full),
    /// Erases the next segment ahead of time, if there is time for so many erases.
    Maintain(u32),
    /// Gives up the oldest segment, if the policy lets it go.
    Evict,
    /// Asks for a topic, which is created when it is new.
    Topic(&'a str),
    /// Asks for a cursor, which is created at the durable end when it is new.
    Cursor(&'a str),
    /// Moves a cursor. A cursor that is not there is left alone.
    Commit {
        /// The cursor's name.
        cursor: &'a str,
        /// Everything below is done.
        offset: u64,
        /// The consumer's note.
        mark: i64,
    },
    /// Sets a cursor's anchor. A cursor that is not there is left alone.
    Anchor {
        /// The cursor's name.
        cursor: &'a str,
        /// The anchor.
        bytes: &'a [u8],
    },
    /// Reads everything and compares it with the model, seeks a time, and reads newest first.
    Judge,
}

impl<M: SimMedium> Session<M> {
    /// Does one thing. Refusals are answers, and leave the model as it was.
    ///
    /// # Errors
    ///
    /// [`Stop`].
    pub fn request(&mut self, request: &Request<'_>) -> Result<Answer, Stop> {
        let outcome = self.answer(request)?;
        let answer = self.after(outcome)?;
        self.broken.take().map_or(Ok(answer), |why| Err(Stop::Broken(why)))
    }

    /// The log, for reading from it.
    pub const fn log_mut(&mut self) -> &mut Log<M, Vec<u8>> {
        &mut self.log
    }

    fn answer(&mut self, request: &Request<'_>) -> Result<Outcome<(), M>, Stop> {
        Ok(match *request {
            Request::Clock(now) => {
                self.goes_to(now);
                Ok(())
            }
            Request::ClockUnset(uptime) => {
                self.clock_is_unset(uptime);
                Ok(())
            }
            Request::SetClock(utc) => self.set_clock(utc),
            Request::GiveUp(records) => {
                self.give_up(records);
                Ok(())
            }
            Request::Append { topic, class, key, payload } => {
                let topic = match self.topic(topic) {
                    Ok(topic) => topic,
                    Err(error) => return Ok(Err(error)),
                };
                let (key, payload) = (key.map(<[u8]>::to_vec), payload.to_vec());
                let content = Content { topic: topic.get(), class, key, payload };
                return self.append(&[(topic, content)]).map_err(Stop::Broken);
            }
            Request::AppendBatch { topic, payloads } => {
                let topic = match self.topic(topic) {
                    Ok(topic) => topic,
                    Err(error) => return Ok(Err(error)),
                };
                let event = |payload: &Vec<u8>| {
                    let (payload, number) = (payload.clone(), topic.get());
                    (topic, Content { topic: number, payload, ..some_content() })
                };
                let events: Vec<_> = payloads.iter().map(event).collect();
                return self.append(&events).map_err(Stop::Broken);
            }
            Request::Sync => self.sync(),
            Request::Full(full) => {
                self.set_full(full.clone());
                Ok(())
            }
            Request::Maintain(erases) => self.call(|log| log.maintain(erases)).map(|_| ()),
            Request::Evict => self.evict(),
            Request::Topic(name) => self.topic(name).map(|_| ()),
            Request::Cursor(name) => self.cursor(name).map(|_| ()),
            Request::Commit { cursor, offset, mark } => self.commit(cursor, offset, mark),
            Request::Anchor { cursor, bytes } => self.anchor(cursor, bytes),
            Request::Judge => match judge(&mut self.log, &mut self.model) {
                Ok(_) => Ok(()),
                Err(_) if self.disk.is_dark() => return Err(Stop::Power),
                Err(why) => return Err(Stop::Broken(why)),
            },
        })
    }
}
