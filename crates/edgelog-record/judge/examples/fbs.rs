//! Prints the schema that `flatc` makes `generated/everything_generated.rs` of.

use edgelog_record::Schema;
use record_judge::Everything;

fn main() {
    print!("{}", Schema::of::<Everything<'_>>());
}
