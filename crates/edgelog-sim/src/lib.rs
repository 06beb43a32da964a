//! Simulated media with stated faults, and an oracle that judges what the engine made of them.
//!
//! - [`SimDisk`]: a file-like device that loses, tears and reorders what was not synced.
//! - [`Model`]: what an ideal log would hold, and [`check`], which compares the engine with it after a restart.
//! - [`Session`]: a log under test that does random work and keeps its model.
//!
//! Everything is a function of one seed. A failure names its seed, which reproduces it.

pub mod disk;
pub mod model;
pub mod oracle;
pub mod rng;
pub mod session;

pub use disk::{Counters, Fault, FaultKind, Op, SimDisk, SimError};
pub use model::Model;
pub use oracle::{Verdict, check};
pub use rng::Rng;
pub use session::{Request, Session, Stop};
