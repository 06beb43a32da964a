//! Records as JSON lines, and back: what `tail --json` prints, `append --format json` stores again, byte for byte.

use crate::decode::{Decoded, Decoder, Envelope};
use crate::schema::Known;
use crate::time::rfc3339;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use edgelog::{Class, Gap, Record};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// One record as one object.
#[derive(Debug, Serialize)]
struct RecordLine<'a> {
    log: String,
    epoch: u32,
    offset: u64,
    time: String,
    time_ms: u64,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Envelope<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// A payload as a JSON value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Shown<'a> {
    Known(Box<RawValue>),
    /// The payload is a JSON object or array: it stands in the line as it is.
    Json(&'a RawValue),
    Text(&'a str),
}

#[derive(Debug, Serialize)]
struct GapLine {
    gap: GapBody,
}

#[derive(Debug, Serialize)]
struct GapBody {
    from: u64,
    to: u64,
    count: u64,
    reason: String,
}

/// The line of a record, without its end.
pub(crate) fn record_line(topic: &str, record: &Record<'_>) -> serde_json::Result<String> {
    let (schema, value) = match Known::decode(record.payload) {
        Some(Known::HostMetrics(metrics)) => (Some("HostMetrics"), Some(known(&metrics)?)),
        Some(Known::Reading(reading)) => (Some("Reading"), Some(known(&reading)?)),
        None => (None, shown(record.payload)),
    };
    // The decoded value is for people and scripts; the bytes are what was stored.
    let bytes_needed = schema.is_some() || value.is_none();
    let line = RecordLine { schema, value, ..RecordLine::of(topic, record, bytes_needed) };
    serde_json::to_string(&line)
}

/// The line of a record that is read by a user's schema, and whether it is what the schema says. Without the line's end.
pub(crate) fn decoded_line(
    topic: &str,
    record: &Record<'_>,
    decoder: &Decoder,
) -> serde_json::Result<(String, bool)> {
    let Decoded { event, payload, invalid } = decoder.decode(record.payload);
    let line = RecordLine {
        schema: Some(decoder.type_name()),
        event,
        payload,
        invalid: invalid.as_deref(),
        ..RecordLine::of(topic, record, true)
    };
    Ok((serde_json::to_string(&line)?, invalid.is_none()))
}

impl<'a> RecordLine<'a> {
    /// All but what the payload says.
    fn of(topic: &'a str, record: &Record<'a>, bytes_needed: bool) -> Self {
        let key = record.key.map(std::str::from_utf8);
        Self {
            log: record.identity.log.to_string(),
            epoch: record.identity.epoch,
            offset: record.identity.offset,
            time: rfc3339(record.time_ms),
            time_ms: record.time_ms,
            topic,
            key: key.and_then(Result::ok),
            key_base64: record.key.filter(|_| matches!(key, Some(Err(_)))).map(encode),
            class: record.class.to_string(),
            schema: None,
            value: None,
            event: None,
            payload: None,
            invalid: None,
            base64: bytes_needed.then(|| encode(record.payload)),
        }
    }
}

/// The line of a gap.
pub(crate) fn gap_line(gap: &Gap) -> serde_json::Result<String> {
    let &Gap { from, to, reason } = gap;
    let gap = GapBody { from, to, count: gap.count(), reason: reason.to_string() };
    serde_json::to_string(&GapLine { gap })
}

/// An event of a JSON line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventLine {
    pub(crate) topic: Option<String>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) class: Option<Class>,
    pub(crate) payload: Vec<u8>,
}

/// What a JSON line holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Event(EventLine),
    /// Another log's gap: so many records that were gone there already.
    Gap(u64),
}

/// All names that a line may have. Others are refused, because a misspelt name would lose what it says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnyLine<'a> {
    topic: Option<String>,
    key: Option<String>,
    key_base64: Option<String>,
    class: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    base64: Option<String>,
    gap: Option<GapCount>,
    // An identity and a time are given anew by the log that stores the event.
    #[serde(rename = "log")]
    _log: Option<String>,
    #[serde(rename = "epoch")]
    _epoch: Option<u64>,
    #[serde(rename = "offset")]
    _offset: Option<u64>,
    #[serde(rename = "time")]
    _time: Option<String>,
    #[serde(rename = "time_ms")]
    _time_ms: Option<u64>,
    // What a schema makes of the bytes.
    #[serde(rename = "schema")]
    _schema: Option<String>,
    #[serde(rename = "event")]
    _event: Option<IgnoredAny>,
    #[serde(rename = "payload")]
    _payload: Option<IgnoredAny>,
    #[serde(rename = "invalid")]
    _invalid: Option<String>,
}

