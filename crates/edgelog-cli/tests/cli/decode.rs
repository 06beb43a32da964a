//! Events of users, read by their schemas; the official compiler, `flatc`, writes them and says what is in them.

use crate::support::{Place, json};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use edgelog_record::{Event, Nested, Table, TraceContext};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

const ROUNDS: u64 = 60;

#[test]
fn random_events_are_shown_as_flatc_shows_them() {
    let place = Place::new();
    // flatc makes no text of unions of structs and strings, nor of vectors of unions; those have a test of their own.
    let schema = everything().replace(", Struct:judge.parts.Outer, text:string }", " }");
    let schema = place.file("plain.fbs", schema.replace("  anys:[Any];\n", ""));
    let events: Vec<_> = (0..ROUNDS).map(|seed| Random::new(seed).event(false)).collect();
    let written = flatc_writes(&place, &schema, &events);
    let theirs = flatc_shows(&place, &schema, written.len());
    let ours = append_and_show(&place, &schema, &written);
    assert_eq!((ours.len(), theirs.len()), (events.len(), events.len()));
    for (seed, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_same(&ours["payload"], &flatc_without_nothing(theirs), &format!("seed {seed}"));
    }
}

#[test]
fn unions_of_anything_and_vectors_of_them_are_shown_as_flatc_was_told() {
    let place = Place::new();
    let schema = place.file("all.fbs", everything());
    let events: Vec<_> = (0..ROUNDS).map(|seed| Random::new(seed).event(true)).collect();
    let written = flatc_writes(&place, &schema, &events);
    let ours = append_and_show(&place, &schema, &written);
    assert_eq!(ours.len(), events.len());
    for (seed, (ours, told)) in ours.iter().zip(&events).enumerate() {
        assert_told(&ours["payload"], told, &format!("seed {seed}"));
    }
}

/// Numbers that flatc rounds when it shows them, and those that JSON has not.
#[test]
fn every_integer_is_exact_and_what_is_no_number_is_a_text() {
    let place = Place::new();
    let schema = place.file("all.fbs", everything());
    let event = json!({
        "long": i64::MIN, "ulong": u64::MAX, "maybe_ulong": (1_u64 << 53) + 1, "longs": [i64::MAX, -1],
        "ulongs": [u64::MAX], "single": "nan", "double": "-inf", "doubles": ["inf", 0.1], "singles": [0.1],
        "huge": "Most", "flags": 4, "colour": 77,
    });
    let written = flatc_writes(&place, &schema, std::slice::from_ref(&event));
    let shown = append_and_show(&place, &schema, &written);
    for (name, value) in event.as_object().expect("an object") {
        assert_eq!(&shown[0]["payload"][name], value, "{name}");
    }
}

#[test]
fn the_fingerprint_of_a_schema_file_is_the_one_that_its_writers_tell() {
    let place = Place::new();
    let schema = place.file("door.fbs", DOOR);
    let shown = place.run(&["schema", "fingerprint", &schema]);
    assert_eq!(shown.stdout.trim(), format!("{:016x}", edgelog_record::fingerprint(DOOR)));
    assert_eq!(place.run(&["schema", "fingerprint", "missing.fbs"]).code, Some(2));
}

