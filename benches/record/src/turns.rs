//! Rounds of turns, and what they come to.

use crate::peers::Peer;
use std::time::Instant;

/// Rounds.
const ROUNDS: usize = 101;
/// Times that a subject writes or reads in a turn.
const TURN: u32 = 2_000;

/// Measures the first of `peers` against each other, and prints the figures.
pub fn print(mut peers: [Box<dyn Peer>; 5]) {
    println!("# bytes of a full envelope with a payload of 48 bytes");
    for peer in &mut peers {
        println!("record.bytes{} = {}", suffix(peer.name()), peer.write());
    }
    let seen: Vec<u64> = peers.iter_mut().map(|peer| peer.read()).collect();
    assert!(seen.iter().all(|sum| *sum == seen[0]), "not all read the same: {seen:?}");
    println!("\n# nanoseconds to write it, and ours divided by theirs");
    let times = rounds(&mut peers, |peer| {
        peer.write();
    });
    figures("write", &peers, &times);
    println!("\n# nanoseconds to verify it and read every field, and ours divided by theirs");
    let times = rounds(&mut peers, |peer| {
        peer.read();
    });
    figures("read", &peers, &times);
}

/// The nanoseconds of every peer in every round.
fn rounds(peers: &mut [Box<dyn Peer>], work: impl Fn(&mut dyn Peer)) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(ROUNDS); peers.len()];
    // The first round warms up.
    for round in 0..=ROUNDS {
        for turn in 0..peers.len() {
            let at = (round + turn) % peers.len();
            let started = Instant::now();
            for _ in 0..TURN {
                work(peers[at].as_mut());
            }
            if round > 0 {
                times[at].push(started.elapsed().as_secs_f64() * 1e9 / f64::from(TURN));
            }
        }
    }
    times
}

fn figures(what: &str, peers: &[Box<dyn Peer>], times: &[Vec<f64>]) {
    for (peer, times) in peers.iter().zip(times) {
        println!("record.{what}.ns{} = {:.1}", suffix(peer.name()), median(times.iter().copied()));
    }
    for (peer, theirs) in peers.iter().zip(times).skip(1) {
        let ratios = times[0].iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
        println!("record.{what}.ns_ratio.{} = {:.3}", peer.name(), median(ratios));
    }
}

fn suffix(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(".{name}") }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
