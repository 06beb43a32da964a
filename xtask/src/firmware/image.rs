//! What a linked program holds.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::path::Path;

/// Where LLVM puts the frame sizes of functions.
const STACK_SIZES: &str = ".stack_sizes";

/// An ELF file.
#[derive(Debug)]
pub(super) struct Image(Vec<u8>);

/// A function or constant of it.
#[derive(Debug)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) bytes: u64,
    pub(super) in_flash: bool,
}

impl Image {
    pub(super) fn read(path: &Path) -> Result<Self> {
        std::fs::read(path).map(Self).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Bytes that it takes of a device's flash.
    pub(super) fn flash_bytes(&self) -> Result<u64> {
        let file = object::File::parse(self.0.as_slice())?;
        Ok(file.sections().filter(is_in_flash).map(|section| section.size()).sum())
    }

    /// Its symbols, largest first.
    pub(super) fn symbols(&self) -> Result<Vec<Symbol>> {
        let file = object::File::parse(self.0.as_slice())?;
        let mut symbols = Vec::new();
        for symbol in file.symbols() {
            // What lies outside of every section, or has no length, takes no room.
            let Some(section) = symbol.section_index().filter(|_| symbol.size() > 0) else {
                continue;
            };
            let in_flash = is_in_flash(&file.section_by_index(section)?);
            let name = shown(symbol.name()?);
            symbols.push(Symbol { name, bytes: symbol.size(), in_flash });
        }
        symbols.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        Ok(symbols)
    }

    /// The functions and the bytes of stack that each takes for itself, largest first.
    pub(super) fn frames(&self) -> Result<Vec<(String, u64)>> {
        let file = object::File::parse(self.0.as_slice())?;
        let section = file.section_by_name(STACK_SIZES).context("no stack sizes in the program")?;
        let mut rest = section.data()?;
        let mut frames = Vec::new();
        // Each entry is a function's address, 32 bits here, and a number.
        while let Some((address, after)) = rest.split_first_chunk() {
            let address = u64::from(u32::from_le_bytes(*address));
            let (bytes, after) = leb128(after).context("stack sizes end inside of a number")?;
            // The lowest bit of an address says that the code is Thumb's.
            let symbol = file.symbols().find(|symbol| {
                symbol.kind() == SymbolKind::Text && symbol.address() | 1 == address | 1
            });
            let name = symbol.as_ref().map_or(Ok("?"), |symbol| symbol.name())?;
            frames.push((shown(name), bytes));
            rest = after;
        }
        frames.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Ok(frames)
    }
}

fn shown(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The number at the start of `bytes`, seven bits a byte, lowest first, and what follows it.
fn leb128(mut bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
        bytes = rest;
    }
    None
}

/// Code, constants and initial values. What is zero at the start is only in memory.
fn is_in_flash<'data>(section: &impl ObjectSection<'data>) -> bool {
    use SectionKind::{Data, ReadOnlyData, ReadOnlyString, Text};
    matches!(section.kind(), Text | ReadOnlyData | ReadOnlyString | Data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_seven_bits_a_byte_are_read_and_endless_ones_refused() {
        assert_eq!(leb128(&[5, 9]), Some((5, [9].as_slice())));
        assert_eq!(leb128(&[0xC0, 0x87, 0x01]), Some((17_344, [].as_slice())));
        assert_eq!(leb128(&[0x80]), None, "cut");
        assert_eq!(leb128(&[0x80; 20]), None, "endless");
    }
}
