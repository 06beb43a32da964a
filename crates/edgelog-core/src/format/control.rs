//! Control entries: the log's own facts, written between records and in segment snapshots.

use super::{OFFSET_MAX, take};

/// The longest topic name, in bytes of UTF-8.
pub const TOPIC_NAME_LEN_MAX: usize = 64;
/// The longest cursor name, in bytes of UTF-8.
pub const CURSOR_NAME_LEN_MAX: usize = 32;
/// The longest anchor, in bytes.
pub const ANCHOR_LEN_MAX: usize = 64;

/// One control entry, borrowed from the bytes it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control<'a> {
    /// Frames from here on are bound to `epoch`. Bytes from `resumed_from` up to this frame are what a power cut tore: nothing in them counts.
    Epoch {
        epoch: u32,
        previous: u32,
        next_offset: u64,
        resumed_from: u32,
        /// The clock was not set when this boot began to append.
        clock_unset: bool,
    },
    Topic {
        topic: u16,
        name: &'a str,
    },
    Cursor {
        id: u8,
        name: &'a str,
    },
    Commit {
        id: u8,
        offset: u64,
        mark: i64,
    },
    Anchor {
        id: u8,
        bytes: &'a [u8],
    },
    /// The slot of `generation` was erased to its end and not programmed since. 0: no slot is.
    Ready {
        generation: u64,
    },
    /// When the log's time was `log_ms`, in `epoch`, it was `utc_ms`.
    Clock {
        epoch: u32,
        log_ms: u64,
        utc_ms: u64,
    },
    /// Records given up since the segment was opened, at least; the next segment's header counts them.
    Refused {
        records: u32,
    },
}

/// The type of a control entry as it stands in a frame or snapshot item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ControlKind {
    Epoch = 1,
    Topic = 2,
    Cursor = 3,
    Commit = 4,
    Anchor = 5,
    Ready = 6,
    Clock = 7,
    Refused = 8,
}

/// The longest body of any control entry: a topic's id and name.
pub(crate) const CONTROL_LEN_MAX: usize = 2 + TOPIC_NAME_LEN_MAX;
const _: () = assert!(CONTROL_LEN_MAX >= ANCHOR_LEN_MAX && CONTROL_LEN_MAX >= CURSOR_NAME_LEN_MAX);

/// The longest body that any later version may give a control entry; a longer one is not looked for behind damage.
pub(crate) const CONTROL_BODY_MAX: u32 = 255;

/// Bytes of an epoch entry's body.
pub(crate) const EPOCH_BODY_LEN: u32 = 24;

/// Bytes of a ready entry's body.
pub(crate) const READY_BODY_LEN: u32 = 8;

/// Room for any control body.
pub(crate) type Body = [u8; CONTROL_LEN_MAX];

impl<'a> Control<'a> {
    /// The entry, if type, id and body can be one. Unknown types are `None` and are skipped by readers.
    pub(crate) fn parse(kind: u8, id: u8, body: &'a [u8]) -> Option<Self> {
        let offset_at =
            |at| take(body, at).map(u64::from_le_bytes).filter(|&offset| offset <= OFFSET_MAX);
        match kind {
            1 if body.len() == EPOCH_BODY_LEN as usize => Some(Self::Epoch {
                epoch: u32::from_le_bytes(take(body, 0)?),
                previous: u32::from_le_bytes(take(body, 4)?),
                next_offset: offset_at(8)?,
                resumed_from: u32::from_le_bytes(take(body, 16)?),
                clock_unset: take::<4>(body, 20)? != [0; 4],
            }),
            2 => Some(Self::Topic {
                topic: u16::from_le_bytes(take(body, 0)?),
                name: name(body.get(2..)?, TOPIC_NAME_LEN_MAX)?,
            }),
            3 => Some(Self::Cursor { id, name: name(body, CURSOR_NAME_LEN_MAX)? }),
            4 if body.len() == 16 => Some(Self::Commit {
                id,
                offset: offset_at(0)?,
                mark: i64::from_le_bytes(take(body, 8)?),
            }),
            5 if (1..=ANCHOR_LEN_MAX).contains(&body.len()) => {
                Some(Self::Anchor { id, bytes: body })
            }
            6 if body.len() == READY_BODY_LEN as usize => {
                Some(Self::Ready { generation: offset_at(0)? })
            }
            7 if body.len() == 20 => Some(Self::Clock {
                epoch: u32::from_le_bytes(take(body, 0)?),
                log_ms: u64::from_le_bytes(take(body, 4)?),
                utc_ms: u64::from_le_bytes(take(body, 12)?),
            }),
            8 if body.len() == 4 => {
                Some(Self::Refused { records: u32::from_le_bytes(take(body, 0)?) })
            }
            _ => None,
        }
    }

