//! What a session does when it is told what to do, instead of choosing by itself.

use super::{Answer, Outcome, Session, Stop};
use crate::medium::SimMedium;
use crate::model::{Content, Model};
use crate::oracle::judge;
use edgelog_core::{Class, Log};

/// One thing to do to a log.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// Sets the clock, ms since 1970-01-01 UTC; it need not go forward.
    Clock(u64),
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
    /// Makes everything so far durable.
    Sync,
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
    /// Reads everything and compares it with the model.
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
        self.after(outcome)
    }

    /// What the log should hold.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The log, for reading from it.
    pub const fn log_mut(&mut self) -> &mut Log<M, Vec<u8>> {
        &mut self.log
    }

    fn answer(&mut self, request: &Request<'_>) -> Result<Outcome<(), M>, Stop> {
        Ok(match *request {
            Request::Clock(now) => {
                self.now = now;
                self.model.latest_now = self.model.latest_now.max(now);
                Ok(())
            }
            Request::Append { topic, class, key, payload } => {
                let topic = match self.topic(topic) {
                    Ok(topic) => topic,
                    Err(error) => return Ok(Err(error)),
                };
                let (key, payload) = (key.map(<[u8]>::to_vec), payload.to_vec());
                let content = Content { topic: topic.get(), class, key, payload };
                return self.append(topic, content, self.now).map_err(Stop::Broken);
            }
            Request::Sync => self.sync(),
            Request::Topic(name) => self.topic(name).map(|_| ()),
            Request::Cursor(name) => self.cursor(name).map(|_| ()),
            Request::Commit { cursor, offset, mark } => self.commit(cursor, offset, mark),
            Request::Anchor { cursor, bytes } => self.anchor(cursor, bytes),
            Request::Judge => {
                judge(&mut self.log, &mut self.model).map_err(|why| match self.disk.is_dark() {
                    true => Stop::Power,
                    false => Stop::Broken(why),
                })?;
                Ok(())
            }
        })
    }
}
