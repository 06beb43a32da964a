//! What is on its way to the files.

use super::outbox::{Job, Outbox, Ticket, Underway, Unsynced};
use super::tail::Tail;
use crate::error::FileError;
use crate::models::{Time, check, models};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Mutex};
use std::fs::{File, remove_file};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

models!(
    each_who_waits_returns_when_his_write_is_done_and_the_last_one_stands,
    what_is_set_off_is_done_by_the_thread_and_by_those_who_wait,
    the_end_does_what_was_set_off_and_ends_the_thread,
    the_end_comes_while_somebody_else_writes,
    who_needs_a_segment_waits_for_its_writes_only,
    behind_a_sync_that_failed_nothing_is_done_and_nobody_waits_for_ever,
    a_failure_elsewhere_ends_everybodys_wait,
);

/// Behind a lock, as in the log: who puts in later wrote later.
struct Medium {
    engine: Mutex<u8>,
    outbox: Outbox,
    file: Arc<File>,
}

/// One for all, without a name.
static FILE: LazyLock<File> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("edgelog-models-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    remove_file(path).unwrap();
    file
});

impl Medium {
    fn new() -> Arc<Self> {
        FILE.write_all_at(&[0], 0).unwrap();
        let file = Arc::new(FILE.try_clone().unwrap());
        Arc::new(Self { engine: Mutex::new(0), outbox: Outbox::default(), file })
    }

    /// Puts in a write of one byte, its number, to the same place as all others.
    fn put(&self, slot: u32) -> Result<Underway, FileError> {
        let mut engine = self.engine.lock().unwrap();
        *engine += 1;
        let mut tail = Tail::default();
        tail.push(slot, 0, &[*engine]);
        let (file, bytes) = (Arc::clone(&self.file), tail.take(self.outbox.buffer()));
        let ticket = self.outbox.put(Job::Write { path: PathBuf::new(), file, bytes })?;
        Ok(self.underway(ticket))
    }

    /// Puts in a sync of what cannot be synced.
    fn put_what_fails(&self) -> Result<Underway, FileError> {
        let _engine = self.engine.lock().unwrap();
        let file = Arc::new(File::open("/dev/null").unwrap());
        let failing = Unsynced { path: PathBuf::new(), file, is_folder: false };
        Ok(self.underway(self.outbox.put(Job::Sync(vec![failing]))?))
    }

    fn underway(&self, ticket: Ticket) -> Underway {
        Underway { outbox: self.outbox.clone(), ticket }
    }

    fn is_last_written(&self) -> bool {
        let mut last = [0];
        FILE.read_exact_at(&mut last, 0).unwrap();
        last == [*self.engine.lock().unwrap()]
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

fn each_who_waits_returns_when_his_write_is_done_and_the_last_one_stands() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Medium::new();
        let writing = [(); 2].map(|()| with(&medium, write));
        write(&medium);
        writing.into_iter().for_each(|it| it.join().unwrap());
        assert!(medium.is_last_written());
    })
}

fn what_is_set_off_is_done_by_the_thread_and_by_those_who_wait() -> u64 {
    check(Time::Stands, Some(2), || {
        let medium = Medium::new();
        let writing = with(&medium, write);
        set_off(&medium);
        writing.join().unwrap();
        medium.underway(medium.outbox.all()).run().unwrap();
        assert!(medium.is_last_written());
        medium.outbox.end();
    })
}

fn the_end_does_what_was_set_off_and_ends_the_thread() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Medium::new();
        set_off(&medium);
        set_off(&medium);
        let last = medium.outbox.all();
        medium.outbox.end();
        assert!(medium.outbox.is_done(last) && medium.is_last_written());
    })
}

fn the_end_comes_while_somebody_else_writes() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Medium::new();
        set_off(&medium);
        let writing = with(&medium, write);
        medium.outbox.end();
        writing.join().unwrap();
        assert!(medium.is_last_written());
    })
}

fn who_needs_a_segment_waits_for_its_writes_only() -> u64 {
    check(Time::Stands, Some(3), || {
        let medium = Medium::new();
        let first = medium.put(2).unwrap();
        let writing = [(); 2].map(|()| with(&medium, write));
        medium.outbox.work_off(2).unwrap();
        assert!(medium.outbox.is_done(first.ticket));
        writing.into_iter().for_each(|it| it.join().unwrap());
        assert!(medium.is_last_written());
    })
}

fn behind_a_sync_that_failed_nothing_is_done_and_nobody_waits_for_ever() -> u64 {
    check(Time::Stands, Some(2), || {
        let medium = Medium::new();
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
        let medium = Medium::new();
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
