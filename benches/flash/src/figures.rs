//! What is measured, and how it is told.

use edgelog_sim::figures::{Boots, Chip, Cost, Failure, Reads, Ring, Subject};

/// A figure, or why there is none.
#[derive(Clone, Debug)]
struct Figure {
    value: Result<String, Failure>,
    /// On the chip that allows to program a word twice.
    forgiven: bool,
    /// What else was seen.
    detail: String,
}

/// A figure's name and what it means.
struct Meaning {
    name: &'static str,
    text: &'static str,
}

const fn meaning(name: &'static str, text: &'static str) -> Meaning {
    Meaning { name, text }
}

const MEANINGS: [Meaning; 9] = [
    meaning(
        "flash.waf.64B.word4",
        "bytes programmed / bytes of records over two laps of a full ring, 4-byte words; with all that the subject writes for \
         itself; each record durable before the next",
    ),
    meaning("flash.waf.64B.word32", "the same with 32-byte words"),
    meaning(
        "flash.append.warm.reads",
        "reads of the worst of 8,192 appends after the first of a mount",
    ),
    meaning(
        "flash.append.warm.programs",
        "programs of the worst of them, also where it begins a segment",
    ),
    meaning(
        "flash.append.erases",
        "erases of the worst of them, with the subject's own maintenance between appends, if it has any",
    ),
    meaning(
        "flash.mount.header_reads.1024",
        "mount and first append: reads of segment headers, markers and footers; the worst of 32 places of the newest segment",
    ),
    meaning(
        "flash.seek.header_reads.1024",
        "to find and read a record by its time in a mounted log, counted likewise (all reads of one that can only walk); the worst of 32 records from the newest to the \
         oldest that is retained",
    ),
    meaning(
        "flash.boots_1000.extra_erases",
        "1,000 x (power on, mount, one durable append, power off): erases - ceil(bytes filled / 4096), not below 0; filled is what was \
         programmed, a word programmed twice counted once, or passed over in gaps of up to 32 bytes",
    ),
    meaning(
        "flash.cursor_commit.bytes",
        "bytes programmed to store durably how far a consumer got",
    ),
];

/// Everything about one subject.
pub struct Figures {
    name: &'static str,
    figures: Vec<Figure>,
}

/// A value and its detail, or why not.
type Told = Result<(String, String), Failure>;

impl Figures {
    /// None yet.
    pub fn of(name: &'static str) -> Self {
        Self { name, figures: Vec::new() }
    }

    /// All figures with words of 4 bytes: on `Strict`, and on `Forgiving` what fails there for programming words twice.
    pub fn word4<S: Subject<A>, F: Subject<B>, A: Chip, B: Chip>(mut self) -> Self {
        eprintln!("measuring {}, words of 4 bytes", self.shown());
        let strict = all::<S, A>();
        let again = strict.iter().any(|told| matches!(told, Err(Failure::ProgrammedTwice)));
        let forgiving = if again { all::<F, B>() } else { Vec::new() };
        self.figures = strict
            .into_iter()
            .enumerate()
            .map(|(place, told)| merged(told, forgiving.get(place)))
            .collect();
        self
    }

    /// The write amplification with words of 32 bytes.
    pub fn word32<S: Subject<A>, F: Subject<B>, A: Chip, B: Chip>(mut self) -> Self {
        eprintln!("measuring {}, words of 32 bytes", self.shown());
        let strict = Ring::<S, A>::fill().map(|ring| waf(&ring));
        let again = strict == Err(Failure::ProgrammedTwice);
        let forgiving = again.then(|| Ring::<F, B>::fill().map(|ring| waf(&ring)));
        self.figures.insert(1, merged(strict, forgiving.as_ref()));
        self
    }

    fn shown(&self) -> &'static str {
        if self.name.is_empty() { "edgelog" } else { self.name }
    }
}

/// All figures of the chip with 4-byte words, in the order of [`MEANINGS`].
fn all<S: Subject<C>, C: Chip>() -> Vec<Told> {
    let ring = match Ring::<S, C>::fill() {
        Ok(ring) => ring,
        Err(failure) => return vec![Err(failure); 8],
    };
    let appends = ring.warm_appends();
    let warm = |count: fn(&Cost) -> u64| {
        let appends = appends.clone()?;
        Ok((count(&appends.worst).to_string(), format!("usually {}", count(&appends.usual))))
    };
    let reads = |reads: Result<Reads, Failure>| {
        let reads = reads?;
        let detail = format!("all reads: {}, of {} bytes", reads.reads, reads.bytes);
        Ok((reads.header_reads.to_string(), detail))
    };
    vec![
        Ok(waf(&ring)),
        warm(|cost| cost.reads),
        warm(|cost| cost.programs),
        warm(|cost| cost.erases),
        reads(ring.mounts()),
        reads(ring.seeks()),
        ring.boots().map(|boots| {
            let Boots { cost, bytes_programmed_again: again, bytes_passed_over: passed } = &boots;
            let detail = format!("{}, {again} bytes again, {passed} passed over", shown(cost));
            (boots.extra_erases().to_string(), detail)
        }),
        ring.commit().map(|cost| (cost.bytes_programmed.to_string(), shown(&cost))),
    ]
}

fn waf<S: Subject<C>, C: Chip>(ring: &Ring<S, C>) -> (String, String) {
    (format!("{:.3}", ring.write_amplification()), shown(&ring.laps()))
}

/// A cost in a line.
fn shown(cost: &Cost) -> String {
    let Cost { reads, bytes_read: _, programs, bytes_programmed, erases } = cost;
    format!("{programs} programs of {bytes_programmed} bytes, {erases} erases, {reads} reads")
}

fn merged(strict: Told, forgiving: Option<&Told>) -> Figure {
    let forgiven = strict == Err(Failure::ProgrammedTwice);
    let told = if forgiven { forgiving.cloned().unwrap_or(strict) } else { strict };
    match told {
        Ok((value, detail)) => Figure { value: Ok(value), forgiven, detail },
        Err(failure) => Figure { value: Err(failure), forgiven, detail: String::new() },
    }
}

/// Prints all figures, the engine's first.
///
/// # Errors
///
/// A subject failed at what it offers: that is a fault of this bench or a finding, and no figure.
pub fn print(engine: &Figures, peers: &[Figures]) -> anyhow::Result<()> {
    for (place, Meaning { name, text }) in MEANINGS.iter().enumerate() {
        println!("# {text}");
        for subject in std::iter::once(engine).chain(peers) {
            let dot = if subject.name.is_empty() { "" } else { "." };
            let name = format!("{name}{dot}{}", subject.name);
            let Some(figure) = subject.figures.get(place) else {
                anyhow::bail!("{name} is missing")
            };
            match &figure.value {
                Ok(value) => println!("{name} = {value}"),
                Err(Failure::Unable(_)) => println!("{name} = none"),
                Err(other) => anyhow::bail!("{name}: {other:?}"),
            }
            if let Err(Failure::Unable(why)) = &figure.value {
                println!("#   none: {why}");
            }
            if !figure.detail.is_empty() {
                println!("#   {}", figure.detail);
            }
            if figure.forgiven && figure.value.is_ok() {
                println!(
                    "#   programs words twice: measured on a chip that allows it, each program counted"
                );
            }
        }
        println!();
    }
    Ok(())
}
