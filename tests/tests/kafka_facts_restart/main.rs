//! What a restart and the passing of time do to a broker's memory of a producer.
//!
//! These tests end brokers or shorten their memory, so they start their own whatever `KAFKA_BOOTSTRAP` says.

mod expiry;
mod restart;
