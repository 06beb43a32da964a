//! What the engine relies on, asked of any medium.

use crate::rng::Rng;
use edgelog_core::Medium;

/// Gives the device again after a restart: the value is dropped, and what it synced is still there.
pub type Reopen<'a, M> = &'a mut dyn FnMut(M) -> M;

/// Whether the medium keeps the contract of [`Medium`]: erased bytes read as the erased value, programmed words read back, up to
/// the segments' ends, in ranges of any length and place, also out of memory that it lends; what is mapped reads the same; nothing else is touched; what was synced is there after `reopen`.
/// With `write_once`, a word that was programmed is refused until its segment is erased, and keeps its bytes.
///
/// Erases the whole medium. Power loss: not tried here, that is the campaign's.
///
/// # Errors
///
/// Says which rule is broken, where.
pub fn conforms<M: Medium>(
    medium: M,
    reopen: Option<Reopen<'_, M>>,
    write_once: bool,
) -> Result<(), String> {
    let mut tried = Tried::new(medium);
    tried.erased_bytes_read_as_the_erased_value()?;
    tried.words_read_back_and_touch_nothing_else()?;
    if write_once {
        tried.words_are_programmed_once()?;
    }
    tried.an_erase_is_its_segments_alone()?;
    tried.medium.sync().map_err(|error| format!("sync: {error}"))?;
    tried.compare("after a sync")?;
    if let Some(reopen) = reopen {
        let Tried { medium, wanted, geometry, rng } = tried;
        let medium = reopen(medium);
        if medium.geometry() != geometry {
            return Err(format!("{geometry:?} became {:?}", medium.geometry()));
        }
        let mut again = Tried { medium, wanted, geometry, rng };
        again.compare("after a restart")?;
        again.an_erase_is_its_segments_alone()?;
        again.words_read_back_and_touch_nothing_else()?;
    }
    Ok(())
}

/// A medium and what it should hold.
struct Tried<M> {
    medium: M,
    geometry: edgelog_core::Geometry,
    /// By segment.
    wanted: Vec<Vec<u8>>,
    rng: Rng,
}

impl<M: Medium> Tried<M> {
    fn new(medium: M) -> Self {
        Self { geometry: medium.geometry(), medium, wanted: Vec::new(), rng: Rng::new(1) }
    }

    fn erased_bytes_read_as_the_erased_value(&mut self) -> Result<(), String> {
        let blank = vec![self.geometry.erased(); size(self.geometry.segment_size())];
        for slot in 0..self.geometry.segment_count() {
            self.medium.erase(slot).map_err(|error| format!("erase of segment {slot}: {error}"))?;
            self.wanted.push(blank.clone());
        }
        self.compare("erased")
    }

    /// One word, several words, the last word, and all that is left, each once.
    fn words_read_back_and_touch_nothing_else(&mut self) -> Result<(), String> {
        let end = self.geometry.segment_size();
        let word = self.geometry.program_word();
        // Positions are kept at frame boundaries, as the engine does.
        let align = self.geometry.align();
        for slot in (0..self.geometry.segment_count()).rev() {
            let middle = end / 2 / align * align;
            let ranges = [
                (2 * align, word),
                (3 * align, 3 * align),
                (end - word, word),
                (0, 2 * align),
                (middle, end - word - middle),
            ];
            for (position, length) in ranges {
                let range = size(position)..size(position + length);
                let before = &self.wanted[size(slot)][range.clone()];
                if before.iter().any(|&byte| byte != self.geometry.erased()) {
                    continue;
                }
                self.program(slot, position, length)?;
            }
            self.compare("programmed")?;
        }
        Ok(())
    }

    fn words_are_programmed_once(&mut self) -> Result<(), String> {
        let align = self.geometry.align();
        for slot in 0..self.geometry.segment_count() {
            for (position, length) in [(0, align), (align, 2 * align)] {
                let (from, to) = (size(position), size(position + length));
                let same = self.wanted[size(slot)][from..to].to_vec();
                let blank = vec![self.geometry.erased(); same.len()];
                for bytes in [same, blank] {
                    if self.medium.program(slot, position, &bytes).is_ok() {
                        return Err(format!(
                            "segment {slot}, position {position}: programmed twice, and not refused"
                        ));
                    }
                }
            }
        }
        self.compare("after refused programs")
    }

    fn an_erase_is_its_segments_alone(&mut self) -> Result<(), String> {
        for slot in (0..self.geometry.segment_count()).step_by(2) {
            self.medium.erase(slot).map_err(|error| format!("erase of segment {slot}: {error}"))?;
            self.wanted[size(slot)].fill(self.geometry.erased());
        }
        self.compare("after erases of every other segment")?;
        let length = self.geometry.align();
        self.program(0, 0, length)?;
        self.compare("programmed after an erase")
    }

    fn program(&mut self, slot: u32, position: u32, length: u32) -> Result<(), String> {
        let bytes = self.rng.bytes(size(length));
        // What is lent may come to nothing.
        if let Some(lent) = self.medium.lend(slot, position, length) {
            lent.fill(!self.geometry.erased());
        }
        let programmed = match self.medium.lend(slot, position, length) {
            Some(lent) => {
                lent[..size(length)].copy_from_slice(&bytes);
                self.medium.program_lent(slot, position, length)
            }
            None => self.medium.program(slot, position, &bytes),
        };
        programmed.map_err(|error| {
            format!("program of {length} bytes at {position} of segment {slot}: {error}")
        })?;
        self.wanted[size(slot)][size(position)..size(position + length)].copy_from_slice(&bytes);
        Ok(())
    }

    /// Everything, once at a stretch and once in ranges of any length.
    fn compare(&mut self, when: &str) -> Result<(), String> {
        for slot in 0..self.geometry.segment_count() {
            let wanted = &self.wanted[size(slot)];
            if self.medium.mapped(slot).is_some_and(|mapped| mapped != *wanted) {
                return Err(format!("{when}: segment {slot} is mapped wrong"));
            }
            for at_once in [true, false] {
                let mut from = 0;
                while from < wanted.len() {
                    let some = if at_once { wanted.len() } else { 1 + self.rng.below(90) };
                    let to = wanted.len().min(from + some);
                    // Neither erased value, so that bytes which were not filled show.
                    let mut read = vec![0x5A; to - from];
                    let position = u32::try_from(from).map_err(|error| error.to_string())?;
                    self.medium.read(slot, position, &mut read).map_err(|error| {
                        format!("{when}: read of {from}..{to} of segment {slot}: {error}")
                    })?;
                    if read != wanted[from..to] {
                        return Err(format!("{when}: {from}..{to} of segment {slot} is wrong"));
                    }
                    from = to;
                }
            }
        }
        Ok(())
    }
}

const fn size(bytes: u32) -> usize {
    bytes as usize
}