    /// Type, id and body, which is put into `body`.
    pub(crate) fn emit<'b>(&self, body: &'b mut Body) -> (ControlKind, u8, &'b [u8]) {
        let mut length = 0;
        // Every body fits by the limits above; a longer one would fail to parse, never overflow.
        let mut put = |bytes: &[u8]| {
            super::put(body, length, bytes);
            length += bytes.len();
        };
        let (kind, id) = match self {
            Self::Epoch { epoch, previous, next_offset, resumed_from, clock_unset } => {
                put(&epoch.to_le_bytes());
                put(&previous.to_le_bytes());
                put(&next_offset.to_le_bytes());
                put(&resumed_from.to_le_bytes());
                put(&u32::from(*clock_unset).to_le_bytes());
                (ControlKind::Epoch, 0)
            }
            Self::Topic { topic, name } => {
                put(&topic.to_le_bytes());
                put(name.as_bytes());
                (ControlKind::Topic, 0)
            }
            Self::Cursor { id, name } => {
                put(name.as_bytes());
                (ControlKind::Cursor, *id)
            }
            Self::Commit { id, offset, mark } => {
                put(&offset.to_le_bytes());
                put(&mark.to_le_bytes());
                (ControlKind::Commit, *id)
            }
            Self::Anchor { id, bytes } => {
                put(bytes);
                (ControlKind::Anchor, *id)
            }
            Self::Ready { generation } => {
                put(&generation.to_le_bytes());
                (ControlKind::Ready, 0)
            }
            Self::Clock { epoch, log_ms, utc_ms } => {
                put(&epoch.to_le_bytes());
                put(&log_ms.to_le_bytes());
                put(&utc_ms.to_le_bytes());
                (ControlKind::Clock, 0)
            }
            Self::Refused { records } => {
                put(&records.to_le_bytes());
                (ControlKind::Refused, 0)
            }
        };
        (kind, id, body.get(..length).unwrap_or_default())
    }
}

fn name(bytes: &[u8], max: usize) -> Option<&str> {
    let fits = (1..=max).contains(&bytes.len());
    fits.then(|| core::str::from_utf8(bytes).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_entry_reads_back_as_written() {
        let entries = [
            Control::Epoch {
                epoch: 7,
                previous: 5,
                next_offset: OFFSET_MAX,
                resumed_from: 4096,
                clock_unset: true,
            },
            Control::Topic { topic: 3, name: "host.metrics" },
            Control::Cursor { id: 1, name: "kafka" },
            Control::Commit { id: 1, offset: 5, mark: -1 },
            Control::Anchor { id: 1, bytes: &[1, 2, 3] },
            Control::Ready { generation: 9 },
            Control::Clock { epoch: 3, log_ms: 5, utc_ms: u64::MAX },
            Control::Refused { records: 6 },
        ];
        for entry in entries {
            let mut body = [0; CONTROL_LEN_MAX];
            let (kind, id, body) = entry.emit(&mut body);
            assert_eq!(Control::parse(kind as u8, id, body), Some(entry));
        }
    }

    #[test]
    fn bodies_of_a_wrong_length_are_refused() {
        assert_eq!(Control::parse(1, 0, &[0; 16]), None);
        assert_eq!(Control::parse(6, 0, &[0; 9]), None);
        assert_eq!(Control::parse(2, 0, &[0, 0]), None, "a topic needs a name");
        assert_eq!(Control::parse(3, 0, &[0xC0]), None, "names are UTF-8");
        assert_eq!(Control::parse(4, 0, &[0; 17]), None);
        assert_eq!(Control::parse(5, 0, &[]), None);
        assert_eq!(Control::parse(99, 0, &[0; 16]), None);
        assert_eq!(Control::parse(4, 0, &[0xFF; 16]), None, "an offset that cannot be");
    }
}
