//! What a power cut leaves of a folder: the model of a disk and its file system that the crash states are built by.
//!
//! **May be lost, kept or torn**, in any combination: what was written to a file since the last sync of that file that began after it and
//! ended well. Each sector of 512 bytes (or each page of 4096) holds what it held at some moment since then, whatever the
//! others hold: the kernel writes pages back when and in which order it likes, the drive its sectors. Zeroing a range and
//! setting a length are such writes too, and the length that a file has is that of any moment since the sync. So a sector is never mixed of two, and an
//! earlier write to it is not lost where a later one is kept: both stand in the same page of memory. What lies between a lost write and
//! a kept length reads as zeros: ext4 (data=ordered, the default), btrfs, XFS and f2fs never show what another file left there.
//!
//! **In order, but perhaps not all**: names that were created, renamed and removed since the last sync of the folder. They go through one
//! journal (ext4, XFS), tree (btrfs) or checkpoint (f2fs), which keeps their order. A sync of a file is taken to
//! keep no name, although ext4 then keeps all: POSIX asks for a sync of the folder. A kept name of a file does not keep its bytes.
//! Folders in the folder are synced each for itself, and are there after a cut if their own name is and something in them.
//!
//! **Kept**: everything that a sync covered which began after it and ended before the cut.
//!
//! A sync that failed keeps nothing, and neither does a later one that ends well: what was written before it is no longer dirty, as on Linux
//! with ext4 and XFS, so nothing writes it again unless its page is written to once more, and reads see it until the power goes.
//!
//! Not modelled: sectors that a cut leaves unreadable, drives that lie about a flush (but for the planted bug), rot.

use super::trace::Event;
use crate::chaos::Random;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// What the drive writes whole or not at all.
const SECTOR: usize = 512;
/// What the kernel writes back at once.
const PAGE: usize = 4096;

/// The files of a folder, and of the folders in it, by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A folder as its process sees it, and as a power cut may leave it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    nodes: Vec<Node>,
    /// Which file a name means now, and after a cut that loses all of `renamed`.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// The folders in the folder, and those whose names are durable.
    folders: BTreeSet<String>,
    durable_folders: BTreeSet<String>,
    /// Changes of names since the last sync of their folder, numbered as they came, and the next one's number.
    renamed: Vec<(usize, Naming)>,
    next_name: usize,
    /// The sync that a thread waits for, and which changes it covers.
    syncs: BTreeMap<u32, (Synced, usize)>,
    habits: Habits,
}

/// What is synced: a file, or the names in a folder.
#[derive(Clone, Debug)]
enum Synced {
    File(usize),
    Folder(String),
}

/// What no disk or file system is to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// The planted bug: syncs make nothing durable.
    pub(super) lies: bool,
}

/// A file, whatever it is called.
#[derive(Clone, Debug, Default)]
struct Node {
    durable: Vec<u8>,
    /// Since then.
    changes: Vec<Change>,
    /// How many changes there were before these.
    before: usize,
}

#[derive(Clone, Debug)]
struct Change {
    offset: usize,
    /// What stands there after it, of a zeroed range as well.
    bytes: Vec<u8>,
    /// The file's length after it.
    length: usize,
    /// A sync of it failed, so none will write it.
    is_given_up: bool,
}

#[derive(Clone, Debug)]
enum Naming {
    Set(String, usize),
    Folder(String),
    Moved { from: String, to: String, swaps: bool },
    Removed(String),
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>, folders: &mut BTreeSet<String>) {
        match self {
            Self::Set(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Folder(name) => {
                folders.insert(name.clone());
            }
            Self::Moved { from, to, swaps } => {
                let Some(node) = names.remove(from) else { return };
                if let (Some(other), true) = (names.insert(to.clone(), node), *swaps) {
                    names.insert(from.clone(), other);
                }
            }
            Self::Removed(name) => {
                names.remove(name);
            }
        }
    }

    /// Where the name stands.
    fn folder(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Folder(name) | Self::Removed(name) => folder_of(name),
            Self::Moved { to, .. } => folder_of(to),
        }
    }
}

