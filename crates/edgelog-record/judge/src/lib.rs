//! Whether edgelog-record and the official FlatBuffers library agree.
//!
//! The types in `generated` are made by `flatc` from the schemas that the macros emit, and from one that they cannot. flatc has to be of the `flatbuffers`
//! crate's release, and it generates unsafe code, which is why this is no part of the workspace. To generate them again:
//!
//! ```text
//! cargo run --manifest-path crates/edgelog-record/judge/Cargo.toml --example fbs > crates/edgelog-record/judge/schema/everything.fbs
//! flatc --rust -o crates/edgelog-record/judge/src/generated crates/edgelog-record/judge/schema/everything.fbs \
//!     crates/edgelog-record/judge/schema/node.fbs crates/edgelog-record/schema/edgelog.fbs
//! ```

mod official;
mod random;
mod tables;

/// What flatc 25.12.19 made.
#[rustfmt::skip]
#[allow(clippy::all, warnings)]
pub mod generated {
    #[path = "edgelog_generated.rs"]
    mod edgelog_generated;
    #[path = "everything_generated.rs"]
    mod everything_generated;
    #[path = "node_generated.rs"]
    mod node_generated;

    pub use edgelog_generated::edgelog as event;
    pub use everything_generated::judge as everything;
    pub use node_generated::judge as node;
}

pub use official::{judge_event, judge_everything, write_event, write_everything};
pub use random::{Pool, Random};
pub use tables::{Everything, Height, Leaf, Newer, Older, Part, Place};
