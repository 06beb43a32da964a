//! Events of users: the envelope taken off, and the payload as the user's schema has it.

use crate::fbs::{Schema, load, show, verify};
use crate::json::{Shown, shown};
use anyhow::{anyhow, bail};
use edgelog_record::{Event, TraceContext};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// Reads payloads of one type.
#[derive(Debug)]
pub(crate) struct Decoder {
    schema: Schema,
    root: usize,
}

/// What a record holds.
#[derive(Debug, Default)]
pub(crate) struct Decoded<'a> {
    /// The envelope, if there is one.
    pub(crate) event: Option<Envelope<'a>>,
    /// The payload, if there is one that can be read.
    pub(crate) payload: Option<Shown<'a>>,
    /// Why the record is not what it should be.
    pub(crate) invalid: Option<String>,
}

/// An envelope as JSON, without its payload.
#[derive(Debug, Serialize)]
pub(crate) struct Envelope<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    #[serde(skip_serializing_if = "is_untold")]
    schema_version: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_fingerprint: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes so")]
const fn is_untold(version: &u16) -> bool {
    *version == 0
}

impl Decoder {
    /// Reads the schema, and finds the table that payloads are: `name`, or the schema's root.
    pub(crate) fn open(path: &Path, name: Option<&str>) -> anyhow::Result<Self> {
        let schema = load(path)?;
        let found = match name {
            Some(name) => schema.table(name).ok_or_else(|| format!("has no table {name}")),
            None => schema.root.ok_or_else(|| "names no root_type; say --type".to_owned()),
        };
        match found {
            Ok(root) => Ok(Self { schema, root }),
            Err(why) => bail!("{} {why}; {}", path.display(), tables(&schema)),
        }
    }

    /// The name of the table that payloads are.
    pub(crate) fn type_name(&self) -> &str {
        self.schema.objects.get(self.root).map_or("", |object| &object.name)
    }

    /// What a record's payload holds. Nothing of it is read before it is verified.
    pub(crate) fn decode<'a>(&self, record: &'a [u8]) -> Decoded<'a> {
        let content = match Event::of(record) {
            Ok(content) => content,
            Err(error) => {
                let invalid = Some(format!("not an envelope: {error}"));
                return Decoded { invalid, ..Decoded::default() };
            }
        };
        let edgelog_record::Content::Envelope(event) = content else {
            return self.payload(record, None);
        };
        let decoded = match event.payload {
            Some(payload) => self.payload(payload.0, event.content_type),
            None => Decoded::default(),
        };
        Decoded { event: Some(envelope(&event)), ..decoded }
    }

    fn payload<'a>(&self, payload: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
        if content_type.is_some_and(|told| !told.contains("flatbuffers")) {
            return Decoded { payload: shown(payload), ..Decoded::default() };
        }
        match self.read(payload) {
            Ok(payload) => Decoded { payload: Some(payload), ..Decoded::default() },
            Err(why) => {
                let invalid = Some(format!("not a {}: {why:#}", self.type_name()));
                Decoded { invalid, ..Decoded::default() }
            }
        }
    }

    fn read(&self, payload: &[u8]) -> anyhow::Result<Shown<'static>> {
        let Self { schema, root } = self;
        // Only the root's buffers carry it.
        if let Some(identifier) =
            schema.identifier.as_deref().filter(|_| schema.root == Some(*root))
            && payload.get(4..8) != Some(identifier.as_bytes())
        {
            bail!("its identifier is not {identifier}");
        }
        verify(schema, *root, payload)
            .map_err(|error| anyhow!("{}", one_line(&error.to_string())))?;
        Ok(Shown::Known(show::json(schema, *root, payload)?))
    }
}

/// What a user can choose from.
fn tables(schema: &Schema) -> String {
    match schema.table_names().as_slice() {
        [] => "it has no tables".to_owned(),
        names => format!("its tables: {}", names.join(", ")),
    }
}

/// The library tells where it was in lines of their own.
fn one_line(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

fn envelope<'a>(event: &Event<'a>) -> Envelope<'a> {
    Envelope {
        event_type: event.event_type,
        schema_version: event.schema_version,
        source: event.source,
        correlation_id: event.correlation_id.map(id),
        causation_id: event.causation_id.map(id),
        trace: event.trace.as_ref().map(TraceContext::to_string),
        content_type: event.content_type,
        schema_fingerprint: told(event.schema_fingerprint),
    }
}

/// A fingerprint as `edgelog schema fingerprint` shows it.
fn told(fingerprint: u64) -> Option<String> {
    (fingerprint != 0).then(|| format!("{fingerprint:016x}"))
}

/// An id as the text that it is, or else its bytes as hexadecimal digits.
fn id(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn an_id_is_shown_as_text_where_it_is_one_and_else_as_hexadecimal_digits() {
        assert_eq!(id("order-ü".as_bytes()), "order-ü");
        assert_eq!(id(&[0xFF, 0x00, 0x4B]), "ff004b");
        assert_eq!(id(b"a\x1b"), "611b");
        assert_eq!(id(b""), "");
    }
}
