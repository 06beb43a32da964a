//! Waiting after failures.

use super::Config;

/// Capped exponential waits with full jitter: anything from 0 to the bound is equally likely, so
/// that many devices that failed together do not return together.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) const fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and returns the milliseconds to wait.
    pub(super) fn failed(&mut self, config: &Config) -> u64 {
        let bound = u64::from(config.backoff_base_ms) << self.failures.min(20);
        self.failures = self.failures.saturating_add(1);
        self.below(bound.min(u64::from(config.backoff_cap_ms)))
    }

    /// The milliseconds to wait when only a person can help: half the bound or more.
    pub(super) fn parked(&mut self, config: &Config) -> u64 {
        let half = u64::from(config.backoff_cap_ms / 2);
        half + self.below(half)
    }

    /// A number from 0 to `bound`, both included.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64: one addition of state, and good enough to spread waits.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use crate::producer::Config;
    use crate::wire::answer::PartitionChoice;

    #[test]
    fn waits_grow_to_the_cap_and_use_their_whole_range() {
        let config = Config::new("", "t", PartitionChoice::Fixed(0), 1).unwrap();
        let mut backoff = Backoff::new(1);
        assert!(backoff.failed(&config) <= 100);
        assert!(backoff.failed(&config) <= 200);
        for _ in 0..40 {
            backoff.failed(&config);
        }
        let waits: Vec<u64> = (0..1000).map(|_| backoff.failed(&config)).collect();
        assert!(waits.iter().all(|wait| *wait <= 30_000));
        assert!(waits.iter().any(|wait| *wait < 1_000));
        assert!(waits.iter().any(|wait| *wait > 29_000));
    }

    extern crate std;
    use std::vec::Vec;
}
