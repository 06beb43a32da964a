//! A small medium and short forms that the behaviour tests share.
#![allow(dead_code, reason = "every test file uses another part of it")]

use core::fmt;
use edgelog_core::{Class, Event, Gap, Geometry, Item, Log, LogId, LogView, Medium, Reader};
use std::cell::RefCell;
use std::rc::Rc;

pub(crate) const ID: LogId = LogId([0xA5; 16]);
pub(crate) const NOW: u64 = 1_700_000_000_000;

/// Shared bytes as a medium; clones are handles. It refuses whatever breaks the contract of a medium.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    pub(crate) bytes: Rc<RefCell<Vec<u8>>>,
    geometry: Geometry,
    /// Programs that fail although their bytes arrive.
    pub(crate) failing_programs: Rc<RefCell<Vec<u64>>>,
    pub(crate) failing_erases: Rc<RefCell<u32>>,
    pub(crate) programs: Rc<RefCell<u64>>,
    pub(crate) erases: Rc<RefCell<u64>>,
    pub(crate) bytes_read: Rc<RefCell<usize>>,
    /// Reads from a segment's start.
    pub(crate) header_reads: Rc<RefCell<u64>>,
    /// Where it says that a segment probably is.
    pub(crate) likely: Rc<RefCell<u32>>,
    /// Whether it has space for another segment.
    pub(crate) has_space: Rc<RefCell<bool>>,
}

#[derive(Debug)]
pub(crate) struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Refused {}

impl Bytes {
    pub(crate) fn new(segment_size: u32, count: u32, word: u32, erased: u8) -> Self {
        let geometry = Geometry::new(segment_size, count, word, erased).unwrap();
        Self::with(geometry, vec![erased; (segment_size * count) as usize])
    }

    pub(crate) fn with(geometry: Geometry, bytes: Vec<u8>) -> Self {
        Self {
            bytes: Rc::new(RefCell::new(bytes)),
            geometry,
            failing_programs: Rc::default(),
            failing_erases: Rc::default(),
            programs: Rc::default(),
            erases: Rc::default(),
            header_reads: Rc::default(),
            bytes_read: Rc::default(),
            likely: Rc::default(),
            has_space: Rc::new(RefCell::new(true)),
        }
    }

    /// A copy that shares nothing.
    pub(crate) fn copy(&self) -> Self {
        Self::with(self.geometry, self.bytes.borrow().clone())
    }

    pub(crate) fn flip(&self, bit: usize) {
        self.bytes.borrow_mut()[bit / 8] ^= 1 << (bit % 8);
    }

    /// Where `needle` stands, which must be once.
    pub(crate) fn find(&self, needle: &[u8]) -> usize {
        let bytes = self.bytes.borrow();
        let mut found = bytes.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle);
        let at = found.next().expect("the bytes are there").0;
        assert!(found.next().is_none(), "the bytes are there once");
        at
    }

    fn start(&self, slot: u32, position: u32, length: usize) -> Result<usize, Refused> {
        let size = self.geometry.segment_size() as usize;
        let fits = slot < self.geometry.segment_count() && position as usize + length <= size;
        fits.then_some(slot as usize * size + position as usize).ok_or(Refused("out of range"))
    }
}

impl Medium for Bytes {
    type Error = Refused;

    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn is_write_once(&self) -> bool {
        self.geometry.erased() == 0xFF
    }

    fn read(&mut self, slot: u32, position: u32, bytes: &mut [u8]) -> Result<(), Refused> {
        let at = self.start(slot, position, bytes.len())?;
        bytes.copy_from_slice(&self.bytes.borrow()[at..at + bytes.len()]);
        *self.bytes_read.borrow_mut() += bytes.len();
        *self.header_reads.borrow_mut() += u64::from(position == 0);
        Ok(())
    }

    fn program(&mut self, slot: u32, position: u32, bytes: &[u8]) -> Result<(), Refused> {
        let at = self.start(slot, position, bytes.len())?;
        let word = self.geometry.program_word() as usize;
        if at % word != 0 || !bytes.len().is_multiple_of(word) {
            return Err(Refused("not whole words"));
        }
        let erased = |&byte: &u8| byte == self.geometry.erased();
        if self.is_write_once() && !self.bytes.borrow()[at..at + bytes.len()].iter().all(erased) {
            return Err(Refused("programmed twice"));
        }
        self.bytes.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        let call = *self.programs.borrow();
        *self.programs.borrow_mut() += 1;
        if self.failing_programs.borrow().contains(&call) {
            return Err(Refused("input/output error"));
        }
        Ok(())
    }

