//! What a process did to its files, in order, as the shim wrote it down.

use anyhow::{Context, Result, bail, ensure};
use std::fmt;

/// One call that changed something, made it durable, or told something. Names are below the folder, `log/00000000.seg` in one of its own;
/// the empty one is the folder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Write {
        name: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    /// Space was set aside: as zeros where `zeroed`, and the file reaches at least to the end of it where `grows`.
    SetAside {
        name: String,
        offset: usize,
        length: usize,
        zeroed: bool,
        grows: bool,
    },
    Truncate {
        name: String,
        length: usize,
    },
    /// A thread began to make a file, or the names in the folder, durable.
    Sync {
        thread: u32,
        name: String,
    },
    /// It ended.
    Synced {
        thread: u32,
        is_ok: bool,
    },
    Create {
        name: String,
    },
    CreateFolder {
        name: String,
    },
    /// With `swaps` the other file takes the first one's name.
    Rename {
        from: String,
        to: String,
        swaps: bool,
    },
    Unlink {
        name: String,
    },
    /// The process told this.
    Told(String),
    /// This call, by its number in the kernel, was made to fail.
    Fault {
        call: u32,
        name: String,
    },
}

/// Without the bytes.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { name, offset, bytes } => {
                write!(f, "write {name} {offset}..{}", offset + bytes.len())
            }
            Self::Told(text) => write!(f, "told {}", text.trim_end()),
            other => write!(f, "{other:?}"),
        }
    }
}

const HEAD_LEN: usize = 40;
/// Of fallocate: from the kernel's `falloc.h`.
const KEEP_SIZE: u32 = 1;
const PUNCH_HOLE: u32 = 2;
const ZERO_RANGE: u32 = 16;
/// Of renameat2: from the kernel's `fs.h`.
const NO_REPLACE: u32 = 1;
const EXCHANGE: u32 = 2;

/// Reads a trace. A last event that the end of the process cut short did not happen.
///
/// # Errors
///
/// It is no trace, or something was done to a file that is not known here.
pub(super) fn events(mut bytes: &[u8]) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<HEAD_LEN>() {
        let word = |at: usize| {
            head.get(at..at + 4).and_then(|it| it.try_into().ok()).map(u32::from_le_bytes)
        };
        let long = |at: usize| {
            head.get(at..at + 8).and_then(|it| it.try_into().ok()).map(u64::from_le_bytes)
        };
        let short = "the head of an event has 40 bytes";
        let (kind, thread, mode) =
            (word(0).context(short)?, word(4).context(short)?, word(8).context(short)?);
        let (name_len, data_len) =
            (word(12).context(short)? as usize, word(16).context(short)? as usize);
        let (offset, length) = (
            usize::try_from(long(24).context(short)?)?,
            usize::try_from(long(32).context(short)?)?,
        );
        let Some((name, rest)) = rest.split_at_checked(name_len) else { break };
        let Some((data, rest)) = rest.split_at_checked(data_len) else { break };
        let name = String::from_utf8(name.to_vec())?;
        events.push(match kind {
            1 => Event::Write { name, offset, bytes: data.to_vec() },
            2 => {
                ensure!(
                    mode & !(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE) == 0,
                    "fallocate of {name} with mode {mode}"
                );
                let (zeroed, grows) =
                    (mode & (PUNCH_HOLE | ZERO_RANGE) != 0, mode & KEEP_SIZE == 0);
                Event::SetAside { name, offset, length, zeroed, grows }
            }
            3 => Event::Truncate { name, length },
            4 => Event::Sync { thread, name },
            5 => Event::Synced { thread, is_ok: mode == 0 },
            6 => Event::Create { name },
            7 => {
                let (from, to) = name.split_once('\0').context("a rename has two names")?;
                ensure!(mode & !(NO_REPLACE | EXCHANGE) == 0, "a rename with mode {mode}");
                let swaps = mode & EXCHANGE != 0;
                Event::Rename { from: from.to_owned(), to: to.to_owned(), swaps }
            }
            8 => Event::Unlink { name },
            9 => Event::Told(String::from_utf8(data.to_vec())?),
            10 => Event::Fault { call: mode, name },
            11 => Event::CreateFolder { name },
            _ => bail!("an event of kind {kind}"),
        });
        bytes = rest;
    }
    Ok(events)
}
