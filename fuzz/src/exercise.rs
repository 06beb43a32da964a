//! Everything that can be done to an image, with what must hold for any image at all.

use crate::device::Device;
use crate::layout::{self, Bond, Frame, Header, NUMBER_MAX, Time};
use edgelog_core::{
    AppendError, BackReader, Class, Cursor, Event, Gap, Geometry, Item, Log, LogView, MountError,
    Reader, Record, TimeQuality,
};
use edgelog_sim::{SimDisk, SimError};

/// Buffers that hold any frame of the media used here.
pub const BUFFER: usize = 4096;
/// ms since 1970: a clock like any other.
pub const NOW: u64 = 1_700_000_000_000;

/// What mounting and reading an image may read: this many times the image, and for each item this many bytes.
const EFFORT: (u64, u64) = (512, 4096);

/// What a reader met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// A record.
    Record(Found),
    /// Records that are gone.
    Gap(Gap),
}

/// A record as the engine gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The log in its name.
    pub log: [u8; 16],
    /// The epoch in its name.
    pub epoch: u32,
    /// The offset in its name.
    pub offset: u64,
    /// The topic's number.
    pub topic: u16,
    /// The class.
    pub class: Class,
    /// When.
    pub time_ms: u64,
    /// It may have been later.
    pub estimated: bool,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Found {
    fn of(record: &Record<'_>) -> Self {
        Self {
            log: record.identity.log.0,
            epoch: record.identity.epoch,
            offset: record.identity.offset,
            topic: record.topic.get(),
            class: record.class,
            time_ms: record.time_ms,
            estimated: record.time_quality == TimeQuality::Estimated,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.to_vec(),
        }
    }

    /// Whether this is the record `before` damage in front of it, which may have cost what its time counts from.
    #[must_use]
    pub fn was(&self, before: &Self) -> bool {
        let time = if self.estimated { self.time_ms.min(before.time_ms) } else { before.time_ms };
        let expected = Self { estimated: self.estimated, time_ms: time, ..before.clone() };
        *self == expected
    }

    /// Whether the record is what stands in the frame, which is bound so. Short frames do not tell their times by themselves.
    #[must_use]
    pub fn is_in(&self, header: &Header, frame: &Frame<'_>, bond: Bond) -> bool {
        let class = [Class::Critical, Class::Normal, Class::Bulk][usize::from(frame.class)];
        let (Time::Since(least) | Time::Base(least)) = frame.time;
        frame.is_record
            && self.log == header.log
            && self.bond() == bond
            && (self.topic, self.class) == (frame.topic, class)
            && self.time_ms >= header.base_time.saturating_add(u64::from(least))
            && self.key.as_deref() == frame.key
            && self.payload == frame.payload
    }

    const fn bond(&self) -> Bond {
        Bond { epoch: self.epoch, offset: self.offset }
    }
}

/// Looks at the image, reads it both ways, appends to it and mounts it anew. Gives what a view read, or why it is no log.
///
/// # Panics
///
/// When reading does not end or costs too much, does not add up, gives what no valid frame holds, differs between a view and an owner,
/// or when a record that was acknowledged is not there after a restart.
pub fn exercise(
    geometry: &Geometry,
    image: &[u8],
    write_once: bool,
) -> Result<Vec<Met>, MountError<SimError>> {
    let disk = SimDisk::from_image(*geometry, image.to_vec());
    let device = Device { disk: disk.clone(), write_once };
    let mut view = LogView::open(device.clone())?;
    let visible = view.visible();
    let met =
        read_all(image, |reader, buffer| view.read(reader, buffer).map(|it| it.map(met_of)), 0);
    adds_up(&met, 0, visible);
    all_hold(geometry, image, &met);
    let spent = disk.counters().bytes_read;
    let allowed = EFFORT.0 * image.len() as u64 + EFFORT.1 * met.len() as u64;
    assert!(
        spent <= allowed,
        "{spent} bytes read of an image of {} with {} items",
        image.len(),
        met.len()
    );
    // Where a cursor moved the log's end, what stands there may be bound to the offset that it has now.
    if !a_cursor_is_ahead(&met, view.cursors()) {
        let opened = (visible, view.topics().to_vec(), view.cursors().to_vec());
        view.refresh().expect("nothing changed since it was opened");
        assert_eq!(opened, (view.visible(), view.topics().to_vec(), view.cursors().to_vec()));
    }

    let mut log = Log::mount(device.clone(), vec![0; BUFFER]).expect("a view could be opened");
    assert_eq!((log.visible(), log.id(), log.epoch()), (visible, view.id(), view.epoch()));
    assert_eq!((log.topics(), log.cursors()), (view.topics(), view.cursors()));
    // The greatest offset is no record's in a log that the engine wrote, and no more records were damaged than there are bytes: epoch
    // frames that say so were forged, and with several of them it is another that is met first once the log has grown.
    let is_forged = log.damaged() > image.len() as u64;
    let is_strange = visible > NUMBER_MAX || is_forged || headers_disagree(geometry, image);
    let may_differ = is_strange || a_cursor_is_ahead(&met, log.cursors());
    let earliest = log.earliest().expect("the disk reads");
    for from in [0, earliest.min(visible), visible - visible.saturating_sub(earliest) / 2] {
        let again = read_all(
            image,
            |reader, buffer| log.read(reader, u64::MAX, buffer).map(|it| it.map(met_of)),
            from,
        );
        adds_up(&again, from, visible);
        assert!(may_differ || records(&again, from) == records(&met, from), "read from {from}");
    }
    if !may_differ {
        backwards(&mut log, &met);
    }
    assert_eq!(disk.counters().programs, 0, "mounting and reading write nothing");
    assert!(disk.image() == image, "mounting and reading change nothing");
    use_it(log, &device, is_strange);
    Ok(met)
}

