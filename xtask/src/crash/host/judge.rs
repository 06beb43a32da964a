//! Compares what a process was told with what its log holds after its end.

use super::order::{Name, Order};
use super::victim::cursor_name;
use super::{CONSUMERS, Line, PROTECTED};
use anyhow::{Result, bail, ensure};
use edgelog::{Item, Log, Start};
use std::collections::BTreeMap;

/// Records by offset, with their epochs.
type Records = BTreeMap<u64, (u32, Name)>;

/// What a log holds.
#[derive(Clone, Debug, Default)]
pub(in crate::crash) struct Found {
    records: Records,
    earliest: u64,
    visible: u64,
    durable: u64,
    /// Of each cursor that there is, by its number.
    cursors: BTreeMap<usize, u64>,
}

impl Found {
    /// Reads all of it: one item behind the other from offset 0 to the end.
    pub(in crate::crash) fn of(log: &Log) -> Result<Self> {
        Self::cut_below(log, 0)
    }

    /// The same of a log whose power was cut while what is below `evicted` was cleared: of that nothing counts if a part is gone.
    pub(in crate::crash) fn cut_below(log: &Log, evicted: u64) -> Result<Self> {
        let status = log.status()?;
        ensure!(status.damaged == 0, "nothing was damaged, but {status:?}");
        let mut found = Self {
            earliest: status.earliest,
            visible: status.visible,
            durable: status.durable,
            ..Self::default()
        };
        let mut reader = log.reader(Start::Offset(0))?;
        let mut order = Order::from(0).cut_below(evicted);
        while let Some(item) = reader.next()? {
            if let Item::Gap(gap) = item {
                let is_first = (gap.from, gap.to) == (0, status.earliest);
                ensure!(
                    is_first || gap.to <= evicted,
                    "{gap:?} in a log that begins at {}",
                    status.earliest
                );
                if !is_first {
                    found.earliest = evicted;
                }
            }
            let offset = order.next;
            if let Some(record) = order.take(&item)? {
                found.records.insert(offset, record);
            }
        }
        found.records = found.records.split_off(&found.earliest);
        let (end, visible) = (order.next, found.visible);
        ensure!(end == visible, "records and gaps end at {end}, not {visible}");
        let cursors = log.cursors();
        for index in 0..CONSUMERS {
            if let Some(cursor) = cursors.iter().find(|it| *it.name == *cursor_name(index)) {
                found.cursors.insert(index, cursor.offset);
            }
        }
        Ok(found)
    }

    pub(in crate::crash) fn is_empty(&self) -> bool {
        self.visible == 0
    }

    /// Records that are there.
    pub(in crate::crash) fn count(&self) -> usize {
        self.records.len()
    }

    pub(in crate::crash) const fn earliest(&self) -> u64 {
        self.earliest
    }

    pub(in crate::crash) fn has(&self, offset: u64, record: &(u32, Name)) -> bool {
        self.records.get(&offset) == Some(record)
    }
}

/// One process's life.
#[derive(Clone, Copy, Debug)]
pub(in crate::crash) struct Life<'l> {
    pub(in crate::crash) run: u32,
    /// Whether some cursors were protected.
    pub(in crate::crash) protect: bool,
    pub(in crate::crash) lines: &'l [Line],
}

/// What is known of one log.
#[derive(Clone, Debug, Default)]
pub(in crate::crash) struct Judge {
    /// What it held last.
    last: Found,
    /// Which run each epoch belongs to.
    epochs: BTreeMap<u32, u32>,
    /// Identities that were seen and then lost: they were not durable, and must not come back as others.
    lost: BTreeMap<(u32, u64), Name>,
}

