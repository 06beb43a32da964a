//! What the producer believes of Apache Kafka, put to a real broker, one test a belief.
//!
//! One single-node cluster serves all of them, each on a topic of its own. Results: `docs/UPLINK.md`.

mod describe;
mod duplicates;
mod epochs;
mod identity;
mod offsets;
mod readback;
mod time;
mod validation;
mod versions;
