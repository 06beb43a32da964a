//! What is on its way to the files: writes and syncs, one behind the other, done by whoever waits for them or by a thread.

use super::tail::{Tail, WRITE_LEN};
use crate::error::FileError;
use crate::lock::note_doubt;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Nothing that is put in is done before what was put in before it, so a sync between two writes holds the second one back. What fails
/// once fails for ever: nothing behind it is done, and everybody is told why.
///
/// Clones are handles of one; it needs no lock of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox(Arc<Shared>);

/// A place in the order: everything up to some job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// A job was done.
    progress: Condvar,
    /// There are jobs for the thread.
    wanted: Condvar,
    done: AtomicU64,
    has_failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    put: u64,
    done: u64,
    /// Of the writes that are not done.
    bytes: usize,
    /// The slot of the job that is being done, which is no longer among the jobs.
    working_on: Option<Option<u32>>,
    /// How many wait for a job that somebody else is at.
    waiting: usize,
    /// Buffers that were written, to be filled again.
    free: Vec<Vec<u8>>,
    failure: Option<FileError>,
    thread: Thread,
}

#[derive(Debug, Default)]
enum Thread {
    #[default]
    None,
    Running(JoinHandle<()>),
    /// The system has refused one: whoever waits does the jobs.
    Refused,
    Ending,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    Write {
        path: PathBuf,
        file: Arc<File>,
        bytes: Tail,
    },
    /// What was written to these files is to be durable. If that fails it is noted for the next owner, in this one's lock file.
    Sync {
        files: Vec<Unsynced>,
        lock: Option<Arc<File>>,
    },
    #[cfg(test)]
    Fail(FileError),
}

/// A file, or folder, that was changed since the last sync.
#[derive(Debug)]
pub(super) struct Unsynced {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) is_folder: bool,
}

/// Bytes that may wait for their write. Then appending waits, too.
const BYTES_MAX: usize = 8 << 20;
/// Buffers that are kept to be filled again: as many as may wait, because the system gives memory of this size page by page, with a fault for
/// each, and takes it back at once.
const FREE_MAX: usize = BYTES_MAX / WRITE_LEN;
/// Bytes of such a buffer, which grows by doubling: one that a larger record needed is not kept.
const FREE_LEN_MAX: usize = 4 * WRITE_LEN;

impl Outbox {
    /// Puts a job behind all others, for whoever [works](Self::work_until) next.
    pub(super) fn put(&self, job: Job) -> Result<Ticket, FileError> {
        let mut queue = self.queue();
        if let Some(failure) = &queue.failure {
            return Err(failure.clone());
        }
        queue.bytes += job.bytes();
        queue.put += 1;
        queue.jobs.push_back(job);
        Ok(Ticket(queue.put))
    }

    /// Sees to it that what was put in is done soon. Waits while too much is kept in memory.
    pub(super) fn set_off(&self) -> Result<(), FileError> {
        let mut queue = self.queue();
        if matches!(queue.thread, Thread::None) {
            let outbox = self.clone();
            let thread = Builder::new().name("edgelog-files".to_owned());
            queue.thread =
                thread.spawn(move || outbox.serve()).map_or(Thread::Refused, Thread::Running);
        }
        self.0.wanted.notify_one();
        let is_full = |queue: &Queue| queue.bytes > BYTES_MAX;
        let is_nobodys = matches!(queue.thread, Thread::Refused);
        self.work_while(queue, |queue| is_full(queue) || (is_nobodys && !queue.jobs.is_empty()))
    }

    /// Everything that was put in so far.
    pub(super) fn all(&self) -> Ticket {
        Ticket(self.queue().put)
    }

    /// Returns when everything up to `ticket` is done, and does it unless somebody else is at it.
    ///
    /// # Errors
    ///
    /// A job failed, of these or of others, now or before: the first one's error.
    fn work_until(&self, ticket: Ticket) -> Result<(), FileError> {
        self.work_while(self.queue(), |queue| queue.done < ticket.0)
    }

    /// Ends everything: what was programmed cannot be put in.
    pub(super) fn fail(&self, failure: &FileError) {
        let mut queue = self.queue();
        queue.failure.get_or_insert_with(|| failure.clone());
        self.0.has_failed.store(true, Ordering::Release);
    }

    /// Returns when no write to `slot` is left to be done.
    pub(super) fn work_off(&self, slot: u32) -> Result<(), FileError> {
        self.work_while(self.queue(), |queue| {
            queue.working_on == Some(Some(slot))
                || queue.jobs.iter().any(|it| it.slot() == Some(slot))
        })
    }

