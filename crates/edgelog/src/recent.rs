//! What was appended last, in memory: a reader of this process that keeps up needs neither the log's lock nor its files.

use crate::block::{BLOCK_LEN, Block};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crossbeam::utils::CachePadded;
use edgelog_core::Record;
use std::collections::VecDeque;
use std::mem;

/// Full blocks that are kept, of together some 8 MiB: more than is appended while a reader waits for a processor that others want too. Who
/// is further behind reads the files.
const BLOCKS_MAX: usize = 512;
const ROOM_MAX: usize = BLOCKS_MAX * BLOCK_LEN;
/// Bytes that a reader is lent at once, or one block: the lock and what it guards go from processor to processor each time.
const LENT_MAX: usize = 256 << 10;

/// Where those who append and those who read meet.
#[derive(Debug)]
pub(crate) struct Recent {
    /// Every record below this was appended.
    visible: CachePadded<AtomicU64>,
    /// Nothing is kept for nobody.
    readers: AtomicUsize,
    kept: CachePadded<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In order, each with the offset of its first record.
    full: VecDeque<(u64, Arc<Block>)>,
    /// Of these together.
    room: usize,
    open: Block,
}

/// What a reader has of it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The block that is being read, and those behind it, the next one last.
    shared: Option<Arc<Block>>,
    next: Vec<Arc<Block>>,
    /// Copied from a block that was not yet full: what follows them.
    own: Block,
}

impl Recent {
    pub(crate) fn new(visible: u64) -> Self {
        let visible = CachePadded::new(AtomicU64::new(visible));
        Self { visible, readers: AtomicUsize::new(0), kept: CachePadded::default() }
    }

    /// There is one reader more.
    pub(crate) fn join(&self) {
        self.readers.fetch_add(1, Ordering::SeqCst);
    }

