use edgelog_tests::broker::shared;
use edgelog_tests::code;

#[test]
fn the_next_epoch_at_sequence_0_is_accepted_without_asking_for_it() {
    let mut lane = shared().lane("bump");
    lane.accepted(0, 5);
    lane.producer = lane.producer.at_epoch(1);
    assert_eq!(lane.accepted(0, 2), 5);
    let known = lane.known().unwrap();
    assert_eq!((known.epoch, known.last_sequence), (1, 1));
}

#[test]
fn an_epoch_may_be_skipped() {
    let mut lane = shared().lane("skip");
    lane.accepted(0, 1);
    lane.producer = lane.producer.at_epoch(9);
    assert_eq!(lane.accepted(0, 1), 1);
    assert_eq!(lane.known().unwrap().epoch, 9);
}

#[test]
fn the_next_epoch_at_another_sequence_is_refused_with_45() {
    let mut lane = shared().lane("bump-nonzero");
    lane.accepted(0, 5);
    let bumped = lane.producer.at_epoch(1);
    for sequence in [5, 1] {
        let batch = edgelog_tests::batch::Batch::new(bumped, sequence, 1);
        assert_eq!(lane.refused(&batch), code::OUT_OF_ORDER_SEQUENCE_NUMBER);
    }
    assert_eq!(lane.known().unwrap().epoch, 0, "a refused batch moved the epoch");
}

#[test]
fn a_lower_epoch_is_refused_with_47() {
    let mut lane = shared().lane("fenced");
    lane.producer = lane.producer.at_epoch(3);
    lane.accepted(0, 5);
    let old = lane.producer.at_epoch(2);
    for sequence in [0, 5] {
        let batch = edgelog_tests::batch::Batch::new(old, sequence, 1);
        assert_eq!(lane.refused(&batch), code::INVALID_PRODUCER_EPOCH);
    }
}

#[test]
fn a_new_epoch_forgets_the_batches_of_the_old_one() {
    let mut lane = shared().lane("forget");
    lane.accepted(0, 2);
    let old = lane.producer;
    lane.producer = lane.producer.at_epoch(1);
    lane.accepted(0, 3);
    let duplicate = edgelog_tests::batch::Batch::new(old, 0, 2);
    assert_eq!(lane.refused(&duplicate), code::INVALID_PRODUCER_EPOCH);
}

#[test]
fn the_same_sequences_at_a_new_epoch_are_stored_a_second_time() {
    let mut lane = shared().lane("double");
    lane.accepted(0, 2);
    lane.producer = lane.producer.at_epoch(1);
    // Which is why an epoch must never grow while a batch is in doubt.
    assert_eq!(lane.accepted(0, 2), 2);
    assert_eq!(lane.end(), 4);
}
