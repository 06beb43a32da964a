//! The tables that are judged: every kind of field, and what an older and a newer program make of one table.

use edgelog_record::{Deprecated, Nested, Vector, fixed, table};

fixed! {
    /// A place.
    pub struct Height in "judge" {
        /// Metres.
        pub metres: f32,
    }
}

fixed! {
    /// A struct with room left free between its fields and after them.
    pub struct Place in "judge" {
        /// One byte.
        pub floor: i8,
        /// Eight.
        pub latitude: f64,
        /// Another struct.
        pub height: Height,
        /// Whether it is one.
        pub known: bool,
    }
}

table! {
    /// A table in tables.
    pub struct Leaf in "judge" {
        /// Wide.
        0: wide: i64,
        /// Narrow.
        1: narrow: Option<bool>,
    }
}

table! {
    /// A table in a table.
    pub struct Part<'a> in "judge" {
        /// Its name.
        0: name: Option<&'a str>,
        /// A table.
        1: leaf: Option<Leaf>,
        /// A required table.
        2: required: Leaf,
    }
}

table! {
    /// Every kind of field.
    pub struct Everything<'a> in "judge" id "JUD1" {
        /// A scalar.
        0: truth: bool = true,
        /// A scalar.
        1: tiny: i8,
        /// A scalar.
        2: small: u8,
        /// A scalar.
        3: short: i16 = -7,
        /// A scalar.
        4: word: u16,
        /// A scalar.
        5: int: i32,
        /// A scalar.
        6: uint: u32,
        /// A scalar.
        7: long: i64,
        /// A scalar.
        8: ulong: u64 = 9,
        /// A scalar.
        9: single: f32 = 1.5,
        /// A scalar.
        10: double: f64,
        /// An optional scalar.
        11: maybe_truth: Option<bool>,
        /// An optional scalar.
        12: maybe_tiny: Option<i8>,
        /// An optional scalar.
        13: maybe_small: Option<u8>,
        /// An optional scalar.
        14: maybe_short: Option<i16>,
        /// An optional scalar.
        15: maybe_word: Option<u16>,
        /// An optional scalar.
        16: maybe_int: Option<i32>,
        /// An optional scalar.
        17: maybe_uint: Option<u32>,
        /// An optional scalar.
        18: maybe_long: Option<i64>,
        /// An optional scalar.
        19: maybe_ulong: Option<u64>,
        /// An optional scalar.
        20: maybe_single: Option<f32>,
        /// An optional scalar.
        21: maybe_double: Option<f64>,
        /// A string.
        22: text: Option<&'a str>,
        /// A required string.
        23: name: &'a str,
        /// Bytes.
        24: raw: Option<&'a [u8]>,
        /// No longer used.
        25: gone: Deprecated<&'a str>,
        /// Bytes that may be a buffer.
        26: nested: Option<Nested<'a>>,
        /// A table in a table.
        27: part: Option<Part<'a>>,
        /// A struct.
        28: place: Option<Place>,
        /// Elements.
        29: truth_items: Option<Vector<'a, bool>>,
        /// Elements.
        30: tiny_items: Option<Vector<'a, i8>>,
        /// Elements.
        31: short_items: Option<Vector<'a, i16>>,
        /// Elements.
        32: word_items: Option<Vector<'a, u16>>,
        /// Elements.
        33: int_items: Option<Vector<'a, i32>>,
        /// Elements.
        34: uint_items: Option<Vector<'a, u32>>,
        /// Elements.
        35: long_items: Option<Vector<'a, i64>>,
        /// Elements.
        36: ulong_items: Option<Vector<'a, u64>>,
        /// Elements.
        37: single_items: Option<Vector<'a, f32>>,
        /// Elements.
        38: double_items: Option<Vector<'a, f64>>,
        /// Structs.
        39: places: Option<Vector<'a, Place>>,    }
}

table! {
    /// A table as a program of last year knows it.
    pub struct Older<'a> in "judge" {
        /// A number.
        0: number: u32 = 4,
        /// A text that was to be given up.
        1: remark: Option<&'a str>,
        /// A required text.
        2: name: &'a str,
    }
}

table! {
    /// The same table as a program of this year knows it.
    pub struct Newer<'a> in "judge" {
        /// A number.
        0: number: u32 = 4,
        /// Given up.
        1: remark: Deprecated<&'a str>,
        /// A required text.
        2: name: &'a str,
        /// New, and wider than all before.
        3: precise: f64 = 0.5,
        /// New and optional.
        4: samples: Option<Vector<'a, i16>>,
        /// A new table.
        5: leaf: Option<Leaf>,
    }
}
