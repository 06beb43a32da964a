//! One format: an image pulled from a chip opens as a directory does, and a directory's files are an image.

use edgelog::{
    Class, Cursor, Event, Gap, Geometry, Item, Log, LogId, MountError, OpenError, Options, Start,
    View,
};
use edgelog_core::{Medium, RamError, SEGMENT_MAGIC};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A simulated chip of any sizes: erasing is by segment, and no word is programmed twice between two erases.
#[derive(Clone, Debug)]
struct Chip {
    bytes: Vec<u8>,
    programmed: Vec<bool>,
    geometry: Geometry,
}

impl Chip {
    fn new(geometry: Geometry) -> Self {
        let length = (geometry.segment_size() * geometry.segment_count()) as usize;
        Self { bytes: vec![geometry.erased(); length], programmed: vec![false; length], geometry }
    }

    /// A chip with an image flashed onto it.
    fn flashed(geometry: Geometry, image: &[u8]) -> Self {
        let mut chip = Self::new(geometry);
        assert_eq!(image.len(), chip.bytes.len());
        chip.bytes.copy_from_slice(image);
        chip.programmed = image.iter().map(|&byte| byte != geometry.erased()).collect();
        chip
    }

    fn at(&self, slot: u32, position: u32, length: usize) -> std::ops::Range<usize> {
        assert!(position as usize + length <= self.geometry.segment_size() as usize);
        let start = (slot * self.geometry.segment_size() + position) as usize;
        start..start + length
    }
}

impl Medium for Chip {
    type Error = RamError;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), RamError> {
        bytes.copy_from_slice(&self.bytes[self.at(slot, position, bytes.len())]);
        Ok(())
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), RamError> {
        let word = self.geometry.program_word() as usize;
        assert!((position as usize).is_multiple_of(word) && bytes.len().is_multiple_of(word));
        let range = self.at(slot, position, bytes.len());
        if self.programmed[range.clone()].contains(&true) {
            return Err(RamError::ProgrammedTwice);
        }
        self.programmed[range.clone()].fill(true);
        self.bytes[range].copy_from_slice(bytes);
        Ok(())
    }

    fn erase(&mut self, slot: u32) -> Result<(), RamError> {
        let range = self.at(slot, 0, self.geometry.segment_size() as usize);
        self.programmed[range.clone()].fill(false);
        self.bytes[range].fill(self.geometry.erased());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), RamError> {
        Ok(())
    }
}

type Engine = edgelog_core::Log<Chip, Vec<u8>>;

fn geometry(segment_size: u32, segment_count: u32, word: u32, erased: u8) -> Geometry {
    Geometry::new(segment_size, segment_count, word, erased).unwrap()
}

/// 4 KiB sectors of a NOR flash.
fn nor() -> Geometry {
    geometry(4096, 8, 4, 0xFF)
}

const TIME_MS: u64 = 1_700_000_000_000;

fn mount(chip: Chip) -> Engine {
    Engine::mount(chip, vec![0; 8192]).unwrap()
}

fn payload(offset: u64) -> String {
    format!("a reading of some length, number {offset}")
}

/// Appends `count` records, each of which tells its own offset.
fn append(log: &mut Engine, count: u64) {
    let topic = log.topic("numbers").unwrap();
    for _ in 0..count {
        let payload = payload(log.visible());
        let (class, key, payload) = (Class::Normal, Some(&b"key"[..]), payload.as_bytes());
        let event = edgelog_core::Event { topic, class, key, payload };
        log.append(&event, TIME_MS + log.visible()).unwrap();
    }
    log.sync().unwrap();
}

/// A chip with `count` records, of which a cursor has done all but the last two, so that the ring comes round when they are many.
fn written(geometry: Geometry, count: u64) -> Chip {
    let mut log =
        Engine::create(Chip::new(geometry), vec![0; 8192], LogId([7; 16]), TIME_MS).unwrap();
    let cursor = log.cursor("consumer", 0).unwrap();
    for done in 1..=count {
        append(&mut log, 1);
        log.commit(cursor, done.saturating_sub(2), 0).unwrap();
    }
    log.sync().unwrap();
    log.medium().clone()
}