    fn erase(&mut self, slot: u32) -> Result<(), Refused> {
        if *self.failing_erases.borrow() > 0 {
            *self.failing_erases.borrow_mut() -= 1;
            return Err(Refused("no space left"));
        }
        *self.erases.borrow_mut() += 1;
        let at = self.start(slot, 0, 0)?;
        let size = self.geometry.segment_size() as usize;
        self.bytes.borrow_mut()[at..at + size].fill(self.geometry.erased());
        Ok(())
    }

    fn claim(&mut self, _slot: u32) -> Result<bool, Refused> {
        Ok(*self.has_space.borrow())
    }

    fn likely_slot(&self) -> u32 {
        *self.likely.borrow()
    }

    fn sync(&mut self) -> Result<(), Refused> {
        Ok(())
    }
}

pub(crate) type TestLog = Log<Bytes, Vec<u8>>;

pub(crate) fn create(medium: &Bytes) -> TestLog {
    Log::create(medium.clone(), vec![0; 4096], ID, NOW).unwrap()
}

pub(crate) fn mount(medium: &Bytes) -> TestLog {
    Log::mount(medium.clone(), vec![0; 4096]).unwrap()
}

/// Appends `payload` under the topic "t".
pub(crate) fn put(log: &mut TestLog, payload: &[u8]) -> u64 {
    let topic = log.topic("t").unwrap();
    let event = Event { topic, class: Class::Normal, key: None, payload };
    log.append(&event, NOW).unwrap()
}

/// Appends records "r0", "r1" and so on until the log is full, without moving any cursor.
pub(crate) fn fill(log: &mut TestLog) -> u64 {
    let topic = log.topic("t").unwrap();
    loop {
        let payload = format!("r{:<60}", log.visible());
        let event = Event { topic, class: Class::Normal, key: None, payload: payload.as_bytes() };
        assert!(log.visible() < 10_000, "a log without a moving cursor fills up");
        if log.append(&event, NOW).is_err() {
            log.sync().unwrap();
            return log.visible();
        }
    }
}

/// What a reader meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    Record(u64, Vec<u8>),
    Gap(Gap),
}

impl Met {
    pub(crate) fn of(item: Item<'_>) -> Self {
        match item {
            Item::Record(record) => Self::Record(record.identity.offset, record.payload.to_vec()),
            Item::Gap(gap) => Self::Gap(gap),
        }
    }
}

pub(crate) fn read_from(log: &mut TestLog, from: u64) -> Vec<Met> {
    let mut reader = Reader::at(from);
    let mut buffer = vec![0; 8192];
    let mut met = Vec::new();
    while let Some(item) = log.read(&mut reader, u64::MAX, &mut buffer).unwrap() {
        met.push(Met::of(item));
    }
    met
}

pub(crate) fn view_from(view: &mut LogView<Bytes>, reader: &mut Reader) -> Vec<Met> {
    let mut buffer = vec![0; 8192];
    let mut met = Vec::new();
    while let Some(item) = view.read(reader, &mut buffer).unwrap() {
        met.push(Met::of(item));
    }
    met
}

/// Offsets without a hole, double or overlap up to `end`; gives how many were delivered.
pub(crate) fn adds_up(met: &[Met], from: u64, end: u64) -> u64 {
    let (mut next, mut delivered) = (from, 0);
    for item in met {
        match item {
            Met::Record(offset, _) => {
                assert_eq!(*offset, next);
                next += 1;
                delivered += 1;
            }
            Met::Gap(gap) => {
                assert_eq!(gap.from, next);
                assert!(gap.to > gap.from);
                next = gap.to;
            }
        }
    }
    assert_eq!(next, end, "appended = delivered + gaps");
    delivered
}

/// `SplitMix64`.
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.bits() >> 1) as usize % bound.max(1)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.bits().to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
    }
}
