//! Prints the figures of one event, one a line: `name = value`. `cargo xtask bench record` runs it.
//!
//! The event is a full envelope around a payload of 48 bytes. Every subject writes it into memory that is there already, and reads
//! it by verifying whatever it verifies and looking at every field. Subjects take turns within a round, each round begins with
//! another, and a ratio is the median of the rounds' ratios: what slows the machine down slows all of them.

mod peers;
mod turns;

use edgelog_record::{Event, Nested, Table, TraceContext};
use peers::{Flatbuffers, Json, Ours, Peer, Postcard, Prost};
use std::hint::black_box;

fn main() {
    let payload: &'static [u8] = b"a FlatBuffer of the application, of 48 bytes....";
    let event = full(payload);
    let peers: [Box<dyn Peer>; 5] = [
        Box::new(Ours::new(event)),
        Box::new(Flatbuffers::new(event)),
        Box::new(Json::new(&event)),
        Box::new(Postcard::new(event)),
        Box::new(Prost::new(&event)),
    ];
    turns::print(peers);

    let mut buffer = [0; 512];
    let len = event.write(&mut buffer).expect("it fits");
    let counted = allocation_counter::measure(|| {
        black_box(Event::read(black_box(&buffer[..len])).expect("valid"));
    });
    println!("\n# heap allocations of verifying and reading it");
    println!("record.read.allocations = {}", counted.count_total);
    let counted = allocation_counter::measure(|| {
        black_box(black_box(event).write(&mut buffer).expect("it fits"));
    });
    println!("record.write.allocations = {}", counted.count_total);

    println!(
        "\n# bytes of the envelope alone, without the payload and with the room that its alignment costs"
    );
    let minimal = Event { payload: event.payload, ..Default::default() };
    println!("record.envelope.bytes.minimal = {}", minimal.encoded_len() - payload.len());
    let typed = Event { event_type: event.event_type, schema_version: 1, ..minimal };
    println!("record.envelope.bytes.typed = {}", typed.encoded_len() - payload.len());
    println!(
        "#   with event_type of {} bytes, and schema_version",
        event.event_type.map_or(0, str::len)
    );
    println!("record.envelope.bytes.full = {}", event.encoded_len() - payload.len());
    println!("#   with two ids of 16 bytes, trace, source of 9 bytes and content_type of 24 bytes");
}

fn full(payload: &'static [u8]) -> Event<'static> {
    Event {
        payload: Some(Nested(payload)),
        event_type: Some("acme.room.reading"),
        schema_version: 1,
        source: Some("sensor-07"),
        correlation_id: Some(b"\x01\x93\x8a\x2bcorrelation."),
        causation_id: Some(b"\x01\x93\x8a\x2bcausation..."),
        trace: Some(TraceContext {
            trace_id_high: 0x4bf9_2f35_77b3_4da6,
            trace_id_low: 0xa3ce_929d_0e0e_4736,
            parent_id: 0x00f0_67aa_0ba9_02b7,
            flags: 1,
        }),
        content_type: Some("application/octet-stream"),
        schema_fingerprint: 0,
    }
}
