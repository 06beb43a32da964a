//! One row of a table of readings, as `edgelog import` stores it.

use super::{Tables, shown};
use edgelog_record::table;
use serde::{Serialize, Serializer, ser::SerializeMap};

table! {
    /// A named value: a number, or a text when the cell is not one.
    pub(crate) struct Field<'a> in "edgelog.cli" {
        /// The column's header.
        0: name: &'a str,
        /// The number. Meaningless when there is a text.
        1: value: f64,
        /// The cell as it was; absent when it is a number.
        2: text: Option<&'a str>,
    }
}

table! {
    /// One row of a table of readings, as `edgelog import` stores it.
    pub(crate) struct Reading<'a> in "edgelog.cli" id "ERD1" {
        /// When the reading was taken: milliseconds since 1970-01-01 UTC.
        0: time_ms: i64,
        /// The row's number in its file: 1 is the first row after the header. 0 when it came from no file.
        1: row: u64,
        /// The other columns, in the order of the file.
        2: fields: Tables<'a, Field<'a>>,
    }
}

shown! {
    Reading { time_ms, row, fields }
}

/// Without the number that means nothing.
impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("name", self.name)?;
        match self.text {
            Some(text) => map.serialize_entry("text", text)?,
            None => map.serialize_entry("value", &self.value)?,
        }
        map.end()
    }
}