#[test]
fn an_envelope_is_taken_off_and_shown_beside_the_payload() {
    let place = Place::new();
    let schema = place.file("door.fbs", DOOR);
    let payload = &flatc_writes(&place, &schema, &[json!({"name": "front", "open": true})])[0];
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace: TraceContext = traceparent.parse().expect("a traceparent");
    let full = Event {
        payload: Some(Nested(payload)),
        event_type: Some("acme.door.opened"),
        schema_version: 2,
        source: Some("hall"),
        correlation_id: Some(b"order-7"),
        causation_id: Some(&[0xFF, 0, 0x4B]),
        trace: Some(trace),
        content_type: None,
        schema_fingerprint: 0xABC,
    };
    let text = Event {
        payload: Some(Nested(br#"{"a":1}"#)),
        content_type: Some("application/json"),
        ..Default::default()
    };
    let written = [written(&full), payload.clone(), written(&text), written(&Event::default())];
    let shown = append_and_show(&place, &schema, &written);
    let door = json!({"name": "front", "open": true, "angle": 90});
    let event = json!({
        "type": "acme.door.opened", "schema_version": 2, "source": "hall", "correlation_id": "order-7",
        "causation_id": "ff004b", "trace": traceparent, "schema_fingerprint": "0000000000000abc",
    });
    assert_eq!((&shown[0]["payload"], &shown[0]["event"]), (&door, &event));
    assert_eq!((&shown[1]["payload"], shown[1].get("event")), (&door, None));
    assert_eq!(shown[2]["payload"], json!({"a": 1}));
    assert_eq!(shown[2]["event"], json!({"content_type": "application/json"}));
    assert_eq!((shown[3].get("payload"), &shown[3]["event"]), (None, &json!({})));
    assert!(
        shown.iter().all(|line| line["schema"] == "acme.Door" && line.get("invalid").is_none())
    );
}

#[test]
fn what_is_shown_can_be_stored_again_byte_for_byte() {
    let (place, copy) = (Place::new(), Place::new());
    let schema = place.file("door.fbs", DOOR);
    let payload = flatc_writes(&place, &schema, &[json!({"name": "front"})]).remove(0);
    let envelope = written(&Event {
        payload: Some(Nested(&payload)),
        source: Some("a"),
        ..Default::default()
    });
    append(&place, &[payload, envelope, b"no event".to_vec()]);
    let ended = place.run(&["tail", "--schema", &schema, "--json"]);
    copy.done_with(&["append", "--format", "json"], ended.stdout.as_bytes());
    let base64 = |line: &str| json(line)["base64"].clone();
    let again = copy.run(&["tail", "--schema", &schema, "--json"]);
    assert!(ended.stdout.lines().map(base64).eq(again.stdout.lines().map(base64)));
}

#[test]
fn what_does_not_verify_is_printed_as_invalid_and_the_rest_goes_on_and_the_end_says_so() {
    let place = Place::new();
    let schema = place.file("door.fbs", DOOR);
    let good = flatc_writes(&place, &schema, &[json!({"name": "front"})]).remove(0);
    let mut no_string = good.clone();
    let at = no_string.windows(5).position(|it| it == b"front").expect("there") - 4;
    no_string[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut damaged_envelope =
        written(&Event { payload: Some(Nested(&good)), ..Default::default() });
    damaged_envelope[0] = 0xFF;
    let bad_inside = written(&Event {
        payload: Some(Nested(&good[..12])),
        source: Some("x"),
        ..Default::default()
    });
    let records = [
        good.clone(),
        b"no flatbuffer at all".to_vec(),
        no_string,
        good[..good.len() - 3].to_vec(),
        damaged_envelope,
        bad_inside,
        good,
    ];
    append(&place, &records);
    let ended = place.run(&["tail", "--schema", &schema, "--json"]);
    let lines: Vec<_> = ended.stdout.lines().map(json).collect();
    let invalid: Vec<_> = lines.iter().map(|line| line["invalid"].as_str().unwrap_or("")).collect();
    assert_eq!(lines.len(), records.len(), "{}", ended.stderr);
    assert!(invalid[0].is_empty() && invalid[6].is_empty(), "{invalid:?}");
    assert_eq!(invalid[1], "not a acme.Door: its identifier is not DOOR");
    assert!(invalid[2].starts_with("not a acme.Door: "), "{invalid:?}");
    assert!(invalid[3].starts_with("not a acme.Door: "), "{invalid:?}");
    assert!(invalid[4].starts_with("not an envelope: "), "{invalid:?}");
    assert!(invalid[5].starts_with("not a acme.Door: ") && lines[5]["event"]["source"] == "x");
    for (line, record) in lines.iter().zip(&records) {
        assert_eq!(line["base64"], BASE64_STANDARD.encode(record));
        assert_eq!(line.get("payload").is_some(), line.get("invalid").is_none());
    }
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr, "edgelog: 5 records were printed as invalid: not acme.Door\n");
}

/// A few bytes that would be a forest of tables: every one of the entries leads to the same table.
#[test]
fn a_small_event_that_would_be_endless_json_is_invalid() {
    let place = Place::new();
    let fields: Vec<_> =
        (0..100).map(|n| format!("  field_with_a_long_name_{n}:ulong;\n")).collect();
    let schema = format!(
        "table Leaf {{\n{}}}\ntable All {{ leaves:[Leaf]; }}\nroot_type All;\n",
        fields.concat()
    );
    let schema = place.file("many.fbs", schema);
    let one = flatc_writes(&place, &schema, &[json!({"leaves": [{}, {}, {}, {}]})]).remove(0);
    let bytes = forest(50_000);
    append(&place, &[bytes, one]);
    let ended = place.run(&["tail", "--schema", &schema, "--json"]);
    let lines: Vec<_> = ended.stdout.lines().map(json).collect();
    let told = lines[0]["invalid"].as_str().expect("invalid");
    assert_eq!(told, "not a All: as JSON it is longer than 64 MiB");
    assert_eq!(lines[1]["payload"]["leaves"].as_array().map(Vec::len), Some(4));
}

/// A root with a vector whose entries all lead to one empty table behind them.
fn forest(entries: u32) -> Vec<u8> {
    let word = |number: u32| number.to_le_bytes();
    let mut bytes = Vec::new();
    // The root's offset, the vtable (of 6 bytes, padded), the root with its one field.
    bytes.extend(word(12));
    bytes.extend([6, 0, 8, 0, 4, 0, 0, 0]);
    bytes.extend(word(8));
    bytes.extend(word(4));
    bytes.extend(word(entries));
    for n in 0..entries {
        bytes.extend(word((entries - n) * 4 + 4));
    }
    // A vtable without fields, and its table.
    bytes.extend([4, 0, 4, 0]);
    bytes.extend(word(4));
    bytes
}

#[test]
fn a_table_that_is_not_the_root_is_chosen_by_its_name() {
    let place = Place::new();
    let rooted = place.file("rooted.fbs", DOOR.replace("acme.Door;", "acme.Hinge;"));
    let hinge = flatc_writes(&place, &rooted, &[json!({"turns": 7})]).remove(0);
    append(&place, &[hinge]);
    let schema = place.file("door.fbs", DOOR);
    let shown = place.json(&["tail", "--schema", &schema, "--type", "acme.Hinge"]);
    assert_eq!((&shown["schema"], &shown["payload"]), (&json!("acme.Hinge"), &json!({"turns": 7})));
}

#[test]
fn a_compiled_schema_says_the_same() {
    let place = Place::new();
    let schema = place.file("door.fbs", DOOR);
    let written = flatc_writes(&place, &schema, &[json!({"name": "front"})]);
    let by_text = append_and_show(&place, &schema, &written);
    flatc(&place, &["--schema", "--binary", "--bfbs-builtins", &schema]);
    let by_binary = place.json(&["tail", "--schema", "door.bfbs"]);
    assert_eq!(by_text[0], by_binary);
}

#[test]
fn what_is_wrong_with_a_schema_is_told_with_what_helps() {
    let place = Place::new();
    place.done_with(&["append"], b"event\n");
    let rootless = place.file("rootless.fbs", DOOR.replace("root_type", "//"));
    let fails = |arguments: &[&str]| {
        let ended = place.run(&[&["tail", "--json", "--schema"][..], arguments].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        ended.stderr
    };
    let told = fails(&[&rootless]);
    assert!(
        told.contains("names no root_type; say --type; its tables: acme.Door, acme.Hinge"),
        "{told}"
    );
    let told = fails(&[&rootless, "--type", "Door"]);
    assert!(told.contains("has no table Door; its tables: acme.Door"), "{told}");
    let told = fails(&[&place.file("wrong.fbs", "table A { a:nothing; }")]);
    assert!(told.contains("wrong.fbs: flatc says: ") && told.contains("error"), "{told}");
    assert!(fails(&["nowhere.fbs"]).contains("cannot read the schema nowhere.fbs: No such file"));
    assert!(fails(&[&place.file("wrong.txt", "")]).contains("ends with .fbs or .bfbs"));
    let told = fails(&[&place.file("wrong.bfbs", "no schema")]);
    assert!(told.contains("not a binary schema"), "{told}");
    let mut without = place.command(&["tail", "--json", "--schema", &rootless]);
    let told = crate::support::finish(without.env("PATH", ""), b"").stderr;
    assert!(told.contains("apt-get install flatbuffers-compiler"), "{told}");
    let ended = place.run(&["tail", "--schema", &rootless]);
    assert_eq!(ended.code, Some(2), "--schema is for --json: {}", ended.stderr);
}

const DOOR: &str = r#"
namespace acme;
table Hinge { turns:uint; }
table Door { name:string (required); open:bool; angle:short = 90; }
root_type acme.Door;
file_identifier "DOOR";
"#;

fn everything() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/everything.fbs");
    fs::read_to_string(path).expect("a schema")
}

fn written<'a>(table: &impl Table<'a>) -> Vec<u8> {
    let mut buffer = vec![0; table.encoded_len()];
    table.write(&mut buffer).expect("it fits");
    buffer
}

/// The bytes that flatc makes of the events.
fn flatc_writes(place: &Place, schema: &str, events: &[Value]) -> Vec<Vec<u8>> {
    let names = |end: &str| (0..events.len()).map(|n| format!("{n}.{end}")).collect::<Vec<_>>();
    for (name, event) in names("json").iter().zip(events) {
        place.file(name, types_first(event));
    }
    let json = names("json");
    let files = json.iter().map(String::as_str);
    flatc(place, &["--binary", schema].into_iter().chain(files).collect::<Vec<_>>());
    names("bin").iter().map(|name| fs::read(place.path(name)).expect("flatc wrote it")).collect()
}

/// The event's text. flatc has to know the types of a vector's unions before it.
fn types_first(event: &Value) -> String {
    let fields = event.as_object().expect("an object");
    let (types, rest): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| *name == "anys_type");
    let shown = types.into_iter().chain(rest).map(|(name, value)| format!("{name:?}: {value}"));
    format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
}

