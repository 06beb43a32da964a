//! Several events in one program.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, NOW, create, mount, read_from};
use edgelog_core::{AppendError, Class, Event};

#[test]
fn a_batch_is_one_program_and_its_records_are_like_any_others() {
    for (word, erased) in [(1, 0x00), (4, 0xFF), (32, 0xFF)] {
        let medium = Bytes::new(4096, 2, word, erased);
        let mut log = create(&medium);
        let topic = log.topic("t").unwrap();
        let payloads: Vec<Vec<u8>> = (0..10u8).map(|n| vec![n; usize::from(n) * 9]).collect();
        let events: Vec<Event<'_>> = payloads
            .iter()
            .enumerate()
            .map(|(n, payload)| Event {
                topic,
                class: Class::Bulk,
                key: (n % 3 == 0).then_some(&b"key"[..]),
                payload,
            })
            .collect();
        assert_eq!(log.append(&events[3], NOW).unwrap(), 0);
        let before = *medium.programs.borrow();
        assert_eq!(log.append_batch(&events, NOW).unwrap(), 1..11);
        assert_eq!(*medium.programs.borrow() - before, 1);
        assert_eq!(log.append_batch(&[], NOW).unwrap(), 11..11);
        log.sync().unwrap();
        let mut expected = vec![Met::Record(0, payloads[3].clone())];
        expected.extend((1..).zip(&payloads).map(|(n, payload)| Met::Record(n, payload.clone())));
        assert_eq!(read_from(&mut log, 0), expected);
        assert_eq!(read_from(&mut mount(&medium), 0), expected);
    }
}

#[test]
fn a_batch_that_does_not_fit_is_refused_whole() {
    let medium = Bytes::new(1024, 2, 4, 0xFF);
    let mut log = create(&medium);
    let topic = log.topic("t").unwrap();
    let event = Event { topic, class: Class::Normal, key: None, payload: &[1; 100] };
    let refused = log.append_batch(&[event; 9], NOW);
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    let long = Event { key: Some(&[0; 256]), ..event };
    let refused = log.append_batch(&[event, long], NOW);
    assert!(matches!(refused, Err(AppendError::BadLength { .. })), "{refused:?}");
    assert_eq!(log.visible(), 0);
    assert_eq!(log.append_batch(&[event; 3], NOW).unwrap(), 0..3);
}

#[test]
fn a_record_that_survived_behind_a_torn_one_of_its_batch_never_comes_back() {
    // Written over on a file, passed over on flash.
    for erased in [0x00, 0xFF] {
        let medium = Bytes::new(4096, 2, 4, erased);
        let mut log = create(&medium);
        let topic = log.topic("t").unwrap();
        let event = |payload| Event { topic, class: Class::Normal, key: None, payload };
        log.append(&event(b"before it"), NOW).unwrap();
        log.sync().unwrap();
        log.append_batch(&[event(b"torn"), event(b"left over")], NOW).unwrap();
        let torn = medium.find(b"torn");
        medium.bytes.borrow_mut()[torn..torn + 4].fill(0x55);
        for n in 1..4u64 {
            let mut log = mount(&medium);
            assert_eq!((log.visible(), log.damaged()), (n, 0));
            assert_eq!(common::put(&mut log, &n.to_le_bytes()), n);
            log.sync().unwrap();
        }
        let met = read_from(&mut mount(&medium), 0);
        let mut expected = vec![Met::Record(0, b"before it".to_vec())];
        expected.extend((1..4u64).map(|n| Met::Record(n, n.to_le_bytes().to_vec())));
        assert_eq!(met, expected, "erased value {erased:#x}");
        // Nor when the record before it rots.
        medium.flip(medium.find(b"before it") * 8);
        let met = read_from(&mut mount(&medium), 0);
        assert_eq!(met[1..], expected[1..], "erased value {erased:#x}");
    }
}
