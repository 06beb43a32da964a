//! A build without the feature `zstd` refuses compressed segments, and takes none for missing.
#![cfg(not(feature = "zstd"))]

use edgelog::{Event, Options, Start, View};
use std::fs;

#[test]
fn a_compressed_segment_is_refused_in_words_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(16 << 10).budget_bytes(64 << 10);
    let log = options.open(folder.path()).unwrap();
    log.append("readings", &Event::new(b"21.5")).unwrap();
    log.sync().unwrap();
    drop(log);
    let plain = folder.path().join("00000000.seg");
    let packed = folder.path().join("00000000.seg.zst");
    let bytes = fs::read(&plain).unwrap();
    fs::rename(&plain, &packed).unwrap();
    let refused = [
        options.open(folder.path()).unwrap_err().to_string(),
        View::open(folder.path(), Start::Earliest).unwrap_err().to_string(),
    ];
    for refused in refused {
        assert!(refused.contains("feature `zstd`"), "{refused}");
    }
    assert!(!plain.exists());
    assert_eq!(fs::read(&packed).unwrap(), bytes);
}
