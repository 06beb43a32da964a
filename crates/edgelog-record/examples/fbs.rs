//! Prints the envelope's schema: `cargo run -p edgelog-record --example fbs > crates/edgelog-record/schema/edgelog.fbs`.
//!
//! A program that describes tables of its own prints theirs in the same way, for everyone who uses `flatc`.

use edgelog_record::{Event, Schema};

fn main() {
    print!("{}", Schema::of::<Event<'_>>());
}