/// Appends records to a log in files, with the cursor at their heels.
fn go_on(log: &Log, offsets: std::ops::Range<u64>) {
    let cursor = log.cursor("consumer", 0).unwrap();
    let last = offsets.end - 1;
    for offset in offsets {
        log.append("numbers", &Event::new(payload(offset).as_bytes()).key(b"key")).unwrap();
        if offset % 10 == 0 || offset == last {
            log.sync().unwrap();
            log.commit(cursor, offset).unwrap();
        }
    }
    log.sync().unwrap();
}

/// A file with these bytes.
fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chip.img");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// What a reader gets from the earliest record on: offsets of records, all of which are as they were appended, and gaps.
fn read_all(path: &Path) -> (Vec<u64>, Vec<Gap>) {
    let mut view = View::open(path, Start::Earliest).unwrap();
    let (mut offsets, mut gaps) = (Vec::new(), Vec::new());
    while let Some(item) = view.next().unwrap() {
        match item {
            Item::Record(record) => {
                assert_eq!(record.payload, payload(record.identity.offset).as_bytes());
                assert_eq!(record.key, Some(&b"key"[..]));
                offsets.push(record.identity.offset);
            }
            Item::Gap(gap) => gaps.push(gap),
        }
    }
    (offsets, gaps)
}

fn cursors(view: &View) -> Vec<(String, u64)> {
    let told = |cursor: &Cursor| (cursor.name.as_str().to_owned(), cursor.offset);
    view.cursors().iter().map(told).collect()
}

/// The files of a log's folder in order, joined.
fn joined(folder: &Path) -> Vec<u8> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    names.sort();
    names.iter().flat_map(|path| fs::read(path).unwrap()).collect()
}

/// Geometries of many chips: the smallest segments, sizes that are no power of two, every program word, both erased values.
fn many() -> Vec<Geometry> {
    let mut many = vec![geometry(1032, 5, 1, 0x00), geometry(8448, 3, 8, 0xFF)];
    for log2 in 0..=5 {
        for erased in [0x00, 0xFF] {
            many.push(geometry(1024, 16, 1 << log2, erased));
            many.push(geometry(4096, 4, 1 << log2, erased));
        }
    }
    many
}

#[test]
fn an_image_of_any_geometry_opens_with_all_records_and_cursors_and_tells_its_sizes() {
    for geometry in many() {
        for count in [1, 40, 500] {
            let chip = written(geometry, count);
            let earliest = mount(chip.clone()).earliest().unwrap();
            let (_folder, path) = file(&chip.bytes);
            let view = View::open(&path, Start::Earliest).unwrap();
            assert_eq!(view.geometry(), geometry);
            assert_eq!(view.image_bytes(), Some(chip.bytes.len() as u64));
            assert_eq!((view.id(), view.visible()), (LogId([7; 16]), count), "{geometry:?}");
            assert_eq!(cursors(&view), [("consumer".to_owned(), count.saturating_sub(2))]);
            assert_eq!(view.owner().unwrap(), None);
            assert_eq!(view.torn_bytes(), 0);
            let (offsets, gaps) = read_all(&path);
            assert_eq!(offsets, (earliest..count).collect::<Vec<_>>(), "{geometry:?}");
            assert_eq!(gaps, []);
            assert_eq!(fs::read(&path).unwrap(), chip.bytes, "reading changes nothing");
        }
    }
}

#[test]
fn an_image_opens_whatever_segments_lost_their_headers_as_long_as_one_is_left() {
    let chip = written(nor(), 700);
    let size = nor().segment_size() as usize;
    for left in 0..8 {
        for value in [0x00, 0xFF, 0x5A] {
            let mut bytes = chip.bytes.clone();
            for slot in (0..8).filter(|&slot| slot != left) {
                bytes[slot * size..][..size].fill(value);
            }
            let (_folder, path) = file(&bytes);
            let view = View::open(&path, Start::Earliest).unwrap();
            assert_eq!(view.geometry(), nor());
            let (offsets, _) = read_all(&path);
            assert!(!offsets.is_empty(), "segment {left} is left");
        }
    }
}

#[test]
fn a_foreign_segment_in_an_image_does_not_take_it_over() {
    for other in [geometry(1024, 4, 4, 0xFF), geometry(32768, 64, 1, 0x00)] {
        // With three segments in use or all, and with more of the other log behind the ring or not.
        for (count, behind) in [(100, 0), (100, 4096), (700, 0), (700, 4096)] {
            let mut bytes = written(nor(), count).bytes;
            let foreign = written(other, 200).bytes;
            bytes[..1024].copy_from_slice(&foreign[..1024]);
            bytes.extend(vec![0; 1024]);
            bytes.extend(&foreign[..behind]);
            let (_folder, path) = file(&bytes);
            assert_eq!(View::open(&path, Start::Earliest).unwrap().geometry(), nor());
        }
    }
}

