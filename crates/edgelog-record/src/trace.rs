//! The trace that an event belongs to, as W3C Trace Context has it.

use core::fmt::{self, Write};
use core::str::FromStr;

crate::fixed! {
    /// A W3C `traceparent` of version 00: in which trace, and under which span, an event came about. 25 bytes instead of 55 of text.
    pub struct TraceContext in "edgelog" {
        /// The trace's id, as in the text from left to right. All zero is none.
        pub trace_id: [u8; 16],
        /// The id of the span that caused the event, likewise.
        pub parent_id: [u8; 8],
        /// Bit 0: the trace is sampled. Bit 1: its id is random. The others are 0.
        pub flags: u8,
    }
}

/// A text is not a `traceparent`. The W3C says to go on without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContextError;

impl fmt::Display for TraceContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a traceparent: 00-<32 hex digits>-<16 hex digits>-<2 hex digits>, no id all zero",
        )
    }
}

impl core::error::Error for TraceContextError {}

/// The text of the header `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00")?;
        for part in [&self.trace_id[..], &self.parent_id, &[self.flags]] {
            f.write_char('-')?;
            part.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

/// From the text of the header `traceparent`. A version above 00 is read as far as 00 goes, as the W3C asks; its flags beyond the
/// known ones are dropped.
impl FromStr for TraceContext {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        let [version] = hex(text, 0)?;
        let later = matches!(text.as_bytes().get(55), Some(b'-')) && version > 0;
        if version == 0xFF || !(text.len() == 55 || later) {
            return Err(TraceContextError);
        }
        for at in [2, 35, 52] {
            if text.as_bytes().get(at) != Some(&b'-') {
                return Err(TraceContextError);
            }
        }
        let [flags] = hex(text, 53)?;
        let context = Self { trace_id: hex(text, 3)?, parent_id: hex(text, 36)?, flags: flags & 3 };
        if context.trace_id == [0; 16] || context.parent_id == [0; 8] {
            return Err(TraceContextError);
        }
        Ok(context)
    }
}

/// The `N` bytes whose lower-case digits stand at `at`.
fn hex<const N: usize>(text: &str, at: usize) -> Result<[u8; N], TraceContextError> {
    let mut bytes = [0; N];
    let digits = text.as_bytes().get(at..at + 2 * N).ok_or(TraceContextError)?;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(TraceContextError),
            };
            *byte = *byte << 4 | value;
        }
    }
    Ok(bytes)
}
