//! Every medium that the workspace has keeps the contract, and the suite notices one that does not.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog_core::{Geometry, Medium, RamMedium};
use edgelog_sim::conformance::conforms;
use edgelog_sim::{NorChip, SimDisk, SimMedium, on_chip};

#[test]
fn memory_conforms() {
    conforms(RamMedium::<4096>::new(1024), None, false).unwrap();
    conforms(RamMedium::<10240>::new(2048), None, false).unwrap();
}

#[test]
fn flash_of_every_word_size_conforms_and_is_write_once() {
    fn holds<const WORD: usize, const ERASE: usize>(blocks: usize, segment: u32) {
        let medium = on_chip(NorChip::<WORD, ERASE>::new(blocks), segment);
        conforms(medium, Some(&mut |medium| medium.restart(3)), true).unwrap();
    }
    holds::<1, 1024>(2, 1024);
    holds::<4, 1024>(8, 2048);
    holds::<8, 2048>(3, 2048);
    holds::<16, 256>(16, 1024);
    holds::<32, 4096>(2, 4096);
}

#[test]
fn a_disk_conforms() {
    conforms(SimDisk::new(1024, 3), Some(&mut |disk| disk.cut(3)), false).unwrap();
}

/// How a medium can be wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    ErasesTooMuch,
    ErasesTooLittle,
    DropsTheLastByte,
    ReadsShort,
    ForgetsTheLastWordOfASegment,
    ReturnsBeforeItIsDurable,
}

struct Medley(SimDisk, Wrong);

impl Medium for Medley {
    type Error = edgelog_sim::SimError;

    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        let last = bytes.last().copied();
        self.0.read(slot, position, bytes)?;
        if let (Wrong::ReadsShort, Some(last), Some(byte)) = (self.1, last, bytes.last_mut()) {
            *byte = last;
        }
        Ok(())
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        let end = position as usize + bytes.len() == 1024;
        let drops = match self.1 {
            Wrong::DropsTheLastByte => true,
            Wrong::ForgetsTheLastWordOfASegment => end,
            _ => false,
        };
        self.0.program(slot, position, &bytes[..bytes.len() - usize::from(drops)])
    }

    fn erase(&mut self, slot: u32) -> Result<(), Self::Error> {
        match self.1 {
            Wrong::ErasesTooMuch => self.0.erase((slot + 1) % 3)?,
            Wrong::ErasesTooLittle if self.0.counters().erases > 3 => return Ok(()),
            _ => {}
        }
        self.0.erase(slot)
    }

    fn sync(&mut self) -> Result<(), Self::Error> {
        if matches!(self.1, Wrong::ReturnsBeforeItIsDurable) { Ok(()) } else { self.0.sync() }
    }
}

#[test]
fn the_suite_notices_every_way_to_be_wrong() {
    for wrong in [
        Wrong::Nothing,
        Wrong::ErasesTooMuch,
        Wrong::ErasesTooLittle,
        Wrong::DropsTheLastByte,
        Wrong::ReadsShort,
        Wrong::ForgetsTheLastWordOfASegment,
        Wrong::ReturnsBeforeItIsDurable,
    ] {
        let reopen = &mut |Medley(disk, wrong)| Medley(disk.cut(2), wrong);
        let found = conforms(Medley(SimDisk::new(1024, 3), wrong), Some(reopen), false);
        assert_eq!(found.is_ok(), matches!(wrong, Wrong::Nothing), "{wrong:?}: {found:?}");
    }
    let rewritable = conforms(SimDisk::new(1024, 3), None, true).unwrap_err();
    assert!(rewritable.contains("programmed twice"), "{rewritable}");
}