#[test]
fn a_log_that_holds_an_image_of_another_log_as_its_record_is_told_from_it() {
    let inner = written(geometry(1024, 16, 4, 0xFF), 100).bytes;
    let mut log =
        Engine::create(Chip::new(geometry(65536, 2, 4, 0xFF)), vec![0; 65536], LogId([9; 16]), 0)
            .unwrap();
    let topic = log.topic("images").unwrap();
    // So that the image within stands where segments of its size could stand.
    for filler in (0..2048).step_by(8) {
        let mut log = Engine::mount(log.medium().clone(), vec![0; 65536]).unwrap();
        let payload = vec![1; filler];
        log.append(&record(topic, &payload), 0).unwrap();
        log.append(&record(topic, &inner), 0).unwrap();
        let (_folder, path) = file(&log.medium().bytes);
        assert_eq!(View::open(&path, Start::Earliest).unwrap().id(), LogId([9; 16]), "{filler}");
    }
}

fn record(topic: edgelog::TopicId, payload: &[u8]) -> edgelog_core::Event<'_> {
    edgelog_core::Event { topic, class: Class::Normal, key: None, payload }
}

#[test]
fn bytes_behind_the_ring_are_ignored_even_when_they_are_another_log() {
    let chip = written(nor(), 200);
    for behind in [vec![0x5A; 12_345], written(geometry(1024, 64, 8, 0x00), 300).bytes] {
        let (_folder, path) = file(&[chip.bytes.clone(), behind].concat());
        let view = View::open(&path, Start::Earliest).unwrap();
        assert_eq!((view.geometry(), view.visible()), (nor(), 200));
        assert_eq!(read_all(&path), (mount_all(&chip), vec![]));
    }
}

/// The offsets that the chip's own log has.
fn mount_all(chip: &Chip) -> Vec<u64> {
    let mut log = mount(chip.clone());
    (log.earliest().unwrap()..log.visible()).collect()
}

#[test]
fn a_truncated_image_keeps_what_it_has_and_counts_what_is_missing_between() {
    let chip = written(nor(), 700);
    let whole = mount_all(&chip);
    let newest = |path: &Path| View::open(path, Start::Latest).map(|view| view.visible());
    for length in (0..chip.bytes.len()).step_by(509) {
        let (_folder, path) = file(&chip.bytes[..length]);
        match newest(&path) {
            Ok(visible) => {
                let mut view = View::open(&path, Start::Earliest).unwrap();
                assert_eq!((view.geometry(), view.image_bytes()), (nor(), Some(length as u64)));
                let (offsets, gaps) = read_all(&path);
                let gone: u64 = gaps.iter().map(Gap::count).sum();
                let earliest = view.earliest().unwrap();
                assert_eq!(offsets.len() as u64 + gone, visible - earliest, "{length} bytes");
                assert!(offsets.iter().all(|offset| whole.contains(offset)), "{length} bytes");
            }
            Err(error) => assert!(length < 1024, "{length} bytes: {error}"),
        }
    }
}

#[test]
fn a_flipped_bit_in_an_image_costs_one_record() {
    let chip = written(nor(), 200);
    let mut bytes = chip.bytes.clone();
    let at = bytes.windows(9).rposition(|bytes| bytes == b"number 50").unwrap();
    bytes[at] ^= 0x10;
    let (_folder, path) = file(&bytes);
    let (offsets, gaps) = read_all(&path);
    assert_eq!(offsets, (0..200).filter(|&offset| offset != 50).collect::<Vec<_>>());
    assert_eq!(gaps.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>(), [(50, 51)]);
}

#[test]
fn a_torn_tail_in_an_image_is_the_end_and_its_bytes_are_counted() {
    let chip = written(nor(), 50);
    let mut log = mount(chip.clone());
    append(&mut log, 1);
    let whole = log.medium().clone();
    // The power fails in the last append: its last programmed bytes were not.
    let last = whole.programmed.iter().rposition(|&programmed| programmed).unwrap();
    let mut torn = whole.bytes;
    torn[last - 20..=last].fill(0xFF);
    let (_folder, path) = file(&torn);
    let view = View::open(&path, Start::Earliest).unwrap();
    assert_eq!(view.visible(), 50);
    assert!((1..=100).contains(&view.torn_bytes()), "{}", view.torn_bytes());
    assert_eq!(read_all(&path), ((0..50).collect(), vec![]));
}

