//! The official library's side: its generated readers, verifiers and builders.

use crate::generated::{event, everything as official};
use crate::tables::{Everything, Leaf, Part, Place};
use edgelog_record::{Content, Event, Invalid, Nested, Table, TraceContext};
use flatbuffers::{FlatBufferBuilder, InvalidFlatbuffer, Push, Vector, WIPOffset};

/// What the official library writes for it.
#[must_use]
pub fn write_everything(it: &Everything<'_>) -> Vec<u8> {
    let builder = &mut FlatBufferBuilder::new();
    let place = it.place.map(their_place);
    let arguments = official::EverythingArgs {
        truth: it.truth,
        tiny: it.tiny,
        small: it.small,
        short: it.short,
        word: it.word,
        int: it.int,
        uint: it.uint,
        long: it.long,
        ulong: it.ulong,
        single: it.single,
        double: it.double,
        maybe_truth: it.maybe_truth,
        maybe_tiny: it.maybe_tiny,
        maybe_small: it.maybe_small,
        maybe_short: it.maybe_short,
        maybe_word: it.maybe_word,
        maybe_int: it.maybe_int,
        maybe_uint: it.maybe_uint,
        maybe_long: it.maybe_long,
        maybe_ulong: it.maybe_ulong,
        maybe_single: it.maybe_single,
        maybe_double: it.maybe_double,
        text: it.text.map(|it| builder.create_string(it)),
        name: Some(builder.create_string(it.name)),
        raw: it.raw.map(|it| builder.create_vector(it)),
        nested: it.nested.map(|it| nested(builder, it.0)),
        part: it.part.map(|it| write_part(builder, &it)),
        place: place.as_ref(),
        truth_items: it.truth_items.map(|it| vector(builder, it.iter())),
        tiny_items: it.tiny_items.map(|it| vector(builder, it.iter())),
        short_items: it.short_items.map(|it| vector(builder, it.iter())),
        word_items: it.word_items.map(|it| vector(builder, it.iter())),
        int_items: it.int_items.map(|it| vector(builder, it.iter())),
        uint_items: it.uint_items.map(|it| vector(builder, it.iter())),
        long_items: it.long_items.map(|it| vector(builder, it.iter())),
        ulong_items: it.ulong_items.map(|it| vector(builder, it.iter())),
        single_items: it.single_items.map(|it| vector(builder, it.iter())),
        double_items: it.double_items.map(|it| vector(builder, it.iter())),
        places: it.places.map(|it| vector(builder, it.iter().map(their_place))),
    };
    let root = official::Everything::create(builder, &arguments);
    official::finish_everything_buffer(builder, root);
    builder.finished_data().to_vec()
}

/// What the official library writes for it.
pub fn write_event<'b>(builder: &'b mut FlatBufferBuilder<'_>, it: &Event<'_>) -> &'b [u8] {
    builder.reset();
    let trace = it.trace.map(|it| {
        event::TraceContext::new(it.trace_id_high, it.trace_id_low, it.parent_id, it.flags)
    });
    let arguments = event::EventArgs {
        payload: it.payload.map(|it| nested(builder, it.0)),
        event_type: it.event_type.map(|it| builder.create_string(it)),
        schema_version: it.schema_version,
        source: it.source.map(|it| builder.create_string(it)),
        correlation_id: it.correlation_id.map(|it| builder.create_vector(it)),
        causation_id: it.causation_id.map(|it| builder.create_vector(it)),
        trace: trace.as_ref(),
        content_type: it.content_type.map(|it| builder.create_string(it)),
        schema_fingerprint: it.schema_fingerprint,
    };
    let root = event::Event::create(builder, &arguments);
    event::finish_event_buffer(builder, root);
    builder.finished_data()
}

/// Whether both sides say the same of `bytes` as an `Everything`: that they are none, or which one.
///
/// # Errors
///
/// Says what they disagree on.
pub fn judge_everything(bytes: &[u8]) -> Result<(), String> {
    if bytes.get(4..8) != Some(b"JUD1") {
        return refused(Everything::read(bytes));
    }
    match (Everything::read(bytes), official::root_as_everything(bytes)) {
        (Ok(ours), Ok(theirs)) => same_everything(&ours, theirs),
        (Err(_), Err(_)) => Ok(()),
        // The official crate does not look at the alignment of structs; that of C++ does.
        (Err(Invalid::Misaligned(_)), Ok(_)) => Ok(()),
        // It looks at the alignment of elements even where there are none; flatc itself does not keep it there.
        (Ok(ours), Err(InvalidFlatbuffer::Unaligned { .. })) if has_empty_vector(&ours) => Ok(()),
        (ours, theirs) => Err(format!("ours {ours:?}\ntheirs {theirs:?}")),
    }
}

