//! One producer and many consumers in a process: through the log, and through a channel to each.

use crate::contest::{Arena, Ratio};
use crate::edgelog::Bus;
use crate::stats::{median, quantile};
use anyhow::{Context, Result, bail};
use atomic_wait::{wait, wake_all};
use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// Rounds that count; one that warms up comes before them.
const ROUNDS: usize = 5;
/// Seconds that a turn is to take.
const TURN_SECONDS: f64 = 0.4;
/// Records of the turns from which that is found out.
const FIRST: usize = 5_000;
/// Bytes of a record.
const LENGTH: usize = 256;
/// Records that a channel holds.
const CHANNEL: usize = 4_096;
/// Wake-ups of a turn.
const WAKES: usize = 500;
/// Between two of them: long enough for the consumer to go to sleep.
const PAUSE: Duration = Duration::from_micros(400);

/// What is measured.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Files go into a new folder in this one, and are removed
    #[arg(long, env = "EDGELOG_BENCH_FOLDER", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// How records get to the consumers.
#[derive(Clone, Copy, Debug)]
enum Way {
    Log,
    Channels,
}

const TURNS: [(Way, usize); 6] = [
    (Way::Log, 1),
    (Way::Log, 2),
    (Way::Log, 4),
    (Way::Log, 8),
    (Way::Channels, 1),
    (Way::Channels, 8),
];

/// Measures, and prints one figure a line.
pub(crate) fn print(arguments: &Arguments) -> Result<()> {
    let arena = Arena::new(&arguments.folder)?;
    let rates = rates(&arena)?;
    println!(
        "# One thread appends records of 256 bytes, one a call, and n others read each byte of all of them; records/s until the last has the last. The log\n\
         # writes them to its files, unsynced. A channel of {CHANNEL} to each consumer takes Arc<[u8; 256]>: nothing is kept, and the producer waits for the\n\
         # slowest. Medians of {ROUNDS} rounds in which the ways take turns, behind them the least and the largest."
    );
    for ((way, consumers), rates) in TURNS.iter().zip(&rates) {
        let suffix = if matches!(way, Way::Log) { "" } else { ".crossbeam_channel" };
        println!(
            "fanout.n{consumers}.records_per_s{suffix} = {:.0}",
            median(rates.iter().copied())
        );
    }
    for (figure, way, against) in
        [("fanout.n8.vs_crossbeam_channel", 3, 5), ("fanout.n8.vs_n1", 3, 0)]
    {
        Ratio::new(&rates[way], &rates[against], true).print(figure, "");
    }
    println!(
        "\n# from before the append until the one sleeping consumer has the record, and from before the wake-up of a bare futex until its sleeper runs;\n\
         # {} wake-ups each",
        ROUNDS * WAKES
    );
    let (mut log, mut futex) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            log.extend(log_wakes(&arena)?);
            futex.extend(futex_wakes()?);
        } else {
            futex.extend(futex_wakes()?);
            log.extend(log_wakes(&arena)?);
        }
    }
    for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
        let (log, futex) =
            (quantile(log.iter().copied(), share), quantile(futex.iter().copied(), share));
        println!("fanout.wake_latency_us.{name} = {log:.1}");
        println!("fanout.wake_latency_us.{name}.futex = {futex:.1}");
        println!("fanout.wake_latency_us.{name}.vs_futex = {:.3}", log / futex);
    }
    Ok(())
}

/// Records/s by turn and round.
fn rates(arena: &Arena) -> Result<Vec<Vec<f64>>> {
    let mut counts = Vec::new();
    for (way, consumers) in TURNS {
        let rate = turn(arena, way, consumers, FIRST)?;
        counts.push(((rate * TURN_SECONDS) as usize).max(FIRST));
    }
    let mut rates = vec![Vec::new(); TURNS.len()];
    for round in 0..ROUNDS {
        eprint!("{} ", round + 1);
        for n in 0..TURNS.len() {
            let at = (round + n) % TURNS.len();
            let (way, consumers) = TURNS[at];
            rates[at].push(turn(arena, way, consumers, counts[at])?);
        }
    }
    eprintln!();
    Ok(rates)
}

fn turn(arena: &Arena, way: Way, consumers: usize, count: usize) -> Result<f64> {
    let seconds = match way {
        Way::Log => through_log(arena, consumers, count),
        Way::Channels => through_channels(consumers, count),
    }?;
    Ok(count as f64 / seconds)
}