#[test]
fn a_file_that_is_no_image_is_refused_with_the_reason() {
    let chip = written(nor(), 20);
    let (_folder, path) = file(b"");
    let error = View::open(&path, Start::Earliest).unwrap_err();
    assert!(matches!(error, OpenError::NotAnImage { bytes: 0, header: None, .. }), "{error}");
    assert!(error.to_string().contains("is empty"), "{error}");

    let (_folder, path) = file(&[b'x'; 5000]);
    let error = View::open(&path, Start::Earliest).unwrap_err();
    assert!(matches!(error, OpenError::NotAnImage { bytes: 5000, header: None, .. }), "{error}");

    let (_folder, path) = file(&SEGMENT_MAGIC.repeat(1000));
    let error = View::open(&path, Start::Earliest).unwrap_err();
    assert!(!matches!(error, OpenError::File(_)), "{error}");

    let (pipe, _writer) = std::io::pipe().unwrap();
    let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&pipe));
    let error = View::open(&path, Start::Earliest).unwrap_err();
    assert!(error.to_string().contains("that is a pipe"), "{error}");

    for value in [0x00, 0xFF] {
        let (_folder, path) = file(&[value; 5000]);
        let error = View::open(&path, Start::Earliest).unwrap_err();
        let blank =
            matches!(error, OpenError::Mount { source: MountError::NoLog { blank: true }, .. });
        assert!(blank, "{error}");
    }

    for before in [8, 100, 4096, 10_000] {
        let (_folder, path) = file(&[vec![0xFF; before], chip.bytes.clone()].concat());
        let error = View::open(&path, Start::Earliest).unwrap_err();
        if before == 100 {
            // Segments of a chip stand at multiples of 8, so this is some other kind of file.
            assert!(matches!(error, OpenError::NotAnImage { header: None, .. }), "{error}");
            continue;
        }
        let at = before as u64;
        assert!(
            matches!(error, OpenError::NotAnImage { header: Some(header), .. } if header == at),
            "{error}"
        );
        assert!(error.to_string().contains(&format!("at byte {before}")), "{error}");
    }
}

#[test]
fn a_newer_format_version_is_named_in_an_image_and_in_a_directory() {
    let newer = edgelog::FORMAT_VERSION + 1;
    let mut bytes = written(nor(), 200).bytes;
    let size = nor().segment_size() as usize;
    for segment in bytes.chunks_mut(size).filter(|segment| segment.starts_with(&SEGMENT_MAGIC)) {
        // The one place that every version has in common: the version stands behind the magic.
        segment[8..10].copy_from_slice(&newer.to_le_bytes());
    }
    // Whatever became of the first segment.
    bytes[..size].fill(0x5A);
    let (folder, path) = file(&bytes);
    let log = folder.path().join("log");
    fs::create_dir(&log).unwrap();
    for (slot, segment) in bytes.chunks(size).enumerate() {
        fs::write(log.join(format!("{slot:08}.seg")), segment).unwrap();
    }
    let viewed = |path: &Path| View::open(path, Start::Earliest).unwrap_err();
    for error in [viewed(&path), viewed(&log), Options::new().open(&log).unwrap_err()] {
        let found = match &error {
            OpenError::Mount { source: MountError::Version { found }, .. } => Some(*found),
            _ => None,
        };
        assert_eq!(found, Some(newer), "{error}");
    }
}

