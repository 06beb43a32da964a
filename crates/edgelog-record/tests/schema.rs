//! The schema file is what the macro says.

use edgelog_record::{Event, Schema, Vector, fingerprint, fixed, table};

fixed! {
    /// Used by all.
    pub struct Point in "test.parts" {
        /// A number.
        pub x: i16,
    }
}

table! {
    /// Used by two.
    struct Leaf in "test.parts" {
        /// A struct.
        0: point: Option<Point>,
    }
}

table! {
    /// One.
    struct Left in "test" {
        /// The first use.
        0: leaf: Option<Leaf>,
    }
}

table! {
    /// The other.
    struct Right<'a> in "test" {
        /// The second use.
        0: leaf: Leaf,
        /// Another use of a struct.
        1: points: Option<Vector<'a, Point>>,
    }
}

table! {
    /// All of them.
    struct Tree<'a> in "test" {
        /// One side.
        0: left: Option<Left>,
        /// The other.
        1: right: Option<Right<'a>>,
        /// A name that Rust keeps for itself.
        2: r#type: Option<&'a str>,
    }
}

const TREE: &str = "\
namespace test.parts;

/// Used by all.
struct Point {
  /// A number.
  x:short;
}

/// Used by two.
table Leaf {
  /// A struct.
  point:test.parts.Point (id: 0);
}

namespace test;

/// One.
table Left {
  /// The first use.
  leaf:test.parts.Leaf (id: 0);
}

/// The other.
table Right {
  /// The second use.
  leaf:test.parts.Leaf (id: 0, required);
  /// Another use of a struct.
  points:[test.parts.Point] (id: 1);
}

/// All of them.
table Tree {
  /// One side.
  left:test.Left (id: 0);
  /// The other.
  right:test.Right (id: 1);
  /// A name that Rust keeps for itself.
  type:string (id: 2);
}

root_type test.Tree;
";

#[test]
fn a_schema_declares_what_a_table_is_made_of_before_it_and_once() {
    assert_eq!(Schema::of::<Tree<'_>>().to_string(), TREE);
}

#[test]
fn the_schema_file_is_what_the_types_of_this_crate_say() {
    let again =
        "cargo run -p edgelog-record --example fbs > crates/edgelog-record/schema/edgelog.fbs";
    assert_eq!(
        Schema::of::<Event<'_>>().to_string(),
        include_str!("../schema/edgelog.fbs"),
        "{again}"
    );
}

#[test]
fn a_fingerprint_is_the_hash_of_the_file_that_is_published() {
    let file = include_str!("../schema/edgelog.fbs");
    assert_eq!(Schema::of::<Event<'_>>().fingerprint(), fingerprint(file));
    assert_ne!(fingerprint(file), fingerprint(&file[1..]));
    // Published values of FNV-1a, 64 bits.
    assert_eq!(fingerprint(""), 0xCBF2_9CE4_8422_2325);
    assert_eq!(fingerprint("a"), 0xAF63_DC4C_8601_EC8C);
    assert_eq!(fingerprint("foobar"), 0x8594_4171_F739_67E8);
}
