//! Events as FlatBuffers in a log: composed where they are programmed, verified, read in place.

use edgelog::record::{self, Content, Nested, Schema, Table, Vector, table};
use edgelog::{
    AppendError, Event, EventError, Item, Log, Options, Part, ReadEvent, Record, Start,
    TopicSchema, View,
};
use edgelog_core::{Class, LogId, Medium, NorMedium, RamMedium};
use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use record_judge::generated::everything::Everything as Generated;
use record_judge::{Pool, Random, write_everything};
use std::path::Path;

table! {
    /// What the sensor of a room saw.
    struct Reading<'a> in "acme.sensors" {
        /// Hundredths of a degree Celsius.
        0: celsius: i16,
        /// The room.
        1: room: Option<&'a str>,
        /// Volts.
        2: samples: Option<Vector<'a, f32>>,
    }
}

const SAMPLES: [f32; 3] = [0.5, -1.25, 3e7];

fn reading() -> Reading<'static> {
    Reading { celsius: 2150, room: Some("kitchen"), samples: Some(Vector::from(&SAMPLES[..])) }
}

fn open(folder: &Path) -> Log {
    Options::new().segment_bytes(1 << 16).budget_bytes(1 << 18).open(folder).unwrap()
}

/// The first record of a log, given to `check`.
fn with_first(log: &Log, check: impl FnOnce(Record<'_>)) {
    let mut reader = log.reader(Start::Earliest).unwrap();
    let Some(Item::Record(record)) = reader.next().unwrap() else { panic!("no record") };
    check(record);
}

/// Bytes of an event of flatc's own making.
fn generated() -> Vec<u8> {
    let pool = Pool::new(7);
    write_everything(&pool.everything(&mut Random::new(7)))
}

#[test]
fn a_table_is_composed_in_the_log_and_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.append("climate", &Event::table(reading()).key(b"k").class(Class::Critical)).unwrap();
    with_first(&log, |record| {
        assert_eq!((record.key, record.class), (Some(&b"k"[..]), Class::Critical));
        assert_eq!(record.table::<Reading<'_>>().unwrap(), reading());
        assert_eq!(record.content().unwrap(), Content::Bare(record.payload));
        let mut written = vec![0xEE; 256];
        let length = reading().write(&mut written).unwrap();
        assert_eq!(record.payload, &written[..length], "as it is written anywhere else");
    });
}

#[test]
fn an_event_is_read_alike_bare_and_in_an_envelope() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let payload = generated();
    log.append_event::<Generated<'_>>("bare", &Event::new(&payload)).unwrap();
    let envelope = record::Event {
        payload: Some(Nested(&payload)),
        event_type: Some("judge.everything"),
        trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
        ..Default::default()
    };
    assert!(envelope.trace.is_some());
    log.append("enveloped", &Event::table(envelope)).unwrap();
    let mut reader = log.reader(Start::Earliest).unwrap();
    let mut names = Vec::new();
    while let Some(Item::Record(record)) = reader.next().unwrap() {
        names.push(record.event::<Generated<'_>>().unwrap().name().to_owned());
        let is_envelope = matches!(record.content().unwrap(), Content::Envelope(_));
        assert_eq!(is_envelope, record.identity.offset == 1);
    }
    assert_eq!((names.len(), &names[0]), (2, &names[1]));
}

#[test]
fn what_is_not_the_type_is_refused_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let payload = generated();
    for cut in 0..payload.len() {
        let event = Event::new(&payload[..cut]);
        let refused = log.append_event::<Generated<'_>>("t", &event);
        // What is cut off may be padding.
        if cut < payload.len() - 8 {
            assert!(matches!(refused, Err(AppendError::Invalid { what: Part::Payload })), "{cut}");
        }
    }
    let mut torn = vec![0; 64];
    let length =
        record::Event { source: Some("a"), ..Default::default() }.write(&mut torn).unwrap();
    // With the envelope's identifier, and no envelope.
    let refused = log.append_event::<Generated<'_>>("t", &Event::new(&torn[..length - 6]));
    assert!(matches!(refused, Err(AppendError::Invalid { .. })));
    // The topic of a refused event is not even created.
    assert!(log.topics().is_empty());
}