/// What flatc shows of the files that it wrote.
fn flatc_shows(place: &Place, schema: &str, count: usize) -> Vec<Value> {
    let names: Vec<_> = (0..count).map(|n| format!("{n}.bin")).collect();
    let options = ["--json", "--strict-json", "--defaults-json", "--raw-binary", schema, "--"];
    flatc(place, &options.into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>());
    let read = |n| fs::read_to_string(place.path(&format!("{n}.json"))).expect("flatc wrote it");
    (0..count).map(|n| json(&read(n))).collect()
}

fn flatc(place: &Place, arguments: &[&str]) {
    let output = Command::new("flatc").current_dir(place.path("")).args(arguments).output();
    let output = output.expect("flatc is needed: apt-get install flatbuffers-compiler");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{}: {said}", output.status);
}

fn append(place: &Place, records: &[Vec<u8>]) {
    let line =
        |record: &Vec<u8>| json!({"base64": BASE64_STANDARD.encode(record)}).to_string() + "\n";
    let lines: String = records.iter().map(line).collect();
    place.done_with(&["append", "--format", "json"], lines.as_bytes());
}

fn append_and_show(place: &Place, schema: &str, records: &[Vec<u8>]) -> Vec<Value> {
    append(place, records);
    let shown = place.done(&["tail", "--from", "earliest", "--schema", schema, "--json"]);
    shown.lines().map(json).collect()
}