fn through_log(arena: &Arena, consumers: usize, count: usize) -> Result<f64> {
    let bus = Bus::open(&arena.folder("fanout")?, (count * LENGTH) as u64)?;
    // Creating the topic and the first segment is not part of it.
    bus.publish(&[0; LENGTH])?;
    let readers: Vec<_> = (0..consumers).map(|_| bus.consumer()).collect::<Result<_>>()?;
    let begin = Barrier::new(consumers + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = readers
            .into_iter()
            .map(|mut reader| {
                let begin = &begin;
                scope.spawn(move || -> Result<()> {
                    begin.wait();
                    let mut left = count;
                    while left > 0 {
                        left -= reader.take(look_at)?;
                    }
                    Ok(())
                })
            })
            .collect();
        begin.wait();
        let began = Instant::now();
        let record = record();
        for _ in 0..count {
            bus.publish(&record)?;
        }
        join(threads)?;
        Ok(began.elapsed().as_secs_f64())
    })
}

fn through_channels(consumers: usize, count: usize) -> Result<f64> {
    type Channel = (Sender<Arc<[u8; LENGTH]>>, Receiver<Arc<[u8; LENGTH]>>);
    let channels: Vec<Channel> = (0..consumers).map(|_| bounded(CHANNEL)).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.into_iter().unzip();
    let begin = Barrier::new(consumers + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = receivers
            .into_iter()
            .map(|receiver| {
                let begin = &begin;
                scope.spawn(move || -> Result<()> {
                    begin.wait();
                    for record in receiver {
                        look_at(&*record);
                    }
                    Ok(())
                })
            })
            .collect();
        begin.wait();
        let began = Instant::now();
        let record = record();
        for _ in 0..count {
            let shared = Arc::new(black_box(record));
            for sender in &senders {
                sender.send(Arc::clone(&shared)).ok().context("a consumer is gone")?;
            }
        }
        drop(senders);
        join(threads)?;
        Ok(began.elapsed().as_secs_f64())
    })
}

fn log_wakes(arena: &Arena) -> Result<Vec<f64>> {
    let bus = Bus::open(&arena.folder("wakes")?, (WAKES * LENGTH) as u64)?;
    bus.publish(&[0; LENGTH])?;
    let mut consumer = bus.consumer()?;
    let clock = Clock::start();
    let sleeper = || -> Result<Vec<f64>> {
        let mut latencies = Vec::new();
        while latencies.len() < WAKES {
            consumer.take(|_| latencies.push(clock.since_mark()))?;
        }
        Ok(latencies)
    };
    thread::scope(|scope| {
        let sleeping = scope.spawn(sleeper);
        for _ in 0..WAKES {
            thread::sleep(PAUSE);
            clock.mark();
            bus.publish(&record())?;
        }
        joined(sleeping)
    })
}

fn futex_wakes() -> Result<Vec<f64>> {
    let (word, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let clock = Clock::start();
    let sleeper = || -> Result<Vec<f64>> {
        let (mut latencies, mut known) = (Vec::new(), 0);
        while !done.load(Ordering::Acquire) {
            wait(&word, known);
            let now = word.load(Ordering::Acquire);
            if now != known {
                latencies.push(clock.since_mark());
                known = now;
            }
        }
        Ok(latencies)
    };
    thread::scope(|scope| {
        let sleeping = scope.spawn(sleeper);
        for _ in 0..WAKES {
            thread::sleep(PAUSE);
            clock.mark();
            word.fetch_add(1, Ordering::Release);
            wake_all(&word);
        }
        thread::sleep(PAUSE);
        done.store(true, Ordering::Release);
        word.fetch_add(1, Ordering::Release);
        wake_all(&word);
        joined(sleeping)
    })
}

/// Tells one thread how long ago another did something.
struct Clock {
    start: Instant,
    mark: AtomicU64,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now(), mark: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn mark(&self) {
        self.mark.store(self.now(), Ordering::Release);
    }

    /// In microseconds.
    fn since_mark(&self) -> f64 {
        self.now().saturating_sub(self.mark.load(Ordering::Acquire)) as f64 / 1e3
    }
}

fn record() -> [u8; LENGTH] {
    std::array::from_fn(|n| (n * 31 % 251) as u8)
}

fn look_at(payload: &[u8]) {
    let words = payload.chunks_exact(8);
    let words = words.map(|word| word.try_into().map_or(0, u64::from_le_bytes));
    black_box(words.fold(0, u64::wrapping_add));
}

fn join(threads: Vec<thread::ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    threads.into_iter().try_for_each(joined)
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("a thread panicked"),
    }
}