/// A `null` is a value too.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

#[derive(Debug, Deserialize)]
struct GapCount {
    count: u64,
}

/// Reads one line.
pub(crate) fn parse_line(line: &[u8]) -> Result<Line, String> {
    let line: AnyLine<'_> = serde_json::from_slice(line).map_err(|error| said(&error))?;
    if let Some(gap) = line.gap {
        return Ok(Line::Gap(gap.count));
    }
    let payload = match (line.base64, line.value) {
        (Some(bytes), _) => decode("base64", &bytes)?,
        (None, Some(value)) => payload(value)?,
        (None, None) => return Err("it has neither `value` nor `base64`".to_owned()),
    };
    let key = match (line.key_base64, line.key) {
        (Some(bytes), _) => Some(decode("key_base64", &bytes)?),
        (None, key) => key.map(String::into_bytes),
    };
    let class = line.class.map(|class| parse_class(&class)).transpose()?;
    Ok(Line::Event(EventLine { topic: line.topic, key, class, payload }))
}

/// The three names of the classes.
pub(crate) fn parse_class(text: &str) -> Result<Class, String> {
    [Class::Critical, Class::Normal, Class::Bulk]
        .into_iter()
        .find(|class| class.to_string() == text)
        .ok_or_else(|| format!("the class `{text}` is none of critical, normal, bulk"))
}

fn known(value: &impl Serialize) -> serde_json::Result<Shown<'static>> {
    serde_json::value::to_raw_value(value).map(Shown::Known)
}

/// A payload that is text, or JSON, as it is.
pub(crate) fn shown(payload: &[u8]) -> Option<Shown<'_>> {
    let text = std::str::from_utf8(payload).ok()?;
    Some(json(text).map_or(Shown::Text(text), Shown::Json))
}

/// A text that is one JSON object or array on one line, without space around it.
fn json(text: &str) -> Option<&RawValue> {
    let nested = text.starts_with(['{', '[']) && text.ends_with(['}', ']']);
    if !nested || text.contains(['\n', '\r']) {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// A JSON string is stored as its text, anything else as it stands.
fn payload(value: &RawValue) -> Result<Vec<u8>, String> {
    let text = value.get();
    if !text.starts_with('"') {
        return Ok(text.as_bytes().to_vec());
    }
    serde_json::from_str(text).map(String::into_bytes).map_err(|error| said(&error))
}

fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn decode(name: &str, text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|error| format!("its `{name}` is no base64: {error}"))
}

/// A parser's complaint, without the line number that is always 1 here.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let no_json = if error.is_data() { "" } else { "it is not a JSON object: " };
    match error.column() {
        0 => format!("{no_json}{text}"),
        column => format!("{no_json}{text} (column {column})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> EventLine {
        match parse_line(line.as_bytes()) {
            Ok(Line::Event(event)) => event,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_string_is_stored_as_its_text_and_anything_else_as_it_stands() {
        for (value, stored) in [
            (r#""a\n\"b\"""#, "a\n\"b\""),
            ("1.50", "1.50"),
            ("null", "null"),
            (r#"{"b": [1,  2], "a": null}"#, r#"{"b": [1,  2], "a": null}"#),
        ] {
            let line = format!(r#"{{"value":{value}}}"#);
            assert_eq!(event(&line).payload, stored.as_bytes(), "{line}");
        }
    }

    #[test]
    fn bytes_win_over_the_value_that_shows_them() {
        assert_eq!(event(r#"{"value":{"time_ms":1},"base64":"AP8="}"#).payload, [0x00, 0xff]);
    }

    #[test]
    fn what_cannot_be_stored_says_why() {
        for (line, why) in [
            ("", "EOF"),
            ("7", "invalid type"),
            (r#"{"vaule":1}"#, "unknown field `vaule`"),
            (r#"{"topic":"a"}"#, "neither"),
            (r#"{"value":1,"class":"urgent"}"#, "none of critical, normal, bulk"),
            (r#"{"base64":"?"}"#, "no base64"),
        ] {
            let error = parse_line(line.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn only_json_that_fits_on_a_line_is_shown_as_json() {
        assert!(matches!(shown(br#"{"a":1}"#), Some(Shown::Json(_))));
        for text in ["7", "{\n}", " {}", "{", "", "[1]]"] {
            assert!(matches!(shown(text.as_bytes()), Some(Shown::Text(_))), "{text}");
        }
        assert!(shown(&[0xff]).is_none());
    }
}