#[test]
fn a_topic_with_a_schema_takes_no_other_events_and_its_fingerprint_travels_with_each() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let fbs = Schema::of::<Reading<'_>>().to_string();
    let schema = TopicSchema::new(&fbs, |bytes| Reading::read(bytes).is_ok());
    log.set_schema("climate", Some(schema));

    let bare = log.append("climate", &Event::table(reading()));
    let mut payload = [0; 128];
    let length = reading().write(&mut payload).unwrap();
    let nested = Some(Nested(&payload[..length]));
    let envelope = record::Event { payload: nested, source: Some("a"), ..Default::default() };
    let enveloped = log.append("climate", &Event::table(envelope));
    assert_eq!((bare.unwrap(), enveloped.unwrap()), (0, 1));

    let other = record::Event { payload: Some(Nested(b"21.5")), ..Default::default() };
    let refused = [
        log.append("climate", &Event::new(b"21.5")),
        log.append("climate", &Event::new(b"")),
        log.append("climate", &Event::table(other)),
        log.append("climate", &Event::table(record::Event::default())),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(matches!(error, AppendError::Invalid { what: Part::Payload }), "{error}");
        assert!(error.to_string().contains("nothing was stored"), "{error}");
    }
    assert_eq!(log.append("elsewhere", &Event::new(b"21.5")).unwrap(), 2);
    log.sync().unwrap();

    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    for source in [None, Some("a")] {
        let Some(Item::Record(record)) = view.next().unwrap() else { panic!("no record") };
        let Content::Envelope(event) = record.content().unwrap() else { panic!("no envelope") };
        assert_eq!(event.schema_fingerprint, record::fingerprint(&fbs));
        assert_eq!(event.source, source);
        assert_eq!(record.table::<Reading<'_>>().unwrap(), reading());
    }
    log.set_schema("climate", None);
    log.append("climate", &Event::new(b"21.5")).unwrap();
}

table! {
    /// The envelope as a later version has it.
    struct LaterEnvelope<'a> in "edgelog" id "EEV1" {
        /// As it is.
        0: payload: Option<Nested<'a>>,
        /// As it is.
        1: event_type: Option<&'a str>,
        /// As it is.
        2: schema_version: u16,
        /// As it is.
        3: source: Option<&'a str>,
        /// As it is.
        4: correlation_id: Option<&'a [u8]>,
        /// As it is.
        5: causation_id: Option<&'a [u8]>,
        /// As it is.
        6: trace: Option<record::TraceContext>,
        /// As it is.
        7: content_type: Option<&'a str>,
        /// As it is.
        8: schema_fingerprint: u64,
        /// New.
        9: region: Option<&'a str>,
    }
}

#[test]
fn an_envelope_that_tells_a_fingerprint_is_verified_and_stored_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let fbs = Schema::of::<Reading<'_>>().to_string();
    log.set_schema("climate", Some(TopicSchema::new(&fbs, |bytes| Reading::read(bytes).is_ok())));
    let mut payload = [0; 128];
    let length = reading().write(&mut payload).unwrap();
    // Forwarded from a device that knows an older schema of the payload, and a later one of the envelope.
    let envelope = LaterEnvelope {
        payload: Some(Nested(&payload[..length])),
        schema_fingerprint: 7,
        region: Some("north"),
        ..Default::default()
    };
    log.append("climate", &Event::table(envelope)).unwrap();
    with_first(&log, |record| {
        let Content::Envelope(seen) = record.content().unwrap() else { panic!("no envelope") };
        assert_eq!(seen.schema_fingerprint, 7, "it was not written with the schema of the topic");
        assert_eq!(LaterEnvelope::read(record.payload).unwrap().region, Some("north"));
    });
    let wrong = LaterEnvelope { payload: Some(Nested(b"21.5")), ..envelope };
    let refused = log.append("climate", &Event::table(wrong));
    assert!(matches!(refused, Err(AppendError::Invalid { what: Part::Payload })));
}

