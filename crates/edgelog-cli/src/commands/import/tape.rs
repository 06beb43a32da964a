//! The bytes of the row that the CSV reader is at. The reader itself tells neither on which line a row begins (its positions are from
//! before the line ends and blank lines that it skips), nor that the file ended inside of a quote.

use csv::ReaderBuilder;
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

/// The longest row: more than the largest record holds.
const ROW_BYTES_MAX: usize = 1 << 20;

/// A file that keeps the bytes that were read from it until [`Tape::end_row`] takes them, and that ends in an error where the CSV
/// reader would gather a row without end.
#[derive(Debug)]
pub(super) struct Taped<R> {
    inner: R,
    tape: Tape,
}

/// The other end of a [`Taped`].
#[derive(Clone, Debug, Default)]
pub(super) struct Tape {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// How many of them are of rows that have ended.
    ended: usize,
    /// Bytes and line feeds of all rows that have ended.
    bytes_before: u64,
    lines_before: u64,
    at_end: bool,
}

/// A row that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowEnd {
    /// The line of its first byte, from 1.
    pub(super) line: u64,
    /// Whether the file ended inside of a quote of it.
    pub(super) open_quote: bool,
}

impl<R> Taped<R> {
    pub(super) fn new(inner: R) -> (Self, Tape) {
        let tape = Tape::default();
        (Self { inner, tape: tape.clone() }, tape)
    }
}

impl Tape {
    /// The line of the first byte of the row that has not ended, from 1.
    pub(super) fn line(&self) -> u64 {
        let state = self.state.borrow();
        state.line(state.rest())
    }

    /// A row ends at the file's byte `position`.
    pub(super) fn end_row(&self, position: u64, delimiter: u8) -> RowEnd {
        let mut state = self.state.borrow_mut();
        let length = position.saturating_sub(state.bytes_before);
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(state.rest().len());
        let (row, rest) = state.rest().split_at(length);
        let line = state.line(row);
        let open_quote = state.at_end && rest.is_empty() && ends_in_quote(row, delimiter);
        let lines = line_feeds(row);
        state.lines_before += lines;
        state.bytes_before = position;
        state.ended += length;
        RowEnd { line, open_quote }
    }
}

impl State {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.ended..).unwrap_or_default()
    }

    /// The line of the first byte of `row` that is more than the end of a line.
    fn line(&self, row: &[u8]) -> u64 {
        let blank = row.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        1 + self.lines_before + line_feeds(row.get(..blank).unwrap_or_default())
    }
}

fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Whether another line would still belong to the row. The CSV reader decides, so that it cannot be of two minds.
fn ends_in_quote(row: &[u8], delimiter: u8) -> bool {
    let longer = row.chain(&b"\nx\n"[..]);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(longer);
    // In a quote, the line feed before the x is a part of the cell.
    let last = reader.byte_records().filter_map(Result::ok).last();
    last.is_some_and(|last| last != vec!["x"])
}

impl<R: Read> Read for Taped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.tape.state.borrow_mut();
        let ended = std::mem::take(&mut state.ended);
        state.bytes.drain(..ended);
        // The CSV reader has been through all of this and has not found the row's end.
        if state.bytes.len() > ROW_BYTES_MAX {
            return Err(io::Error::other(format!(
                "no row ends within {ROW_BYTES_MAX} bytes from here; is a quote missing?"
            )));
        }
        let read = self.inner.read(buffer)?;
        state.bytes.extend(buffer.iter().take(read));
        state.at_end = read == 0;
        Ok(read)
    }
}