/// flatc shows absent optional numbers and unions as nothing.
fn flatc_without_nothing(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let told = map.iter().filter(|(name, value)| {
                !(value.is_null() || (name.ends_with("_type") && *value == "NONE"))
            });
            told.map(|(name, value)| (name.clone(), flatc_without_nothing(value))).collect()
        }
        Value::Array(items) => items.iter().map(flatc_without_nothing).collect(),
        value => value.clone(),
    }
}

/// Equal, where flatc shows fractions with 12 digits.
fn assert_same(ours: &Value, theirs: &Value, at: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(ours), names(theirs), "{at}");
            ours.iter()
                .for_each(|(name, ours)| assert_same(ours, &theirs[name], &format!("{at}.{name}")));
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{at}");
            let pairs = ours.iter().zip(theirs).enumerate();
            pairs.for_each(|(n, (ours, theirs))| assert_same(ours, theirs, &format!("{at}[{n}]")));
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= a.abs() * 1e-11, "{at}: {a} and {b}");
        }
        _ => assert_eq!(ours, theirs, "{at}"),
    }
}

/// All that was told is shown, and what else is shown is a default.
fn assert_told(ours: &Value, told: &Value, at: &str) {
    match (ours, told) {
        (Value::Object(ours), Value::Object(told)) => {
            for (name, told) in told {
                let shown = ours.get(name).unwrap_or_else(|| panic!("{at}.{name} is not shown"));
                assert_told(shown, told, &format!("{at}.{name}"));
            }
            for (name, value) in ours.iter().filter(|(name, _)| !told.contains_key(*name)) {
                assert!(
                    DEFAULTS.iter().any(|(it, of)| it == name && json(of) == *value),
                    "{at}.{name}: {value}"
                );
            }
        }
        (Value::Array(ours), Value::Array(told)) => {
            assert_eq!(ours.len(), told.len(), "{at}");
            ours.iter().zip(told).for_each(|(ours, told)| assert_told(ours, told, at));
        }
        _ => assert_same(ours, told, at),
    }
}

