//! What `edgelog schema check` says of a change, and what the official compiler's `flatc --conform` says of it.

use crate::support::Place;
use std::process::Command;

/// A schema that changes, piece by piece.
const BASE: &str = r#"
namespace acme;
enum Colour:ubyte { Red, Green, Blue }
struct Place { x:int; y:int; }
table Hinge { turns:uint; }
table Lock { keys:uint; }
union Part { Hinge, Lock }
table Door {
  name:string (id: 0, required);
  open:bool (id: 1);
  angle:short = 90 (id: 2);
  colour:Colour = Red (id: 3);
  place:Place (id: 4);
  hinges:[Hinge] (id: 5);
  part:Part (id: 7);
  weight:float = null (id: 8);
  note:string (id: 9);
  gone:int (id: 10, deprecated);
}
root_type Door;
file_identifier "DOOR";
"#;

/// What `flatc --conform` says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flatc {
    /// It conforms.
    Yes,
    /// It does not.
    No,
    /// Version 2.0.8 does not look at that, or crashes over it; a newer one may see it.
    Blind,
    /// It does not, because it takes another name for another type, which data do not know.
    Name,
}
use Flatc::{Blind, Name, No, Yes};

/// What is replaced by what.
type Edits = &'static [(&'static str, &'static str)];

