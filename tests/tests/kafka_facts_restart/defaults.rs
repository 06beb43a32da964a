//! Limits that an operator may have changed, on a broker where nobody did.

use edgelog_tests::batch::now;
use edgelog_tests::code;

use crate::forgetful;

const HOUR: i64 = 3_600_000;

#[test]
fn the_default_limit_is_1048588_bytes() {
    let mut lane = forgetful().lane("default-limit");
    let overhead = lane.batch(0, 1).with_value(&[7; 1_000_000]).encode().len() - 1_000_000;
    let largest = lane.batch(0, 1).with_value(&vec![7; 1_048_588 - overhead]);
    assert_eq!(largest.encode().len(), 1_048_588);
    let larger = lane.batch(0, 1).with_value(&vec![7; 1_048_589 - overhead]);
    assert_eq!(lane.refused(&larger), code::MESSAGE_TOO_LARGE);
    assert_eq!(lane.produce(&largest).error, code::NONE);
}

#[test]
fn a_timestamp_within_an_hour_of_the_future_is_accepted_and_one_beyond_is_error_32() {
    let mut lane = forgetful().lane("future");
    let beyond = lane.batch(0, 1).stamped(now() + HOUR + 60_000);
    assert_eq!(lane.refused(&beyond), code::INVALID_TIMESTAMP);
    let within = lane.batch(0, 1).stamped(now() + HOUR - 60_000);
    assert_eq!(lane.produce(&within).error, code::NONE);
}
