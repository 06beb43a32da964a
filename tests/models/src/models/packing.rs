//! Between the one who compresses segments and the engine, which erases them.

use super::packing::Packing;
use crate::models::{Time, check, models};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Condvar, Mutex};

models!(
    a_segment_that_is_erased_while_it_is_compressed_holds_what_was_written_behind_the_erase,
    every_segment_that_is_sealed_is_compressed_without_another_word,
    who_needs_a_segment_and_who_ends_the_thread_both_get_on,
);

/// The slots of a ring.
const SLOTS: usize = 2;

/// What a slot has: which segment its plain file holds, and which its compressed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Files {
    plain: Option<u8>,
    packed: Option<u8>,
}

#[derive(Default)]
struct Log {
    engine: Mutex<Engine>,
    packing: Packing,
    /// A lock for each look at the files, and each change: between two of them others come.
    files: Mutex<[Files; SLOTS]>,
    /// Rung when a segment was compressed.
    packed: Condvar,
}

#[derive(Default)]
struct Engine {
    opened: u8,
    looked_at: u8,
}

impl Log {
    fn change<T>(&self, slot: usize, change: impl FnOnce(&mut Files) -> T) -> T {
        change(&mut self.files.lock().unwrap()[slot])
    }

    /// Opens the next segment, in the place of the oldest: as `FileMedium::erase`, and what is programmed then.
    fn open_segment(&self) {
        let mut engine = self.engine.lock().unwrap();
        let slot = usize::from(engine.opened) % SLOTS;
        self.packing.give_up(slot as u32);
        self.change(slot, |files| files.plain = Some(engine.opened));
        self.change(slot, |files| files.packed = None);
        engine.opened += 1;
        self.packing.tell();
    }

    /// As the packer's thread runs: all but the newest are sealed.
    fn pack(&self) {
        while self.packing.wait() {
            while let Some(slot) = self.take() {
                self.replace(slot);
                self.packing.put_back();
                drop(self.engine.lock().unwrap());
            }
        }
    }

    fn take(&self) -> Option<usize> {
        let mut engine = self.engine.lock().unwrap();
        let oldest = engine.opened.saturating_sub(SLOTS as u8);
        let next = engine.looked_at.max(oldest);
        if next + 1 >= engine.opened {
            return None;
        }
        engine.looked_at = next + 1;
        let slot = usize::from(next) % SLOTS;
        self.packing.take(slot as u32).then_some(slot)
    }

    fn replace(&self, slot: usize) {
        let plain = self.change(slot, |files| files.plain);
        if !self.packing.goes_on() {
            return;
        }
        self.change(slot, |files| files.packed = plain);
        self.change(slot, |files| files.plain = None);
        self.packed.notify_all();
    }

    /// Every slot gives the last segment that was opened in it, whichever file has it.
    fn is_whole(&self) -> bool {
        let opened = self.engine.lock().unwrap().opened;
        (opened.saturating_sub(SLOTS as u8)..opened).all(|segment| {
            let files = self.change(usize::from(segment) % SLOTS, |files| *files);
            files.plain.or(files.packed) == Some(segment)
        })
    }
}

fn with(log: &Arc<Log>, run: fn(&Log)) -> JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || run(&log))
}

fn a_segment_that_is_erased_while_it_is_compressed_holds_what_was_written_behind_the_erase() -> u64
{
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        let packer = with(&log, Log::pack);
        (0..4).for_each(|_| log.open_segment());
        log.packing.end();
        packer.join().unwrap();
        assert!(log.is_whole());
    })
}

fn every_segment_that_is_sealed_is_compressed_without_another_word() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        let packer = with(&log, Log::pack);
        (0..3).for_each(|_| log.open_segment());
        let is_plain =
            |files: &mut [Files; SLOTS]| files[1] != Files { plain: None, packed: Some(1) };
        drop(log.packed.wait_while(log.files.lock().unwrap(), is_plain));
        log.packing.end();
        packer.join().unwrap();
        assert!(log.is_whole());
    })
}

fn who_needs_a_segment_and_who_ends_the_thread_both_get_on() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Arc::new(Log::default());
        (0..2).for_each(|_| log.open_segment());
        let packer = with(&log, Log::pack);
        let appending = with(&log, |log| (0..2).for_each(|_| log.open_segment()));
        log.packing.end();
        packer.join().unwrap();
        appending.join().unwrap();
        assert!(log.is_whole());
    })
}
