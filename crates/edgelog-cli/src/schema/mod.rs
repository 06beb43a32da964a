//! The FlatBuffers events that this command writes and can show. What everyone else gives to `flatc` is in `schema/`.

mod host_metrics;
mod reading;
mod tables;

pub(crate) use host_metrics::{Disk, HostMetrics, Network, Temperature};
pub(crate) use reading::{Field, Reading};
pub(crate) use tables::Tables;

use edgelog_record::{Table, TooSmall};

/// A payload whose schema is known.
#[derive(Debug)]
pub(crate) enum Known<'a> {
    HostMetrics(HostMetrics<'a>),
    Reading(Reading<'a>),
}

impl<'a> Known<'a> {
    /// The event in `payload`, if its identifier is known and it verifies. The topic's name proves nothing.
    pub(crate) fn decode(payload: &'a [u8]) -> Option<Self> {
        let metrics = HostMetrics::read(payload).map(Self::HostMetrics);
        metrics.or_else(|_| Reading::read(payload).map(Self::Reading)).ok()
    }
}

/// Writes the event into `buffer`, which is then as long as the event.
///
/// # Errors
///
/// The event is longer than a FlatBuffer can be.
pub(crate) fn encode<'a>(event: &impl Table<'a>, buffer: &mut Vec<u8>) -> Result<(), TooSmall> {
    buffer.resize(event.encoded_len(), 0);
    event.write(buffer).map(|len| buffer.truncate(len))
}

/// Shows tables as JSON objects with the names of the schema, as `flatc` does.
macro_rules! shown {
    ($($table:ident { $($field:ident),+ })+) => {$(
        impl serde::Serialize for $table<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry(stringify!($field), &self.$field)?;)+
                map.end()
            }
        }
    )+};
}
use shown;

#[cfg(test)]
mod tests {
    use super::{Disk, Field, HostMetrics, Known, Reading, Tables, Temperature, encode};
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use edgelog_record::{Schema, Table};
    use std::path::Path;

    fn metrics_bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&metrics(), &mut bytes).unwrap();
        bytes
    }

    fn metrics() -> HostMetrics<'static> {
        HostMetrics {
            time_ms: 1_700_000_000_000,
            host: "gateway",
            cpu_percent: 12.5,
            disks: Tables::Slice(&[Disk { mount: "/", total_bytes: u64::MAX, available_bytes: 1 }]),
            temperatures: Tables::Slice(&[Temperature { sensor: "cpu", celsius: -40.0 }]),
            ..Default::default()
        }
    }

    const FIELDS: [Field<'_>; 2] = [
        Field { name: "value", value: -0.0, text: None },
        Field { name: "unit", value: 0.0, text: Some("C") },
    ];

    fn reading_bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&reading(), &mut bytes).unwrap();
        bytes
    }

    fn reading() -> Reading<'static> {
        Reading { time_ms: -1, row: 7, fields: Tables::Slice(&FIELDS) }
    }

    #[test]
    fn an_event_comes_back_as_it_was() {
        match (Known::decode(&metrics_bytes()), Known::decode(&reading_bytes())) {
            (Some(Known::HostMetrics(one)), Some(Known::Reading(other))) => {
                assert_eq!((one, other), (metrics(), reading()));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Written by the first version, with the official library's builder, which shares vtables.
    #[test]
    fn events_that_an_earlier_version_stored_are_read_the_same() {
        const STORED: &str = "GAAAAEVSRDEAAAAAAAAKABwAEAAIAAQACgAAABgAAAABAAAAAAAAAACo2nabAQAAAAAAAAMAAABcAAAAOAAAABAAAAAAAAoADAAIAA\
            AABAAKAAAACAAAAAwAAAABAAAAeAAAAAEAAABjAAAACAAQAAwABAAIAAAAAAAAAAAAAEAEAAAAAQAAAGIAAAAIABQAEAAEAAgAAAAAAAAAAADwPwAAAAAEAAAA\
            AQAAAGEAAAA=";
        let stored = BASE64_STANDARD.decode(STORED).unwrap();
        let field = |name, value, text| Field { name, value, text };
        let fields = [field("a", 1.0, None), field("b", 2.0, None), field("c", 0.0, Some("x"))];
        let reading =
            Reading { time_ms: 1_767_225_600_000, row: 1, fields: Tables::Slice(&fields) };
        assert_eq!(Reading::read(&stored), Ok(reading));
    }

    #[test]
    fn the_published_schemas_are_what_the_types_say() {
        let schemas = [
            ("host_metrics.fbs", Schema::of::<HostMetrics<'_>>().to_string()),
            ("reading.fbs", Schema::of::<Reading<'_>>().to_string()),
        ];
        for (name, text) in schemas {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
            let published = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, published, "{name} is to be:\n{text}");
        }
    }

    #[test]
    fn no_damage_makes_the_decoder_panic() {
        for whole in [reading_bytes(), metrics_bytes()] {
            for length in 0..whole.len() {
                let _ = Known::decode(&whole[..length]);
            }
            for position in 0..whole.len() {
                for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[position] = value;
                    if let Some(Known::Reading(reading)) = Known::decode(&damaged) {
                        assert!(reading.fields.iter().count() <= 2, "{position}");
                    }
                }
            }
        }
    }

    /// All entries of the vector lead to one table with a long name.
    #[test]
    fn an_event_that_shares_too_much_is_not_read() {
        let name = "x".repeat(4000);
        let fields = vec![Field { name: &name, ..Default::default() }; 2];
        let mut bytes = Vec::new();
        encode(&Reading { fields: Tables::Slice(&fields), ..Default::default() }, &mut bytes)
            .unwrap();
        assert!(Reading::read(&bytes).is_ok());
        let shared = |count: u32| {
            // The vector moves behind all else, where it can be as long as it likes; offsets only lead ahead, so a copy of the
            // table follows it.
            let mut event = Vec::new();
            encode(&Reading::default(), &mut event).unwrap();
            let vector = event.len() - 4;
            event[vector..].copy_from_slice(&count.to_le_bytes());
            for n in 0..count {
                event.extend(((count - n) * 4 + 8).to_le_bytes());
            }
            // Its vtable, the table, and the name.
            event.extend([6, 0, 8, 0, 4, 0, 0, 0]);
            event.extend(8_u32.to_le_bytes());
            event.extend(4_u32.to_le_bytes());
            event.extend(4000_u32.to_le_bytes());
            event.extend([name.as_bytes(), &[0]].concat());
            event
        };
        assert_eq!(Reading::read(&shared(10)).map(|it| it.fields.iter().count()), Ok(10));
        assert!(Reading::read(&shared(1000)).is_err());
    }
}