/// What is changed; what flatc says of it; and what is told: nothing where it conforms without a word.
const CHANGES: &[(Edits, Flatc, &[&str])] = &[
    // Allowed.
    (&[], Yes, &[]),
    (&[("note:string (id: 9);", "note:string (id: 9); more:[int] (id: 11);")], Yes, &[]),
    (&[("note:string (id: 9);", "note:string (id: 9, deprecated);")], Yes, &[]),
    (&[("Green, Blue", "Green, Blue, Black")], Yes, &[]),
    (&[("union Part { Hinge, Lock }", "union Part { Hinge, Lock, Door }")], Yes, &[]),
    (&[("table Lock { keys:uint; }", "table Lock { keys:uint; } table New { a:int; }")], Yes, &[]),
    (
        &[("  open:bool (id: 1);\n", ""), ("deprecated);", "deprecated); open:bool (id: 1);")],
        Yes,
        &[],
    ),
    // Names.
    (
        &[("note:string", "remark:string")],
        Yes,
        &["note   acme.Door.note (id 9): is called remark now"],
    ),
    (
        &[("Hinge", "Pivot")],
        Name,
        &[
            "note   acme.Hinge: is called acme.Pivot now",
            "note   acme.Part.Hinge (1): is called Pivot now",
        ],
    ),
    (&[("Blue", "Azure")], Yes, &["note   acme.Colour.Blue (2): is called Azure now"]),
    (
        &[("namespace acme;", "namespace acme.v2;")],
        Yes,
        &["note   acme.Door: is called acme.v2.Door now"],
    ),
    // Fields of tables.
    (
        &[("  gone:int (id: 10, deprecated);\n", "")],
        Blind,
        &["breaks acme.Door.gone (id 10): removed", "mark it (deprecated)"],
    ),
    (
        &[
            ("  gone:int (id: 10, deprecated);\n", ""),
            ("note:string (id: 9)", "gone:int (id: 9, deprecated)"),
        ],
        No,
        &[
            "breaks acme.Door.note (id 9): removed",
            "breaks acme.Door.gone (id 10): its id is 9 now",
        ],
    ),
    (
        &[
            ("open:bool (id: 1)", "open:bool (id: 2)"),
            ("angle:short = 90 (id: 2)", "angle:short = 90 (id: 1)"),
        ],
        No,
        &[
            "breaks acme.Door.open (id 1): its id is 2 now",
            "breaks acme.Door.angle (id 2): its id is 1 now",
        ],
    ),
    (
        &[("open:bool", "open:ubyte")],
        No,
        &["breaks acme.Door.open (id 1): its type changed from bool to ubyte"],
    ),
    (
        &[("angle:short", "angle:int")],
        No,
        &["breaks acme.Door.angle (id 2): its type changed from short to int"],
    ),
    (
        &[("angle:short", "angle:ushort")],
        No,
        &["breaks acme.Door.angle (id 2): its type changed from short to ushort"],
    ),
    (
        &[("note:string", "remark:[ubyte]")],
        No,
        &["breaks acme.Door.note (id 9): its type changed from string to [ubyte]"],
    ),
    (
        &[("hinges:[Hinge]", "hinges:Hinge")],
        No,
        &["its type changed from [acme.Hinge] to acme.Hinge"],
    ),
    (
        &[("hinges:[Hinge]", "hinges:[Lock]")],
        No,
        &["its type changed from [acme.Hinge] to [acme.Lock]"],
    ),
    (
        &[("colour:Colour = Red", "colour:ubyte")],
        Blind,
        &["its type changed from acme.Colour to ubyte"],
    ),
    (
        &[("turns:uint", "turns:ulong")],
        No,
        &["breaks acme.Hinge.turns (id 0): its type changed from uint to ulong"],
    ),
    (
        &[("= 90", "= 91")],
        No,
        &[
            "breaks acme.Door.angle (id 2): its default changed from 90 to 91; old data that left it out read as 91",
        ],
    ),
    (
        &[("= Red", "= Blue")],
        No,
        &["breaks acme.Door.colour (id 3): its default changed from Red to Blue"],
    ),
    (
        &[("weight:float = null", "weight:float")],
        No,
        &["breaks acme.Door.weight (id 8): its default changed from null to 0"],
    ),
    (
        &[("open:bool", "open:bool = null")],
        No,
        &["breaks acme.Door.open (id 1): its default changed from false to null"],
    ),
    (
        &[("(id: 0, required)", "(id: 0)")],
        Blind,
        &["breaks acme.Door.name (id 0): no longer required; old readers refuse"],
    ),
    (
        &[("(id: 9)", "(id: 9, required)")],
        Blind,
        &["breaks acme.Door.note (id 9): became required; new readers refuse old data"],
    ),
    (
        &[("(id: 10, deprecated)", "(id: 10, deprecated); more:string (id: 11, required)")],
        Blind,
        &["breaks acme.Door.more (id 11): added as required; new readers refuse old data"],
    ),
    (
        &[("gone:int (id: 10, deprecated)", "gone:int (id: 10)")],
        Blind,
        &["breaks acme.Door.gone (id 10): was deprecated and is used as gone again"],
    ),
    (
        &[("gone:int (id: 10, deprecated)", "fresh:int (id: 10)")],
        Blind,
        &["breaks acme.Door.gone (id 10): was deprecated and is used as fresh again"],
    ),
    // Structs.
    (
        &[("y:int;", "y:int; z:int;")],
        Blind,
        &["breaks acme.Place.z: added; a struct cannot change"],
    ),
    (
        &[("x:int; y:int;", "x:int;")],
        Blind,
        &["breaks acme.Place.y: removed; a struct cannot change"],
    ),
    (
        &[("x:int; y:int;", "y:int; x:int;")],
        No,
        &[
            "breaks acme.Place.x: has another place now",
            "breaks acme.Place.y: has another place now",
        ],
    ),
    (&[("x:int;", "x:float;")], No, &["breaks acme.Place.x: its type changed from int to float"]),
    (&[("x:int; y", "x:int; up:[int:2]; y")], No, &["acme.Place.y: has another place now"]),
    (
        &[("struct Place {", "struct Place (force_align: 8) {")],
        Blind,
        &["breaks acme.Place: takes 8 bytes aligned to 8 now"],
    ),
    (
        &[("struct Place", "table Place")],
        No,
        &["breaks acme.Door.place (id 4): its type changed from acme.Place to acme.Place"],
    ),
    // Enums and unions.
    (
        &[("Red, Green, Blue", "Red, Green")],
        Blind,
        &["breaks acme.Colour.Blue (2): the value is gone"],
    ),
    (
        &[("Green, Blue", "Green = 3, Blue")],
        No,
        &[
            "breaks acme.Colour.Green (1): its number is 3 now",
            "breaks acme.Colour.Blue (2): its number is 4 now",
        ],
    ),
    (
        &[("Colour:ubyte", "Colour:ushort")],
        No,
        &["breaks acme.Colour: its numbers are of ushort now, not ubyte"],
    ),
    (
        &[("{ Hinge, Lock }", "{ Hinge }")],
        Blind,
        &["breaks acme.Part.Lock (2): the member is gone"],
    ),
    (
        &[("{ Hinge, Lock }", "{ Lock, Hinge }")],
        No,
        &["breaks acme.Part.Hinge (1): its number is 2 now"],
    ),
    (
        &[("{ Hinge, Lock }", "{ Hinge:Lock, Lock:Hinge }")],
        Blind,
        &["breaks acme.Part.Hinge (1): its type changed from acme.Hinge to acme.Lock"],
    ),
    // The whole.
    (
        &[("\"DOOR\"", "\"DOR2\"")],
        Blind,
        &["breaks file_identifier: changed from \"DOOR\" to \"DOR2\"; new readers refuse old data"],
    ),
    (
        &[("file_identifier \"DOOR\";", "")],
        Blind,
        &["breaks file_identifier: \"DOOR\" is gone; old readers refuse new data"],
    ),
    (
        &[("root_type Door", "root_type Lock")],
        Blind,
        &["breaks root_type: changed from acme.Door to acme.Lock"],
    ),
    (
        &[("root_type Door;", ""), ("file_identifier \"DOOR\";", "")],
        Blind,
        &["breaks root_type: acme.Door is no longer named"],
    ),
    (
        &[("table Lock { keys:uint; }", ""), (", Lock", "")],
        Blind,
        &["breaks acme.Lock: the table is gone", "breaks acme.Part.Lock (2)"],
    ),
];

