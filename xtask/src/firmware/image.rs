//! What a linked program holds.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};
use std::path::Path;

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
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
            symbols.push(Symbol { name, bytes: symbol.size(), in_flash });
        }
        symbols.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
        Ok(symbols)
    }
}

/// Code, constants and initial values. What is zero at the start is only in memory.
fn is_in_flash<'data>(section: &impl ObjectSection<'data>) -> bool {
    use SectionKind::{Data, ReadOnlyData, ReadOnlyString, Text};
    matches!(section.kind(), Text | ReadOnlyData | ReadOnlyString | Data)
}