/// Of a name below the folder: the folder in it, or the empty name.
fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Disk {
    /// All of `files` durable.
    pub(super) fn of(files: &Files, habits: Habits) -> Self {
        let node = |bytes: &Vec<u8>| Node { durable: bytes.clone(), ..Node::default() };
        let nodes: Vec<Node> = files.values().map(node).collect();
        let names: BTreeMap<String, usize> = files.keys().cloned().zip(0..).collect();
        let folders: BTreeSet<String> =
            files.keys().map(|name| folder_of(name).to_owned()).collect();
        let (durable_names, durable_folders) = (names.clone(), folders.clone());
        Self { nodes, names, durable_names, folders, durable_folders, habits, ..Self::default() }
    }

    pub(super) const fn habits(&self) -> Habits {
        self.habits
    }

    /// Takes in what the process did next.
    ///
    /// # Errors
    ///
    /// It did something to a file that there is not: the trace misses something.
    pub(super) fn take(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Write { name, offset, bytes } => {
                self.change(name, *offset, bytes, usize::max)?;
            }
            Event::SetAside { name, offset, length, zeroed, grows } => {
                let end = offset + length;
                let bytes = if *zeroed { vec![0; *length] } else { Vec::new() };
                let length = |old: usize, _| if *grows { old.max(end) } else { old };
                self.change(name, *offset, &bytes, length)?;
            }
            Event::Truncate { name, length } => {
                let cut = self.node(name)?.length().saturating_sub(*length);
                self.change(name, *length, &vec![0; cut], |_, _| *length)?;
            }
            Event::Create { name } => {
                self.nodes.push(Node::default());
                self.name(Naming::Set(name.clone(), self.nodes.len() - 1));
            }
            Event::CreateFolder { name } => self.name(Naming::Folder(name.clone())),
            Event::Rename { from, to, swaps } => {
                ensure!(folder_of(from) == folder_of(to), "{from} goes to another folder");
                self.name(Naming::Moved { from: from.clone(), to: to.clone(), swaps: *swaps });
            }
            Event::Unlink { name } => self.name(Naming::Removed(name.clone())),
            Event::Sync { thread, name } => {
                let sync = if name.is_empty() || self.folders.contains(name) {
                    (Synced::Folder(name.clone()), self.next_name)
                } else {
                    let node = self.node(name)?;
                    let covered = node.before + node.changes.len();
                    (Synced::File(self.names[name]), covered)
                };
                self.syncs.insert(*thread, sync);
            }
            Event::Synced { thread, is_ok } => {
                let (synced, covered) =
                    self.syncs.remove(thread).context("a sync that ends has begun")?;
                match synced {
                    _ if self.habits.lies => {}
                    Synced::File(node) => self.nodes[node].synced(covered, *is_ok),
                    Synced::Folder(folder) if *is_ok => self.named_durably(&folder, covered),
                    Synced::Folder(_) => {}
                }
            }
            Event::Told(_) | Event::Fault { .. } => {}
        }
        Ok(())
    }

    /// A sync of a folder ended that covers changes of names before this one.
    fn named_durably(&mut self, folder: &str, covered: usize) {
        let is_durable =
            |(number, naming): &(usize, Naming)| *number < covered && naming.folder() == folder;
        for (_, naming) in self.renamed.extract_if(.., |it| is_durable(it)) {
            naming.apply(&mut self.durable_names, &mut self.durable_folders);
        }
    }

    /// How long each file is, as the process sees it.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (&str, usize)> {
        self.names.iter().map(|(name, &node)| (name.as_str(), self.nodes[node].length()))
    }

    fn node(&mut self, name: &str) -> Result<&mut Node> {
        let node = self.names.get(name).and_then(|&node| self.nodes.get_mut(node));
        node.with_context(|| format!("the trace knows no file {name}"))
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names, &mut self.folders);
        self.renamed.push((self.next_name, naming));
        self.next_name += 1;
    }

    /// One change for each page, because pages are written back each for itself. `length` gives the file's length by what it was before
    /// and where the change ends.
    fn change(
        &mut self,
        name: &str,
        offset: usize,
        bytes: &[u8],
        length: impl Fn(usize, usize) -> usize,
    ) -> Result<()> {
        let node = self.node(name)?;
        let (mut at, end) = (offset, offset + bytes.len());
        loop {
            let next = (at / PAGE + 1).saturating_mul(PAGE).min(end);
            let length = length(node.length(), next);
            ensure!(length.max(next) <= 1 << 30, "{name} would have {length} bytes");
            let bytes = bytes[at - offset..next - offset].to_vec();
            node.changes.push(Change { offset: at, bytes, length, is_given_up: false });
            at = next;
            if at >= end {
                return Ok(());
            }
        }
    }

    /// The process was killed: nobody waits for its syncs, and what it did stays as it is.
    pub(super) fn kill(&mut self) {
        self.syncs.clear();
    }

    /// Whether a cut leaves exactly one state.
    pub(super) fn is_settled(&self) -> bool {
        self.renamed.is_empty()
            && self.names.values().all(|&node| self.nodes[node].changes.is_empty())
    }

    /// What the process sees.
    pub(super) fn seen(&self) -> Files {
        let seen = |(name, &node): (&String, &usize)| (name.clone(), self.nodes[node].seen());
        self.names.iter().map(seen).collect()
    }

    /// What a power cut leaves now; one of the many things that it may.
    pub(super) fn cut(&self, random: &mut Random) -> Files {
        let (mut names, mut folders) = (self.durable_names.clone(), self.durable_folders.clone());
        let kept = match random.below(3) {
            0 => 0,
            1 => self.renamed.len(),
            _ => below(random, self.renamed.len() + 1),
        };
        let kept = self.renamed.iter().take(kept);
        kept.for_each(|(_, naming)| naming.apply(&mut names, &mut folders));
        names.retain(|name, _| folder_of(name).is_empty() || folders.contains(folder_of(name)));
        names.into_iter().map(|(name, node)| (name, self.nodes[node].cut(random))).collect()
    }
}