/// Whether a later segment begins at a lower offset, as only a forged header says.
fn headers_disagree(geometry: &Geometry, image: &[u8]) -> bool {
    let segments = image.chunks(geometry.segment_size() as usize).enumerate();
    let mut headers: Vec<_> =
        segments.filter_map(|(slot, segment)| layout::header(segment, geometry, slot)).collect();
    headers.sort_by_key(|header| header.generation);
    !headers.is_sorted_by_key(|header| header.base_offset)
}

/// Whether the log ends where a cursor is, behind its last record, as no log that the engine wrote does. A record among bytes that do not
/// validate may then be below the log's end for an owner, which looks for it, and not for a view.
fn a_cursor_is_ahead(met: &[Met], cursors: &[Cursor]) -> bool {
    let Some(Met::Gap(last)) = met.last() else { return false };
    cursors.iter().any(|cursor| cursor.offset == last.to)
}

/// Appends and commits; what is acknowledged must be there after a restart, unless it `may_be_lost`.
fn use_it(mut log: Log<Device, Vec<u8>>, device: &Device, may_be_lost: bool) {
    let mut stored = Vec::new();
    for n in 0..12u8 {
        let payload = vec![n; 60 + usize::from(n)];
        match append(&mut log, &payload) {
            Ok(offset) => stored.push((log.epoch(), offset, payload)),
            Err(AppendError::Medium(error)) => {
                panic!("the engine broke the medium's contract: {error}")
            }
            Err(_) => {}
        }
        log.sync().expect("the disk syncs");
        if n % 4 == 3
            && let Ok(cursor) = log.cursor("c", 0)
        {
            let _ = log.set_anchor(cursor, &[n; 64]);
            let _ = log.commit(cursor, u64::MAX, i64::from(n));
        }
    }
    let (id, visible) = (log.id(), log.visible());
    drop(log);
    let after = Device { disk: device.disk.cut(1), ..*device };
    let mut log = Log::mount(after, vec![0; BUFFER]).expect("it was mounted before");
    assert_eq!(log.id(), id, "the log is the same after a restart");
    if may_be_lost {
        return;
    }
    assert!(log.visible() >= visible, "{} were durable, {} are left", visible, log.visible());
    let image = device.disk.image();
    let from = stored.first().map_or(visible, |&(_, offset, _)| offset);
    let met = read_all(
        &image,
        |reader, buffer| log.read(reader, u64::MAX, buffer).map(|it| it.map(met_of)),
        from,
    );
    adds_up(&met, from, log.visible());
    let earliest = log.earliest().expect("the disk reads");
    for (epoch, offset, payload) in stored {
        let there = records(&met, 0)
            .iter()
            .any(|it| (it.epoch, it.offset, &it.payload) == (epoch, offset, &payload));
        assert!(there || offset < earliest, "record {offset} was acknowledged in epoch {epoch}");
    }
}

fn append(log: &mut Log<Device, Vec<u8>>, payload: &[u8]) -> Result<u64, AppendError<SimError>> {
    let topic = log.topic("t")?;
    log.append(&Event { topic, class: Class::Normal, key: Some(b"k"), payload }, NOW)
}

fn met_of(item: Item<'_>) -> Met {
    match item {
        Item::Record(record) => Met::Record(Found::of(&record)),
        Item::Gap(gap) => Met::Gap(gap),
    }
}

