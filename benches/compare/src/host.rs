//! The figures of a log on a host.

use crate::contest::{Amount, Arena, Entrant, Outcomes, Place, Ratio, name};
use crate::edgelog::SEGMENT_BYTES;
use crate::machine;
use crate::records::Kind;
use crate::stats::median;
use crate::turn::{Outcome, Subject, Work};
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};

/// Who is compared, in the order of the figures.
const PEERS: [Subject; 8] = [
    Subject::Redb,
    Subject::Fjall,
    Subject::Rusqlite,
    Subject::Rocksdb,
    Subject::Heed,
    Subject::Commitlog,
    Subject::Okaywal,
    Subject::WalrusRust,
];

/// Records in the logs that are read and opened.
const FILLED: usize = 1_000_000;
/// In the one that is a tenth of that.
const FILLED_SMALL: usize = FILLED / 10;
/// Records in which the device's bytes are counted.
const COUNTED: usize = 100_000;

/// Syncs of a canary.
const CANARY: u64 = 200;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Files go into a new folder in this one, and are removed
    #[arg(long, env = "EDGELOG_BENCH_FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Only edgelog and the plain loops
    #[arg(long)]
    pub(crate) without_peers: bool,
    /// Only figures whose names begin so
    #[arg(long, default_value = "host.")]
    pub(crate) only: String,
    /// GiB in the larger of the two logs whose memory is compared
    #[arg(long, default_value_t = 1)]
    pub(crate) large_gib: u32,
}

struct Host<'h> {
    arena: Arena,
    arguments: &'h Arguments,
}

/// A figure of which more is better, or less.
struct Figure<'f> {
    name: &'f str,
    unit: &'f str,
    of: fn(&Outcome) -> f64,
}

impl Figure<'_> {
    fn ratio(&self, ours: &Outcomes, theirs: &Outcomes) -> Ratio {
        let values = |outcomes: &Outcomes| -> Vec<f64> { outcomes.iter().map(self.of).collect() };
        Ratio::new(&values(ours), &values(theirs), self.unit == RATE)
    }
}

/// The one unit of which more is better.
const RATE: &str = "records/s";

const fn rate(name: &str) -> Figure<'_> {
    Figure { name, unit: RATE, of: |outcome| outcome.records / outcome.seconds }
}

/// Measures, and prints one figure a line.
pub(crate) fn print(arguments: &Arguments) -> Result<()> {
    let host = Host { arena: Arena::new(&arguments.folder)?, arguments };
    preface(arguments);
    for (kind, of) in [(Kind::Incompressible, ""), (Kind::Readings, ".readings")] {
        let each = format!("host.append.each{of}");
        host.appends(&each, Work::AppendEach, kind, "one call a record")?;
        let batch = format!("host.append.batch1000{of}");
        host.appends(&batch, Work::AppendBatch, kind, "1,000 records a call")?;
    }
    host.syncs()?;
    host.group_commit()?;
    host.filled()
}

fn preface(arguments: &Arguments) {
    println!(
        "# Each turn is a process of its own, which ends by SIGKILL. Subjects take turns; a figure is the median of 5 rounds, a ratio that of the\n\
         # rounds' ratios; behind it the least and the largest, and the best round of the one to the best of the other, which the machine's other work disturbs least. A turn appends or reads for some 0.4 s; a slow subject thus has a smaller table.\n\
         # 'vs' is edgelog's divided by the other's: more is better for records/s, less for seconds, bytes and memory.\n\
         # Records: 256 incompressible bytes (16,000 that recur); 'readings' are real ones, lines of some 30 bytes.\n\
         # A turn with syncs waits, up to a second, for a disk that is no more than twice as slow as when it was fastest.\n\
         # Everything is in the page cache: nothing here says what a device does in a power cut, or reads cold."
    );
    if arguments.without_peers {
        println!("# Left out: all peers.");
        return;
    }
    if !cfg!(feature = "rocksdb") {
        println!("# Left out: RocksDB, which was not built.");
    }
    println!(
        "# Visible: a reader in the same process finds the record. redb: Durability::None, lost with the process; heed (LMDB): NO_SYNC, rusqlite: WAL with\n\
         # synchronous=NORMAL, a transaction a call; RocksDB and fjall: their journal, unsynced; walrus-rust: NoFsync.\n\
         # Durable: redb: Immediate; heed: synced commits; rusqlite: synchronous=FULL; RocksDB: sync; fjall: SyncData; walrus-rust: its batches.\n\
         # okaywal: one entry a call, durable when committed, in one segment of a quarter and 16 MiB more than the payload, filled with zeros before the time begins; edgelog makes its segments within\n\
         # the time. commitlog never syncs; here its segment is synced from outside, its index is not."
    );
}

