//! The responses as field tables.

/// One field of a response.
///
/// Every `id` names the field to the [`Sink`](super::Sink); [`id::NONE`] fields are checked and
/// skipped.
#[derive(Clone, Copy, Debug)]
pub enum Field {
    /// A signed big-endian integer of `size` bytes, 1 to 8.
    Int {
        /// The field's name.
        id: u8,
        /// Bytes it takes.
        size: u8,
    },
    /// A string; compact ones have a variable-length size.
    Text {
        /// The field's name.
        id: u8,
        /// Whether the size is a variable-length integer.
        compact: bool,
        /// Whether there may be no string at all.
        nullable: bool,
    },
    /// Items of the same fields, one after another.
    Array {
        /// The name under which the number of items is told.
        id: u8,
        /// Whether the number of items is a variable-length integer.
        compact: bool,
        /// The fields of an item; at least one, so that an item takes at least one byte.
        item: &'static [Self],
    },
    /// Bytes of any length behind an `i32` size, or none at all; told in portions.
    Raw {
        /// The field's name.
        id: u8,
    },
    /// Tagged fields, all of which are skipped.
    Tags,
}

/// Names of the fields that are told to a [`Sink`](super::Sink).
#[expect(missing_docs, reason = "they are the protocol's own field names")]
pub mod id {
    pub const NONE: u8 = 0;
    pub const THROTTLE: u8 = 1;
    pub const ERROR: u8 = 2;
    pub const API_KEY: u8 = 3;
    pub const API_MIN: u8 = 4;
    pub const API_MAX: u8 = 5;
    pub const BROKERS: u8 = 6;
    pub const NODE: u8 = 7;
    pub const HOST: u8 = 8;
    pub const PORT: u8 = 9;
    pub const CLUSTER: u8 = 10;
    pub const TOPIC_ERROR: u8 = 11;
    pub const TOPIC: u8 = 12;
    pub const PARTITIONS: u8 = 13;
    pub const PARTITION: u8 = 14;
    pub const LEADER: u8 = 15;
    pub const PRODUCER_ID: u8 = 16;
    pub const PRODUCER_EPOCH: u8 = 17;
    pub const LAST_SEQUENCE: u8 = 18;
    pub const OFFSET: u8 = 19;
    pub const APPEND_TIME: u8 = 20;
    pub const HIGH_WATERMARK: u8 = 21;
    pub const RECORDS: u8 = 22;
}

/// The frame that most responses share: topics by name, and in each one its partitions.
macro_rules! topics {
    ($($field:expr),* $(,)?) => {
        array(id::NONE, &[string(id::TOPIC), array(id::NONE, &[$($field),*])])
    };
}

pub(super) const API_VERSIONS: &[Field] =
    &[i16(id::ERROR), array(id::NONE, &[i16(id::API_KEY), i16(id::API_MIN), i16(id::API_MAX)])];

pub(super) const METADATA: &[Field] = &[
    i32(id::THROTTLE),
    array(
        id::BROKERS,
        &[i32(id::NODE), string(id::HOST), i32(id::PORT), nullable_string(id::NONE)],
    ),
    nullable_string(id::CLUSTER),
    i32(id::NONE),
    array(
        id::NONE,
        &[
            i16(id::TOPIC_ERROR),
            string(id::TOPIC),
            i8(id::NONE),
            array(
                id::PARTITIONS,
                &[
                    i16(id::ERROR),
                    i32(id::PARTITION),
                    i32(id::LEADER),
                    i32(id::NONE),
                    array(id::NONE, &[i32(id::NONE)]),
                    array(id::NONE, &[i32(id::NONE)]),
                    array(id::NONE, &[i32(id::NONE)]),
                ],
            ),
        ],
    ),
];

pub(super) const INIT_PRODUCER_ID: &[Field] = &[
    i32(id::THROTTLE),
    i16(id::ERROR),
    i64(id::PRODUCER_ID),
    i16(id::PRODUCER_EPOCH),
    Field::Tags,
];

pub(super) const PRODUCE: &[Field] = &[
    topics![
        i32(id::PARTITION),
        i16(id::ERROR),
        i64(id::OFFSET),
        i64(id::APPEND_TIME),
        i64(id::NONE),
    ],
    i32(id::THROTTLE),
];

pub(super) const LIST_OFFSETS: &[Field] = &[
    i32(id::THROTTLE),
    topics![i32(id::PARTITION), i16(id::ERROR), i64(id::NONE), i64(id::OFFSET), i32(id::NONE),],
];

pub(super) const DESCRIBE_PRODUCERS: &[Field] = &[
    i32(id::THROTTLE),
    compact_array(&[
        Field::Text { id: id::TOPIC, compact: true, nullable: false },
        compact_array(&[
            i32(id::PARTITION),
            i16(id::ERROR),
            Field::Text { id: id::NONE, compact: true, nullable: true },
            compact_array(&[
                i64(id::PRODUCER_ID),
                i32(id::PRODUCER_EPOCH),
                i32(id::LAST_SEQUENCE),
                i64(id::NONE),
                i32(id::NONE),
                i64(id::NONE),
                Field::Tags,
            ]),
            Field::Tags,
        ]),
        Field::Tags,
    ]),
    Field::Tags,
];

pub(super) const FETCH: &[Field] = &[
    i32(id::THROTTLE),
    topics![
        i32(id::PARTITION),
        i16(id::ERROR),
        i64(id::HIGH_WATERMARK),
        i64(id::NONE),
        array(id::NONE, &[i64(id::NONE), i64(id::NONE)]),
        Field::Raw { id: id::RECORDS },
    ],
];

const fn i8(id: u8) -> Field {
    Field::Int { id, size: 1 }
}

const fn i16(id: u8) -> Field {
    Field::Int { id, size: 2 }
}

const fn i32(id: u8) -> Field {
    Field::Int { id, size: 4 }
}

const fn i64(id: u8) -> Field {
    Field::Int { id, size: 8 }
}

const fn string(id: u8) -> Field {
    Field::Text { id, compact: false, nullable: false }
}

const fn nullable_string(id: u8) -> Field {
    Field::Text { id, compact: false, nullable: true }
}

const fn array(id: u8, item: &'static [Field]) -> Field {
    Field::Array { id, compact: false, item }
}

const fn compact_array(item: &'static [Field]) -> Field {
    Field::Array { id: id::NONE, compact: true, item }
}
