//! Writes seeds made of real logs into the corpus: `cargo run --example seeds` in this folder, then `cargo xtask fuzz --keep`.
//!
//! To be run when the format changes, since older inputs then reach less than they did.

use edgelog_core::{Class, Event, Geometry, Log, LogId};
use edgelog_fuzz::exercise::NOW;
use edgelog_fuzz::layout;
use edgelog_sim::SimDisk;
use std::path::Path;

fn main() -> std::io::Result<()> {
    for word_and_erased in [0, 2, 5, 0x80, 0x82, 0x85] {
        for history in (1..8).flat_map(|history| [history, history | 0x80]) {
            // As the target decodes it: word, size, count, then the log's history and whether words are programmed once, then no edit.
            seed(
                "image",
                &format!("log-{word_and_erased}-{history}"),
                &[word_and_erased, 0, 1, history],
            )?;
        }
    }
    let segment = segment();
    let mut raw = vec![0, 0, 0, 0, 2, 0, 0];
    raw.extend_from_slice(&(segment.len() as u16).to_le_bytes());
    raw.extend_from_slice(&segment);
    seed("image", "bytes", &raw)?;
    seed("frame", "frames", &frames(&segment))
}

/// A segment that the engine wrote, up to its end.
fn segment() -> Vec<u8> {
    let disk = SimDisk::new(1024, 2);
    let mut log = Log::create(disk.clone(), vec![0; 1024], LogId([0xA5; 16]), NOW).expect("a log");
    let topic = log.topic("t").expect("a topic");
    let cursor = log.cursor("kafka", 0).expect("a cursor");
    for (key, payload) in [(None, "a"), (Some("key"), "some bytes"), (Some(""), "")] {
        let key = key.map(str::as_bytes);
        let event = Event { topic, class: Class::Normal, key, payload: payload.as_bytes() };
        log.append(&event, NOW + 7).expect("room for a record");
        log.sync().expect("the disk syncs");
    }
    log.commit(cursor, 2, -1).expect("a commit");
    log.set_anchor(cursor, b"anchor").expect("an anchor");
    let image = disk.image();
    let (geometry, header) = header(&image);
    let end = layout::walk(&image[..1024], &geometry, &header).end;
    image[..end].to_vec()
}

/// The same frames as the target decodes them: sizes, numbers, no snapshot and no change to the header, then each frame's bytes.
fn frames(segment: &[u8]) -> Vec<u8> {
    let mut input = vec![0, 0, 0, 1, 1, 0, 0, 0, 0, 0];
    let mut image = segment.to_vec();
    image.resize(2048, 0);
    let (geometry, header) = header(&image);
    for walked in layout::walk(&image[..1024], &geometry, &header).frames {
        let bytes = &image[walked.frame.at..walked.frame.next];
        input.extend_from_slice(&[2, bytes.len() as u8]);
        input.extend_from_slice(bytes);
    }
    input
}

fn header(image: &[u8]) -> (Geometry, layout::Header) {
    let geometry = Geometry::new(1024, 2, 1, 0).expect("a geometry");
    (geometry, layout::header(&image[..1024], &geometry, 0).expect("a header"))
}

fn seed(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)
}