#[test]
fn reading_an_event_allocates_and_copies_nothing_in_a_mapped_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for _ in 0..50 {
        log.append("climate", &Event::table(reading())).unwrap();
    }
    log.sync().unwrap();
    let mut reader = log.reader(Start::Earliest).unwrap();
    let mut view = View::open(folder.path(), Start::Earliest).unwrap();
    // The first record of each maps the segment.
    let memory = [first(reader.next().unwrap()), first(view.next().unwrap())];
    let mut read = 0;
    let counted = allocation_counter::measure(|| {
        while let Some(item) = reader.next().unwrap() {
            read += check(item, memory[0], 1 << 16);
        }
        while let Some(item) = view.next().unwrap() {
            read += check(item, memory[1], 1 << 16);
        }
    });
    assert_eq!((read, counted.count_total), (98, 0));
}

#[test]
fn reading_an_event_allocates_and_copies_nothing_in_memory() {
    let mut medium = RamMedium::<8192>::new(4096);
    let start = medium.bytes_mut().as_ptr() as usize;
    // Lent, because a log that is moved takes its medium with it.
    reads_in_place(&mut medium, start);
}

#[test]
fn reading_an_event_allocates_and_copies_nothing_in_mapped_flash() {
    let mut flash = MappedFlash([0xFF; 8192]);
    let start = flash.0.as_ptr() as usize;
    let medium = NorMedium::new(&mut flash, 0..8192, 4096).unwrap();
    reads_in_place(medium.with_mapped(|flash| Some(&flash.0)), start);
}

fn reads_in_place(medium: impl Medium, start: usize) {
    let mut log = edgelog_core::Log::create(medium, [0; 1024], LogId([1; 16]), 0).unwrap();
    let topic = log.topic("climate").unwrap();
    for _ in 0..20 {
        let write = |bytes: &mut [u8]| {
            reading().write(bytes).unwrap();
        };
        let length = reading().encoded_len();
        log.append_with(topic, Class::Normal, None, length, 0, write).unwrap();
    }
    let (mut reader, mut read) = (edgelog_core::Reader::at(0), 0);
    let counted = allocation_counter::measure(|| {
        while let Some(item) = log.read_in_place(&mut reader, u64::MAX, &mut []).unwrap() {
            read += check(item, start, 8192);
        }
    });
    assert_eq!((read, counted.count_total), (20, 0));
}

/// Where in memory the first record of a log is.
fn first(item: Option<Item<'_>>) -> usize {
    let Some(Item::Record(record)) = item else { panic!("no record") };
    record.payload.as_ptr() as usize
}

/// Whether the event is the one that was appended, and its text stands in the memory from `start` on.
fn check(item: Item<'_>, start: usize, length: usize) -> u32 {
    let Item::Record(record) = item else { panic!("a gap") };
    let seen = record.table::<Reading<'_>>().unwrap();
    assert_eq!(seen, reading());
    let room = seen.room.map_or(0, |room| room.as_ptr() as usize);
    assert!((start..start + length).contains(&room), "the text was copied");
    1
}

#[test]
fn damaged_bytes_are_an_error_of_the_event_and_not_of_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.append("t", &Event::new(b"\x08\x00\x00\x00EEV1 but no envelope")).unwrap();
    with_first(&log, |record| {
        assert!(matches!(record.content(), Err(EventError::Table(_))));
        let error = record.event::<Generated<'_>>().unwrap_err();
        assert!(error.to_string().starts_with("the record is no such event"), "{error}");
        assert_eq!(record.payload.len(), 24);
    });
}

/// Flash that is mapped, as that inside of most microcontrollers is.
struct MappedFlash([u8; 8192]);

impl ErrorType for MappedFlash {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for MappedFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(&self.0[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for MappedFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0[from as usize..to as usize].fill(0xFF);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}