    /// There is one reader less.
    pub(crate) fn leave(&self) {
        if self.readers.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Who joins meanwhile finds what is missing in the files.
            *self.kept() = Kept::default();
        }
    }

    pub(crate) fn is_followed(&self) -> bool {
        self.readers.load(Ordering::SeqCst) > 0
    }

    /// Takes copies of records that were appended; in the order of appending, and before they are [shown](Self::show).
    pub(crate) fn keep<'r>(&self, records: impl IntoIterator<Item = Record<'r>>) {
        let mut kept = self.kept();
        for record in records {
            kept.push(&record);
        }
    }

    /// Every record below `visible` was appended; in the order of appending.
    pub(crate) fn show(&self, visible: u64) {
        self.visible.store(visible, Ordering::Release);
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// Lends `held` what is kept from `offset` on, or much of it, in place of what it had; whether that is anything.
    pub(crate) fn find(&self, offset: u64, held: &mut Held) -> bool {
        held.clear();
        let kept = self.kept();
        let (mut end, mut room) = (offset, 0);
        let at = kept.full.partition_point(|&(first, _)| first <= offset).saturating_sub(1);
        for (_, block) in kept.full.range(at..) {
            if !block.has(end) || (room > 0 && room + block.room() > LENT_MAX) {
                break;
            }
            (end, room) = (block.offsets().end, room + block.room());
            held.next.push(Arc::clone(block));
        }
        if kept.open.has(end) && room < LENT_MAX {
            held.own.copy_from(&kept.open, end);
        }
        drop(kept);
        held.next.reverse();
        held.go_on(offset)
    }

    /// Where what is kept begins, or goes on, above `offset`.
    pub(crate) fn next_above(&self, offset: u64) -> Option<u64> {
        let kept = self.kept();
        let behind = kept.full.partition_point(|&(first, _)| first <= offset);
        let open = kept.open.offsets();
        let next = kept.full.get(behind).map_or(open.start, |&(first, _)| first);
        (next > offset).then_some(next)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics between two halves of a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, record: &Record<'_>) {
        if !self.open.push(record) {
            self.close();
            // What is too long for any block is read from its file.
            if !self.open.push(record) {
                self.open.clear();
            }
        }
        // Lent, not copied for each reader.
        if self.open.is_large() {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let full = mem::take(&mut self.open);
        self.room += full.room();
        self.full.push_back((full.offsets().start, Arc::new(full)));
        while (self.full.len() > BLOCKS_MAX || self.room > ROOM_MAX)
            && let Some((_, oldest)) = self.full.pop_front()
        {
            self.room -= oldest.room();
            // Its room is used again, unless somebody still reads it.
            let unread = Arc::try_unwrap(oldest).ok();
            if let Some(mut next) = unread.filter(|block| !block.is_large()) {
                next.clear();
                self.open = next;
            }
        }
    }
}

impl Held {
    /// Whether the record at `offset` is here.
    #[inline]
    pub(crate) fn has(&self, offset: u64) -> bool {
        self.block().has(offset)
    }

    /// The record at `offset`, if it is here.
    #[inline]
    pub(crate) fn get(&self, offset: u64) -> Option<Record<'_>> {
        self.block().get(offset)
    }

    /// Goes on to the block with the record at `offset`, if that is the next one; whether it is.
    pub(crate) fn go_on(&mut self, offset: u64) -> bool {
        self.shared = self.next.pop();
        self.has(offset)
    }

    fn clear(&mut self) {
        self.shared = None;
        self.next.clear();
        self.own.clear();
    }

    #[inline]
    fn block(&self) -> &Block {
        self.shared.as_deref().unwrap_or(&self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Start};
    use crate::options::Options;

    #[test]
    fn what_is_kept_is_bounded_however_much_is_appended_and_nothing_is_kept_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let log = Options::new().budget_bytes(64 << 20).open(folder.path()).unwrap();
        let kept = |offset| log.recent().find(offset, &mut Held::default());
        let append = |count| {
            for _ in 0..count {
                log.append("t", &Event::new(&[7; 1000])).unwrap();
            }
            log.recent().visible()
        };
        assert!(!kept(append(1) - 1), "there is no reader");
        let (one, two) = (log.reader(Start::Latest).unwrap(), log.reader(Start::Latest).unwrap());
        let visible = append(20_000);
        let oldest = (0..visible).find(|&offset| kept(offset)).unwrap();
        assert!((oldest..visible).all(kept));
        let bytes = (visible - oldest) * 1000;
        let most = (BLOCKS_MAX + 1) * BLOCK_LEN;
        assert!(bytes <= most as u64 && bytes > most as u64 * 9 / 10, "{bytes} bytes are kept");
        drop(one);
        assert!(kept(visible - 1), "there is another reader");
        drop(two);
        assert!(!kept(visible - 1), "the last reader is gone");
    }

    #[test]
    fn a_reader_is_lent_many_blocks_at_once_and_not_too_many_and_told_where_memory_begins() {
        let folder = tempfile::tempdir().unwrap();
        let log = Options::new().budget_bytes(64 << 20).open(folder.path()).unwrap();
        let _reader = log.reader(Start::Latest).unwrap();
        for _ in 0..20_000 {
            log.append("t", &Event::new(&[7; 1000])).unwrap();
        }
        let (recent, mut held) = (log.recent(), Held::default());
        let oldest = recent.next_above(0).unwrap();
        assert!(!recent.find(oldest - 1, &mut held) && recent.find(oldest, &mut held));
        let mut offset = oldest;
        while held.has(offset) || held.go_on(offset) {
            offset += 1;
        }
        let bytes = (offset - oldest) * 1000;
        assert!(bytes <= LENT_MAX as u64 && bytes > LENT_MAX as u64 / 4 * 3, "{bytes} bytes");
        // The newest are copied from the block that is being filled.
        assert!(recent.find(recent.visible() - 1, &mut held));
        assert_eq!(recent.next_above(recent.visible()), None);
    }

    #[test]
    fn large_records_are_kept_too_and_no_more_bytes_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let log = Options::new().budget_bytes(64 << 20).open(folder.path()).unwrap();
        let _reader = log.reader(Start::Latest).unwrap();
        let kept = |offset| log.recent().find(offset, &mut Held::default());
        let mut lengths = Vec::new();
        for n in 0..200_usize {
            // A third of them below a block's length, a third far above it, and some right at it.
            let length = [100, 500_000 - n, BLOCK_LEN - 120 + n][n % 3];
            lengths.push(length);
            log.append("t", &Event::new(&vec![7; length])).unwrap();
            assert!(kept(log.recent().visible() - 1), "{length}");
        }
        let oldest = (0..200).find(|&offset| kept(offset)).unwrap();
        assert!((oldest..200).all(kept));
        let bytes: usize = lengths[usize::try_from(oldest).unwrap()..].iter().sum();
        assert!(bytes <= ROOM_MAX + BLOCK_LEN && bytes > ROOM_MAX / 8 * 7, "{bytes} bytes");
    }
}
