//! A simulated disk that may say of itself that it is flash: the engine then goes on behind torn bytes instead of over them.

use edgelog_core::{Geometry, Medium};
use edgelog_sim::{SimDisk, SimError};

/// The device. Clones are handles of the same one. It takes a second program of a word; the chip of `edgelog-sim` does not.
#[derive(Clone, Debug)]
pub struct Device {
    /// What holds the bytes.
    pub disk: SimDisk,
    /// What it says of itself.
    pub write_once: bool,
}

impl Medium for Device {
    type Error = SimError;

    fn geometry(&self) -> Geometry {
        self.disk.geometry()
    }

    fn is_write_once(&self) -> bool {
        self.write_once
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), SimError> {
        self.disk.read(slot, position, bytes)
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), SimError> {
        self.disk.program(slot, position, bytes)
    }

    fn erase(&mut self, slot: u32) -> Result<(), SimError> {
        self.disk.erase(slot)
    }

    fn sync(&mut self) -> Result<(), SimError> {
        self.disk.sync()
    }
}
