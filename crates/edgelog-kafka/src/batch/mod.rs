//! Record batches, format v2, uncompressed.
//!
//! ```text
//! offset size field                  offset size field
//!      0    8 base offset                23    4 last offset delta
//!      8    4 length of what follows     27    8 base timestamp
//!     12    4 partition leader epoch     35    8 max timestamp
//!     16    1 magic = 2                  43    8 producer id
//!     17    4 CRC-32C of 21..end         51    2 producer epoch
//!     21    2 attributes                 53    4 base sequence
//!                                        57    4 record count
//! ```
//!
//! [`BatchBuilder`] writes one, [`BatchScan`] reads the headers of many.

mod builder;
mod header;
mod scan;
mod varint;

pub use builder::{BatchBuilder, Full, Record};
pub use header::{BatchHeader, Stamp};
pub use scan::{BadBatch, BatchScan, Scanned};

/// Bytes before the first record of a batch.
pub const HEADER_LEN: usize = 61;

/// Sequences count records modulo this number: 2^31 - 1 is followed by 0.
pub const SEQUENCE_MODULUS: u64 = 1 << 31;
