//! A file-like device: rewritable, erased value 0x00, program word of one byte.
//!
//! # Fault model
//!
//! - Reads see every write at once, as through a page cache.
//! - A write (program or erase) becomes durable with the next successful sync. At a power cut every write since then is,
//!   independently of the others and in any order: applied whole, not at all, or torn, each of its sectors applied or not.
//!   A sector is 512 bytes unless [`SimDisk::set_sector`] makes it smaller. A sector is written whole or not at all, and
//!   bytes of a sector that a write did not name are never harmed.
//! - A barrier returns at once and makes nothing durable. At a power cut, where any program behind a barrier is there in whole or in
//!   part, every write before it is there in whole. In every 17th program, the disk is through with the oldest barrier: what is before it is durable. Erases do not wait for it: one behind a barrier may be there although a write before it is not.
//! - A program or erase that fails has had any of those effects all the same, and reads see them. A sync that fails made
//!   nothing durable and forgets nothing: a later sync may still succeed. A barrier that fails has returned before: every program and sync
//!   from then on fails, and nothing behind it reaches the disk.
//! - A failing read gives no bytes. Reads never give wrong bytes; rot is the business of tests that change the image.
//!
//! Not modelled: a kernel that drops dirty pages after a failed sync and still serves them to readers, and sectors that a
//! cut leaves unreadable.

use crate::rng::Rng;
use core::fmt;
use edgelog_core::{Geometry, Medium};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// In one of so many programs the disk is through with the oldest barrier.
const BARRIER_ENDS: u64 = 17;

/// What the engine may ask of a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// [`Medium::read`].
    Read,
    /// [`Medium::program`].
    Program,
    /// [`Medium::erase`].
    Erase,
    /// [`Medium::sync`].
    Sync,
    /// [`Medium::barrier`].
    Barrier,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// ENOSPC: nothing was done.
    NoSpace,
    /// EIO: a write may have been done in whole, in part or not at all.
    Io,
}

/// One call that will fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub op: Op,
    /// Which call of it, counted from 0 since the disk was made.
    pub call: u64,
    /// How.
    pub kind: FaultKind,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimError {
    /// A planned fault.
    Fault(FaultKind),
    /// The power is gone: every call fails until [`SimDisk::cut`].
    PowerCut,
    /// The engine broke the contract of the medium.
    OutOfRange,
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fault(FaultKind::NoSpace) => "no space left on device",
            Self::Fault(FaultKind::Io) => "input/output error",
            Self::PowerCut => "the power is gone",
            Self::OutOfRange => "a range outside of its segment",
        })
    }
}

impl core::error::Error for SimError {}

/// Exact counts of calls and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls of read.
    pub reads: u64,
    /// Calls of program.
    pub programs: u64,
    /// Calls of erase.
    pub erases: u64,
    /// Calls of sync.
    pub syncs: u64,
    /// Calls of barrier.
    pub barriers: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes programmed.
    pub bytes_programmed: u64,
}

impl Counters {
    /// Calls that change the medium, make changes durable, or order them.
    #[must_use]
    pub const fn mutations(&self) -> u64 {
        self.programs + self.erases + self.syncs + self.barriers
    }
}

#[derive(Clone, Debug)]
struct Write {
    at: usize,
    bytes: Vec<u8>,
    /// Barriers since the last sync that it has to wait for: none for an erase.
    behind: usize,
    /// Barriers that came before it.
    after: usize,
}

#[derive(Clone, Debug)]
struct State {
    geometry: Geometry,
    sector: usize,
    /// What reads see.
    seen: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Write>,
    /// Barriers since the last sync.
    barriers: usize,
    /// A barrier failed behind the back of whoever asked for it.
    broken: bool,
    counters: Counters,
    faults: Vec<Fault>,
    /// The power goes in the n-th mutation.
    cut_in: Option<u64>,
    dark: bool,
    lies: bool,
    forgets_barriers: bool,
}