#[test]
fn every_change_that_flatc_refuses_is_told_with_whom_it_breaks_and_so_are_those_that_it_does_not_see()
 {
    let place = Place::new();
    let old = place.file("old.fbs", BASE);
    for (edits, flatc, told) in CHANGES {
        let mut text = BASE.to_owned();
        for (from, to) in *edits {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let new = place.file("new.fbs", &text);
        let ended = place.run(&["schema", "check", &old, &new]);
        let said = ended.stdout.replace("breaks  ", "breaks ").replace("note    ", "note   ");
        for words in *told {
            assert!(said.contains(words), "{edits:?} lacks {words:?}: {said}{}", ended.stderr);
        }
        let breaks = said.lines().filter(|line| line.starts_with("breaks ")).count();
        let expected = told.iter().any(|words| !words.starts_with("note "));
        assert_eq!(breaks > 0, expected, "{edits:?}: {said}");
        assert_eq!(ended.code, Some(i32::from(expected)), "{edits:?}: {said}{}", ended.stderr);
        if told.is_empty() {
            assert_eq!(said, format!("{new} conforms to {old}\n"), "{edits:?}");
        }
        let conforms = conforms(&place, &old, &new);
        match flatc {
            Yes => assert!(conforms == Some(true) && breaks == 0, "{edits:?}"),
            No => assert!(conforms == Some(false) && breaks > 0, "{edits:?}"),
            // A newer flatc may see more.
            Blind => assert!(breaks > 0, "{edits:?}"),
            Name => assert!(conforms == Some(false) && breaks == 0, "{edits:?}"),
        }
    }
}

#[test]
fn no_line_is_told_twice_and_every_line_says_what_to_do() {
    let place = Place::new();
    let old = place.file("old.fbs", BASE);
    let new = BASE
        .replace("turns:uint", "turns:ulong")
        .replace("Blue }", "Black }")
        .replace("= 90", "= 1");
    let ended = place.run(&["schema", "check", &old, &place.file("new.fbs", new)]);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines {
        let breaks =
            line.starts_with("breaks  ") && line.contains("old data") && line.contains("; ");
        assert!(breaks || line.starts_with("note    acme.Colour.Blue (2): "), "{line}");
    }
    assert!(
        ended.stderr.ends_with("new.fbs does not conform to ".to_owned().as_str())
            || ended.stderr.contains(": 2 changes\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_schema_that_cannot_be_read_is_told_apart_from_one_that_does_not_conform() {
    let place = Place::new();
    let good = place.file("good.fbs", BASE);
    let wrong = place.file("wrong.fbs", "table {");
    for (old, new, words) in [
        (good.as_str(), "nowhere.fbs", "cannot read the schema nowhere.fbs: No such file"),
        (&wrong, &good, "wrong.fbs: flatc says: "),
        (&good, "nowhere.bfbs", "cannot read the schema nowhere.bfbs: No such file"),
    ] {
        let ended = place.run(&["schema", "check", old, new]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(place.run(&["schema", "check", &good]).code, Some(2));
}

/// Nothing where flatc crashes, as version 2.0.8 does where an enum becomes a number.
fn conforms(place: &Place, old: &str, new: &str) -> Option<bool> {
    let mut flatc = Command::new("flatc");
    let output = flatc.current_dir(place.path("")).args(["--conform", old, new]).output();
    let output = output.expect("flatc is needed: apt-get install flatbuffers-compiler");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Otherwise it refused the schema and not the change.
    let differ = ["differ", "different type", "doesn't conform", "schemas don't conform"];
    assert!(
        output.status.code() != Some(1) || differ.iter().any(|it| said.contains(it)),
        "{}: {said}",
        output.status
    );
    output.status.code().map(|code| code == 0)
}
