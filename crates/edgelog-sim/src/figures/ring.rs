//! The workloads, each on a copy of the same full ring.

use super::{Chip, Cost, Failure, Meter, RECORD, SEGMENT, SEGMENTS, Subject, TRIM, record};
use core::marker::PhantomData;

/// Records in a lap: more of them than any subject can hold on the chip, so that a lap reuses every segment.
const LAP: u64 = 65_536;
/// Places of the ring's newest segment that a mount is tried at, and records that a seek looks for.
const TRIALS: u64 = 32;
/// Warm appends, one by one: more than a hundred segments.
const WARM: u64 = 8192;
/// Boots with one append each.
const BOOTS: u64 = 1000;

/// A chip of [`SEGMENTS`] segments that a subject has filled, with the power off.
#[derive(Debug)]
pub struct Ring<S, C> {
    chip: C,
    /// The number of the next record.
    next: u64,
    laps: Cost,
    subject: PhantomData<S>,
}

/// What single appends cost, count by count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appends {
    /// The worst.
    pub worst: Cost,
    /// The usual: the median.
    pub usual: Cost,
}

impl Appends {
    fn of(costs: &[Cost]) -> Self {
        let pick = |place: usize| {
            let count = |count: fn(&Cost) -> u64| {
                let mut counts: Vec<u64> = costs.iter().map(count).collect();
                counts.sort_unstable();
                counts.get(place).copied().unwrap_or_default()
            };
            Cost {
                reads: count(|cost| cost.reads),
                bytes_read: count(|cost| cost.bytes_read),
                programs: count(|cost| cost.programs),
                bytes_programmed: count(|cost| cost.bytes_programmed),
                erases: count(|cost| cost.erases),
            }
        };
        Self { worst: pick(costs.len().saturating_sub(1)), usual: pick(costs.len() / 2) }
    }
}

/// What the worst of several mounts or seeks read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reads {
    /// Reads that begin at headers, markers and footers; all of a seek that walks.
    pub header_reads: u64,
    /// All reads.
    pub reads: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What boots with one append each cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boots {
    /// All together.
    pub cost: Cost,
    /// Bytes of words that were programmed again.
    pub bytes_programmed_again: u64,
    /// Bytes left erased, as [`Meter::bytes_passed_over`] counts them.
    pub bytes_passed_over: u64,
}

impl Boots {
    /// Erases that filled segments do not explain: erases - ceil(bytes filled / segment), not below 0. Filled is what was
    /// programmed or passed over. A word that was programmed twice fills no more than one that was programmed once.
    #[must_use]
    pub const fn extra_erases(&self) -> u64 {
        let programmed = self.cost.bytes_programmed - self.bytes_programmed_again;
        let filled = programmed + self.bytes_passed_over;
        self.cost.erases.saturating_sub(filled.div_ceil(SEGMENT as u64))
    }
}