/// The device. Clones are handles of the same device, so that a test, a log and a view can hold it together.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    /// An erased disk.
    ///
    /// # Panics
    ///
    /// When the sizes make no geometry.
    #[must_use]
    pub fn new(segment_size: u32, segment_count: u32) -> Self {
        let geometry = Geometry::new(segment_size, segment_count, 1, 0x00).expect("sizes that fit");
        let length = size(segment_size) * size(segment_count);
        Self::from_image(geometry, vec![0; length])
    }

    /// A disk that durably holds `image`.
    ///
    /// # Panics
    ///
    /// When the image has another length than the geometry says.
    #[must_use]
    pub fn from_image(geometry: Geometry, image: Vec<u8>) -> Self {
        assert_eq!(image.len(), size(geometry.segment_size()) * size(geometry.segment_count()));
        Self(Arc::new(Mutex::new(State {
            geometry,
            sector: SECTOR,
            seen: image.clone(),
            durable: image,
            unsynced: Vec::new(),
            barriers: 0,
            broken: false,
            counters: Counters::default(),
            faults: Vec::new(),
            cut_in: None,
            dark: false,
            lies: false,
            forgets_barriers: false,
        })))
    }

    /// Tears at `bytes` instead of 512: a harsher disk.
    pub fn set_sector(&self, bytes: usize) {
        self.state().sector = bytes.max(1);
    }

    /// Plans a failing call.
    pub fn plan(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Forgets all planned faults.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Takes the power away inside the mutation number `mutation` from now (0 is the next). A program or erase that is hit
    /// counts as unsynced, a sync that is hit made nothing durable.
    pub fn cut_power_in(&self, mutation: u64) {
        let mut state = self.state();
        state.cut_in = Some(state.counters.mutations() + mutation);
    }

    /// A planted bug: from now on sync returns without making anything durable. The oracle must notice.
    pub fn lie_about_sync(&self) {
        self.state().lies = true;
    }

    /// A planted bug: from now on barriers order nothing. The oracle must notice.
    pub fn forget_barriers(&self) {
        self.state().forgets_barriers = true;
    }

    /// Whether the power is gone: every call fails until [`cut`](Self::cut).
    #[must_use]
    pub fn is_dark(&self) -> bool {
        self.state().dark
    }

    /// The calls and bytes so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.state().counters
    }

    /// What reads see.
    #[must_use]
    pub fn image(&self) -> Vec<u8> {
        self.state().seen.clone()
    }

    /// The device after a power cut, on power again: a new device, this one is not changed. Different seeds apply the
    /// unsynced writes differently; counters and faults start afresh, a planted bug stays.
    #[must_use]
    pub fn cut(&self, seed: u64) -> Self {
        let state = self.state();
        let mut rng = Rng::new(seed);
        let mut image = state.durable.clone();
        // The disk was on its way to the barrier of this number: everything before the one before it is there.
        let reached = if state.barriers == 0 { 0 } else { rng.below(state.barriers + 1) };
        let (done, open): (Vec<&Write>, Vec<&Write>) =
            state.unsynced.iter().partition(|write| write.after < reached);
        for write in done {
            apply(&mut image, write);
        }
        let mut order: Vec<&Write> =
            open.into_iter().filter(|write| write.behind <= reached).collect();
        if rng.one_in(2) {
            for last in (1..order.len()).rev() {
                order.swap(last, rng.below(last + 1));
            }
        }
        for write in order {
            apply_some(&mut image, write, state.sector, &mut rng);
        }
        let after = Self::from_image(state.geometry, image);
        after.set_sector(state.sector);
        after.state().lies = state.lies;
        after.state().forgets_barriers = state.forgets_barriers;
        after
    }

    /// The device as its next owner finds it when this one was killed, without a power cut: what is behind a barrier that the disk is not
    /// past was held back, and is gone with whoever held it. The rest is there, as unsynced as it was. A new device; this one is not changed.
    #[must_use]
    pub fn kill(&self) -> Self {
        let state = self.state();
        let after = Self::from_image(state.geometry, state.durable.clone());
        let mut next = after.state();
        let there = state.unsynced.iter().filter(|write| write.behind == 0);
        next.unsynced = there.map(|write| Write { after: 0, ..write.clone() }).collect();
        let State { seen, unsynced, .. } = &mut *next;
        for write in unsynced {
            apply(seen, write);
        }
        (next.sector, next.lies) = (state.sector, state.lies);
        next.forgets_barriers = state.forgets_barriers;
        drop(next);
        after
    }

    /// The disk is through with all barriers, one behind the other, as far as none of them failed.
    pub fn pass_barriers(&self) {
        let mut state = self.state();
        for _ in 0..state.barriers {
            state.end_barrier();
        }
    }

    /// Whether all that it holds survives a cut.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.state().unsynced.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(image: &mut [u8], write: &Write) {
    image[write.at..write.at + write.bytes.len()].copy_from_slice(&write.bytes);
}

/// Applies a write in whole, not at all, or in some of its sectors.
fn apply_some(image: &mut [u8], write: &Write, sector: usize, rng: &mut Rng) {
    let fate = rng.below(3);
    if fate == 0 {
        return;
    }
    let end = write.at + write.bytes.len();
    let mut from = write.at;
    while from < end {
        let to = end.min((from / sector + 1) * sector);
        if fate == 1 || rng.one_in(2) {
            image[from..to].copy_from_slice(&write.bytes[from - write.at..to - write.at]);
        }
        from = to;
    }
}

