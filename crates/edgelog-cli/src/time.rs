//! Times as they stand in files and on the command line. Without a zone they are UTC.

use edgelog::{Start, now_ms};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Unix times up to this are seconds (the year 5138), above it milliseconds (from 1973 on).
const SECONDS_MAX: i64 = 100_000_000_000;

/// RFC 3339, `YYYY-MM-DD HH:MM:SS` as UTC, or seconds or milliseconds since 1970, as milliseconds.
pub(crate) fn parse_event_time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(unix) = text.parse::<i64>() {
        let scale = if (-SECONDS_MAX..=SECONDS_MAX).contains(&unix) { 1000 } else { 1 };
        return Timestamp::from_millisecond(unix.checked_mul(scale)?)
            .ok()
            .map(Timestamp::as_millisecond);
    }
    parse_calendar(text).map(Timestamp::as_millisecond).or_else(|| parse_unix_fraction(text))
}

/// The argument of `--from`.
pub(crate) fn parse_start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" => return Ok(Start::Earliest),
        "latest" => return Ok(Start::Latest),
        _ => {}
    }
    if let Ok(offset) = text.parse() {
        return Ok(Start::Offset(offset));
    }
    let time = parse_calendar(text).or_else(|| parse_ago(text)).ok_or_else(|| {
        "write earliest, latest, an offset such as 1200, a time such as 2026-11-20T08:00:00Z or \
         '2026-11-20 08:00:00' (UTC), or '15 min ago'"
            .to_owned()
    })?;
    Ok(Start::Time(u64::try_from(time.as_millisecond()).unwrap_or(0)))
}

/// A log's time, as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(time_ms: u64) -> String {
    i64::try_from(time_ms).map_or_else(|_| format!("{time_ms} ms"), rfc3339_signed)
}

/// An event's own time; it may be before 1970.
pub(crate) fn rfc3339_signed(time_ms: i64) -> String {
    match Timestamp::from_millisecond(time_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => format!("{time_ms} ms"),
    }
}

fn parse_calendar(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let local: DateTime = text.parse().ok()?;
    local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn parse_ago(text: &str) -> Option<Timestamp> {
    let span: Span = text.strip_suffix("ago")?.trim().parse().ok()?;
    let now = Timestamp::from_millisecond(i64::try_from(now_ms()).ok()?).ok()?;
    // Days and weeks need a calendar; in UTC they are all alike.
    now.to_zoned(TimeZone::UTC).checked_sub(span).ok().map(|zoned| zoned.timestamp())
}

/// Seconds with a fraction, as scripts write them.
fn parse_unix_fraction(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let all_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: i64 = whole.parse().ok().filter(|seconds| (0..=SECONDS_MAX).contains(seconds))?;
    let padded = format!("{fraction:0<3}");
    let millis: i64 = padded.get(..3).filter(|_| all_digits)?.parse().ok()?;
    Some(seconds * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_times_are_read_in_every_promised_form() {
        let expected = Some(1_386_018_900_000);
        for form in [
            "2013-12-02T21:15:00Z",
            "2013-12-02T22:15:00+01:00",
            "2013-12-02 21:15:00",
            "1386018900",
            "1386018900000",
            "1386018900.000",
            " 1386018900 ",
        ] {
            assert_eq!(parse_event_time(form), expected, "{form}");
        }
        assert_eq!(parse_event_time("1386018900.25"), Some(1_386_018_900_250));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in
            ["", "yesterday", "2013-13-02 21:15:00", "1.", "1e9", "9223372036854775807", "NaN"]
        {
            assert_eq!(parse_event_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn reading_starts_where_the_user_says() {
        assert_eq!(parse_start("latest"), Ok(Start::Latest));
        assert_eq!(parse_start("12"), Ok(Start::Offset(12)));
        assert_eq!(parse_start("1970-01-01 00:00:01"), Ok(Start::Time(1000)));
        assert!(matches!(parse_start("2 days ago"), Ok(Start::Time(time)) if time < now_ms()));
        assert!(parse_start("tomorrow").is_err());
    }
}
