//! What is written is what is read, and the size is known before.

use edgelog_record::{
    Content, Deprecated, Event, Invalid, Nested, Table, TooSmall, TraceContext, Vector, fixed,
    table,
};

fixed! {
    /// A place.
    pub struct Place in "test" {
        /// A byte before wider fields.
        pub floor: i8,
        /// North.
        pub latitude: f64,
        /// East.
        pub longitude: i32,
    }
}

table! {
    /// One that borrows nothing.
    pub struct Part in "test" {
        /// Wide.
        0: wide: i64,
        /// Narrow.
        1: narrow: bool,
    }
}

table! {
    /// Every kind of field.
    pub struct Everything<'a> in "test" id "TEV1" {
        /// With a default.
        0: number: i16 = -7,
        /// Optional.
        1: maybe: Option<u8>,
        /// A text.
        2: text: Option<&'a str>,
        /// Bytes.
        3: raw: Option<&'a [u8]>,
        /// Gone.
        4: gone: Deprecated<u64>,
        /// Wide elements.
        5: samples: Option<Vector<'a, f64>>,
        /// Another table.
        6: part: Option<Part>,
        /// A struct.
        7: place: Option<Place>,
        /// A required text.
        8: name: &'a str,
        /// Bytes for another reader.
        9: nested: Option<Nested<'a>>,
        /// A float.
        10: float: f32 = 1.5,
        /// Another.
        11: zero: f64,
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let everything = Everything {
        number: 300,
        maybe: Some(0),
        text: Some("größer"),
        raw: Some(b"\x00\xFF"),
        samples: Some(Vector::from(&[1.0, -0.0, f64::MAX])),
        part: Some(Part { wide: i64::MIN, narrow: true }),
        place: Some(Place { floor: -1, latitude: 52.5, longitude: 13 }),
        name: "all",
        nested: Some(Nested(b"inner")),
        float: -0.0,
        zero: -0.0,
        ..Default::default()
    };
    let mut buffer = [0xAA; 512];
    let len = everything.write(&mut buffer).unwrap();
    assert_eq!(len, everything.encoded_len());
    assert!(buffer[len..].iter().all(|&byte| byte == 0xAA), "what follows is left alone");
    let seen = Everything::read(&buffer[..len]).unwrap();
    assert_eq!(seen, everything);
    assert!(seen.zero.is_sign_negative(), "what only looks like the default is stored");
    let Nested(nested) = seen.nested.unwrap();
    assert_eq!((nested.as_ptr() as usize - buffer.as_ptr() as usize) % 8, 0);
}

#[test]
fn a_buffer_that_is_too_small_by_any_number_of_bytes_names_the_size_needed() {
    let event = Event {
        event_type: Some("acme.door.opened"),
        payload: Some(Nested(b"open")),
        trace: Some(TraceContext::default()),
        ..Default::default()
    };
    let needed = event.encoded_len();
    for len in 0..needed {
        assert_eq!(event.write(&mut vec![0; len]).unwrap_err().needed, needed);
    }
    assert_eq!(event.write(&mut vec![0; needed]), Ok::<_, TooSmall>(needed));
}

#[test]
fn a_missing_required_field_is_named_and_a_foreign_identifier_refused() {
    let mut buffer = [0; 64];
    let len = Part::default().write(&mut buffer).unwrap();
    assert_eq!(Everything::read(&buffer[..len]), Err(Invalid::Identifier));
    let len = Event::default().write(&mut buffer).unwrap();
    buffer[4..8].copy_from_slice(b"TEV1");
    assert_eq!(Everything::read(&buffer[..len]), Err(Invalid::Missing("name")));
}

#[test]
fn a_bare_payload_is_told_from_an_envelope() {
    assert_eq!(Event::of(b"EEV1"), Ok(Content::Bare(b"EEV1")));
    assert_eq!(Event::of(b"").map(|content| content.payload().len()), Ok(0));
    let mut buffer = [0; 64];
    let len =
        Event { payload: Some(Nested(b"open")), ..Default::default() }.write(&mut buffer).unwrap();
    assert_eq!(Event::of(&buffer[..len]).unwrap().payload(), b"open");
    assert!(Event::of(&buffer[..len - 1]).is_err(), "a damaged envelope is no payload");
}

#[test]
fn neither_writing_nor_reading_nor_refusing_allocates_or_copies() {
    let event = Event {
        event_type: Some("acme.door.opened"),
        payload: Some(Nested(b"open")),
        source: Some("hall"),
        ..Default::default()
    };
    let mut buffer = [0; 256];
    let mut len = 0;
    let counted = allocation_counter::measure(|| {
        len = event.write(&mut buffer).unwrap();
        assert!(event.write(&mut buffer[..8]).is_err());
        let seen = Event::read(&buffer[..len]).unwrap();
        let within = buffer.as_ptr_range();
        for borrowed in [seen.event_type.unwrap().as_bytes(), seen.payload.unwrap().0] {
            assert!(within.contains(&borrowed.as_ptr()), "it is a copy");
        }
        assert!(Event::read(&buffer[..len - 1]).is_err());
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn an_event_longer_than_a_flatbuffer_can_be_is_refused_and_no_size_is_named() {
    // Never touched, so the memory is only promised.
    let half = vec![0; 1 << 30];
    let event =
        Event { correlation_id: Some(&half), causation_id: Some(&half), ..Default::default() };
    assert_eq!(event.write(&mut [0; 64]).unwrap_err().needed, usize::MAX);
    let shorter = Event { causation_id: Some(&half[..half.len() - 128]), ..event };
    assert_eq!(shorter.write(&mut [0; 64]).unwrap_err().needed, shorter.encoded_len());
}