/// What tests/schemas/everything.fbs says of fields that are left out.
const DEFAULTS: [(&str, &str); 16] = [
    ("truth", "true"),
    ("tiny", "0"),
    ("small", "200"),
    ("short", "-300"),
    ("word", "0"),
    ("int", "0"),
    ("uint", "4000000000"),
    ("long", "-9000000000000000000"),
    ("ulong", "9000000000000000000"),
    ("single", "0.5"),
    ("double", "0.0"),
    ("colour", r#""Blue""#),
    ("flags", "0"),
    ("huge", r#""Small""#),
    ("number", "-7"),
    ("value", "0"),
];

/// Random events as JSON, the same for the same seed: xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 8) % end
    }

    /// An integer of so many bits: an end of the range, or anything.
    fn int(&mut self, bits: u32) -> Value {
        match self.below(4) {
            0 => json!(i64::MIN >> (64 - bits)),
            1 => json!(i64::MAX >> (64 - bits)),
            _ => json!(self.next().cast_signed() >> (64 - bits)),
        }
    }

    fn uint(&mut self, bits: u32) -> Value {
        json!(if self.below(4) == 0 { u64::MAX } else { self.next() } >> (64 - bits))
    }

    /// A number that few digits hold, as flatc shows few.
    fn real(&mut self) -> Value {
        json!(f64::from(u16::try_from(self.below(1 << 16)).unwrap()) / 16.0 - 2048.0)
    }

    fn text(&mut self) -> Value {
        let all = ["", "plain", "größer", "雨\u{1F300}", "\"quoted\\\"\n\t", "a/b\u{1}c"];
        json!(all[usize::try_from(self.below(6)).unwrap()])
    }

    fn colour(&mut self) -> Value {
        [json!("Red"), json!("Green"), json!("Blue"), json!(77)]
            [usize::try_from(self.below(4)).unwrap()]
        .clone()
    }

    fn flags(&mut self) -> Value {
        [json!("One"), json!("One Ten"), json!(0), json!(5), json!("One Two Ten")]
            [usize::try_from(self.below(5)).unwrap()]
        .clone()
    }

    fn inner(&mut self) -> Value {
        json!({"tiny": self.int(8), "wide": self.real(), "colour": self.colour()})
    }

    fn outer(&mut self) -> Value {
        json!({
            "inner": self.inner(), "grid": [self.int(32), self.int(32), self.int(32)], "inners": [self.inner(), self.inner()],
            "truth": self.below(2) == 1, "colours": [self.colour(), self.colour()], "far": self.uint(64),
        })
    }

    fn leaf(&mut self) -> Value {
        json!({"name": self.text(), "number": self.int(64)})
    }

    fn tree(&mut self, depth: u32) -> Value {
        let mut tree = Map::new();
        if self.below(2) == 0 {
            tree.insert("value".to_owned(), self.uint(32));
        }
        if self.below(3) == 0 {
            tree.insert("leaf".to_owned(), self.leaf());
        }
        if depth > 0 {
            for name in ["left", "right"] {
                if self.below(2) == 0 {
                    tree.insert(name.to_owned(), self.tree(depth - 1));
                }
            }
            if self.below(3) == 0 {
                tree.insert("many".to_owned(), self.list(|it| it.tree(depth - 1)));
            }
        }
        Value::Object(tree)
    }

    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Value) -> Value {
        let count = self.below(4);
        (0..count).map(|_| item(self)).collect()
    }

    /// A union's type and value.
    fn any(&mut self, advanced: bool) -> (Value, Value) {
        match self.below(if advanced { 4 } else { 2 }) {
            0 => (json!("judge_parts_Leaf"), self.leaf()),
            1 => (json!("Tree"), self.tree(1)),
            2 => (json!("Struct"), self.outer()),
            _ => (json!("text"), self.text()),
        }
    }

    fn field(&mut self, name: &str, advanced: bool) -> Value {
        match name {
            "truth" | "maybe_truth" => json!(self.below(2) == 1),
            "tiny" => self.int(8),
            "small" => self.uint(8),
            "short" => self.int(16),
            "word" => self.uint(16),
            "int" | "maybe_int" => self.int(32),
            "uint" => self.uint(32),
            "long" => self.int(64),
            "ulong" | "maybe_ulong" => self.uint(64),
            "single" | "double" | "maybe_double" => self.real(),
            "colour" | "maybe_colour" => self.colour(),
            "flags" => self.flags(),
            "huge" => json!(["Small", "Most"][usize::try_from(self.below(2)).unwrap()]),
            "text" => self.text(),
            "inner" => self.inner(),
            "outer" => self.outer(),
            "tree" | "nested" => self.tree(3),
            "bytes" => self.list(|it| it.uint(8)),
            "truths" => self.list(|it| json!(it.below(2) == 1)),
            "shorts" => self.list(|it| it.int(16)),
            "longs" => self.list(|it| it.int(64)),
            "ulongs" => self.list(|it| it.uint(64)),
            "singles" | "doubles" => self.list(Self::real),
            "colours" => self.list(Self::colour),
            "texts" => self.list(Self::text),
            "outers" => self.list(Self::outer),
            "trees" => self.list(|it| it.tree(2)),
            name => panic!("{name} has no values here ({advanced})"),
        }
    }

    fn event(&mut self, advanced: bool) -> Value {
        const NAMES: &str = "truth tiny small short word int uint long ulong single double maybe_truth maybe_int maybe_ulong \
            maybe_double maybe_colour colour flags huge text inner outer tree nested bytes truths shorts longs ulongs \
            singles doubles colours texts outers trees";
        let mut event = Map::new();
        for name in NAMES.split_whitespace() {
            if self.below(3) > 0 {
                event.insert(name.to_owned(), self.field(name, advanced));
            }
        }
        if self.below(3) > 0 {
            let (of, value) = self.any(advanced);
            event.insert("any_type".to_owned(), of);
            event.insert("any".to_owned(), value);
        }
        if advanced {
            let (mut of, mut values) = (Vec::new(), Vec::new());
            for _ in 0..self.below(4) {
                let (kind, value) = self.any(true);
                of.push(kind);
                values.push(value);
            }
            event.insert("anys_type".to_owned(), Value::Array(of));
            event.insert("anys".to_owned(), Value::Array(values));
        }
        Value::Object(event)
    }
}
