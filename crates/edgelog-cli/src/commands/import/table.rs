//! Rows of a CSV file as readings.

use super::tape::{RowEnd, Tape, Taped};
use crate::schema::Field;
use crate::time::parse_event_time;
use anyhow::{Context, anyhow, bail};
use csv::{ByteRecord, ReaderBuilder};
use edgelog::now_ms;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Names that a time column goes by, when none is given.
const TIME_NAMES: [&str; 4] = ["timestamp", "time", "datetime", "date"];

/// Decimal digits that a `double` always holds.
const EXACT_DIGITS: usize = 15;

/// What is wrong with a row that swallows the rest of the file.
const OPEN_QUOTE: &str =
    "a quote that is opened here is never closed: the row takes in the rest of the file";

/// A CSV file, read row by row.
#[derive(Debug)]
pub(super) struct Table {
    path: PathBuf,
    delimiter: u8,
    reader: csv::Reader<Taped<File>>,
    tape: Tape,
    headers: Vec<String>,
    header_line: u64,
    record: ByteRecord,
    row_end: RowEnd,
    /// Rows so far, the header not counted.
    rows: u64,
    bytes: u64,
}

/// Which column is what.
#[derive(Debug)]
pub(super) struct Columns {
    time: Option<usize>,
    key: Option<usize>,
}

/// A row as an event.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) time_ms: i64,
    pub(super) number: u64,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) key: Option<&'a str>,
}

impl Table {
    /// Opens the file and reads its header row.
    pub(super) fn open(path: &Path, delimiter: u8) -> anyhow::Result<Self> {
        let name = path.display();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        let about = file.metadata().with_context(|| format!("cannot open {name}"))?;
        if about.is_dir() {
            bail!("{name} is a folder; name a CSV file in it");
        }
        let (file, tape) = Taped::new(file);
        let mut reader = ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(file);
        let headers = reader.byte_headers().with_context(|| format!("{name}:{}", tape.line()))?;
        let headers = headers.clone();
        let header_end = tape.end_row(reader.position().byte(), delimiter);
        let line = header_end.line;
        if header_end.open_quote {
            bail!("{name}:{line}: {OPEN_QUOTE}");
        }
        let headers: Result<Vec<String>, _> =
            headers.iter().map(|header| String::from_utf8(header.to_vec())).collect();
        let headers = headers.map_err(|_| {
            anyhow!("{name}:{line}: the header row is not UTF-8; convert the file first")
        })?;
        if headers.iter().all(String::is_empty) {
            bail!("{name}:{line}: there is no header row; the first row must name the columns");
        }
        let record = ByteRecord::new();
        let (path, bytes) = (path.to_owned(), about.len());
        let row_end = RowEnd::default();
        Ok(Self {
            path,
            delimiter,
            reader,
            tape,
            headers,
            header_line: line,
            record,
            row_end,
            rows: 0,
            bytes,
        })
    }

    /// Finds the columns that were named, or that have a telling name.
    pub(super) fn columns(&self, time: Option<&str>, key: Option<&str>) -> anyhow::Result<Columns> {
        let time = match time {
            Some(name) => Some(self.column(name)?),
            None => TIME_NAMES.iter().find_map(|name| {
                self.headers.iter().position(|header| header.trim().eq_ignore_ascii_case(name))
            }),
        };
        Ok(Columns { time, key: key.map(|name| self.column(name)).transpose()? })
    }

    /// What makes the header look like something else.
    pub(super) fn doubts(&self) -> Vec<String> {
        let at = format!("{}:{}", self.path.display(), self.header_line);
        let mut doubts = Vec::new();
        if let [header] = self.headers.as_slice() {
            for (byte, name) in [(b';', "';'"), (b'\t', "tab"), (b',', "','")] {
                if self.delimiter != byte && header.as_bytes().contains(&byte) {
                    doubts.push(format!(
                        "{at}: the header has one column, `{}`; if it has more, say --delimiter {name}",
                        shown(header)
                    ));
                }
            }
        }
        if let Some(number) = self.headers.iter().find(|cell| is_number(cell)) {
            doubts.push(format!(
                "{at}: `{}` in the header is a number; the first row is taken for the names of the columns and not stored",
                shown(number)
            ));
        }
        doubts
    }

