//! Tables of random values, the same for the same seed.

use crate::tables::{Everything, Height, Leaf, Part, Place};
use edgelog_record::{Event, Nested, TraceContext};

/// Numbers without a pattern: xorshift64*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    /// The next bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.bits() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// A value of a fixed size; one in four is a likely default.
    pub fn scalar<T: Drawn>(&mut self) -> T {
        let bits = self.bits();
        match bits % 8 {
            0 => T::of(0),
            1 => T::default(),
            _ => T::of(bits.rotate_left(24)),
        }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (!self.bits().is_multiple_of(3)).then(|| make(self))
    }

    fn slice_of<'a, T>(&mut self, all: &'a [T]) -> &'a [T] {
        let start = self.below(all.len() + 1);
        &all[start..start + self.below(all.len() + 1 - start)]
    }

    fn part_of<'a>(&mut self, all: &'a str) -> &'a str {
        let to = all.floor_char_boundary(self.below(all.len() + 1));
        &all[all.floor_char_boundary(self.below(to + 1))..to]
    }
}

/// What can be drawn.
pub trait Drawn: Default {
    /// The value that is made of these bits.
    fn of(bits: u64) -> Self;
}

macro_rules! drawn {
    ($($type:ty)*) => {$(
        impl Drawn for $type {
            fn of(bits: u64) -> Self {
                bits as Self
            }
        }
    )*};
}

drawn!(i8 u8 i16 u16 i32 u32 i64 u64);

impl Drawn for bool {
    fn of(bits: u64) -> Self {
        bits & 1 == 1
    }
}

/// Numbers that decimal digits hold exactly, and -0.0.
impl Drawn for f64 {
    fn of(bits: u64) -> Self {
        if bits.is_multiple_of(16) { -0.0 } else { Self::from(bits as i32) / 1024.0 }
    }
}

impl Drawn for f32 {
    fn of(bits: u64) -> Self {
        if bits.is_multiple_of(16) { -0.0 } else { Self::from(bits as i16) / 16.0 }
    }
}

impl Drawn for Place {
    fn of(bits: u64) -> Self {
        Self {
            floor: Drawn::of(bits),
            latitude: Drawn::of(bits),
            height: Height { metres: Drawn::of(bits) },
            known: Drawn::of(bits),
        }
    }
}

/// What random tables borrow from.
#[derive(Debug)]
pub struct Pool {
    text: String,
    bytes: Vec<u8>,
    truth: Vec<bool>,
    tiny: Vec<i8>,
    short: Vec<i16>,
    word: Vec<u16>,
    int: Vec<i32>,
    uint: Vec<u32>,
    long: Vec<i64>,
    ulong: Vec<u64>,
    single: Vec<f32>,
    double: Vec<f64>,
    places: Vec<Place>,
}

impl Pool {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            text: "Ein größerer Text, 雨が降る, \u{1F300} and plain ASCII\0with a zero".to_owned(),
            bytes: drawn(&mut random),
            truth: drawn(&mut random),
            tiny: drawn(&mut random),
            short: drawn(&mut random),
            word: drawn(&mut random),
            int: drawn(&mut random),
            uint: drawn(&mut random),
            long: drawn(&mut random),
            ulong: drawn(&mut random),
            single: drawn(&mut random),
            double: drawn(&mut random),
            places: drawn(&mut random),
        }
    }

    /// A table with every kind of field, some of them left out.
    pub fn everything(&self, random: &mut Random) -> Everything<'_> {
        Everything {
            truth: random.scalar(),
            tiny: random.scalar(),
            small: random.scalar(),
            short: random.scalar(),
            word: random.scalar(),
            int: random.scalar(),
            uint: random.scalar(),
            long: random.scalar(),
            ulong: random.scalar(),
            single: random.scalar(),
            double: random.scalar(),
            maybe_truth: random.maybe(|it| it.scalar()),
            maybe_tiny: random.maybe(|it| it.scalar()),
            maybe_small: random.maybe(|it| it.scalar()),
            maybe_short: random.maybe(|it| it.scalar()),
            maybe_word: random.maybe(|it| it.scalar()),
            maybe_int: random.maybe(|it| it.scalar()),
            maybe_uint: random.maybe(|it| it.scalar()),
            maybe_long: random.maybe(|it| it.scalar()),
            maybe_ulong: random.maybe(|it| it.scalar()),
            maybe_single: random.maybe(|it| it.scalar()),
            maybe_double: random.maybe(|it| it.scalar()),
            text: random.maybe(|it| it.part_of(&self.text)),
            name: random.part_of(&self.text),
            raw: random.maybe(|it| it.slice_of(&self.bytes)),
            nested: random.maybe(|it| Nested(it.slice_of(&self.bytes))),
            part: random.maybe(|it| self.part(it)),
            place: random.maybe(Random::scalar),
            truth_items: random.maybe(|it| it.slice_of(&self.truth).into()),
            tiny_items: random.maybe(|it| it.slice_of(&self.tiny).into()),
            short_items: random.maybe(|it| it.slice_of(&self.short).into()),
            word_items: random.maybe(|it| it.slice_of(&self.word).into()),
            int_items: random.maybe(|it| it.slice_of(&self.int).into()),
            uint_items: random.maybe(|it| it.slice_of(&self.uint).into()),
            long_items: random.maybe(|it| it.slice_of(&self.long).into()),
            ulong_items: random.maybe(|it| it.slice_of(&self.ulong).into()),
            single_items: random.maybe(|it| it.slice_of(&self.single).into()),
            double_items: random.maybe(|it| it.slice_of(&self.double).into()),
            places: random.maybe(|it| it.slice_of(&self.places).into()),
            ..Default::default()
        }
    }

    fn part(&self, random: &mut Random) -> Part<'_> {
        Part {
            name: random.maybe(|it| it.part_of(&self.text)),
            leaf: random.maybe(leaf),
            required: leaf(random),
        }
    }

    /// An envelope, some of its fields left out.
    pub fn event(&self, random: &mut Random) -> Event<'_> {
        Event {
            payload: random.maybe(|it| Nested(it.slice_of(&self.bytes))),
            event_type: random.maybe(|it| it.part_of(&self.text)),
            schema_version: random.scalar(),
            source: random.maybe(|it| it.part_of(&self.text)),
            correlation_id: random.maybe(|it| it.slice_of(&self.bytes)),
            causation_id: random.maybe(|it| it.slice_of(&self.bytes)),
            trace: random.maybe(|it| TraceContext {
                trace_id_high: it.scalar(),
                trace_id_low: it.scalar(),
                parent_id: it.scalar(),
                flags: it.scalar(),
            }),
            content_type: random.maybe(|it| it.part_of(&self.text)),
            schema_fingerprint: random.scalar(),
        }
    }
}

fn leaf(random: &mut Random) -> Leaf {
    Leaf { wide: random.scalar(), narrow: random.maybe(|it| it.scalar()) }
}

fn drawn<T: Drawn>(random: &mut Random) -> Vec<T> {
    let count = random.below(12);
    (0..count).map(|_| random.scalar()).collect()
}
