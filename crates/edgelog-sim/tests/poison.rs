//! After a program or sync that failed, nobody knows what the medium holds: the log leaves it alone until it is mounted again.
#![allow(clippy::unwrap_used)]

use edgelog_core::{AppendError, Class, CursorId, Event, Log, LogId, Medium, TopicId};
use edgelog_sim::{Fault, FaultKind, Op, SimDisk, SimError};

const NOW: u64 = 1_000_000;

/// What an application asks of a log with one topic and one cursor.
type Call =
    fn(&mut Log<SimDisk, Vec<u8>>, &Event<'_>, CursorId) -> Result<(), AppendError<SimError>>;

const CALLS: [(&str, Call); 10] = [
    ("append", |log, event, _| log.append(event, NOW).map(drop)),
    ("append_batch", |log, event, _| log.append_batch(&[*event, *event], NOW).map(drop)),
    ("sync", |log, _, _| log.sync().map(drop)),
    ("topic", |log, _, _| log.topic("new").map(drop)),
    ("cursor", |log, _, _| log.cursor("new", 0).map(drop)),
    ("commit", |log, _, cursor| log.commit(cursor, 0, 7)),
    ("set_anchor", |log, _, cursor| log.set_anchor(cursor, &[7; 64])),
    ("set_clock", |log, _, _| {
        log.clock_is_unset(3);
        log.set_clock(5, NOW)
    }),
    ("give_up", |log, _, _| {
        log.give_up(2);
        log.sync().map(drop)
    }),
    ("maintain", |log, _, _| log.maintain(1).map(drop)),
];

#[test]
fn a_log_whose_medium_failed_is_left_alone_by_every_call_until_it_is_mounted_again() {
    for op in [Op::Program, Op::Sync] {
        // From an empty segment to one whose next record needs another one.
        for records in 0..11 {
            for (name, call) in CALLS {
                let name = format!("{name} after {op:?} failed behind {records} records");
                let disk = SimDisk::new(1024, 2);
                let mut log =
                    Log::create(disk.clone(), vec![0; 1024], LogId([7; 16]), NOW).unwrap();
                let cursor = log.cursor("known", 0).unwrap();
                let event = event(log.topic("t").unwrap());
                for _ in 0..records {
                    log.append(&event, NOW).unwrap();
                }
                let counters = disk.counters();
                let calls = if op == Op::Sync { counters.syncs } else { counters.programs };
                disk.plan(Fault { op, call: calls, kind: FaultKind::Io });
                let failed = log.append(&event, NOW).and_then(|_| log.sync());
                assert!(matches!(failed, Err(AppendError::Medium(_))), "{name}: {failed:?}");

                let (durable, before) = (log.durable(), disk.counters());
                let said = call(&mut log, &event, cursor);
                assert!(matches!(said, Err(AppendError::Poisoned)), "{name}: {said:?}");
                assert_eq!(disk.counters().mutations(), before.mutations(), "{name}");
                assert_eq!(log.durable(), durable, "{name}");
            }
        }
    }
}

/// The next segment was made ready, and the power cut its header: before it is erased again, the note that it is ready is taken back.
#[test]
fn a_log_that_failed_while_it_took_back_a_note_is_left_alone_until_it_is_mounted_again() {
    let mut failures = 0;
    for op in [Op::Program, Op::Sync] {
        for call in 0..30 {
            let name = format!("{op:?} {call}");
            let mut disk = SimDisk::new(1024, 2);
            let mut log = Log::create(disk.clone(), vec![0; 1024], LogId([7; 16]), NOW).unwrap();
            let event = event(log.topic("t").unwrap());
            assert!(log.maintain(1).unwrap(), "{name}");
            disk.program(1, 0, b"edge").unwrap();

            let mut log = Log::mount(disk.clone(), vec![0; 1024]).unwrap();
            let counters = disk.counters();
            let calls = if op == Op::Sync { counters.syncs } else { counters.programs };
            disk.plan(Fault { op, call: calls + call, kind: FaultKind::Io });
            while log.segments().0 < 2 {
                let Err(failed) = log.append(&event, NOW) else { continue };
                assert!(matches!(failed, AppendError::Medium(_)), "{name}: {failed:?}");
                failures += 1;
                let before = disk.counters().mutations();
                let said = log.append(&event, NOW);
                assert!(matches!(said, Err(AppendError::Poisoned)), "{name}: {said:?}");
                assert_eq!(disk.counters().mutations(), before, "{name}");
                break;
            }
        }
    }
    assert!(failures > 15, "only {failures} calls failed");
}

const fn event(topic: TopicId) -> Event<'static> {
    Event { topic, class: Class::Normal, key: None, payload: &[5; 56] }
}
