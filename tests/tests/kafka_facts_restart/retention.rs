//! Retention goes by the same stamps as the memory of producers.

use core::time::Duration;

use edgelog_tests::batch::now;
use edgelog_tests::code;
use edgelog_tests::wait::until;

use crate::forgetful;

const BOUND: Duration = Duration::from_secs(60);
const DAY: &str = "86400000";
const YESTERDAY: i64 = 25 * 3_600_000;

#[test]
fn a_backlog_older_than_the_retention_is_deleted_from_a_create_time_topic_as_soon_as_it_arrived() {
    let append_time = [("message.timestamp.type", "LogAppendTime"), ("retention.ms", DAY)];
    let mut by_arrival = forgetful().lane_with("kept", &append_time);
    let mut by_record = forgetful().lane_with("deleted", &[("retention.ms", DAY)]);
    for lane in [&mut by_arrival, &mut by_record] {
        let batch = lane.batch(0, 3).stamped(now() - YESTERDAY);
        assert_eq!(lane.produce(&batch).error, code::NONE);
    }
    until(BOUND, "acknowledged records are deleted", || {
        (by_record.client.earliest(&by_record.topic) == 3).then_some(())
    });
    assert_eq!(by_record.end(), 3);
    assert_eq!(by_arrival.client.earliest(&by_arrival.topic), 0);
    assert_eq!(by_arrival.values().len(), 3);
}
