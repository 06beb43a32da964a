//! The schema file is what the macro says.

use edgelog_record::{Event, Schema, fingerprint};

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