    /// Goes to the next row; false at the end. Takes memory for the longest row at the most, and fails when a row is longer.
    pub(super) fn next_row(&mut self) -> anyhow::Result<bool> {
        let read = self.reader.read_byte_record(&mut self.record);
        let more = read.with_context(|| format!("{}:{}", self.path.display(), self.tape.line()))?;
        if more {
            self.row_end = self.tape.end_row(self.reader.position().byte(), self.delimiter);
        }
        self.rows += u64::from(more);
        Ok(more)
    }

    /// Goes behind the row with this number.
    pub(super) fn skip_rows(&mut self, last: u64) -> anyhow::Result<()> {
        while self.rows < last && self.next_row()? {}
        Ok(())
    }

    /// The row's number, from 1.
    pub(super) fn row_number(&self) -> u64 {
        self.rows
    }

    /// The line of the row's first byte.
    pub(super) fn line(&self) -> u64 {
        self.row_end.line
    }

    /// How far into the file, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The file's size.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The row as an event, or what is wrong with it.
    pub(super) fn row(&self, columns: &Columns) -> Result<Row<'_>, String> {
        if self.row_end.open_quote {
            return Err(OPEN_QUOTE.to_owned());
        }
        let (found, expected) = (self.record.len(), self.headers.len());
        if found != expected {
            return Err(format!("{found} column(s) where the header has {expected}"));
        }
        let mut row = Row { time_ms: 0, number: self.rows, fields: Vec::new(), key: None };
        if columns.time.is_none() {
            row.time_ms = i64::try_from(now_ms()).unwrap_or(i64::MAX);
        }
        for (index, (name, cell)) in self.headers.iter().zip(&self.record).enumerate() {
            let cell = std::str::from_utf8(cell)
                .map_err(|_| format!("the cell of column `{name}` is not UTF-8"))?;
            if columns.key == Some(index) && !cell.is_empty() {
                row.key = Some(cell);
            }
            if columns.time == Some(index) {
                row.time_ms = parse_event_time(cell)
                    .ok_or_else(|| format!("`{}` in column `{name}` is no time", shown(cell)))?;
                continue;
            }
            let field = field(name, cell).map_err(|why| format!("{why} in column `{name}`"))?;
            row.fields.push(field);
        }
        Ok(row)
    }

    fn column(&self, name: &str) -> anyhow::Result<usize> {
        self.headers.iter().position(|header| header == name).with_context(|| {
            let file = self.path.display();
            format!("{file} has no column `{name}`; it has: {}", self.headers.join(", "))
        })
    }
}

fn is_number(cell: &str) -> bool {
    cell.trim().parse::<f64>().is_ok_and(f64::is_finite)
}

fn field<'a>(name: &'a str, cell: &'a str) -> Result<Field<'a>, String> {
    let trimmed = cell.trim();
    match trimmed.parse::<f64>() {
        Ok(number) if !number.is_finite() => {
            Err(format!("`{}` is not a finite number", shown(trimmed)))
        }
        Ok(value) if is_quantity(trimmed) => Ok(Field { name, value, text: None }),
        _ => Ok(Field { name, value: 0.0, text: Some(cell) }),
    }
}

/// Serial numbers and postal codes look like numbers and would lose digits as one.
fn is_quantity(number: &str) -> bool {
    let digits = number.trim_start_matches(['+', '-']);
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit());
    !whole || (digits.len() <= EXACT_DIGITS && (digits.len() == 1 || !digits.starts_with('0')))
}

/// Enough of a cell to recognise it.
fn shown(cell: &str) -> String {
    cell.chars().take(40).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_a_number_when_a_double_can_hold_what_it_says() {
        for (cell, number) in
            [("74.93588199999998", 74.93588199999998), (" 1e3 ", 1000.0), ("-0", 0.0), ("0.5", 0.5)]
        {
            assert_eq!(
                field("a", cell).map(|it| (it.value, it.text)),
                Ok((number, None)),
                "{cell}"
            );
        }
        for cell in ["", "ok", "007", "1234567890123456", "1,5", "0x10"] {
            assert_eq!(field("a", cell).map(|it| it.text), Ok(Some(cell)), "{cell}");
        }
        for cell in ["NaN", "inf", "-Infinity", "1e999"] {
            assert!(field("a", cell).is_err(), "{cell}");
        }
    }
}
