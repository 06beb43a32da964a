//! Simulated media with stated faults, and an oracle that judges what the engine made of them.
//!
//! - [`SimDisk`]: a file-like device that loses, tears and reorders what was not synced.
//! - [`NorChip`]: NOR flash with write-once words that a power cut tears.
//! - [`figures`]: what the engine's work costs on such a chip, counted.
//! - [`Model`]: what an ideal log would hold, and [`check`], which compares the engine with it after a restart.
//! - [`Session`]: a log under test that does random work and keeps its model.
//! - [`campaign`]: every scenario, with the power cut in every byte that is programmed or erased.
//!
//! Everything is a function of one seed. A failure names its seed, which reproduces it.

pub mod campaign;
pub mod conformance;
pub mod disk;
pub mod figures;
pub mod headers;
pub mod medium;
pub mod model;
pub mod nor;
pub mod oracle;
pub mod rng;
pub mod session;

pub use disk::{Counters, Fault, FaultKind, Op, SimDisk, SimError};
pub use medium::{SimMedium, on_chip};
pub use model::Model;
pub use nor::{NorChip, NorCounters, NorOp, SimNorError};
pub use oracle::{Verdict, check};
pub use rng::Rng;
pub use session::{Action, Answer, Request, Session, Stop};
