//! `producer.id.expiration.ms` is a day by default; here it is three seconds.

use core::time::Duration;
use std::time::Instant;

use crate::forgetful;
use edgelog_tests::batch::{Batch, now};
use edgelog_tests::code;
use edgelog_tests::lane::Lane;
use edgelog_tests::wait::until;

const EXPIRATION: Duration = Duration::from_secs(3);
/// Far more than the expiration and a check take, and far less than a hanging test should.
const BOUND: Duration = Duration::from_secs(30);
/// The broker counts whole milliseconds of a wall clock, and this process counts by another one.
const CLOCKS_APART: Duration = Duration::from_millis(100);
const APPEND_TIME: [(&str, &str); 1] = [("message.timestamp.type", "LogAppendTime")];
const YESTERDAY: i64 = 25 * 3_600_000;

fn old(lane: &Lane<'_>, base_sequence: i32) -> Batch {
    lane.batch(base_sequence, 1).stamped(now() - YESTERDAY)
}

fn forgotten(lane: &mut Lane<'_>) {
    until(BOUND, "the producer is forgotten", || lane.known().is_none().then_some(()));
}

#[test]
fn on_a_create_time_topic_old_stamps_are_forgotten_at_the_next_check_and_on_an_append_time_one_not()
{
    let mut by_arrival = forgetful().lane_with("by-arrival", &APPEND_TIME);
    let mut by_record = forgetful().lane("by-record");
    let mut sequence = 0;
    until(BOUND, "one is forgotten sooner than any arrival can be", || {
        // Written at the same moment with the same stamps; only whose clock counts differs.
        let before = Instant::now();
        let batch = old(&by_arrival, sequence);
        assert_eq!(by_arrival.produce(&batch).error, code::NONE);
        let batch = old(&by_record, sequence);
        assert_eq!(by_record.produce(&batch).error, code::NONE);
        sequence += 1;
        forgotten(&mut by_record);
        // On a machine that stalls longer than the expiration, look again.
        let known = by_arrival.known().is_some();
        (known && before.elapsed() < EXPIRATION).then_some(())
    });
}

#[test]
fn a_producer_without_a_timestamp_is_forgotten_sooner_than_any_arrival_can_be() {
    let mut lane = forgetful().lane("no-stamp");
    until(BOUND, "it is forgotten within the expiration", || {
        let before = Instant::now();
        let batch = lane.batch(0, 1).stamped(-1);
        assert_eq!(lane.produce(&batch).error, code::NONE);
        forgotten(&mut lane);
        (before.elapsed() < EXPIRATION).then_some(())
    });
}

#[test]
fn on_a_log_append_time_topic_a_producer_is_known_until_it_was_idle_for_the_time() {
    let mut lane = forgetful().lane_with("idle", &APPEND_TIME);
    let mut sequence = 0;
    let busy = Instant::now();
    // Kept busy for longer than the expiration, it is never forgotten.
    until(BOUND, "the expiration passes", || {
        let batch = old(&lane, sequence);
        assert_eq!(lane.produce(&batch).error, code::NONE);
        assert_eq!(lane.last_sequence(), Some(sequence));
        sequence += 1;
        (busy.elapsed() > EXPIRATION + EXPIRATION / 2).then_some(())
    });
    let idle_since = Instant::now();
    let batch = old(&lane, sequence);
    lane.produce(&batch);
    forgotten(&mut lane);
    let idle = idle_since.elapsed();
    assert!(idle + CLOCKS_APART >= EXPIRATION, "forgotten after {idle:?}");
}

#[test]
fn a_duplicate_does_not_keep_the_producer_known() {
    let mut lane = forgetful().lane_with("kept-by-duplicate", &APPEND_TIME);
    lane.accepted(0, 1);
    let first = lane.known().unwrap().last_timestamp;
    until(BOUND, "the producer is forgotten in spite of its duplicates", || {
        match lane.known() {
            Some(known) => {
                assert_eq!(known.last_timestamp, first);
                // This duplicate may come just after the expiry, and then it is appended.
                let _ = lane.send(0, 1);
                (lane.end() == 2).then_some(())
            }
            None => Some(()),
        }
    });
}

#[test]
fn after_the_expiry_a_resent_batch_is_appended_a_second_time() {
    let mut lane = forgetful().lane("in-doubt");
    let in_doubt = old(&lane, 0);
    assert_eq!(lane.produce(&in_doubt).base_offset, 0);
    forgotten(&mut lane);
    let again = lane.produce(&in_doubt);
    assert_eq!((again.error, again.base_offset), (code::NONE, 1));
    let values = lane.values();
    assert_eq!(values.len(), 2);
    assert_eq!(values[0], values[1], "the duplicate the design avoids");
}

#[test]
fn after_the_expiry_the_next_sequence_is_accepted_in_silence_and_so_is_a_gap() {
    let mut lane = forgetful().lane("silent");
    let batch = old(&lane, 0);
    lane.produce(&batch);
    forgotten(&mut lane);
    let batch = old(&lane, 1);
    assert_eq!(lane.produce(&batch).error, code::NONE);
    forgotten(&mut lane);
    let batch = old(&lane, 500);
    assert_eq!(lane.produce(&batch).error, code::NONE);
}

#[test]
fn after_the_expiry_a_lower_epoch_is_accepted_too() {
    let mut lane = forgetful().lane("lower-epoch");
    lane.producer = lane.producer.at_epoch(5);
    let batch = old(&lane, 0);
    lane.produce(&batch);
    forgotten(&mut lane);
    lane.producer = lane.producer.at_epoch(2);
    let batch = old(&lane, 1);
    assert_eq!(lane.produce(&batch).error, code::NONE);
}
