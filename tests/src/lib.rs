//! What the tests that span crates share: a real broker, a client without manners, an independent reader.
//!
//! Everything here panics where the ground a test stands on is missing (no Java, no broker, a broken
//! connection), because a test that cannot run has not passed. What a broker answers is returned.

pub mod batch;
pub mod broker;
pub mod code;
pub mod kcat;
pub mod lane;
pub mod raw;
mod support;
pub mod wait;