    /// Whether everything up to `ticket` is done. Costs next to nothing.
    pub(super) fn is_done(&self, ticket: Ticket) -> bool {
        self.0.done.load(Ordering::Acquire) >= ticket.0
    }

    /// Fails when something has failed. Costs next to nothing otherwise.
    pub(super) fn check(&self) -> Result<(), FileError> {
        if !self.0.has_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.queue().failure.clone().map_or(Ok(()), Err)
    }

    /// A buffer to be filled.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.queue().free.pop().unwrap_or_default()
    }

    /// Ends the thread, when it has done what there is to be done.
    pub(super) fn end(&self) {
        let mut queue = self.queue();
        let thread = std::mem::replace(&mut queue.thread, Thread::Ending);
        drop(queue);
        self.0.wanted.notify_all();
        if let Thread::Running(thread) = thread {
            // It panics on nothing that is not a fault of the program, which it has told.
            let _ = thread.join();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_while<'q>(
        &'q self,
        mut queue: MutexGuard<'q, Queue>,
        goes_on: impl Fn(&Queue) -> bool,
    ) -> Result<(), FileError> {
        let mut has_worked = false;
        let worked = loop {
            if let Some(failure) = &queue.failure {
                break Err(failure.clone());
            }
            if !goes_on(&queue) {
                break Ok(());
            }
            queue = if queue.working_on.is_none() && !queue.jobs.is_empty() {
                has_worked = true;
                self.work(queue)
            } else {
                queue.waiting += 1;
                let mut queue = self.0.progress.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.waiting -= 1;
                queue
            };
        };
        // The thread may have been told of what is left, or to end, while this one was at it. Not earlier: it would wake for nothing.
        if has_worked && (!queue.jobs.is_empty() || matches!(queue.thread, Thread::Ending)) {
            self.0.wanted.notify_one();
        }
        worked
    }

    /// Does the first job.
    fn work<'q>(&'q self, mut queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        let Some(job) = queue.jobs.pop_front() else { return queue };
        queue.working_on = Some(job.slot());
        drop(queue);
        let (bytes, done) = (job.bytes(), job.run());
        let mut queue = self.queue();
        queue.working_on = None;
        queue.bytes -= bytes;
        match done {
            Ok(buffer) => {
                queue.done += 1;
                self.0.done.store(queue.done, Ordering::Release);
                if let Some(buffer) = buffer
                    && queue.free.len() < FREE_MAX
                    && buffer.capacity() <= FREE_LEN_MAX
                {
                    queue.free.push(buffer);
                }
            }
            Err(failure) => {
                queue.jobs.clear();
                queue.bytes = 0;
                queue.failure = Some(failure);
                self.0.has_failed.store(true, Ordering::Release);
            }
        }
        // The system is asked to wake even where nobody sleeps.
        if queue.waiting > 0 {
            self.0.progress.notify_all();
        }
        queue
    }

    fn serve(&self) {
        let mut queue = self.queue();
        loop {
            let is_free = queue.working_on.is_none();
            queue = if is_free && !queue.jobs.is_empty() {
                self.work(queue)
            } else if is_free && matches!(queue.thread, Thread::Ending) {
                return;
            } else {
                self.0.wanted.wait(queue).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }
}

impl Job {
    /// The buffer that was written.
    fn run(self) -> Result<Option<Vec<u8>>, FileError> {
        match self {
            Self::Write { path, file, bytes } => match bytes.write_to(&file) {
                Ok(buffer) => Ok(Some(buffer)),
                Err(error) => Err(FileError::new("write to", &path, error)),
            },
            Self::Sync { files, lock } => {
                files.iter().try_for_each(Unsynced::sync).inspect_err(|_| {
                    let names = files.iter().filter(|it| !it.is_folder);
                    let names = names.filter_map(|it| it.path.file_name()?.to_str());
                    // Where that fails too, the sync's failure is told all the same.
                    let _ = lock.map(|lock| note_doubt(&lock, names));
                })?;
                Ok(None)
            }
            #[cfg(test)]
            Self::Fail(error) => Err(error),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    const fn slot(&self) -> Option<u32> {
        match self {
            Self::Write { bytes, .. } => Some(bytes.slot()),
            _ => None,
        }
    }
}

impl Unsynced {
    pub(super) fn sync(&self) -> Result<(), FileError> {
        let Self { path, file, is_folder } = self;
        // What a rename changes of a folder is none of what fdatasync asks for.
        let (doing, synced) = match is_folder {
            true => ("sync the folder", file.sync_all()),
            false => ("sync", file.sync_data()),
        };
        synced.map_err(|error| FileError::new(doing, path, error))
    }
}

/// Writes, or a sync, that are in the [`Outbox`].
#[derive(Debug)]
#[must_use]
pub(crate) struct Underway {
    pub(super) outbox: Outbox,
    pub(super) ticket: Ticket,
}

impl Underway {
    /// Returns when they are done, and does them unless somebody else is at it. Needs no lock of the log.
    pub(crate) fn run(self) -> Result<(), FileError> {
        self.outbox.work_until(self.ticket)
    }
}

/// A folder, so that its names can be made durable.
pub(super) fn folder(path: &Path) -> Result<Unsynced, FileError> {
    let file = File::open(path).map_err(|error| FileError::new("open the folder", path, error))?;
    Ok(Unsynced { path: path.to_owned(), file: Arc::new(file), is_folder: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// A file, and a write of `bytes` to its place `at`.
    fn write(file: &Arc<File>, at: u32, bytes: &[u8]) -> Job {
        let mut tail = Tail::default();
        tail.push(0, at, bytes);
        Job::Write { path: PathBuf::new(), file: Arc::clone(file), bytes: tail.take(Vec::new()) }
    }

    fn failure() -> FileError {
        FileError::new("sync", Path::new("disk"), io::Error::from_raw_os_error(5))
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; 16];
        let length = super::super::read_full(file, &mut bytes, 0).unwrap();
        bytes.truncate(length);
        bytes
    }

    #[test]
    fn jobs_are_done_in_order_by_whoever_waits_and_only_as_far_as_he_waits_for() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let outbox = Outbox::default();
        outbox.put(write(&file, 0, b"aaaa")).unwrap();
        let second = outbox.put(write(&file, 2, b"bb")).unwrap();
        let third = outbox.put(write(&file, 0, b"c")).unwrap();
        assert!(!outbox.is_done(second));
        outbox.work_until(second).unwrap();
        assert!(outbox.is_done(second) && !outbox.is_done(third));
        assert_eq!(content(&file), b"aabb");
        outbox.work_off(0).unwrap();
        assert_eq!(content(&file), b"cabb");
    }

    #[test]
    fn the_thread_does_what_is_put_in_and_ends_when_it_is_done() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let outbox = Outbox::default();
        for n in 0..10 {
            outbox.put(write(&file, n, b"x")).unwrap();
            outbox.set_off().unwrap();
        }
        let last = outbox.all();
        outbox.end();
        assert!(outbox.is_done(last));
        assert_eq!(content(&file), b"xxxxxxxxxx");
    }

    #[test]
    fn behind_a_job_that_failed_in_the_background_nothing_is_done_and_everybody_is_told_why() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let outbox = Outbox::default();
        outbox.put(Job::Fail(failure())).unwrap();
        let behind = outbox.put(write(&file, 0, b"lost"));
        let _ = outbox.set_off();
        outbox.end();
        assert_eq!(content(&file), b"");
        let told = [
            outbox.check(),
            outbox.work_until(behind.unwrap()),
            outbox.put(write(&file, 0, b"lost")).map(drop),
        ];
        for told in told {
            assert_eq!(told.unwrap_err().to_string(), failure().to_string());
        }
        assert!(!outbox.is_done(outbox.all()));
    }

    #[test]
    fn what_waits_in_memory_is_bounded() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let outbox = Outbox::default();
        let piece = vec![1; 1 << 20];
        for _ in 0..3 * (BYTES_MAX >> 20) {
            outbox.put(write(&file, 0, &piece)).unwrap();
            outbox.set_off().unwrap();
            assert!(outbox.queue().bytes <= BYTES_MAX);
        }
        outbox.end();
    }

    #[test]
    fn many_threads_wait_for_each_others_jobs_and_none_waits_for_ever() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let outbox = Outbox::default();
        std::thread::scope(|scope| {
            for n in 0..4 {
                let (outbox, file) = (outbox.clone(), Arc::clone(&file));
                scope.spawn(move || {
                    for _ in 0..5_000 {
                        let ticket = outbox.put(write(&file, n, b"y")).unwrap();
                        if n == 0 {
                            outbox.set_off().unwrap();
                        }
                        outbox.work_until(ticket).unwrap();
                    }
                });
            }
        });
        assert_eq!(content(&file), b"yyyy");
        outbox.end();
    }
}
