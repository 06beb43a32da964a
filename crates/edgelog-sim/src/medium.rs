//! What the oracle and the crash campaign need of a simulated medium besides [`Medium`].

use crate::disk::SimDisk;
use crate::nor::{NorChip, SimNorError};
use core::fmt::Debug;
use core::ops::Range;
use edgelog_core::{Medium, NorMedium};

/// A medium whose power can be cut. Clones are handles of the same device.
///
/// Its work is counted in steps: the smallest pieces of change between which, or inside of which, the power can go.
pub trait SimMedium: Medium + Clone + Debug {
    /// Steps of mutation since the power came.
    fn mutated(&self) -> u64;

    /// The ranges of these steps that erases took, in order.
    fn erase_steps(&self) -> Vec<Range<u64>>;

    /// Takes the power away inside of step `step` from now (0 is the next). `seed` decides what the cut leaves.
    fn cut_in(&self, step: u64, seed: u64);

    /// Whether the power is gone: every call fails until [`restart`](Self::restart).
    fn is_dark(&self) -> bool;

    /// The device on power again, as a device of its own: this one is not changed. `seed` decides what is left to chance.
    #[must_use]
    fn restart(&self, seed: u64) -> Self;

    /// The owner ends in order: what was held back behind barriers is given to the device.
    fn end(&self) {}

    /// The device as the next owner finds it when this one was killed, and the power stays.
    #[must_use]
    fn kill(&self) -> Self {
        self.clone()
    }

    /// Whether all that it holds survives a cut.
    fn is_durable(&self) -> bool {
        true
    }

    /// Programs and erases since the power came.
    fn writes(&self) -> u64;

    /// The erases among them.
    fn erases(&self) -> u64;

    /// About how many steps a frame, a few frames, and opening a segment take.
    fn some_work(&self) -> [u64; 3];

    /// How the engine broke the medium's rules, if it did. What it could not see beforehand is no breach.
    fn misuse(&self) -> Option<String>;
}

impl SimMedium for SimDisk {
    fn mutated(&self) -> u64 {
        self.counters().mutations()
    }

    /// Every call is one step here, so none of them is long.
    fn erase_steps(&self) -> Vec<Range<u64>> {
        Vec::new()
    }

    /// The seed is not used: the restart decides.
    fn cut_in(&self, step: u64, _seed: u64) {
        self.cut_power_in(step);
    }

    fn is_dark(&self) -> bool {
        Self::is_dark(self)
    }

    fn restart(&self, seed: u64) -> Self {
        self.cut(seed)
    }

    fn end(&self) {
        self.pass_barriers();
    }

    fn kill(&self) -> Self {
        Self::kill(self)
    }

    fn is_durable(&self) -> bool {
        Self::is_durable(self)
    }

    fn writes(&self) -> u64 {
        let counters = self.counters();
        counters.programs + counters.erases
    }

    fn erases(&self) -> u64 {
        self.counters().erases
    }

    fn some_work(&self) -> [u64; 3] {
        [2, 6, 12]
    }

    fn misuse(&self) -> Option<String> {
        None
    }
}

/// The medium spans its whole chip.
impl<const WORD: usize, const ERASE: usize> SimMedium for NorMedium<NorChip<WORD, ERASE>> {
    fn mutated(&self) -> u64 {
        self.flash().mutated()
    }

    fn erase_steps(&self) -> Vec<Range<u64>> {
        self.flash().erase_steps()
    }

    fn cut_in(&self, step: u64, seed: u64) {
        let chip = self.flash();
        chip.set_seed(seed);
        chip.cut_power_at(chip.mutated() + step);
    }

    fn is_dark(&self) -> bool {
        self.flash().is_dark()
    }

    fn restart(&self, seed: u64) -> Self {
        let chip = self.flash().power_on();
        chip.set_seed(seed);
        on_chip(chip, self.geometry().segment_size())
    }

    fn writes(&self) -> u64 {
        let counters = self.flash().counters();
        counters.programs + counters.erases
    }

    fn erases(&self) -> u64 {
        self.flash().counters().erases
    }

    fn some_work(&self) -> [u64; 3] {
        [40, 200, 1500]
    }

    fn misuse(&self) -> Option<String> {
        match self.flash().counters().programmed_twice {
            0 => None,
            times => Some(format!("{times} programs of words that were programmed before")),
        }
    }
}

/// The whole chip as a medium, that takes torn words which error correction cannot mend for damage.
///
/// # Panics
///
/// When the chip is not a whole number of segments, or the sizes make no geometry.
#[must_use]
pub fn on_chip<const WORD: usize, const ERASE: usize>(
    chip: NorChip<WORD, ERASE>,
    segment_size: u32,
) -> NorMedium<NorChip<WORD, ERASE>> {
    let end = u32::try_from(chip.size()).expect("a chip that addresses reach");
    let medium = NorMedium::new(chip, 0..end, segment_size).expect("sizes that fit");
    medium.with_unreadable(|error| matches!(error, SimNorError::Unreadable { .. }))
}
