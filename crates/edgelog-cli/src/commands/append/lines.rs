//! Lines of an input that may never end, read on a thread of their own so that syncs do not wait for the next line.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The longest line that is kept in memory: the largest record as base64, and then some.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// Lines that may wait; bounds the memory.
const LINES_WAITING_MAX: usize = 256;

/// One line.
#[derive(Debug)]
pub(super) struct InputLine {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its bytes without the line feed; `None` when it is too long.
    pub(super) bytes: Option<Vec<u8>>,
}

/// The lines of `input`. The channel closes at its end.
pub(super) fn lines(input: impl Read + Send + 'static) -> Receiver<io::Result<InputLine>> {
    let (sender, receiver) = sync_channel(LINES_WAITING_MAX);
    thread::spawn(move || send_all(BufReader::new(input), &sender));
    receiver
}

fn send_all(mut input: impl BufRead, sender: &SyncSender<io::Result<InputLine>>) {
    for number in 1.. {
        let line = match next_line(&mut input) {
            Ok(None) => return,
            Ok(Some(bytes)) => Ok(InputLine { number, bytes }),
            Err(error) => Err(error),
        };
        let ended = line.is_err();
        if sender.send(line).is_err() || ended {
            return;
        }
    }
}

/// The next line; `Some(None)` for one that was too long, `None` at the end.
fn next_line(input: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let limit = LINE_BYTES_MAX as u64 + 1;
    let mut line = Vec::new();
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(Some(line)));
    }
    if line.len() <= LINE_BYTES_MAX {
        return Ok(Some(Some(line)));
    }
    while !line.is_empty() && line.last() != Some(&b'\n') {
        line.clear();
        input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    }
    Ok(Some(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_does_not_take_its_neighbours_with_it() {
        let mut input = b"first\n".to_vec();
        input.extend(vec![b'x'; 3 * LINE_BYTES_MAX]);
        input.extend(b"\n\nlast");
        let lines: Vec<_> = lines(io::Cursor::new(input)).into_iter().map(Result::unwrap).collect();
        let bytes: Vec<_> = lines.iter().map(|line| line.bytes.as_deref()).collect();
        assert_eq!(bytes, [Some(&b"first"[..]), None, Some(&b""[..]), Some(&b"last"[..])]);
        assert_eq!(lines.last().map(|line| line.number), Some(4));
    }
}
