//! What was found by somebody who tried to break it.

use edgelog_record::{Schema, Table, Vector, fixed, is_namespace, is_plain, table};

fixed! {
    /// A struct with room left free between its fields and behind them.
    pub struct Gappy in "test" {
        /// Narrow.
        pub narrow: u8,
        /// Wide.
        pub wide: u64,
        /// Narrow.
        pub last: u16,
    }
}

table! {
    /// Structs alone and in a vector.
    struct Gaps<'a> in "test" {
        /// One.
        0: one: Option<Gappy>,
        /// Many.
        1: many: Option<Vector<'a, Gappy>>,
    }
}

#[test]
fn what_was_in_the_buffer_before_is_not_in_the_event() {
    let items = [Gappy { narrow: 1, wide: 2, last: 3 }, Gappy::default()];
    let gaps = Gaps { one: Some(items[0]), many: Some(Vector::from(&items)) };
    let written = [0x00, 0xA5].map(|before| {
        let mut buffer = vec![before; gaps.encoded_len()];
        gaps.write(&mut buffer).unwrap();
        buffer
    });
    assert_eq!(written[0], written[1]);
}

mod crowded {
    //! Names that a module may well have for things of its own.
    #![expect(dead_code, reason = "they are only in the way")]

    /// As many modules have it.
    type Result<T> = core::result::Result<T, ()>;
    type Option<T> = core::option::Option<(T, T)>;

    edgelog_record::fixed! {
        /// A struct.
        pub struct Point in "test" {
            /// A number.
            pub default: i16,
        }
    }

    edgelog_record::table! {
        /// A table.
        pub struct Crowded<'a> in "test" id "CRO1" {
            /// Named as something in the macro.
            0: writer: u8,
            /// Named as something in the macro.
            1: slots: u8,
            /// Named as something in the macro.
            2: table: Point,
            /// Named as something in the macro.
            3: fields: &'a str,
            /// Named as something in the macro.
            4: default: u8 = 3,
        }
    }
}

#[test]
fn a_table_can_be_described_where_result_and_option_are_other_types() {
    let crowded = crowded::Crowded { fields: "it", slots: 7, ..Default::default() };
    let mut buffer = [0; 64];
    let len = crowded.write(&mut buffer).unwrap();
    assert_eq!(crowded::Crowded::read(&buffer[..len]), Ok(crowded));
}

table! {
    /** A comment
    of two lines. */
    struct Commented in "test" {
        /** Another
        one. */
        0: number: u8,
    }
}

#[test]
fn every_line_of_a_comment_is_a_comment_in_the_schema() {
    let schema = Schema::of::<Commented>().to_string();
    for word in ["of two lines.", "one."] {
        let line = schema.lines().find(|line| line.contains(word)).unwrap();
        assert!(line.trim_start().starts_with("///"), "{schema}");
    }
}

#[test]
fn only_what_flatc_understands_is_a_namespace_or_an_identifier() {
    for good in ["acme", "acme.sensors", "_a1.B_2"] {
        assert!(is_namespace(good), "{good}");
    }
    for bad in
        ["", ".", "acme.", ".acme", "a..b", "1a", "acme.1", "acme-sensors", "acme sensors", "größe"]
    {
        assert!(!is_namespace(bad), "{bad}");
    }
    assert!(is_plain("AC 1") && !is_plain("A\"C1") && !is_plain("A\\C1") && !is_plain("A\nC1"));
}
