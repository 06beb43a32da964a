//! An event of an old schema reads under a new one, and the reverse.

use edgelog_record::{Invalid, Table, Vector, table};
use record_judge::{Leaf, Newer, Older};

#[test]
fn an_old_event_reads_under_the_new_schema_and_has_the_defaults_of_what_is_new() {
    let old = written(&Older { number: 7, remark: Some("given up"), name: "kept" });
    let expected = Newer { number: 7, name: "kept", ..Default::default() };
    assert_eq!(Newer::read(&old), Ok(expected));
    assert_eq!((expected.precise, expected.samples), (0.5, None));
}

#[test]
fn a_new_event_reads_under_the_old_schema_without_what_is_new() {
    let new = written(&Newer {
        number: 8,
        name: "kept",
        precise: 2.5,
        samples: Some(Vector::from(&[1, 2])),
        leaf: Some(Leaf::default()),
        ..Default::default()
    });
    assert_eq!(Older::read(&new), Ok(Older { number: 8, remark: None, name: "kept" }));
}

#[test]
fn what_an_old_program_left_out_is_the_default_of_both() {
    let old = written(&Older { name: "", ..Default::default() });
    assert_eq!(Older::read(&old).map(|it| it.number), Ok(4));
    assert_eq!(Newer::read(&old).map(|it| it.number), Ok(4));
}

#[test]
fn a_deprecated_field_is_not_looked_at_however_it_is_damaged() {
    let mut old = written(&Older { remark: Some("\u{7F}\u{7F}\u{7F}"), ..Default::default() });
    let at = old.windows(3).position(|it| it == [0x7F; 3]).unwrap();
    old[at] = 0xFF;
    assert_eq!(Older::read(&old), Err(Invalid::Utf8(at - 4)));
    assert!(Newer::read(&old).is_ok());
}

table! {
    /// A table that does without any field.
    struct Nothing in "test" {
        /// Never set.
        0: nothing: Option<u64>,
    }
}

#[test]
fn a_field_that_was_required_from_the_start_is_missed_when_another_table_is_read() {
    assert_eq!(Newer::read(&written(&Nothing::default())), Err(Invalid::Missing("name")));
}

fn written<'a>(table: &impl Table<'a>) -> Vec<u8> {
    let mut buffer = vec![0; table.encoded_len()];
    table.write(&mut buffer).expect("it fits");
    buffer
}