impl Node {
    fn length(&self) -> usize {
        self.changes.last().map_or(self.durable.len(), |change| change.length)
    }

    fn seen(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.changes {
            change.apply(&mut bytes, |_| true);
            bytes.resize(change.length, 0);
        }
        bytes
    }

    /// A sync ended that covers changes up to this number.
    fn synced(&mut self, covered: usize, is_ok: bool) {
        let count = covered.saturating_sub(self.before).min(self.changes.len());
        if !is_ok {
            let given_up = self.changes.iter_mut().take(count);
            given_up.for_each(|change| change.is_given_up = true);
            return;
        }
        // A page that was written to since is written as a whole, with what was given up before.
        let rewritten: BTreeSet<usize> = (self.changes.iter().take(count))
            .filter(|change| !change.is_given_up)
            .map(|change| change.offset / PAGE)
            .collect();
        let is_written = |change: &Change| {
            change.bytes.is_empty() || rewritten.contains(&(change.offset / PAGE))
        };
        let mut left = Vec::new();
        for change in self.changes.drain(..count) {
            if !change.is_given_up || is_written(&change) {
                change.apply(&mut self.durable, |_| true);
                self.durable.resize(change.length, 0);
            } else {
                left.push(change);
            }
        }
        self.before += count - left.len();
        // Those that were given up stay the oldest. They reach no further than the file does now.
        let length = self.durable.len();
        left.iter_mut().for_each(|change| change.length = length);
        self.changes.splice(..0, left);
    }

    fn cut(&self, random: &mut Random) -> Vec<u8> {
        let changes = self.changes.len();
        if changes == 0 {
            return self.durable.clone();
        }
        let longest =
            self.changes.iter().map(|change| change.length.max(change.offset + change.bytes.len()));
        let longest = longest.max().unwrap_or(0).max(self.durable.len());
        let unit = if random.below(2) == 0 { SECTOR } else { PAGE };
        let units = longest.div_ceil(unit);
        // How many of the changes each sector or page has seen, and the length.
        let moment = below(random, changes + 1);
        let odd = below(random, units.max(1));
        let (mut seen, length): (Vec<usize>, usize) = match random.below(6) {
            0 => (vec![0; units], 0),
            1 => (vec![changes; units], changes),
            2 => (vec![moment; units], moment),
            3 => (vec![changes; units], changes),
            4 => (vec![0; units], moment),
            _ => {
                let seen = (0..units).map(|_| below(random, changes + 1)).collect();
                (seen, below(random, changes + 1))
            }
        };
        // One that is not as the others are: preferably one that matters.
        let touched = self.changes.get(below(random, changes)).map_or(odd, |change| {
            (change.offset + below(random, change.bytes.len().max(1))) / unit
        });
        if let Some(one) = seen.get_mut(touched)
            && random.below(2) == 0
        {
            *one = moment;
        }
        let mut bytes = self.durable.clone();
        bytes.resize(longest, 0);
        for (at, change) in self.changes.iter().enumerate() {
            change.apply(&mut bytes, |place| seen.get(place / unit).is_some_and(|&seen| seen > at));
        }
        let length = match length {
            0 => self.durable.len(),
            seen => self.changes.get(seen - 1).map_or(0, |change| change.length),
        };
        bytes.resize(length, 0);
        bytes
    }
}

impl Change {
    /// Onto those sectors that say so by the place of their first changed byte.
    fn apply(&self, to: &mut Vec<u8>, mut is_seen: impl FnMut(usize) -> bool) {
        let end = self.offset + self.bytes.len();
        if to.len() < end {
            to.resize(end, 0);
        }
        let mut at = self.offset;
        while at < end {
            let next = (at / SECTOR + 1).saturating_mul(SECTOR).min(end);
            if is_seen(at) {
                to[at..next].copy_from_slice(&self.bytes[at - self.offset..next - self.offset]);
            }
            at = next;
        }
    }
}

fn below(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap_or(0)
}