impl<C: Chip, S: Subject<C>> Ring<S, C> {
    /// Fills an erased chip for one lap, and measures two more: a record each second, durable before the next.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn fill() -> Result<Self, Failure> {
        let meter = Meter::new(C::erased(SEGMENTS));
        let mut laps = Cost::default();
        judged(&meter, || {
            let mut log = S::create(meter.clone())?;
            (0..LAP).try_for_each(|n| step(&mut log, n))?;
            let first = meter.cost();
            (LAP..3 * LAP).try_for_each(|n| step(&mut log, n))?;
            laps = meter.cost() - first;
            Ok(())
        })?;
        let chip = meter.chip().copy();
        Ok(Self { chip, next: 3 * LAP, laps, subject: PhantomData })
    }

    /// What the two measured laps cost, everything included that the subject wrote for them.
    #[must_use]
    pub const fn laps(&self) -> Cost {
        self.laps
    }

    /// Bytes programmed in the two measured laps for each byte of record.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn write_amplification(&self) -> f64 {
        self.laps.bytes_programmed as f64 / (2 * LAP * RECORD as u64) as f64
    }

    /// What appends cost after the first one of a mount, maintained between them.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn warm_appends(&self) -> Result<Appends, Failure> {
        let meter = self.power_on();
        let mut costs = Vec::new();
        judged(&meter, || {
            let mut log = S::mount(meter.clone())?;
            step(&mut log, self.next)?;
            for n in self.next + 1..=self.next + WARM {
                let before = meter.cost();
                log.append(n)?;
                costs.push(meter.cost() - before);
                rest(&mut log, n)?;
            }
            Ok(())
        })?;
        Ok(Appends::of(&costs))
    }

    /// What a mount with its first append reads, the worst of 32 places of the ring's newest segment.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn mounts(&self) -> Result<Reads, Failure> {
        let meter = self.power_on();
        let mut worst = Reads::default();
        let mut n = self.next;
        judged(&meter, || {
            for _ in 0..TRIALS {
                let before = meter.cost();
                meter.trace_reads();
                let mut log = S::mount(meter.clone())?;
                log.append(n)?;
                worst = worst.max(Self::reads(&meter, before, is_header::<C, S>));
                rest(&mut log, n)?;
                (n + 1..n + LAP / TRIALS).try_for_each(|n| step(&mut log, n))?;
                n += LAP / TRIALS;
            }
            Ok(())
        })?;
        Ok(worst)
    }

    /// What finding a record by its time reads in a mounted log, the worst of 32 records evenly over all that are retained.
    ///
    /// # Errors
    ///
    /// [`Failure`], also when another record is found.
    pub fn seeks(&self) -> Result<Reads, Failure> {
        let meter = self.power_on();
        let mut worst = Reads::default();
        judged(&meter, || {
            let mut log = S::mount(meter.clone())?;
            step(&mut log, self.next)?;
            for trial in 1..=TRIALS {
                let n = self.next - S::RETAINED * trial / TRIALS;
                let before = meter.cost();
                meter.trace_reads();
                let found = log.seek(n)?;
                let counts = |at| !S::SEEKS || is_header::<C, S>(at);
                worst = worst.max(Self::reads(&meter, before, counts));
                if found != record(n) {
                    return Err(Failure::Broken(format!("another record than {n}")));
                }
            }
            Ok(())
        })?;
        Ok(worst)
    }

    /// What 1,000 boots cost: power on, mount, append, durable, power off.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn boots(&self) -> Result<Boots, Failure> {
        let meter = self.power_on();
        judged(&meter, || {
            (self.next..self.next + BOOTS)
                .try_for_each(|n| S::mount(meter.clone()).and_then(|mut log| step(&mut log, n)))
        })?;
        // What the chip counted before is the filling's.
        let again = meter.chip().bytes_programmed_again() - self.chip.bytes_programmed_again();
        Ok(Boots {
            cost: meter.cost(),
            bytes_programmed_again: again,
            bytes_passed_over: meter.bytes_passed_over(),
        })
    }

    /// What it costs to store durably how far a consumer got, right after a record was appended.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn commit(&self) -> Result<Cost, Failure> {
        let meter = self.power_on();
        let mut spent = Cost::default();
        judged(&meter, || {
            let mut log = S::mount(meter.clone())?;
            log.append(self.next)?;
            let before = meter.cost();
            log.commit(self.next + 1)?;
            spent = meter.cost() - before;
            Ok(())
        })?;
        Ok(spent)
    }

    fn power_on(&self) -> Meter<C> {
        Meter::new(self.chip.copy())
    }

    fn reads(meter: &Meter<C>, before: Cost, counts: impl Fn(u32) -> bool) -> Reads {
        let spent = meter.cost() - before;
        let header_reads = meter.traced_reads().iter().filter(|&&at| counts(at)).count() as u64;
        Reads { header_reads, reads: spent.reads, bytes: spent.bytes_read }
    }
}

fn is_header<C: Chip, S: Subject<C>>(at: u32) -> bool {
    S::is_header(at % SEGMENT)
}

/// One record, and what is done between records.
fn step<C: Chip, S: Subject<C>>(log: &mut S, n: u64) -> Result<(), Failure> {
    log.append(n)?;
    rest(log, n)
}

fn rest<C: Chip, S: Subject<C>>(log: &mut S, n: u64) -> Result<(), Failure> {
    if (n + 1).is_multiple_of(TRIM) {
        log.trim(n + 1)?;
    }
    log.maintain()
}

/// Does the work, and tells a breach of the write-once rule from other failures, whatever the subject makes of it.
fn judged<C: Chip>(
    meter: &Meter<C>,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    work().map_err(|failure| match failure {
        Failure::Broken(_) if meter.chip().programmed_twice() > 0 => Failure::ProgrammedTwice,
        other => other,
    })
}