/// Why a subject cannot do a work.
fn lacks(subject: Subject, work: Work) -> Option<&'static str> {
    match (subject, work) {
        (Subject::Okaywal, Work::AppendEach | Work::AppendBatch) => {
            Some("it has no commit that is not durable")
        }
        (Subject::WalrusRust, Work::AppendBatch) => Some("its batches are always synced"),
        (Subject::Okaywal, Work::Memory) => Some("it is read only while it is opened"),
        (Subject::Rocksdb, _) if !cfg!(feature = "rocksdb") => Some("it was not built"),
        _ => None,
    }
}

impl Host<'_> {
    fn peers(&self) -> &'static [Subject] {
        if self.arguments.without_peers { &[] } else { &PEERS }
    }

    fn wants(&self, figure: &str) -> bool {
        figure.starts_with(&self.arguments.only) || self.arguments.only.starts_with(figure)
    }

    /// edgelog, the plain loop if there is one, and the peers that can.
    fn entrants(
        &self,
        work: Work,
        raw: bool,
        entrant: impl Fn(Subject) -> Entrant,
    ) -> Vec<Entrant> {
        let first = if raw { &[Subject::Edgelog, Subject::Raw][..] } else { &[Subject::Edgelog] };
        let able = self.peers().iter().filter(|peer| lacks(**peer, work).is_none());
        first.iter().chain(able).map(|subject| entrant(*subject)).collect()
    }

    fn appends(&self, figure: &str, work: Work, records: Kind, how: &str) -> Result<()> {
        if !self.wants(figure) {
            return Ok(());
        }
        let amount = Amount::From(20_000);
        let entrants = self.entrants(work, true, |subject| Entrant {
            subject,
            work,
            records,
            place: Place::New,
            amount,
        });
        let outcomes = self.arena.rounds(figure, &entrants)?;
        println!("\n# to append visibly, {how}");
        self.tell(&rate(figure), Some("vs_raw_buffered"), work, &entrants, &outcomes);
        Ok(())
    }

    fn syncs(&self) -> Result<()> {
        let device = Figure {
            name: "host.device_bytes.sync100",
            unit: "bytes of the device / byte of payload",
            of: |outcome| outcome.device_bytes / outcome.payload_bytes,
        };
        for (figure, work, amount, raw, how) in [
            (
                "host.sync100",
                Work::Sync100,
                Amount::AtMost(COUNTED),
                "vs_raw_zerofilled",
                "to append, durable after every 100",
            ),
            (
                "host.sync_each",
                Work::SyncEach,
                Amount::From(300),
                "vs_raw",
                "to append, each durable before the next; the plain loop into a zero-filled file",
            ),
        ] {
            let wanted = self.wants(figure) || work == Work::Sync100 && self.wants(device.name);
            if !wanted {
                continue;
            }
            let entrants = self.entrants(work, true, |subject| Entrant {
                subject,
                work,
                records: Kind::Incompressible,
                place: Place::New,
                // The same for both, so that their last segments are as full.
                amount: match (work, subject) {
                    (Work::Sync100, Subject::Edgelog | Subject::Raw) => Amount::Exactly(COUNTED),
                    _ => amount,
                },
            });
            let outcomes = self.between_canaries(figure, &entrants, how)?;
            self.tell(&rate(figure), Some(raw), work, &entrants, &outcomes);
            if work == Work::Sync100 {
                self.device(&device, &entrants, &outcomes);
            }
        }
        Ok(())
    }

    /// Others write to the device, too, so that the least of the rounds is nearest.
    fn device(&self, figure: &Figure<'_>, entrants: &[Entrant], outcomes: &[Outcomes]) {
        if machine::device_bytes(self.arena.path()).is_none() {
            println!("\n{} = none\n#   the system does not count them", figure.name);
            return;
        }
        println!(
            "\n# bytes that the device was given in that time, and until all was written, with the zeros that files were filled with; the least of\n\
             # the rounds, because others write as well"
        );
        let least: Vec<Outcomes> = outcomes
            .iter()
            .map(|outcomes| {
                let least =
                    outcomes.iter().min_by(|a, b| (figure.of)(a).total_cmp(&(figure.of)(b)));
                least.into_iter().copied().collect()
            })
            .collect();
        self.tell(figure, Some("vs_raw"), Work::Sync100, entrants, &least);
    }

    fn group_commit(&self) -> Result<()> {
        let figure = "host.group_commit.16threads";
        if !self.wants(figure) {
            return Ok(());
        }
        let work = Work::Group16;
        let entrant = |subject| Entrant {
            subject,
            work,
            records: Kind::Incompressible,
            place: Place::New,
            amount: Amount::From(1_000),
        };
        let mut entrants = self.entrants(work, false, entrant);
        entrants.push(Entrant {
            work: Work::SyncEach,
            amount: Amount::From(300),
            ..entrant(Subject::Edgelog)
        });
        let how = "16 threads append, each waits for its record to be durable";
        let mut outcomes = self.between_canaries(figure, &entrants, how)?;
        let alone = outcomes.pop().context("one thread")?;
        entrants.pop();
        self.tell(&rate(figure), None, work, &entrants, &outcomes);
        let threads = rate(figure);
        let one = shown(median(alone.iter().map(threads.of)), threads.unit);
        let (name, detail) = (format!("{figure}.vs_1thread"), format!("one thread: {one}"));
        threads.ratio(&outcomes[0], &alone).print(&name, &detail);
        Ok(())
    }

    /// What is measured with logs that were filled before.
    fn filled(&self) -> Result<()> {
        let (read, open) = ("host.read_crc", "host.open_after_kill");
        let (disk, memory) = ("host.disk_bytes.per_payload", "host.rss_mb");
        if ![read, open, disk, memory].iter().any(|figure| self.wants(figure)) {
            return Ok(());
        }
        eprintln!("filling");
        let fill = |subject, folder: &str, count| -> Result<(PathBuf, Outcome)> {
            let folder = self.arena.folder(folder)?;
            let entrant = Entrant {
                subject,
                work: Work::Fill,
                records: Kind::Incompressible,
                place: Place::In(folder.clone()),
                amount: Amount::Exactly(count),
            };
            let outcome = self.arena.turn(&entrant, count)?;
            Ok((folder, outcome))
        };
        let subjects = self.entrants(Work::Fill, false, |subject| Entrant {
            subject,
            work: Work::Fill,
            records: Kind::Incompressible,
            place: Place::New,
            amount: Amount::Exactly(FILLED),
        });
        let (mut folders, mut outcomes) = (Vec::new(), Vec::new());
        for entrant in &subjects {
            let (folder, outcome) = fill(entrant.subject, &name(&entrant.subject), FILLED)?;
            folders.push((entrant.subject, folder));
            outcomes.push(vec![outcome]);
        }
        if self.wants(disk) {
            println!(
                "\n# bytes that a million records occupy on disk, with all that belongs to them"
            );
            let figure = Figure {
                name: disk,
                unit: "bytes / byte of payload",
                of: |outcome| outcome.disk_bytes / outcome.payload_bytes,
            };
            self.tell(&figure, None, Work::Fill, &subjects, &outcomes);
        }
        if self.wants(read) {
            let (raw, _) = fill(Subject::Raw, "raw", FILLED)?;
            self.read(read, &folders, &raw)?;
        }
        if self.wants(open) {
            let (small, _) = fill(Subject::Edgelog, "small", FILLED_SMALL)?;
            let a_segment = SEGMENT_BYTES as usize / 264;
            let (raw, _) = fill(Subject::Raw, "segment", a_segment)?;
            self.open(open, &folders, &small, &raw)?;
        }
        if self.wants(memory) {
            self.memory(memory, &folders)?;
            for (_, folder) in &folders {
                std::fs::remove_dir_all(folder)?;
            }
            let large = self.arguments.large_gib as usize;
            let (small, _) = fill(Subject::Edgelog, "small", (100 << 20) / 256)?;
            let (big, _) = fill(Subject::Edgelog, "large", (large << 30) / 256)?;
            self.memory_pair(memory, &small, &big, large)?;
        }
        Ok(())
    }

    fn read(&self, figure: &str, folders: &[(Subject, PathBuf)], raw: &Path) -> Result<()> {
        let entrant = |subject: Subject, folder: &Path| Entrant {
            subject,
            work: Work::Read,
            records: Kind::Incompressible,
            place: Place::In(folder.to_owned()),
            amount: Amount::From(1),
        };
        let mut entrants: Vec<_> =
            folders.iter().map(|(subject, folder)| entrant(*subject, folder)).collect();
        entrants.insert(1, entrant(Subject::Raw, raw));
        let outcomes = self.arena.rounds(figure, &entrants)?;
        println!(
            "\n# to read a million records in order from the page cache, each verified; not verified while they are read: heed, rusqlite, redb.\n\
             # okaywal's includes opening, which is when it is read"
        );
        self.tell(&rate(figure), Some("vs_raw_mmap"), Work::Read, &entrants, &outcomes);
        Ok(())
    }

    fn open(
        &self,
        figure: &str,
        folders: &[(Subject, PathBuf)],
        small: &Path,
        raw: &Path,
    ) -> Result<()> {
        let entrant = |subject: Subject, place: Place| Entrant {
            subject,
            work: Work::Open,
            records: Kind::Incompressible,
            place,
            amount: Amount::Exactly(FILLED),
        };
        let copy_of = |folder: &Path| Place::CopyOf(folder.to_owned());
        let mut entrants: Vec<_> =
            folders.iter().map(|(subject, folder)| entrant(*subject, copy_of(folder))).collect();
        entrants.insert(1, entrant(Subject::Raw, Place::In(raw.to_owned())));
        entrants.push(entrant(Subject::Edgelog, copy_of(small)));
        let mut outcomes = self.arena.rounds(figure, &entrants)?;
        let small = outcomes.pop().context("the small log")?;
        entrants.pop();
        println!(
            "\n# to open a log of a million records as its owner, whose process was killed; edgelog's newest segment is nearly full: the worst case. The plain\n\
             # loop maps and verifies as much as one segment. commitlog and heed verify nothing. edgelog makes durable behind the opening, or for the first who\n\
             # needs it, what the killed process left unsynced"
        );
        let seconds = Figure { name: figure, unit: "seconds", of: |outcome| outcome.seconds };
        let raw = Some("vs_raw_scan_of_one_segment");
        self.tell(&seconds, raw, Work::Open, &entrants, &outcomes);
        let tenth = shown(median(small.iter().map(seconds.of)), seconds.unit);
        let name = format!("{figure}.10x_data_vs_1x");
        let detail = format!("a tenth of the records: {tenth}");
        seconds.ratio(&outcomes[0], &small).print(&name, &detail);
        Ok(())
    }

    fn memory(&self, figure: &str, folders: &[(Subject, PathBuf)]) -> Result<()> {
        let able = folders.iter().filter(|(subject, _)| lacks(*subject, Work::Memory).is_none());
        let entrants: Vec<_> = able
            .map(|(subject, folder)| memory_of(*subject, Place::CopyOf(folder.clone())))
            .collect();
        let outcomes = self.arena.rounds(figure, &entrants)?;
        println!(
            "\n# peak of memory to open a million records, append 10,000, and read all; with the bench's own 5 MB and with mapped files, which the system can take back"
        );
        self.tell(&memory_figure(figure), None, Work::Memory, &entrants, &outcomes);
        Ok(())
    }

    fn memory_pair(&self, figure: &str, small: &Path, big: &Path, large: usize) -> Result<()> {
        let entrants =
            [big, small].map(|folder| memory_of(Subject::Edgelog, Place::In(folder.to_owned())));
        let outcomes = self.arena.rounds(figure, &entrants)?;
        println!(
            "\n# the same with a log of {large} GiB (--large-gib 10 for ten) and with one of 100 MiB"
        );
        let of = memory_figure(figure).of;
        for (log, outcomes) in
            [(format!("{large}GiB"), &outcomes[0]), ("100MiB".into(), &outcomes[1])]
        {
            println!("{figure}.log_{log} = {:.2}", median(outcomes.iter().map(of)));
        }
        let name = format!("{figure}.log_{large}GiB_vs_100MiB");
        memory_figure(figure)
            .ratio(&outcomes[0], &outcomes[1])
            .print(&name, "the one divided by the other");
        Ok(())
    }

    fn between_canaries(
        &self,
        figure: &str,
        entrants: &[Entrant],
        how: &str,
    ) -> Result<Vec<Outcomes>> {
        let before = machine::canary(self.arena.path(), CANARY)?;
        let outcomes = self.arena.rounds(figure, entrants)?;
        let after = machine::canary(self.arena.path(), CANARY)?;
        println!("\n# {how}; microseconds of a bare fdatasync before and after all rounds");
        println!("{figure}.canary_us.before = {before:.0}");
        println!("{figure}.canary_us.after = {after:.0}");
        println!("#   {} turns began although the disk was busy", self.arena.take_unquiet());
        Ok(outcomes)
    }

    /// A figure of edgelog, its ratio to the plain loop, and to each peer.
    fn tell(
        &self,
        compared: &Figure<'_>,
        raw: Option<&str>,
        work: Work,
        entrants: &[Entrant],
        outcomes: &[Outcomes],
    ) {
        let Figure { name: figure, unit, of } = compared;
        let outcomes_of = |subject: Subject| {
            let at = entrants.iter().position(|entrant| entrant.subject == subject)?;
            outcomes.get(at)
        };
        let Some(ours) = outcomes_of(Subject::Edgelog) else { return };
        println!("{figure} = {}", shown(median(ours.iter().map(of)), ""));
        println!("#   {unit}{}", processor_time(ours, unit));
        let median_of = |theirs: &Outcomes| {
            format!(
                "{}{}",
                shown(median(theirs.iter().map(of)), unit),
                processor_time(theirs, unit)
            )
        };
        if let (Some(raw), Some(theirs)) = (raw, outcomes_of(Subject::Raw)) {
            let detail = format!("the plain loop: {}", median_of(theirs));
            compared.ratio(ours, theirs).print(&format!("{figure}.{raw}"), &detail);
        }
        for peer in self.peers() {
            let name = name(peer);
            match (lacks(*peer, work), outcomes_of(*peer)) {
                (None, Some(theirs)) => {
                    let detail = format!("{name}: {}", median_of(theirs));
                    compared.ratio(ours, theirs).print(&format!("{figure}.vs.{name}"), &detail);
                }
                (why, _) => {
                    let why = why.unwrap_or("it did not take part");
                    println!("{figure}.vs.{name} = none\n#   {why}");
                }
            }
        }
    }
}

const fn memory_figure(name: &str) -> Figure<'_> {
    Figure { name, unit: "MB", of: |outcome| outcome.memory_kib * 1024.0 / 1e6 }
}

fn memory_of(subject: Subject, place: Place) -> Entrant {
    let (work, records) = (Work::Memory, Kind::Incompressible);
    Entrant { subject, work, records, place, amount: Amount::Exactly(FILLED) }
}

/// What a record cost the processor: what others do on the machine hardly changes it.
fn processor_time(outcomes: &Outcomes, unit: &str) -> String {
    let each = |outcome: &Outcome| outcome.processor_seconds * 1e9 / outcome.records;
    let nanoseconds = median(outcomes.iter().map(each));
    if unit == RATE && nanoseconds.is_finite() {
        format!(", {nanoseconds:.0} ns of a processor each")
    } else {
        String::new()
    }
}

fn shown(value: f64, unit: &str) -> String {
    let number = if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.4}") };
    format!("{number} {unit}").trim_end().to_owned()
}
