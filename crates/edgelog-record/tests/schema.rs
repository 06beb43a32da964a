//! The schema file is what the macro says.

use edgelog_record::{Event, Schema};

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