impl Judge {
    /// Judges a life by what it left, and keeps that for the next.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub(in crate::crash) fn life(&mut self, life: &Life<'_>, found: &Found) -> Result<()> {
        self.kept(life, found)?;
        let told = self.told(life.lines, found)?;
        Self::all_acked(life, found)?;
        self.identities(told, found)?;
        self.started(life, found)?;
        self.cursors(found)?;
        self.last = found.clone();
        Ok(())
    }

    /// P1, P4: what was there is there, unless the policy let it go.
    fn kept(&self, life: &Life<'_>, found: &Found) -> Result<()> {
        let (before, now) = (self.last.earliest, found.earliest);
        ensure!(now >= before, "the log began at {before} and begins at {now}");
        for (offset, record) in self.last.records.range(now..) {
            let there = found.records.get(offset);
            ensure!(there == Some(record), "record {offset} was {record:?} and is {there:?}");
        }
        if life.protect && now > before {
            for (cursor, &stored) in &found.cursors {
                // A commit counts before it is stored: the header of the segment that it frees may be what stores it.
                let committing = life.lines.iter().filter_map(|line| match line {
                    Line::Committing { cursor: moved, offset } if moved == cursor => Some(*offset),
                    _ => None,
                });
                let offset = committing.fold(stored, u64::max);
                let is_kept = now <= offset || !PROTECTED.contains(cursor);
                ensure!(is_kept, "evicted up to {now}, the cursor {cursor} is at {offset}");
            }
        }
        Ok(())
    }

    /// What was told of the log, every identity once.
    fn told(&self, lines: &[Line], found: &Found) -> Result<BTreeMap<(u32, u64), Name>> {
        let mut told = BTreeMap::new();
        for line in lines {
            match line {
                Line::Acked { epoch, offset, name } | Line::Seen { epoch, offset, name } => {
                    let before = told.insert((*epoch, *offset), *name);
                    let is_same = before.is_none_or(|before| before == *name);
                    ensure!(is_same, "{line:?}, which was {before:?} before");
                }
                Line::Opened { visible } => {
                    let left = self.last.visible;
                    ensure!(*visible == left, "it opened with {visible} records and had {left}");
                }
                Line::Committing { .. } | Line::Failed { .. } => {}
                Line::Committed { cursor, offset } => {
                    let at = found.cursors.get(cursor).copied();
                    ensure!(at >= Some(*offset), "{line:?}, and it is at {at:?}");
                }
                Line::Broken(why) => bail!("the process saw for itself: {why}"),
            }
        }
        Ok(told)
    }

    /// P1: what was acknowledged is there, or was evicted with everything before it.
    fn all_acked(life: &Life<'_>, found: &Found) -> Result<()> {
        let mut first = BTreeMap::new();
        for (_, name) in found.records.values().filter(|(_, name)| name.run == life.run) {
            first.entry(name.thread).or_insert(name.number);
        }
        for line in life.lines {
            let Line::Acked { epoch, offset, name } = line else { continue };
            if *offset >= found.earliest {
                let there = found.records.get(offset);
                ensure!(there == Some(&(*epoch, *name)), "{line:?}, and there is {there:?}");
            } else {
                let again = first.get(&name.thread).filter(|&&first| first <= name.number);
                ensure!(again.is_none(), "{line:?} is gone, and number {again:?} is there");
                ensure!(*offset < found.visible, "{line:?}, and the log ends before it");
            }
        }
        Ok(())
    }

    /// P3: an epoch is one run's, and an identity one record's, for ever.
    fn identities(&mut self, told: BTreeMap<(u32, u64), Name>, found: &Found) -> Result<()> {
        let there = found.records.iter().map(|(&offset, &(epoch, name))| ((epoch, offset), name));
        for ((epoch, offset), name) in told.iter().map(|(&id, &name)| (id, name)).chain(there) {
            let run = *self.epochs.entry(epoch).or_insert(name.run);
            ensure!(run == name.run, "{name:?} has the epoch {epoch} of run {run}");
            if let Some(lost) = self.lost.get(&(epoch, offset)) {
                ensure!(*lost == name, "epoch {epoch}, offset {offset}: {lost:?}, then {name:?}");
            }
            if let Some(told) = told.get(&(epoch, offset)) {
                ensure!(*told == name, "epoch {epoch}, offset {offset}: {told:?}, then {name:?}");
            }
        }
        let is_lost = |&((epoch, offset), _): &((u32, u64), Name)| {
            offset >= found.earliest && found.records.get(&offset).is_none_or(|it| it.0 != epoch)
        };
        self.lost.extend(told.into_iter().filter(is_lost));
        Ok(())
    }

    /// P1: a run's records stand behind those of the runs before, and each thread's begin with its first.
    fn started(&self, life: &Life<'_>, found: &Found) -> Result<()> {
        let start = self.last.visible;
        ensure!(found.visible >= start, "the log ended at {start} and ends at {}", found.visible);
        let mut due = BTreeMap::new();
        for (offset, (_, name)) in found.records.range(start..) {
            ensure!(name.run == life.run, "record {offset}, {name:?}, of run {}", life.run);
            let due = due.entry(name.thread).or_insert(name.number);
            let is_whole = start < found.earliest || *due == 0;
            ensure!(is_whole, "thread {} begins with {name:?} at {offset}", name.thread);
        }
        Ok(())
    }

    /// A cursor never goes back, nor beyond what is durable.
    fn cursors(&self, found: &Found) -> Result<()> {
        for (cursor, before) in &self.last.cursors {
            let now = found.cursors.get(cursor);
            ensure!(now >= Some(before), "the cursor {cursor} was at {before} and is at {now:?}");
        }
        let durable = found.durable;
        for (cursor, &at) in &found.cursors {
            ensure!(at <= durable, "the cursor {cursor} is at {at}, and {durable} is durable");
        }
        Ok(())
    }

    /// What the log went through.
    pub(in crate::crash) fn figures(&self) -> String {
        let Found { visible, earliest, .. } = self.last;
        let (epochs, lost) = (self.epochs.len(), self.lost.len());
        format!("{visible} records, {earliest} evicted, {epochs} epochs, {lost} seen and lost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn name(run: u32, number: u64) -> Name {
        Name { run, thread: 0, number }
    }

    /// Two records that run 0 appended and that are durable, a protected cursor between them.
    fn judged() -> (Judge, Found) {
        let records = [(0, (1, name(0, 0))), (1, (1, name(0, 1)))].into();
        let found =
            Found { records, earliest: 0, visible: 2, durable: 2, cursors: [(0, 1)].into() };
        let mut judge = Judge::default();
        let acked = Line::Acked { epoch: 1, offset: 1, name: name(0, 1) };
        let committed = Line::Committed { cursor: 0, offset: 1 };
        let lines = [Line::Opened { visible: 0 }, acked, committed];
        judge.life(&Life { run: 0, protect: true, lines: &lines }, &found).unwrap();
        (judge, found)
    }

    /// What is wrong when run 1 is told `lines` and leaves this.
    fn wrong(lines: &[Line], change: impl FnOnce(&mut Found)) -> Option<String> {
        let (mut judge, mut found) = judged();
        change(&mut found);
        let judged = judge.life(&Life { run: 1, protect: true, lines }, &found);
        judged.err().map(|error| error.to_string())
    }

    fn add(found: &mut Found, offset: u64, epoch: u32, name: Name) {
        found.records.insert(offset, (epoch, name));
        (found.visible, found.durable) = (offset + 1, offset + 1);
    }

    fn evict(found: &mut Found, earliest: u64) {
        found.records = found.records.split_off(&earliest);
        found.earliest = earliest;
    }

    #[test]
    fn what_keeps_all_promises_is_good() {
        let lines = [
            Line::Opened { visible: 2 },
            Line::Seen { epoch: 1, offset: 1, name: name(0, 1) },
            Line::Acked { epoch: 2, offset: 2, name: name(1, 0) },
            Line::Committed { cursor: 0, offset: 2 },
        ];
        let good = |found: &mut Found| {
            add(found, 2, 2, name(1, 0));
            found.cursors.insert(0, 2);
            evict(found, 2);
        };
        assert_eq!(wrong(&lines, good), None);
    }

    #[test]
    fn an_acknowledged_record_that_is_gone_elsewhere_or_doubled_is_found() {
        let acked = [Line::Acked { epoch: 2, offset: 2, name: name(1, 0) }];
        assert!(wrong(&acked, |_| ()).is_some());
        assert!(wrong(&acked, |found| add(found, 2, 2, name(1, 1))).is_some());
        assert!(wrong(&acked, |found| add(found, 2, 3, name(1, 0))).is_some());
        let doubled = |found: &mut Found| {
            add(found, 3, 2, name(1, 0));
            found.cursors.insert(0, 3);
            evict(found, 3);
        };
        assert!(wrong(&acked, doubled).unwrap().contains("is gone, and number"));
    }

    #[test]
    fn a_durable_record_that_is_gone_or_another_is_found() {
        let cut = |found: &mut Found| {
            found.records.remove(&1);
            (found.visible, found.durable) = (1, 1);
        };
        assert!(wrong(&[], cut).is_some());
        let other = |found: &mut Found| add(found, 1, 1, name(0, 7));
        assert!(wrong(&[], other).is_some());
    }

    #[test]
    fn a_thread_that_does_not_begin_with_its_first_record_is_found() {
        let wrong = wrong(&[], |found| add(found, 2, 2, name(1, 3)));
        assert!(wrong.unwrap().contains("begins with"));
    }

    #[test]
    fn an_epoch_of_two_runs_is_found() {
        let wrong = wrong(&[], |found| add(found, 2, 1, name(1, 0)));
        assert!(wrong.unwrap().contains("has the epoch 1 of run 0"));
    }

    #[test]
    fn an_identity_that_was_seen_and_lost_and_then_names_another_record_is_found() {
        let (mut judge, mut found) = judged();
        let seen = [Line::Seen { epoch: 2, offset: 2, name: name(1, 0) }];
        judge.life(&Life { run: 1, protect: false, lines: &seen }, &found).unwrap();
        let same = [Line::Seen { epoch: 2, offset: 2, name: name(1, 5) }];
        assert!(judge.life(&Life { run: 1, protect: false, lines: &same }, &found).is_err());
        add(&mut found, 2, 2, name(2, 0));
        assert!(judge.life(&Life { run: 2, protect: false, lines: &[] }, &found).is_err());
    }

    #[test]
    fn a_cursor_that_goes_back_or_beyond_what_is_durable_is_found() {
        assert!(wrong(&[], |found| found.cursors = [(0, 0)].into()).is_some());
        assert!(wrong(&[], |found| found.cursors.clear()).is_some());
        assert!(wrong(&[], |found| found.cursors = [(0, 3)].into()).is_some());
        assert!(wrong(&[Line::Committed { cursor: 0, offset: 2 }], |_| ()).is_some());
    }

    #[test]
    fn what_is_evicted_in_front_of_a_protected_cursor_is_found() {
        assert_eq!(wrong(&[], |found| evict(found, 1)), None);
        let wrong = |lines: &[Line]| wrong(lines, |found| evict(found, 2));
        assert!(wrong(&[]).unwrap().contains("evicted up to 2"));
        assert!(wrong(&[Line::Committing { cursor: 3, offset: 2 }]).is_some());
        assert_eq!(wrong(&[Line::Committing { cursor: 0, offset: 2 }]), None);
    }

    #[test]
    fn a_log_that_opens_with_another_end_is_found() {
        assert!(wrong(&[Line::Opened { visible: 1 }], |_| ()).is_some());
        assert!(wrong(&[Line::Broken("a record came twice".to_owned())], |_| ()).is_some());
    }
}
