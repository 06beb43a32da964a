//! The fuzz targets' bodies. Each takes what the fuzzer made up and panics when a promise of the engine does not hold.
//!
//! - [`operations`]: what an application, a clock, a failing disk and the power may do, against the model of `edgelog-sim`.
//! - [`image`]: a medium's bytes, good ones with changes or anything else, with checksums made right where the fuzzer wants it.
//! - [`frame`]: the bytes of one segment: header, snapshot and frames, against a second reader of the format.
//! - [`record`]: the bytes of an event, against the official FlatBuffers library.
//!
//! Where a byte of a log stands is known to [`layout`] alone.

pub mod device;
pub mod exercise;
pub mod frame;
pub mod image;
pub mod input;
pub mod layout;
pub mod operations;
pub mod record;
