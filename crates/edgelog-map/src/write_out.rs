//! Having the device begin before it must.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Has the system begin to give the device what was written into a range of `file`, and does not wait for it: a sync later has the less to do.
///
/// Nothing is durable by it, and a write that fails is told by the next sync, as without it. On other systems than Linux it does nothing.
///
/// # Errors
///
/// The system cannot do this, or not for this file.
pub fn begin_write_out(file: &File, range: Range<u64>) -> io::Result<()> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let from = i64::try_from(range.start).map_err(invalid)?;
    let length = i64::try_from(range.end.saturating_sub(range.start)).map_err(invalid)?;
    if length == 0 {
        // It would mean all of the file.
        return Ok(());
    }
    begin(file, from, length)
}

#[cfg(target_os = "linux")]
fn begin(file: &File, from: i64, length: i64) -> io::Result<()> {
    #[expect(unsafe_code, reason = "no safe library has this call")]
    // SAFETY: It takes numbers only, and the descriptor is open as long as the file is borrowed.
    let done = unsafe {
        libc::sync_file_range(file.as_raw_fd(), from, length, libc::SYNC_FILE_RANGE_WRITE)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn begin(_: &File, _: i64, _: i64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_on_its_way_reads_as_before_and_a_range_that_is_none_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        for range in [0..10_000, 4_096..8_192, 9_000..20_000, 5..5, 20_000..30_000] {
            begin_write_out(file.as_file(), range).unwrap();
        }
        begin_write_out(file.as_file(), u64::MAX - 1..u64::MAX).unwrap_err();
        assert_eq!(std::fs::read(file.path()).unwrap(), [7; 10_000]);
    }
}
