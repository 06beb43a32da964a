//! An event as a FlatBuffer.

use core::hint::black_box;
use edgelog_record::{Event, Nested, Table, TraceContext, Vector};

edgelog_record::table! {
    /// What a sensor saw, with every kind of field.
    struct Reading<'a> in "probe" {
        /// A scalar.
        0: celsius: i16,
        /// An optional scalar.
        1: humidity: Option<u8>,
        /// A string.
        2: room: Option<&'a str>,
        /// Bytes.
        3: raw: Option<&'a [u8]>,
        /// Numbers.
        4: samples: Option<Vector<'a, f32>>,
    }
}

/// Writes a table and the envelope around it, and reads both. `None`: something was refused.
#[inline(never)]
pub fn event(buffer: &mut [u8]) -> Option<()> {
    let (inner, outer) = buffer.split_at_mut_checked(black_box(96))?;
    let samples = black_box([0.5, 1.5]);
    let reading = Reading {
        celsius: black_box(2150),
        humidity: black_box(Some(40)),
        room: black_box(Some("kitchen")),
        raw: black_box(Some(b"raw")),
        samples: Some(Vector::from(&samples)),
    };
    let len = reading.write(inner).ok()?;
    let event = Event {
        payload: Some(Nested(inner.get(..len)?)),
        event_type: black_box(Some("acme.reading")),
        schema_version: black_box(1),
        trace: black_box(Some(TraceContext::default())),
        ..Event::default()
    };
    let len = event.write(outer).ok()?;
    let content = Event::of(outer.get(..len)?).ok()?;
    black_box(Reading::read(black_box(content).payload()).ok()?);
    Some(())
}
