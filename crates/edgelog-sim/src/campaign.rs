//! The crash campaign: every scenario, with the power cut in every byte of every program and erase, on disks and on NOR flash
//! of every word size; then a cold restart, and another cut during recovery and the work after it. [`check`] judges each state.
//!
//! A [`Case`] is a scenario on a device with a seed, from which everything else follows: sizes, the log's life before, payloads,
//! how words tear. Its text, as `rollover:word4:17`, reproduces it.

mod plant;

use crate::disk::SimDisk;
use crate::medium::{SimMedium, on_chip};
use crate::model::{Full, Model};
use crate::nor::NorChip;
use crate::oracle::{check, mount_and_judge};
use crate::rng::Rng;
use crate::session::{Action, Answer, Session, Stop};
use core::fmt;
use core::str::FromStr;
use edgelog_core::LogId;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is going on when the power goes. A new scenario is a line here, in [`Scenario::ALL`], and in `actions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scenario {
    /// Records are appended and synced.
    Append,
    /// Several records are appended at once.
    Batch,
    /// A segment is full and the next one is erased and opened.
    Rollover,
    /// The next segment is erased ahead of time, and appends go on until it is opened.
    Maintain,
    /// Cursors and anchors are committed.
    Commit,
    /// Topics and cursors are created.
    Create,
    /// The log is full, refuses, and is released; what it refused is given up.
    FullRefuse,
    /// The log is full and drops its oldest records.
    FullDropOldest,
    /// The log is full and drops what one cursor has passed, whatever others still want.
    FullProtect,
    /// The first work after a mount that found what an earlier cut had left.
    Mount,
    /// The clock is not set, then it is.
    Clock,
    /// Old segments are given up before their slots are needed, and the ring goes on.
    Evict,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Append,
        Self::Batch,
        Self::Rollover,
        Self::Maintain,
        Self::Commit,
        Self::Create,
        Self::FullRefuse,
        Self::FullDropOldest,
        Self::FullProtect,
        Self::Mount,
        Self::Clock,
        Self::Evict,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Batch => "batch",
            Self::Rollover => "rollover",
            Self::Maintain => "maintain",
            Self::Commit => "commit",
            Self::Create => "create",
            Self::FullRefuse => "full-refuse",
            Self::FullDropOldest => "full-drop-oldest",
            Self::FullProtect => "full-protect",
            Self::Mount => "mount",
            Self::Clock => "clock",
            Self::Evict => "evict",
        }
    }

    /// What is done when the power may go.
    const fn actions(self) -> &'static [Action] {
        use Action::{
            Anchor, Append, Batch, ClockUnset, Commit, Cursor, Evict, GiveUp, Maintain, Release,
            SetClock, Sync, Topic,
        };
        match self {
            Self::Append => &[Append, Append, Sync, Append],
            Self::Batch => &[Batch, Sync, Batch, Append, Batch],
            Self::Rollover => &[Append, Sync, Release, Batch],
            Self::Maintain => &[
                Maintain, Append, Sync, Append, Release, Append, Append, Append, Append, Append,
                Append, Sync, Release, Maintain, Append, Sync,
            ],
            Self::Commit => &[Append, Sync, Commit, Anchor, Commit, Sync],
            Self::Create => &[Topic, Cursor, Topic, Append, Cursor, Sync],
            Self::FullRefuse => {
                &[Append, GiveUp, Commit, Release, Append, Sync, Batch, GiveUp, Append]
            }
            Self::FullDropOldest => &[Append, Sync, Batch, Append],
            Self::FullProtect => &[Append, Sync, Release, Batch, GiveUp],
            Self::Mount => &[Append, Commit, Sync],
            Self::Evict => &[
                Append, Sync, Release, Evict, Append, Evict, Evict, Sync, Batch, Maintain, Evict,
                Append, Append, Append, Sync, Release, Append, Append, Append, Evict, Append, Sync,
            ],
            Self::Clock => &[ClockUnset, Append, Sync, Append, SetClock, Append, Sync, Batch],
        }
    }

    /// Whether the actions are repeated until a segment was erased, and only what is done from then on is cut.
    const fn until_erase(self) -> bool {
        matches!(self, Self::Rollover | Self::FullDropOldest | Self::FullProtect)
    }
}

/// What the log lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// A [`SimDisk`].
    Disk,
    /// A [`NorChip`] with program words of this many bytes.
    Nor(u32),
}

impl Device {
    /// NOR flash of every word size.
    pub const NOR: [Self; 5] =
        [Self::Nor(1), Self::Nor(4), Self::Nor(8), Self::Nor(16), Self::Nor(32)];
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => f.write_str("disk"),
            Self::Nor(word) => write!(f, "word{word}"),
        }
    }
}

/// One life of a log, cut everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is going on.
    pub scenario: Scenario,
    /// On what.
    pub device: Device,
    /// Everything else.
    pub seed: u64,
}

impl Case {
    /// Another stream of choices for each purpose, so that the same seed is another life in another scenario or on another device.
    fn rng(self, purpose: u64) -> Rng {
        let word = match self.device {
            Device::Disk => 0,
            Device::Nor(word) => u64::from(word),
        };
        let mut mixed = self.seed;
        for part in [word, self.scenario as u64, purpose] {
            mixed = Rng::new(mixed ^ part).bits();
        }
        Rng::new(mixed)
    }
}

/// What [`Case::rng`] is for.
const SIZES: u64 = 1;
const LIFE: u64 = 2;
const SCRIPT: u64 = 3;
const CHOICE: u64 = 4;
/// And the cuts, each with its step.
const CUTS: u64 = 1 << 32;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.scenario.name(), self.device, self.seed)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("'{text}' is no case: it reads as rollover:word4:17 or full-refuse:disk:3");
        let mut words = text.split(':');
        let (Some(scenario), Some(device), Some(seed), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong());
        };
        let all = [Device::Disk].into_iter().chain(Device::NOR);
        Ok(Self {
            scenario: Scenario::ALL
                .into_iter()
                .find(|it| it.name() == scenario)
                .ok_or_else(wrong)?,
            device: all.into_iter().find(|it| it.to_string() == device).ok_or_else(wrong)?,
            seed: seed.parse().map_err(|_| wrong())?,
        })
    }
}

/// A bug planted in the simulator: a campaign that finds nothing then is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plant {
    /// Flash that silently leaves out the last word of every fifth program.
    DroppedWord,
    /// Disks whose sync makes nothing durable.
    LyingSync,
    /// Disks whose barriers order nothing.
    ForgottenBarrier,
    /// A batch that was cut is there without its first record.
    HeadlessBatch,
    /// A restart finds the oldest segment erased, whatever the policy keeps.
    GreedyRing,
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// States to check at least.
    pub states: u64,
    /// The first seed.
    pub seed: u64,
    /// On which devices.
    pub devices: Vec<Device>,
    /// What is going on.
    pub scenarios: Vec<Scenario>,
    /// With which bug.
    pub plant: Option<Plant>,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By device and scenario.
    pub cells: Vec<Cell>,
    /// The kinds of failures.
    pub kinds: Vec<Kind>,
}

/// Failures that differ in numbers only.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    /// What they have in common.
    pub what: String,
    /// How many there were.
    pub failures: u64,
    /// The first of them, each with its case and place.
    pub examples: Vec<String>,
}

/// What a scenario on a device came to.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// On what.
    pub device: Device,
    /// What was going on.
    pub scenario: Scenario,
    /// States checked.
    pub states: u64,
    /// Those of them that broke a promise.
    pub failures: u64,
}

impl Cell {
    const fn new(device: Device, scenario: Scenario) -> Self {
        Self { device, scenario, states: 0, failures: 0 }
    }
}

/// Examples of a kind, and kinds.
const EXAMPLES_MAX: usize = 3;
const KINDS_MAX: usize = 20;

impl Report {
    /// States checked.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.cells.iter().map(|cell| cell.states).sum()
    }

    /// States that broke a promise.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.cells.iter().map(|cell| cell.failures).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "crash.states = {}", self.states())?;
        let sum = |of: &dyn Fn(&Cell) -> bool| -> u64 {
            self.cells.iter().filter(|cell| of(cell)).map(|cell| cell.states).sum()
        };
        let mut devices: Vec<Device> = self.cells.iter().map(|cell| cell.device).collect();
        devices.dedup();
        for device in devices {
            writeln!(f, "crash.states.{device} = {}", sum(&|cell| cell.device == device))?;
        }
        for scenario in Scenario::ALL {
            let states = sum(&|cell| cell.scenario == scenario);
            writeln!(f, "crash.states.{} = {states}", scenario.name())?;
        }
        write!(f, "crash.failures = {}", self.failures())?;
        for Cell { device, scenario, failures, .. } in &self.cells {
            if *failures > 0 {
                write!(f, "\ncrash.failures.{device}.{} = {failures}", scenario.name())?;
            }
        }
        for Kind { what, failures, examples } in &self.kinds {
            write!(f, "\ncrash.failures.kind = {failures}: {what}")?;
            examples.iter().try_for_each(|example| write!(f, "\ncrash.failure = {example}"))?;
        }
        Ok(())
    }
}

/// Runs cases until every device and scenario has its share of the states.
///
/// Every byte of every program is cut. Of the steps of an erase, which are alike, as many as the share allows.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let mut report = Report::default();
    let cells = plan.devices.len() * plan.scenarios.len();
    let share = plan.states.div_ceil(u64::try_from(cells.max(1)).unwrap_or(1));
    for &device in &plan.devices {
        for &scenario in &plan.scenarios {
            report.cells.push(Cell::new(device, scenario));
            let mut seed = plan.seed;
            loop {
                let done = report.cells.last().map_or(share, |cell| cell.states);
                let Some(left) = share.checked_sub(done).filter(|&left| left > 0) else { break };
                let case = Case { scenario, device, seed };
                Run { case, left, report: &mut report }.on_device(plan.plant);
                seed = seed.wrapping_add(1);
            }
        }
    }
    report
}

/// Runs one case, with every step of its erases.
#[must_use]
pub fn replay(case: Case, plant: Option<Plant>) -> Report {
    let cells = vec![Cell::new(case.device, case.scenario)];
    let mut report = Report { cells, ..Report::default() };
    Run { case, left: u64::MAX, report: &mut report }.on_device(plant);
    report
}

/// A case being run.
struct Run<'a> {
    case: Case,
    /// States that its device and scenario still want.
    left: u64,
    report: &'a mut Report,
}

/// A log at rest, and what is to be done to it.
struct Start<M> {
    medium: M,
    model: Model,
    actions: Vec<Action>,
    /// How many of the actions come before the power may go.
    warm: usize,
}

/// The cut that is being judged.
#[derive(Clone, Copy)]
struct Cut {
    step: u64,
    seed: u64,
}

impl Run<'_> {
    fn on_device(self, plant: Option<Plant>) {
        match self.case.device {
            Device::Disk => {
                let mut rng = self.case.rng(SIZES);
                let segment = [1024, 1536, 2048, 4096][rng.below(4)];
                let disk = SimDisk::new(segment, segments(&mut rng));
                disk.set_sector([512, 512, 64, 8][rng.below(4)]);
                if plant == Some(Plant::LyingSync) {
                    disk.lie_about_sync();
                }
                if plant == Some(Plant::ForgottenBarrier) {
                    disk.forget_barriers();
                }
                self.on(disk, plant);
            }
            Device::Nor(1) => self.on_nor::<1>(plant),
            Device::Nor(4) => self.on_nor::<4>(plant),
            Device::Nor(8) => self.on_nor::<8>(plant),
            Device::Nor(16) => self.on_nor::<16>(plant),
            Device::Nor(_) => self.on_nor::<32>(plant),
        }
    }

    fn on_nor<const WORD: usize>(self, plant: Option<Plant>) {
        let mut rng = self.case.rng(SIZES);
        match rng.below(4) {
            0 => self.on_chip::<WORD, 4096>(1, &mut rng, plant),
            1 => self.on_chip::<WORD, 1024>(2, &mut rng, plant),
            _ => self.on_chip::<WORD, 1024>(1, &mut rng, plant),
        }
    }

    /// `blocks`: in a segment.
    fn on_chip<const WORD: usize, const ERASE: usize>(
        self,
        blocks: usize,
        rng: &mut Rng,
        plant: Option<Plant>,
    ) {
        let segments = usize::try_from(segments(rng)).unwrap_or(2);
        let chip = NorChip::<WORD, ERASE>::new(blocks * segments);
        chip.set_ecc(rng.one_in(4));
        chip.set_strict_marginal(!rng.one_in(4));
        if plant == Some(Plant::DroppedWord) {
            chip.drop_words();
        }
        self.on(on_chip(chip, u32::try_from(blocks * ERASE).unwrap_or(0)), plant);
    }

    fn on<M: SimMedium>(mut self, blank: M, plant: Option<Plant>) {
        let measured = caught(|| {
            let mut start = Start::new(self.case, blank)?;
            let cuts = start.measure(self.case)?;
            Ok((start, cuts))
        });
        let (start, cuts) = match measured {
            Ok(measured) => measured,
            Err(why) => return self.note(Err(format!("before the cut: {why}"))),
        };
        for step in cuts.chosen(self.case.rng(CHOICE), self.left) {
            let cut = Cut { step, seed: self.case.rng(CUTS + step).bits() };
            match caught(|| start.cut(self.case, cut).map(|cut| planted(plant, cut))) {
                Ok((dark, model)) => self.judge(cut, &dark, &model),
                Err(why) => self.note(Err(format!("cut at step {step}: {why}"))),
            }
        }
    }

    /// What the cut left, after a cold restart; and after a second cut during recovery.
    fn judge<M: SimMedium>(&mut self, cut: Cut, dark: &M, model: &Model) {
        // A disk decides at the restart what of the unsynced writes is there; flash decided at the cut.
        let restarts = if self.case.device == Device::Disk { 3 } else { 1 };
        for restart in 0..restarts {
            let seed = cut.seed.wrapping_add(restart);
            let plain = caught(|| check(&dark.restart(seed), &mut model.clone()).map(|_| ()));
            self.note(plain.map_err(|why| format!("cut at step {}: {why}", cut.step)));
            let again = caught(|| cut_again(&dark.restart(seed), model.clone(), seed));
            self.note(again.map_err(|why| format!("cut at step {}, {why}", cut.step)));
        }
    }

    fn note(&mut self, judged: Result<(), String>) {
        if let Some(cell) = self.report.cells.last_mut() {
            cell.states += 1;
            cell.failures += u64::from(judged.is_err());
        }
        let Err(why) = judged else { return };
        let what = kind_of(&why);
        let kinds = &mut self.report.kinds;
        let known = kinds.iter().position(|kind| kind.what == what);
        let at = known.unwrap_or_else(|| {
            // Room is limited; the last one takes what is left.
            if kinds.len() < KINDS_MAX {
                kinds.push(Kind { what, ..Kind::default() });
            }
            kinds.len() - 1
        });
        kinds[at].failures += 1;
        if kinds[at].examples.len() < EXAMPLES_MAX {
            kinds[at].examples.push(format!("{}: {why}", self.case));
        }
    }
}

/// The failure without its place and numbers, shortened.
fn kind_of(why: &str) -> String {
    // In front stands where it was cut, once or twice.
    let what = match why.split_once("cut at step ") {
        Some((_, place)) => place.trim_start_matches(|it: char| it.is_ascii_digit()),
        None => why,
    };
    let what = match what.split_once("again at step ") {
        Some((_, place)) => place.trim_start_matches(|it: char| it.is_ascii_digit()),
        None => what,
    };
    let what = what.trim_start_matches([',', ':', ' ']);
    let mut kind = String::new();
    for letter in what.chars().take(100) {
        let letter = if letter.is_ascii_digit() { '#' } else { letter };
        if letter != '#' || !kind.ends_with('#') {
            kind.push(letter);
        }
    }
    kind
}

/// The steps of a script in which the power may go.
struct Cuts {
    /// Those of programs, from the start of the script.
    programs: Vec<u64>,
    erases: Vec<u64>,
}

impl Cuts {
    /// All of the programs; of the erases at most about a quarter of `left`, other ones for other seeds.
    fn chosen(self, mut rng: Rng, left: u64) -> Vec<u64> {
        let every = usize::try_from(left / 4).unwrap_or(usize::MAX).max(64);
        let stride = self.erases.len().div_ceil(every).max(1);
        let first = rng.below(stride);
        self.programs
            .into_iter()
            .chain(self.erases.into_iter().skip(first).step_by(stride))
            .collect()
    }
}

impl<M: SimMedium> Start<M> {
    /// The log's life before: some random work, and what the scenario needs.
    fn new(case: Case, blank: M) -> Result<Self, String> {
        let mut rng = case.rng(LIFE);
        let id = LogId(rng.bytes(16).try_into().unwrap_or_default());
        let mut session = Session::create(blank, id).map_err(|error| error.to_string())?;
        let age = rng.below(80);
        session.work(&mut rng, age).map_err(said)?;
        match case.scenario {
            Scenario::FullRefuse => fill(&mut session, &mut rng)?,
            Scenario::FullDropOldest => session.set_full(Full::DropOldest),
            Scenario::FullProtect => {
                // All three, of which one counts.
                for _ in 0..12 {
                    session.act(Action::Cursor, &mut rng).map_err(said)?;
                }
                session.act(Action::Release, &mut rng).map_err(said)?;
                session.set_full(Full::Protect(vec![String::from("kafka")]));
            }
            Scenario::Rollover | Scenario::Maintain => {
                // Cursors, so that the ring can turn.
                for action in [Action::Cursor, Action::Topic, Action::Sync, Action::Release] {
                    session.act(action, &mut rng).map_err(said)?;
                }
            }
            Scenario::Evict => {
                for action in [Action::Cursor, Action::Cursor, Action::Sync] {
                    session.act(action, &mut rng).map_err(said)?;
                }
                session.set_full(match rng.below(3) {
                    0 => Full::DropOldest,
                    1 => Full::Protect(vec![String::from("kafka")]),
                    _ => Full::Refuse,
                });
                // As many segments as may be.
                for _ in 0..rng.below(60) {
                    session.act(Action::Append, &mut rng).map_err(said)?;
                }
            }
            Scenario::Mount => {
                session.set_full(match rng.below(4) {
                    0 => Full::DropOldest,
                    1 => Full::Protect(vec![String::from("kafka")]),
                    _ => Full::Refuse,
                });
                session.disk().cut_in(rng.bits() % 500, case.seed);
                match session.work(&mut rng, 200) {
                    Ok(()) | Err(Stop::Power) => {}
                    Err(stop) => return Err(said(stop)),
                }
                let medium = session.disk().restart(case.seed);
                let mut model = session.end();
                mount_and_judge(&medium, &mut model)?;
                return Ok(Self { medium, model, actions: Vec::new(), warm: 0 });
            }
            Scenario::Clock => {
                // Boots before had clocks that were set late, too.
                for _ in 0..rng.below(6) {
                    session.act(Action::Sync, &mut rng).map_err(said)?;
                    let medium = session.disk().restart(rng.bits());
                    session = Session::resume(medium, session.end())?;
                    for action in [Action::ClockUnset, Action::Append, Action::SetClock] {
                        session.act(action, &mut rng).map_err(said)?;
                    }
                }
            }
            _ => {}
        }
        session.act(Action::Sync, &mut rng).map_err(said)?;
        let medium = session.disk().restart(case.seed);
        let warm = match case.scenario {
            // It is only told before anything is written.
            Scenario::Clock => Vec::new(),
            _ if rng.one_in(2) => Vec::new(),
            _ => vec![Action::Append, Action::Sync],
        };
        Ok(Self { medium, model: session.end(), warm: warm.len(), actions: warm })
    }

    /// Does the whole script once without a cut, and tells where it can be cut.
    fn measure(&mut self, case: Case) -> Result<Cuts, String> {
        let medium = self.medium.restart(case.seed);
        let mut session = Session::resume(medium.clone(), self.model.clone())?;
        let mut rng = case.rng(SCRIPT);
        for &action in &self.actions {
            session.act(action, &mut rng).map_err(said)?;
        }
        let mut from = medium.mutated();
        let (mut done, erased) = (0, medium.erases());
        for &action in case.scenario.actions().iter().cycle() {
            let before = medium.mutated();
            session.act(action, &mut rng).map_err(said)?;
            self.actions.push(action);
            done += 1;
            if !case.scenario.until_erase() {
                if done == case.scenario.actions().len() {
                    break;
                }
            } else if medium.erases() == erased {
                // Not yet: what was done is still before the cut.
                (from, self.warm) = (medium.mutated(), self.actions.len());
                if done > 2000 {
                    return Err(String::from("no segment was full after 2000 actions"));
                }
            } else if before != medium.mutated() && self.actions.len() >= self.warm + 4 {
                break;
            }
        }
        let all: Vec<u64> = (0..medium.mutated() - from).collect();
        let long = medium.erase_steps();
        let in_erase = |step: &u64| long.iter().any(|erase| erase.contains(&(from + step)));
        let (erases, programs) = all.into_iter().partition(in_erase);
        Ok(Cuts { programs, erases })
    }

    /// Does the script once more and takes the power away in its step `cut.step`.
    fn cut(&self, case: Case, cut: Cut) -> Result<(M, Model), String> {
        let medium = self.medium.restart(case.seed);
        let mut session = Session::resume(medium.clone(), self.model.clone())?;
        let mut rng = case.rng(SCRIPT);
        for (place, &action) in self.actions.iter().enumerate() {
            if place == self.warm {
                medium.cut_in(cut.step, cut.seed);
            }
            match session.act(action, &mut rng) {
                Ok(_) => {}
                Err(Stop::Power) => return Ok((medium, session.end())),
                Err(stop) => return Err(said(stop)),
            }
        }
        Err(String::from("the same script took fewer steps than before"))
    }
}

/// Appends until the log refuses three times.
fn fill<M: SimMedium>(session: &mut Session<M>, rng: &mut Rng) -> Result<(), String> {
    let mut full = 0;
    while full < 3 {
        let answer = session.act(Action::Append, rng).map_err(said)?;
        full += u32::from(answer == Answer::Full);
    }
    Ok(())
}

/// What a cut left, with the planted bug's trace.
fn planted<M: SimMedium>(plant: Option<Plant>, (dark, model): (M, Model)) -> (M, Model) {
    let traced = match plant {
        Some(Plant::HeadlessBatch) => plant::headless_batch(&dark, &model),
        Some(Plant::GreedyRing) => plant::greedy_ring(&dark, &model),
        _ => None,
    };
    (traced.unwrap_or(dark), model)
}

/// Recovers, works, loses the power once more somewhere in that, and is judged after it.
fn cut_again<M: SimMedium>(medium: &M, mut model: Model, seed: u64) -> Result<(), String> {
    mount_and_judge(medium, &mut model)?;
    let mut session = Session::resume(medium.clone(), model)?;
    let mut rng = Rng::new(seed);
    // Often in the first frame that is written after the mount.
    let step = rng.bits() % medium.some_work()[rng.below(3)];
    medium.cut_in(step, rng.bits());
    let name = format!("again at step {step}");
    match session.work(&mut rng, 12) {
        Ok(()) | Err(Stop::Power) => {}
        Err(stop) => return Err(format!("{name}: {}", said(stop))),
    }
    let twice = medium.restart(rng.bits());
    check(&twice, &mut session.end()).map_err(|why| format!("{name}: {why}"))?;
    Ok(())
}

/// Segments in the ring.
fn segments(rng: &mut Rng) -> u32 {
    u32::try_from(2 + rng.below(4)).unwrap_or(2)
}

fn said(stop: Stop) -> String {
    match stop {
        Stop::Broken(why) => why,
        Stop::Poisoned => String::from("the log is poisoned, and nothing failed"),
        Stop::Power => String::from("the power is gone too early"),
    }
}

/// A panic of the engine is a broken promise like any other.
fn caught<T>(judge: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("without words")))
    })
}
