//! What is on its way to the files.

use super::outbox::{Job, Outbox, Ticket, Underway, Unsynced};
use super::tail::{Tail, Written};
use crate::error::FileError;
use crate::models::{Time, check, models};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

models!(
    each_who_waits_returns_when_his_write_is_done_and_all_are_written_in_order,
    what_is_set_off_is_done_by_the_thread_and_by_those_who_wait,
    the_end_does_what_was_set_off_and_ends_the_thread,
    the_end_comes_while_somebody_else_writes,
    who_needs_a_segment_waits_for_its_writes_only,
    behind_a_sync_that_failed_nothing_is_done_and_nobody_waits_for_ever,
    a_failure_elsewhere_ends_everybodys_wait,
);

#[derive(Default)]
struct Medium {
    /// How many were put in: behind a lock, as in the log.
    engine: Mutex<u8>,
    outbox: Outbox,
    written: Written,
}

/// A file, since a job has one.
fn file() -> Arc<File> {
    Arc::new(File::open("/dev/null").unwrap())
}

impl Medium {
    /// Puts in a write with the next number.
    fn put(&self, slot: u32) -> Result<Underway, FileError> {
        let mut engine = self.engine.lock().unwrap();
        *engine += 1;
        let bytes = Tail::new(slot, *engine, Arc::clone(&self.written));
        let ticket = self.outbox.put(Job::Write { path: PathBuf::new(), file: file(), bytes })?;
        Ok(self.underway(ticket))
    }

    /// Puts in a sync of what cannot be synced.
    fn put_what_fails(&self) -> Result<Underway, FileError> {
        let _engine = self.engine.lock().unwrap();
        let failing = Unsynced { path: PathBuf::new(), file: file(), is_folder: false };
        Ok(self.underway(self.outbox.put(Job::Sync { files: vec![failing], lock: None })?))
    }

    fn underway(&self, ticket: Ticket) -> Underway {
        Underway { outbox: self.outbox.clone(), ticket }
    }

    /// Whether all was written, one behind the other.
    fn is_written(&self) -> bool {
        let put = *self.engine.lock().unwrap();
        self.written.lock().unwrap().iter().copied().eq(1..=put)
    }
}

fn with<T: 'static>(medium: &Arc<Medium>, run: fn(&Medium) -> T) -> JoinHandle<T> {
    let medium = Arc::clone(medium);
    thread::spawn(move || run(&medium))
}

fn write(medium: &Medium) {
    let underway = medium.put(1).unwrap();
    let ticket = underway.ticket;
    underway.run().unwrap();
    assert!(medium.outbox.is_done(ticket));
}

fn set_off(medium: &Medium) {
    let _ = medium.put(1).unwrap();
    medium.outbox.set_off().unwrap();
}

fn each_who_waits_returns_when_his_write_is_done_and_all_are_written_in_order() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Arc::new(Medium::default());
        let writing = [(); 2].map(|()| with(&medium, write));
        write(&medium);
        writing.into_iter().for_each(|it| it.join().unwrap());
        assert!(medium.is_written());
    })
}

fn what_is_set_off_is_done_by_the_thread_and_by_those_who_wait() -> u64 {
    check(Time::Stands, Some(2), || {
        let medium = Arc::new(Medium::default());
        let writing = with(&medium, write);
        set_off(&medium);
        writing.join().unwrap();
        medium.underway(medium.outbox.all()).run().unwrap();
        assert!(medium.is_written());
        medium.outbox.end();
    })
}

fn the_end_does_what_was_set_off_and_ends_the_thread() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Arc::new(Medium::default());
        set_off(&medium);
        set_off(&medium);
        let last = medium.outbox.all();
        medium.outbox.end();
        assert!(medium.outbox.is_done(last) && medium.is_written());
    })
}

fn the_end_comes_while_somebody_else_writes() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Arc::new(Medium::default());
        set_off(&medium);
        let writing = with(&medium, write);
        medium.outbox.end();
        writing.join().unwrap();
        assert!(medium.is_written());
    })
}

fn who_needs_a_segment_waits_for_its_writes_only() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Arc::new(Medium::default());
        let first = medium.put(2).unwrap();
        let writing = [(); 2].map(|()| with(&medium, write));
        medium.outbox.work_off(2).unwrap();
        assert!(medium.outbox.is_done(first.ticket));
        writing.into_iter().for_each(|it| it.join().unwrap());
        assert!(medium.is_written());
    })
}

fn behind_a_sync_that_failed_nothing_is_done_and_nobody_waits_for_ever() -> u64 {
    check(Time::Stands, Some(2), || {
        let medium = Arc::new(Medium::default());
        let failing = with(&medium, |medium| {
            medium.put_what_fails().and_then(Underway::run).unwrap_err();
        });
        let writing = with(&medium, |medium| {
            let _ = medium.put(1).and_then(Underway::run);
        });
        let _ = medium.put(1).map(|_| medium.outbox.set_off());
        failing.join().unwrap();
        let behind = medium.put(1);
        assert!(behind.is_err() && medium.outbox.check().is_err());
        writing.join().unwrap();
        medium.outbox.end();
    })
}

fn a_failure_elsewhere_ends_everybodys_wait() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Arc::new(Medium::default());
        let writing = [(); 2].map(|()| {
            with(&medium, |medium| {
                let _ = medium.put(1).and_then(Underway::run);
            })
        });
        let failure = FileError::new("sync", Path::new("disk"), io::ErrorKind::Other.into());
        medium.outbox.fail(&failure);
        writing.into_iter().for_each(|it| it.join().unwrap());
        medium.outbox.check().unwrap_err();
    })
}