/// As [`judge_everything`], for an envelope.
///
/// # Errors
///
/// Says what they disagree on.
pub fn judge_event(bytes: &[u8]) -> Result<(), String> {
    if bytes.get(4..8) != Some(b"EEV1") {
        let bare = Event::of(bytes) == Ok(Content::Bare(bytes));
        return if bare { Ok(()) } else { Err("no bare payload".to_owned()) };
    }
    match (Event::read(bytes), event::root_as_event(bytes)) {
        (Ok(ours), Ok(theirs)) => same_event(&ours, theirs),
        (Err(_), Err(_)) => Ok(()),
        (Err(Invalid::Misaligned(_)), Ok(_)) => Ok(()),
        (ours, theirs) => Err(format!("ours {ours:?}\ntheirs {theirs:?}")),
    }
}

fn has_empty_vector(it: &Everything<'_>) -> bool {
    it.long_items.is_some_and(|it| it.is_empty())
        || it.ulong_items.is_some_and(|it| it.is_empty())
        || it.double_items.is_some_and(|it| it.is_empty())
        || it.places.is_some_and(|it| it.is_empty())
}

fn same_everything(ours: &Everything<'_>, theirs: official::Everything<'_>) -> Result<(), String> {
    agree(&[
        ("truth", ours.truth == theirs.truth()),
        ("tiny", ours.tiny == theirs.tiny()),
        ("small", ours.small == theirs.small()),
        ("short", ours.short == theirs.short()),
        ("word", ours.word == theirs.word()),
        ("int", ours.int == theirs.int()),
        ("uint", ours.uint == theirs.uint()),
        ("long", ours.long == theirs.long()),
        ("ulong", ours.ulong == theirs.ulong()),
        ("single", ours.single.to_bits() == theirs.single().to_bits()),
        ("double", ours.double.to_bits() == theirs.double().to_bits()),
        ("maybe_truth", ours.maybe_truth == theirs.maybe_truth()),
        ("maybe_tiny", ours.maybe_tiny == theirs.maybe_tiny()),
        ("maybe_small", ours.maybe_small == theirs.maybe_small()),
        ("maybe_short", ours.maybe_short == theirs.maybe_short()),
        ("maybe_word", ours.maybe_word == theirs.maybe_word()),
        ("maybe_int", ours.maybe_int == theirs.maybe_int()),
        ("maybe_uint", ours.maybe_uint == theirs.maybe_uint()),
        ("maybe_long", ours.maybe_long == theirs.maybe_long()),
        ("maybe_ulong", ours.maybe_ulong == theirs.maybe_ulong()),
        (
            "maybe_single",
            ours.maybe_single.map(f32::to_bits) == theirs.maybe_single().map(f32::to_bits),
        ),
        (
            "maybe_double",
            ours.maybe_double.map(f64::to_bits) == theirs.maybe_double().map(f64::to_bits),
        ),
        ("text", ours.text == theirs.text()),
        ("name", ours.name == theirs.name()),
        ("raw", ours.raw == theirs.raw().map(|it| it.bytes())),
        ("nested", ours.nested.map(|it| it.0) == theirs.nested().map(|it| it.bytes())),
        ("part", part(ours.part, theirs.part())),
        ("place", ours.place.map(our_place) == theirs.place().map(place)),
        (
            "truth_items",
            same(ours.truth_items.map(|it| it.iter()), theirs.truth_items().map(|it| it.iter())),
        ),
        (
            "tiny_items",
            same(ours.tiny_items.map(|it| it.iter()), theirs.tiny_items().map(|it| it.iter())),
        ),
        (
            "short_items",
            same(ours.short_items.map(|it| it.iter()), theirs.short_items().map(|it| it.iter())),
        ),
        (
            "word_items",
            same(ours.word_items.map(|it| it.iter()), theirs.word_items().map(|it| it.iter())),
        ),
        (
            "int_items",
            same(ours.int_items.map(|it| it.iter()), theirs.int_items().map(|it| it.iter())),
        ),
        (
            "uint_items",
            same(ours.uint_items.map(|it| it.iter()), theirs.uint_items().map(|it| it.iter())),
        ),
        (
            "long_items",
            same(ours.long_items.map(|it| it.iter()), theirs.long_items().map(|it| it.iter())),
        ),
        (
            "ulong_items",
            same(ours.ulong_items.map(|it| it.iter()), theirs.ulong_items().map(|it| it.iter())),
        ),
        (
            "single_items",
            same(
                ours.single_items.map(|it| it.iter().map(f32::to_bits)),
                theirs.single_items().map(|it| it.iter().map(f32::to_bits)),
            ),
        ),
        (
            "double_items",
            same(
                ours.double_items.map(|it| it.iter().map(f64::to_bits)),
                theirs.double_items().map(|it| it.iter().map(f64::to_bits)),
            ),
        ),
        (
            "places",
            same(
                ours.places.map(|it| it.iter().map(our_place)),
                theirs.places().map(|it| it.iter().map(place)),
            ),
        ),
    ])
}

