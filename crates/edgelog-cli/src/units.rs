//! Sizes, counts and durations as people write and read them.

use indicatif::{BinaryBytes, HumanCount};
use jiff::SignedDuration;
use std::time::Duration;

/// `1048576`, `1024KiB`, `1MiB` or `1 GB`, for the command line.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(format!("`{unit}` is no unit: use KiB, MiB, GiB, KB, MB or GB")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "write a whole number, then a unit, such as 64MiB".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is more than any disk holds".to_owned())
}

/// `1s`, `500ms` or `2 min`, for the command line.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let duration = parsed.ok().and_then(|duration| Duration::try_from(duration).ok());
    duration
        .filter(|duration| *duration >= Duration::from_millis(10))
        .ok_or_else(|| "write a time of at least 10ms, such as 1s, 500ms or 2min".to_owned())
}

/// `1.50 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    BinaryBytes(count).to_string()
}

/// `22,695`.
pub(crate) fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// `3d 4h`, `5h 12m`, `7m 3s` or `42s`.
pub(crate) fn seconds(total: u64) -> String {
    let (minutes, hours, days) = (total / 60, total / 3600, total / 86_400);
    match () {
        () if days > 0 => format!("{days}d {}h", hours % 24),
        () if hours > 0 => format!("{hours}h {}m", minutes % 60),
        () if minutes > 0 => format!("{minutes}m {}s", total % 60),
        () => format!("{total}s"),
    }
}

/// `1 record`, `2 records`.
pub(crate) fn plural(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", count(number))
}

/// `1 record was`, `2 records were`.
pub(crate) fn plural_were(number: u64, what: &str) -> String {
    plural(number, what) + if number == 1 { " was" } else { " were" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_bytes("1048576"), Ok(1 << 20));
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("1 gb"), Ok(1_000_000_000));
        for wrong in ["", "MiB", "-1", "1.5M", "9 parsecs", "99999999999 TiB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse_duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_duration("2 min"), Ok(Duration::from_secs(120)));
        for wrong in ["", "0s", "-1s", "soon", "1"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