#[test]
fn any_damage_to_an_image_is_an_answer_and_never_a_panic() {
    let chip = written(nor(), 300);
    // A linear congruential generator: every run damages the same bytes.
    let mut state = 0x0005_DEEC_E66D_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for round in 0..300 {
        let mut bytes = chip.bytes.clone();
        for _ in 0..=random(200) {
            // Headers are where damage hurts.
            let at = random(8) * 4096 + random(if round % 2 == 0 { 100 } else { 4096 });
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        bytes.truncate(bytes.len() - random(2) * random(20_000));
        let (_folder, path) = file(&bytes);
        if View::open(&path, Start::Earliest).is_ok() {
            let (offsets, _) = read_all(&path);
            assert!(offsets.is_sorted(), "round {round}");
        }
    }
}

#[test]
fn a_directory_joined_into_one_file_is_an_image_and_a_chip_of_its_sizes_goes_on_with_it() {
    let chips = [(1, 0x00), (4, 0xFF), (32, 0xFF), (8, 0x00)];
    // In the ring's first lap some files are not there yet.
    for (count, (word, erased)) in
        [10, 700].into_iter().flat_map(|count| chips.map(|chip| (count, chip)))
    {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new().segment_bytes(4096).budget_bytes(8 * 4096);
        let log = options.clone().chip(word, erased).open(folder.path()).unwrap();
        go_on(&log, 0..count);
        drop(log);
        let in_folder = read_all(folder.path());
        let mut bytes = joined(folder.path());
        bytes.resize(8 * 4096, erased);
        let (_folder, path) = file(&bytes);
        assert_eq!(read_all(&path), in_folder, "as an image");

        let geometry = geometry(4096, 8, word, erased);
        let mut chip = mount(Chip::flashed(geometry, &bytes));
        assert_eq!(chip.cursors()[0].offset, count - 1);
        append(&mut chip, 40);
        fs::write(&path, &chip.medium().bytes).unwrap();
        let (offsets, gaps) = read_all(&path);
        assert_eq!(
            (offsets.last(), gaps),
            (Some(&(count + 39)), vec![]),
            "as it goes on on the chip"
        );
    }
}

#[test]
fn an_image_split_into_segment_files_is_a_directory_that_an_owner_goes_on_with() {
    for (count, geometry) in [20, 300]
        .into_iter()
        .flat_map(|count| many().into_iter().map(move |geometry| (count, geometry)))
    {
        let chip = written(geometry, count);
        let folder = tempfile::tempdir().unwrap();
        for (slot, bytes) in chip.bytes.chunks(geometry.segment_size() as usize).enumerate() {
            fs::write(folder.path().join(format!("{slot:08}.seg")), bytes).unwrap();
        }
        assert_eq!(read_all(folder.path()), (mount_all(&chip), vec![]), "{geometry:?}");
        let log = Options::new().open(folder.path()).unwrap();
        go_on(&log, count..400);
        drop(log);
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(
            names.into_iter().all(|name| !name.to_string_lossy().contains("foreign")),
            "blank segments are not taken for somebody's files"
        );
        // And back onto a chip: segments that files recycled are erased as the chip's are.
        let bytes = joined(folder.path());
        let mut log = mount(Chip::flashed(geometry, &bytes));
        assert_eq!((log.visible(), log.torn_bytes()), (400, 0), "{geometry:?}");
        append(&mut log, 1);
    }
}

#[test]
fn a_log_keeps_the_word_and_erased_value_that_it_was_created_with() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new().segment_bytes(4096).budget_bytes(8 * 4096);
    drop(options.clone().chip(4, 0xFF).open(folder.path()).unwrap());
    drop(options.clone().chip(4, 0xFF).open(folder.path()).unwrap());
    drop(options.open(folder.path()).unwrap());
    let refused = options.chip(8, 0xFF).open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("program words of 4 bytes"), "{refused}");
    let other = tempfile::tempdir().unwrap();
    let refused = Options::new().chip(3, 0xFF).open(other.path()).unwrap_err();
    assert!(matches!(refused, OpenError::Sizes(_)), "{refused}");
}

#[test]
fn a_file_that_is_given_for_a_folder_is_not_touched_by_an_owner() {
    let (_folder, path) = file(b"content");
    let refused = Options::new().open(&path).unwrap_err();
    assert!(refused.to_string().contains("to append choose a folder"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), b"content");
}

#[test]
fn a_view_of_an_image_stays_as_it_is_and_an_image_that_was_replaced_is_seen_when_it_is_opened_anew()
{
    let (_folder, path) = file(&written(nor(), 10).bytes);
    let mut view = View::open(&path, Start::Latest).unwrap();
    view.refresh().unwrap();
    assert_eq!(view.visible(), 10);
    let mut other = fs::File::create(path.with_extension("new")).unwrap();
    other.write_all(&written(nor(), 12).bytes).unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    view.refresh().unwrap();
    assert_eq!(view.visible(), 10);
    assert_eq!(View::open(&path, Start::Latest).unwrap().visible(), 12);
}