impl State {
    fn range(&self, slot: u32, position: u32, length: usize) -> Result<usize, SimError> {
        let segment = size(self.geometry.segment_size());
        let inside = slot < self.geometry.segment_count()
            && size(position).checked_add(length).is_some_and(|end| end <= segment);
        inside.then_some(size(slot) * segment + size(position)).ok_or(SimError::OutOfRange)
    }

    /// The disk is through with the oldest barrier.
    fn end_barrier(&mut self) {
        if self.barriers == 0 || self.lies || self.broken {
            return;
        }
        self.barriers -= 1;
        let Self { unsynced, durable, .. } = self;
        unsynced.retain_mut(|write| {
            if write.after == 0 {
                apply(durable, write);
                return false;
            }
            write.after -= 1;
            write.behind = write.behind.saturating_sub(1);
            true
        });
    }

    fn fault(&self, op: Op, call: u64) -> Option<FaultKind> {
        self.faults.iter().find(|fault| fault.op == op && fault.call == call).map(|f| f.kind)
    }

    /// Whether this mutation meets the end of the power. To be called before it is counted.
    fn power_goes(&mut self) -> bool {
        let hit = self.cut_in.is_some_and(|at| at == self.counters.mutations());
        self.dark |= hit;
        hit
    }

    fn write(
        &mut self,
        op: Op,
        call: u64,
        hit: bool,
        at: usize,
        bytes: Vec<u8>,
    ) -> Result<(), SimError> {
        let behind = if op == Op::Erase { 0 } else { self.barriers };
        let write = Write { at, bytes, behind, after: self.barriers };
        if self.broken && op == Op::Program {
            return Err(SimError::Fault(FaultKind::Io));
        }
        match self.fault(op, call) {
            Some(FaultKind::NoSpace) => return Err(SimError::Fault(FaultKind::NoSpace)),
            Some(FaultKind::Io) => {
                let mut rng = Rng::new(call.wrapping_mul(31) + self.counters.bytes_programmed);
                let before = self.seen[write.at..write.at + write.bytes.len()].to_vec();
                apply_some(&mut self.seen, &write, self.sector, &mut rng);
                let after = self.seen[write.at..write.at + before.len()].to_vec();
                self.unsynced.push(Write { bytes: after, ..write });
                return Err(SimError::Fault(FaultKind::Io));
            }
            None => {}
        }
        apply(&mut self.seen, &write);
        self.unsynced.push(write);
        if hit { Err(SimError::PowerCut) } else { Ok(()) }
    }
}

impl Medium for SimDisk {
    type Error = SimError;

    fn geometry(&self) -> Geometry {
        self.state().geometry
    }

    fn is_write_once(&self) -> bool {
        false
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), SimError> {
        let mut state = self.state();
        if state.dark {
            return Err(SimError::PowerCut);
        }
        let at = state.range(slot, position, bytes.len())?;
        let call = state.counters.reads;
        state.counters.reads += 1;
        state.counters.bytes_read += u64::try_from(bytes.len()).unwrap_or(0);
        if let Some(kind) = state.fault(Op::Read, call) {
            return Err(SimError::Fault(kind));
        }
        bytes.copy_from_slice(&state.seen[at..at + bytes.len()]);
        Ok(())
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), SimError> {
        let mut state = self.state();
        if state.dark {
            return Err(SimError::PowerCut);
        }
        let at = state.range(slot, position, bytes.len())?;
        let (call, hit) = (state.counters.programs, state.power_goes());
        state.counters.programs += 1;
        state.counters.bytes_programmed += u64::try_from(bytes.len()).unwrap_or(0);
        state.write(Op::Program, call, hit, at, bytes.to_vec())?;
        if call % BARRIER_ENDS == 0 {
            state.end_barrier();
        }
        Ok(())
    }

    fn erase(&mut self, slot: u32) -> Result<(), SimError> {
        let mut state = self.state();
        if state.dark {
            return Err(SimError::PowerCut);
        }
        let at = state.range(slot, 0, 0)?;
        let (call, hit) = (state.counters.erases, state.power_goes());
        state.counters.erases += 1;
        let bytes = vec![state.geometry.erased(); size(state.geometry.segment_size())];
        state.write(Op::Erase, call, hit, at, bytes)
    }

    fn sync(&mut self) -> Result<(), SimError> {
        let mut state = self.state();
        if state.dark {
            return Err(SimError::PowerCut);
        }
        let (call, hit) = (state.counters.syncs, state.power_goes());
        state.counters.syncs += 1;
        if hit {
            return Err(SimError::PowerCut);
        }
        if state.broken {
            return Err(SimError::Fault(FaultKind::Io));
        }
        if let Some(kind) = state.fault(Op::Sync, call) {
            return Err(SimError::Fault(kind));
        }
        if !state.lies {
            let state = &mut *state;
            state.unsynced.clear();
            state.barriers = 0;
            state.durable.copy_from_slice(&state.seen);
        }
        Ok(())
    }

