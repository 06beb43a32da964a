//! Each limit of the table in `Options`, met exactly, and passed by one: the error says which limit it is, and nothing is lost.

use edgelog::{
    AppendError, CURSOR_NAME_LEN_MAX, CURSORS_MAX, Event, Item, KEY_LEN_MAX, Log, Options, Part,
    Start, TOPIC_NAME_LEN_MAX, TOPICS_MAX, View,
};
use std::path::Path;

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;

fn options() -> Options {
    Options::new().segment_bytes(64 * KIB).budget_bytes(u64::from(4 * MIB))
}

/// Key and payload of each record, as another process finds them after the log was opened again.
fn reopened(folder: &Path, log: Log) -> Vec<(Option<Vec<u8>>, Vec<u8>)> {
    let visible = log.sync().unwrap();
    drop(log);
    // An owner must be able to go on with it as well.
    let log = Options::new().open(folder).unwrap();
    assert_eq!(log.status().unwrap().visible, visible);
    log.append("after", &Event::new(b"after")).unwrap();
    let mut view = View::open(folder, Start::Earliest).unwrap();
    let mut records = Vec::new();
    while let Some(item) = view.next().unwrap() {
        let Item::Record(record) = item else { panic!("{item:?}") };
        if record.identity.offset < visible {
            records.push((record.key.map(<[u8]>::to_vec), record.payload.to_vec()));
        }
    }
    assert_eq!(records.len() as u64, visible);
    records
}

/// Payloads of `found`.
fn lengths(found: &[(Option<Vec<u8>>, Vec<u8>)]) -> Vec<usize> {
    found.iter().map(|(_, payload)| payload.len()).collect()
}

/// Appends the longest payload that the log takes, after one byte more was refused with `limit`; gives its length.
fn longest(log: &Log, limit: usize) -> usize {
    // Its frame is longer than itself, so this is beyond; by how much, the error says.
    let bytes = vec![7; limit + 1];
    let refused = log.append("t", &Event::new(&bytes)).unwrap_err();
    let AppendError::TooLarge { frame_bytes, limit: told } = refused else { panic!("{refused}") };
    assert_eq!(told, limit);
    // Frames end at multiples of 8, so that up to 7 bytes more or less may fit.
    let shortest = bytes.len() - (frame_bytes - limit) - 8;
    let fits = |length: usize| log.append("t", &Event::new(&bytes[..length]));
    let beyond = (shortest..).find(|&length| fits(length).is_err()).unwrap();
    let refused = fits(beyond).unwrap_err().to_string();
    assert!(refused.contains(&format!("the limit is {limit}; nothing was stored")), "{refused}");
    beyond - 1
}

#[test]
fn the_largest_record_is_what_the_options_say() {
    for bytes in [8 * KIB, 10_000, 32 * KIB] {
        let folder = tempfile::tempdir().unwrap();
        let log = options().record_bytes_max(bytes).open(folder.path()).unwrap();
        let longest = longest(&log, bytes as usize);
        let found = reopened(folder.path(), log);
        assert_eq!(lengths(&found).last(), Some(&longest));
    }
}

#[test]
fn a_smaller_largest_record_than_8_kib_counts_as_8_kib() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().record_bytes_max(100).open(folder.path()).unwrap();
    longest(&log, 8 << 10);
}

#[test]
fn the_largest_record_is_what_fits_a_segment_where_that_is_less() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options::new().segment_bytes(4 * KIB).budget_bytes(256 << 10);
    let log = small.open(folder.path()).unwrap();
    let refused = log.append("t", &Event::new(&[7; 4096])).unwrap_err();
    let AppendError::TooLarge { limit, .. } = refused else { panic!("{refused}") };
    assert!((3 << 10..4 << 10).contains(&limit), "{limit}");
    let longest = longest(&log, limit);
    let found = reopened(folder.path(), log);
    assert_eq!(lengths(&found).last(), Some(&longest));
}

#[test]
fn no_record_is_larger_than_16_mib_whatever_the_options_say() {
    let folder = tempfile::tempdir().unwrap();
    let large = Options::new().segment_bytes(20 * MIB).budget_bytes(u64::from(200 * MIB));
    let log = large.record_bytes_max(20 * MIB).open(folder.path()).unwrap();
    let longest = longest(&log, (16 << 20) - 1);
    let found = reopened(folder.path(), log);
    assert_eq!(lengths(&found).last(), Some(&longest));
}

#[test]
fn a_batch_is_no_larger_than_the_largest_record_and_one_that_is_is_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().record_bytes_max(8 * KIB).open(folder.path()).unwrap();
    let events = [Event::new(&[7; 100]); 100];
    let append = |count: usize| log.append_batch("t", &events[..count]);
    let mut stored = 0;
    let refused = (1..).find(|&count| match append(count) {
        Ok(offsets) => {
            stored += count;
            assert_eq!(offsets.end, stored as u64);
            false
        }
        Err(_) => true,
    });
    let refused = append(refused.unwrap()).unwrap_err();
    let AppendError::TooLarge { frame_bytes, limit } = refused else { panic!("{refused}") };
    assert_eq!(limit, 8 << 10);
    assert!(frame_bytes > limit && frame_bytes - limit < 150, "one less fits: {frame_bytes}");
    assert_eq!(reopened(folder.path(), log).len(), stored);
}

#[test]
fn a_key_has_up_to_255_bytes_and_may_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    let key = vec![b'k'; KEY_LEN_MAX + 1];
    let lengths = [0, 1, KEY_LEN_MAX];
    for length in lengths {
        log.append("t", &Event::new(b"event").key(&key[..length])).unwrap();
    }
    let refused = log.append("t", &Event::new(b"event").key(&key)).unwrap_err();
    assert!(matches!(refused, AppendError::BadLength { what: Part::Key, limit: KEY_LEN_MAX }));
    let found = reopened(folder.path(), log);
    let found: Vec<_> = found.iter().map(|(key, _)| key.as_ref().unwrap().len()).collect();
    assert_eq!(found, lengths);
}