fn read_all<E: std::fmt::Debug>(
    image: &[u8],
    mut next: impl FnMut(&mut Reader, &mut [u8]) -> Result<Option<Met>, E>,
    from: u64,
) -> Vec<Met> {
    let (mut reader, mut buffer, mut met) = (Reader::at(from), vec![0; BUFFER], Vec::new());
    while let Some(item) =
        next(&mut reader, &mut buffer).expect("the disk reads and the buffer holds any frame")
    {
        met.push(item);
        // A record takes at least a frame's header, and at most one gap stands between two.
        assert!(met.len() <= image.len() / 8 + 2, "reading ends");
    }
    met
}

/// Newest first, the same records come.
fn backwards(log: &mut Log<Device, Vec<u8>>, met: &[Met]) {
    let mut expected = records(met, 0);
    let (mut reader, mut buffer) = (BackReader::<3>::before(u64::MAX), vec![0; BUFFER]);
    let mut next = log.visible();
    while let Some(item) = log.read_back(&mut reader, &mut buffer).expect("the disk reads") {
        let (from, to) = match met_of(item) {
            Met::Record(record) => {
                assert_eq!(Some(&record), expected.pop(), "newest first");
                (record.offset, record.offset + 1)
            }
            Met::Gap(gap) => (gap.from, gap.to),
        };
        assert!(to == next && from < to, "{from} to {to} is not before {next}");
        next = from;
    }
    assert!(next == 0 && expected.is_empty(), "reading back ends at {next} before {expected:?}");
}

fn adds_up(met: &[Met], from: u64, end: u64) {
    let mut next = from;
    for item in met {
        next = match item {
            Met::Record(record) => {
                assert_eq!(record.offset, next, "in order, without a hole");
                next + 1
            }
            Met::Gap(gap) => {
                assert!(gap.from == next && gap.to > gap.from, "{gap:?} does not follow {next}");
                gap.to
            }
        };
    }
    assert_eq!(next, end, "appended = delivered + gaps");
}

/// The records from an offset on, without the gaps.
#[must_use]
pub fn records(met: &[Met], from: u64) -> Vec<&Found> {
    let records = met.iter().filter_map(|item| match item {
        Met::Record(record) if record.offset >= from => Some(record),
        _ => None,
    });
    records.collect()
}

/// Every record stands in a frame of a segment, whose checksum holds for the epoch in the record's name; later records stand behind.
fn all_hold(geometry: &Geometry, image: &[u8], met: &[Met]) {
    let size = geometry.segment_size() as usize;
    let slots: Vec<_> = image
        .chunks(size)
        .enumerate()
        .map(|(slot, segment)| (slot, segment, layout::header(segment, geometry, slot)))
        .collect();
    let valid: Vec<_> = slots.iter().filter_map(|(_, _, header)| *header).collect();
    let mut segments = Vec::new();
    for (slot, segment, header) in slots {
        match header {
            Some(header) => segments.push((header, segment)),
            None => {
                let lost = valid.iter().flat_map(|known| headers_lost(known, geometry, slot));
                segments.extend(lost.map(|header| (header, segment)));
            }
        }
    }
    segments.sort_by_key(|(header, _)| header.generation);
    segments.dedup_by_key(|(header, segment)| (header.log, header.generation, segment.as_ptr()));
    let mut places = segments.iter().flat_map(|(header, segment)| {
        let at = (header.first_frame..size).step_by(geometry.align() as usize);
        at.filter_map(|at| Some((*header, *segment, layout::frame(segment, geometry, at)?)))
    });
    for record in records(met, 0) {
        let holds = places.any(|(header, segment, frame)| {
            record.is_in(&header, &frame, record.bond())
                && layout::holds(segment, &header, &frame, record.bond())
        });
        assert!(holds, "no frame behind those of earlier records holds {record:?}");
    }
}

/// What the header of a segment may have been that lost it, beside a segment that has not: of its log, in its lap of the ring or in the
/// one before or behind. Where the first frame stands and what times count from is not known.
fn headers_lost(known: &Header, geometry: &Geometry, slot: usize) -> impl Iterator<Item = Header> {
    let count = u64::from(geometry.segment_count());
    let lap = known.generation / count;
    let laps = lap.saturating_sub(1)..=lap.saturating_add(1);
    let generations = laps.map(move |lap| (lap * count).saturating_add(slot as u64));
    let unknown =
        Header { base_offset: 0, base_time: 0, epoch: 0, refused: 0, first_frame: 0, ..*known };
    generations.map(move |generation| Header { generation, ..unknown })
}