fn same_event(ours: &Event<'_>, theirs: event::Event<'_>) -> Result<(), String> {
    let trace = theirs.trace().map(|it| TraceContext {
        trace_id_high: it.trace_id_high(),
        trace_id_low: it.trace_id_low(),
        parent_id: it.parent_id(),
        flags: it.flags(),
    });
    agree(&[
        ("payload", ours.payload == theirs.payload().map(|it| Nested(it.bytes()))),
        ("event_type", ours.event_type == theirs.event_type()),
        ("schema_version", ours.schema_version == theirs.schema_version()),
        ("source", ours.source == theirs.source()),
        ("correlation_id", ours.correlation_id == theirs.correlation_id().map(|it| it.bytes())),
        ("causation_id", ours.causation_id == theirs.causation_id().map(|it| it.bytes())),
        ("trace", ours.trace == trace),
        ("content_type", ours.content_type == theirs.content_type()),
        ("schema_fingerprint", ours.schema_fingerprint == theirs.schema_fingerprint()),
    ])
}

fn agree(fields: &[(&str, bool)]) -> Result<(), String> {
    match fields.iter().find(|(_, same)| !same) {
        Some((field, _)) => Err(format!("they disagree on {field}")),
        None => Ok(()),
    }
}

fn refused(read: Result<Everything<'_>, Invalid>) -> Result<(), String> {
    match read {
        Err(Invalid::Identifier) => Ok(()),
        other => Err(format!("without the identifier: {other:?}")),
    }
}

fn part(ours: Option<Part<'_>>, theirs: Option<official::Part<'_>>) -> bool {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return ours.is_none() && theirs.is_none();
    };
    let leaf = |it: official::Leaf<'_>| Leaf { wide: it.wide(), narrow: it.narrow() };
    ours.name == theirs.name()
        && ours.leaf == theirs.leaf().map(leaf)
        && ours.required == leaf(theirs.required())
}

/// Numbers are compared by their bits, so that NaN equals itself.
fn our_place(it: Place) -> (i8, u64, u32, bool) {
    (it.floor, it.latitude.to_bits(), it.height.metres.to_bits(), it.known)
}

fn place(it: &official::Place) -> (i8, u64, u32, bool) {
    (it.floor(), it.latitude().to_bits(), it.height().metres().to_bits(), it.known())
}

fn same<A: PartialEq<B>, B>(
    ours: Option<impl Iterator<Item = A>>,
    theirs: Option<impl Iterator<Item = B>>,
) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.eq(theirs),
        (None, None) => true,
        _ => false,
    }
}

fn write_part<'b>(
    builder: &mut FlatBufferBuilder<'b>,
    it: &Part<'_>,
) -> WIPOffset<official::Part<'b>> {
    let arguments = official::PartArgs {
        name: it.name.map(|it| builder.create_string(it)),
        leaf: it.leaf.map(|it| write_leaf(builder, it)),
        required: Some(write_leaf(builder, it.required)),
    };
    official::Part::create(builder, &arguments)
}

fn write_leaf<'b>(builder: &mut FlatBufferBuilder<'b>, it: Leaf) -> WIPOffset<official::Leaf<'b>> {
    let arguments = official::LeafArgs { wide: it.wide, narrow: it.narrow };
    official::Leaf::create(builder, &arguments)
}

fn their_place(it: Place) -> official::Place {
    let height = official::Height::new(it.height.metres);
    official::Place::new(it.floor, it.latitude, &height, it.known)
}

fn vector<'b, T: Push + Copy + 'b>(
    builder: &mut FlatBufferBuilder<'b>,
    items: impl Iterator<Item = T>,
) -> WIPOffset<Vector<'b, T::Output>> {
    let items: Vec<T> = items.collect();
    builder.create_vector(&items)
}

/// Bytes that begin at a multiple of 8.
fn nested<'b>(builder: &mut FlatBufferBuilder<'b>, bytes: &[u8]) -> WIPOffset<Vector<'b, u8>> {
    builder.create_vector(bytes)
}