#[test]
fn names_of_topics_and_cursors_have_1_to_64_and_1_to_32_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    let name = "n".repeat(100);
    for length in [1, TOPIC_NAME_LEN_MAX] {
        log.append(&name[..length], &Event::new(b"event")).unwrap();
    }
    for length in [1, CURSOR_NAME_LEN_MAX] {
        log.cursor(&name[..length], 0).unwrap();
    }
    for length in [0, TOPIC_NAME_LEN_MAX + 1] {
        let refused = log.append(&name[..length], &Event::new(b"event")).unwrap_err().to_string();
        assert_eq!(refused, "the topic name must be 1 to 64 bytes long; nothing was stored");
    }
    for length in [0, CURSOR_NAME_LEN_MAX + 1] {
        let refused = log.cursor(&name[..length], 0).unwrap_err().to_string();
        assert_eq!(refused, "the cursor name must be 1 to 32 bytes long; nothing was stored");
    }
    assert_eq!((log.topics().len(), log.cursors().len()), (2, 2));
    assert_eq!(reopened(folder.path(), log).len(), 2);
    let log = Options::new().open(folder.path()).unwrap();
    // One more for what was appended after the reopening.
    assert_eq!((log.topics().len(), log.cursors().len()), (3, 2));
}

#[test]
fn a_log_has_32_topics_and_8_cursors_and_those_that_it_has_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    let topics: Vec<_> = (0..TOPICS_MAX).map(|n| format!("{n:064}")).collect();
    let cursors: Vec<_> = (0..CURSORS_MAX).map(|n| format!("{n:032}")).collect();
    for topic in &topics {
        log.append(topic, &Event::new(b"event")).unwrap();
    }
    for cursor in &cursors {
        log.cursor(cursor, 0).unwrap();
    }
    for _ in 0..2 {
        let refused = log.append("one more", &Event::new(b"event")).unwrap_err().to_string();
        assert_eq!(refused, "the log has room for 32 topics; nothing was stored");
        let refused = log.cursor("one more", 0).unwrap_err().to_string();
        assert_eq!(refused, "the log has room for 8 cursors; nothing was stored");
    }
    for topic in &topics {
        log.append(topic, &Event::new(b"again")).unwrap();
    }
    let visible = log.sync().unwrap();
    assert_eq!(visible, 2 * TOPICS_MAX as u64);
    for cursor in &cursors {
        let cursor = log.cursor(cursor, 0).unwrap();
        log.commit(cursor, visible).unwrap();
    }
    log.sync().unwrap();
    drop(log);
    let log = Options::new().open(folder.path()).unwrap();
    let names: Vec<_> = log.topics().iter().map(|topic| topic.name.as_str().to_owned()).collect();
    assert_eq!(names, topics);
    let at: Vec<_> = log.cursors().iter().map(|cursor| cursor.offset).collect();
    assert_eq!(at, [visible; CURSORS_MAX]);
}

#[test]
fn the_smallest_segment_has_room_for_fewer_topics_and_says_for_how_many() {
    let folder = tempfile::tempdir().unwrap();
    let small = Options::new().segment_bytes(KIB).budget_bytes(64 << 10);
    let log = small.open(folder.path()).unwrap();
    let mut topics = 0;
    let refused = loop {
        match log.append(&format!("{topics:064}"), &Event::new(b"event")) {
            Ok(_) => topics += 1,
            Err(refused) => break refused.to_string(),
        }
    };
    assert!((1..TOPICS_MAX).contains(&topics));
    assert_eq!(refused, format!("the log has room for {topics} topics; nothing was stored"));
    for topic in 0..topics {
        log.append(&format!("{topic:064}"), &Event::new(b"again")).unwrap();
    }
    log.sync().unwrap();
    drop(log);
    let log = Options::new().open(folder.path()).unwrap();
    assert_eq!((log.topics().len(), log.status().unwrap().visible), (topics, 2 * topics as u64));
}

#[test]
fn a_segment_has_at_least_1024_bytes_and_a_multiple_of_8_and_a_log_two_segments() {
    let open = |segment: u32, budget: u64| {
        let folder = tempfile::tempdir().unwrap();
        let opened = Options::new().segment_bytes(segment).budget_bytes(budget).open(folder.path());
        let log = opened.map_err(|error| error.to_string())?;
        log.append("t", &Event::new(b"event")).unwrap();
        assert_eq!(reopened(folder.path(), log).len(), 1);
        Ok::<_, String>(())
    };
    assert_eq!(open(1024, 2048), Ok(()));
    assert_eq!(open(1032, 10_000), Ok(()));
    for wrong in [0, 1016, 1023, 1025, 1028] {
        let refused = open(wrong, 64 << 10).unwrap_err();
        let words =
            "the segment size must be at least 1024 bytes and a multiple of max(8, program word)";
        assert!(refused.contains(words), "{wrong}: {refused}");
    }
    for budget in [0, 1023, 2047] {
        let refused = open(1024, budget).unwrap_err();
        assert!(refused.contains("a log needs at least two segments"), "{budget}: {refused}");
    }
}

#[test]
fn a_refused_size_leaves_an_existing_log_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = options().open(folder.path()).unwrap();
    log.append("t", &Event::new(b"event")).unwrap();
    drop(log);
    let refused = Options::new().segment_bytes(1000).open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("64 segments of 65536 bytes"), "{refused}");
    let log = Options::new().open(folder.path()).unwrap();
    assert_eq!(reopened(folder.path(), log).len(), 1);
}
