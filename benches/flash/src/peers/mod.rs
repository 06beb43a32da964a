//! Other libraries as subjects of the engine's workloads.

mod ekv;
mod sensor_db;
mod sequential_storage;

pub use self::ekv::Ekv;
pub use self::sensor_db::SensorLog;
pub use self::sequential_storage::Queue;

use edgelog_sim::figures::{SEGMENT, SEGMENTS};

/// Bytes of the whole chip.
const CAPACITY: u32 = SEGMENT * SEGMENTS as u32;
