//! One row of a table of readings: `schema/reading.fbs`.

use super::table::{Table, slot};
use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, InvalidFlatbuffer, VOffsetT, Vector, Verifiable, Verifier,
};
use serde::{Serialize, Serializer};

/// One row: when, and the named values.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Reading {
    pub(crate) time_ms: i64,
    /// The row's number in its file, from 1.
    pub(crate) row: u64,
    #[serde(serialize_with = "as_object_list")]
    pub(crate) fields: Vec<Field>,
}

/// A named value.
#[derive(Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: Value,
}

/// A number, or whatever else stood in the cell.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Number(f64),
    Text(String),
}

const TIME_MS: VOffsetT = slot(0);
const ROW: VOffsetT = slot(1);
const FIELDS: VOffsetT = slot(2);

const FIELD_NAME: VOffsetT = slot(0);
const FIELD_VALUE: VOffsetT = slot(1);
const FIELD_TEXT: VOffsetT = slot(2);

impl Reading {
    /// The file identifier, at bytes 4 to 8 of the payload.
    pub(crate) const IDENTIFIER: &'static [u8] = b"ERD1";

    /// The event's bytes, in the builder's buffer.
    pub(crate) fn encode<'b>(&self, builder: &'b mut FlatBufferBuilder<'_>) -> &'b [u8] {
        builder.reset();
        let mut fields = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            // Rows repeat the header's names, but a reader of one row has only that row.
            let name = builder.create_string(&field.name);
            let text = match &field.value {
                Value::Text(text) => Some(builder.create_string(text)),
                Value::Number(_) => None,
            };
            let table = builder.start_table();
            builder.push_slot_always(FIELD_NAME, name);
            match (&field.value, text) {
                (Value::Number(number), _) => builder.push_slot_always(FIELD_VALUE, *number),
                (Value::Text(_), Some(text)) => builder.push_slot_always(FIELD_TEXT, text),
                (Value::Text(_), None) => {}
            }
            fields.push(builder.end_table(table));
        }
        let fields = builder.create_vector(&fields);
        let table = builder.start_table();
        builder.push_slot_always(TIME_MS, self.time_ms);
        builder.push_slot(ROW, self.row, 0);
        builder.push_slot_always(FIELDS, fields);
        let root = builder.end_table(table);
        builder.finish(root, std::str::from_utf8(Self::IDENTIFIER).ok());
        builder.finished_data()
    }

    /// The event in `payload`, if the verifier accepts it.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let root = Table::root::<Schema>(payload)?;
        let fields = root.tables(FIELDS).map(|field| Field {
            name: field.str(FIELD_NAME).unwrap_or_default().to_owned(),
            value: match field.str(FIELD_TEXT) {
                Some(text) => Value::Text(text.to_owned()),
                None => Value::Number(field.f64(FIELD_VALUE)),
            },
        });
        Some(Self { time_ms: root.i64(TIME_MS), row: root.u64(ROW), fields: fields.collect() })
    }
}

/// The names of the schema, so that what is shown is what `flatc` shows.
fn as_object_list<S: Serializer>(fields: &[Field], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Shown<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    }
    serializer.collect_seq(fields.iter().map(|field| {
        let name = &field.name;
        match &field.value {
            Value::Number(number) => Shown { name, value: Some(*number), text: None },
            Value::Text(text) => Shown { name, value: None, text: Some(text) },
        }
    }))
}

struct Schema;

impl Verifiable for Schema {
    fn run_verifier(v: &mut Verifier<'_, '_>, position: usize) -> Result<(), InvalidFlatbuffer> {
        v.visit_table(position)?
            .visit_field::<i64>("time_ms", TIME_MS, false)?
            .visit_field::<u64>("row", ROW, false)?
            .visit_field::<ForwardsUOffset<Vector<'_, ForwardsUOffset<FieldSchema>>>>(
                "fields", FIELDS, false,
            )?
            .finish();
        Ok(())
    }
}

struct FieldSchema;

impl Verifiable for FieldSchema {
    fn run_verifier(v: &mut Verifier<'_, '_>, position: usize) -> Result<(), InvalidFlatbuffer> {
        v.visit_table(position)?
            .visit_field::<ForwardsUOffset<&str>>("name", FIELD_NAME, true)?
            .visit_field::<f64>("value", FIELD_VALUE, false)?
            .visit_field::<ForwardsUOffset<&str>>("text", FIELD_TEXT, false)?
            .finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        let number = Field { name: "value".to_owned(), value: Value::Number(-0.0) };
        let text = Field { name: "unit".to_owned(), value: Value::Text("C".to_owned()) };
        Reading { time_ms: -1, row: 7, fields: vec![number, text] }
    }

    #[test]
    fn a_reading_comes_back_as_it_was() {
        let mut builder = FlatBufferBuilder::new();
        assert_eq!(Reading::decode(reading().encode(&mut builder)), Some(reading()));
    }

    #[test]
    fn no_damage_makes_the_decoder_panic() {
        let mut builder = FlatBufferBuilder::new();
        let whole = reading().encode(&mut builder).to_vec();
        for length in 0..whole.len() {
            let _ = Reading::decode(&whole[..length]);
        }
        for position in 0..whole.len() {
            for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[position] = value;
                let _ = Reading::decode(&damaged);
            }
        }
    }
}