    fn barrier(&mut self) -> Result<(), SimError> {
        let mut state = self.state();
        if state.dark {
            return Err(SimError::PowerCut);
        }
        let (call, hit) = (state.counters.barriers, state.power_goes());
        state.counters.barriers += 1;
        if hit {
            return Err(SimError::PowerCut);
        }
        if state.fault(Op::Barrier, call).is_some() {
            state.broken = true;
        }
        if !state.forgets_barriers {
            state.barriers += 1;
        }
        Ok(())
    }

    fn is_past_barrier(&self) -> bool {
        self.state().barriers == 0
    }
}

const fn size(bytes: u32) -> usize {
    bytes as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_what_was_synced_and_anything_of_the_rest() {
        let mut disk = SimDisk::new(4096, 2);
        disk.program(0, 0, &[1; 600]).unwrap();
        disk.sync().unwrap();
        disk.program(0, 1000, &[2; 1000]).unwrap();
        let (mut none, mut whole, mut torn) = (0, 0, 0);
        for seed in 0..200 {
            let image = disk.cut(seed).image();
            assert!(image[..600].iter().all(|&byte| byte == 1), "seed {seed}");
            match image[1000..2000].iter().filter(|&&byte| byte == 2).count() {
                0 => none += 1,
                1000 => whole += 1,
                _ => torn += 1,
            }
        }
        assert!(none > 20 && whole > 20 && torn > 20, "{none} {whole} {torn}");
    }

    #[test]
    fn what_is_behind_a_barrier_is_there_only_with_everything_before_it_and_erases_do_not_wait() {
        let mut disk = SimDisk::new(4096, 3);
        disk.program(2, 0, &[9; 4096]).unwrap();
        disk.sync().unwrap();
        disk.program(0, 0, &[1; 1024]).unwrap();
        disk.barrier().unwrap();
        assert!(!disk.is_past_barrier());
        disk.program(1, 0, &[2; 1024]).unwrap();
        disk.erase(2).unwrap();
        let (mut before_alone, mut neither, mut both, mut erased_first) = (0, 0, 0, 0);
        for seed in 0..400 {
            let image = disk.cut(seed).image();
            let count =
                |at: usize, byte| image[at..at + 1024].iter().filter(|&&b| b == byte).count();
            let (before, behind) = (count(0, 1), count(4096, 2));
            assert!(behind == 0 || before == 1024, "seed {seed}: {before} before, {behind} behind");
            before_alone += usize::from(before == 1024 && behind == 0);
            neither += usize::from(before == 0);
            both += usize::from(behind == 1024);
            erased_first += usize::from(before == 0 && count(8192, 0) == 1024);
        }
        let seen = [before_alone, neither, both, erased_first];
        assert!(seen.iter().all(|&times| times > 10), "{seen:?}");
        disk.sync().unwrap();
        assert!(disk.is_past_barrier());
        assert_eq!(disk.cut(0).image(), disk.image());
    }

    #[test]
    fn a_barrier_that_fails_says_so_later_and_nothing_behind_it_is_ever_there() {
        let mut disk = SimDisk::new(4096, 2);
        disk.plan(Fault { op: Op::Barrier, call: 0, kind: FaultKind::Io });
        disk.barrier().unwrap();
        assert!(disk.program(0, 0, &[1]).is_err());
        assert!(disk.sync().is_err());
        for seed in 0..20 {
            assert!(disk.cut(seed).image().iter().all(|&byte| byte == 0), "seed {seed}");
        }
    }

    #[test]
    fn the_power_goes_in_the_planned_mutation_and_stays_away() {
        let mut disk = SimDisk::new(1024, 2);
        disk.cut_power_in(1);
        disk.program(0, 0, &[1]).unwrap();
        assert_eq!(disk.sync(), Err(SimError::PowerCut));
        assert_eq!(disk.read(0, 0, &mut [0]), Err(SimError::PowerCut));
        assert_eq!(disk.erase(0), Err(SimError::PowerCut));
    }

    #[test]
    fn ranges_outside_of_a_segment_are_refused() {
        let mut disk = SimDisk::new(1024, 2);
        assert_eq!(disk.program(0, 1023, &[1, 2]), Err(SimError::OutOfRange));
        assert_eq!(disk.read(2, 0, &mut [0]), Err(SimError::OutOfRange));
    }
}
