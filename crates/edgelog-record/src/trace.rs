//! The trace that an event belongs to, as W3C Trace Context has it.

use core::fmt;
use core::str::FromStr;

crate::fixed! {
    /// A W3C `traceparent` of version 00: in which trace, and under which span, an event came about. 32 bytes instead of 60 for the text.
    /// The ids are the numbers that their hexadecimal digits are in the text; numbers, because not every language has arrays here.
    pub struct TraceContext in "edgelog" {
        /// The first 16 digits of the trace's id.
        pub trace_id_high: u64,
        /// The last 16 digits of it. The whole id is never 0.
        pub trace_id_low: u64,
        /// The id of the span that caused the event; never 0.
        pub parent_id: u64,
        /// Bit 0: the trace is sampled. Bit 1: its id is random. The others are 0.
        pub flags: u8,
    }
}

impl TraceContext {
    /// The trace's id in one.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        u128::from(self.trace_id_high) << 64 | u128::from(self.trace_id_low)
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
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id(), self.parent_id, self.flags)
    }
}

/// From the text of the header `traceparent`. A version above 00 is read as far as 00 goes, as the W3C asks; its flags beyond the
/// known ones are dropped.
impl FromStr for TraceContext {
    type Err = TraceContextError;

    fn from_str(text: &str) -> Result<Self, TraceContextError> {
        let version = hex(text, 0, 2)?;
        let goes_on = text.as_bytes().get(55) == Some(&b'-');
        let ends_well = text.len() == 55 || (version > 0 && goes_on);
        let dashes = [2, 35, 52].iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
        if version == 0xFF || !ends_well || !dashes {
            return Err(TraceContextError);
        }
        let flags = u8::try_from(hex(text, 53, 2)? & 3).unwrap_or(0);
        let context = Self {
            trace_id_high: hex(text, 3, 16)?,
            trace_id_low: hex(text, 19, 16)?,
            parent_id: hex(text, 36, 16)?,
            flags,
        };
        if context.trace_id() == 0 || context.parent_id == 0 {
            return Err(TraceContextError);
        }
        Ok(context)
    }
}

/// The number whose `len` lower-case digits stand at `at`.
fn hex(text: &str, at: usize, len: usize) -> Result<u64, TraceContextError> {
    let digits = text.get(at..at + len).ok_or(TraceContextError)?;
    // The standard library also takes signs and capitals.
    if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(TraceContextError);
    }
    u64::from_str_radix(digits, 16).map_err(|_| TraceContextError)
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use super::*;
    use alloc::string::ToString;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_shown_as_it_was() {
        let context: TraceContext = W3C.parse().unwrap();
        assert_eq!(context.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((context.parent_id, context.flags), (0x00f0_67aa_0ba9_02b7, 1));
        assert_eq!(context.to_string(), W3C);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_this_one_goes() {
        let read = |text: &str| text.parse::<TraceContext>();
        assert_eq!(read(&W3C.replacen("00", "cc", 1)), read(W3C));
        assert_eq!(read(&(W3C.replacen("00", "cc", 1) + "-what-will-be")), read(W3C));
        assert_eq!(read(&W3C.replacen("-01", "-ff", 1)).unwrap().flags, 3);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let wrong = [
            (W3C.to_string() + "-more", "version 00 has no more"),
            (W3C.replacen("00", "cc", 1) + ".more", "a later version goes on after a dash"),
            (W3C.replacen("00", "ff", 1), "there is no version ff"),
            (W3C.replace('f', "F"), "capitals"),
            (W3C.replacen("4b", "+b", 1), "a sign"),
            (W3C.replacen("4b", "4é", 1), "not ASCII"),
            (W3C.replacen("-01", "_01", 1), "no dash"),
            (W3C.replace("00f067aa0ba902b7", "0000000000000000"), "no parent"),
            (W3C.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), "no trace"),
        ];
        for (text, why) in wrong {
            assert!(text.parse::<TraceContext>().is_err(), "{why}: {text}");
        }
        for len in 0..W3C.len() {
            assert!(W3C[..len].parse::<TraceContext>().is_err(), "cut to {len}");
        }
    }
}
