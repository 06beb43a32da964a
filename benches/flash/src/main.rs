//! Prints the flash figures of the engine and of its peers, one a line: `name = value`. `cargo xtask bench flash` runs it.

mod figures;
mod peers;

use edgelog_sim::NorChip;
use edgelog_sim::figures::{ERASE, Engine, ForgivingChip};
use figures::{Figures, print};
use peers::{Ekv, Queue, SensorLog};

type Strict<const WORD: usize> = NorChip<WORD, ERASE>;
type Forgiving<const WORD: usize> = ForgivingChip<WORD>;

/// Everything about one subject: on the chip that refuses to program a word twice, and, for what fails there, on one that allows it.
macro_rules! measured {
    ($subject:ident, $name:literal) => {
        Figures::of($name)
            .word4::<$subject<Strict<4>>, $subject<Forgiving<4>>, _, _>()
            .word32::<$subject<Strict<32>>, $subject<Forgiving<32>>, _, _>()
    };
}

fn main() -> anyhow::Result<()> {
    let engine = measured!(Engine, "");
    let peers = [
        measured!(Queue, "sequential-storage"),
        measured!(SensorLog, "sensor-db"),
        measured!(Ekv, "ekv"),
    ];
    print(&engine, &peers)
}
