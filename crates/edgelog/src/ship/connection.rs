//! One TCP connection: a thread that opens it and passes on what comes in, so that the driver never waits for the network.

use crate::log::Waker;
use crossbeam::channel::Sender;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// What a connection tells the driver, with the connection's number: news of one that was given up is ignored.
pub(crate) type News = (u64, Incoming);

pub(crate) enum Incoming {
    Connected(Socket),
    Failed(io::Error),
    Bytes(Vec<u8>),
    Closed,
}

/// A socket that is shut down when it is dropped, wherever it is then, so that the thread that reads it ends.
pub(crate) struct Socket(pub(crate) TcpStream);

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Longer than any healthy handshake, also over a satellite.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A peer that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const READ_LEN: usize = 16 << 10;

/// Starts connection `number` to `address`. The thread ends with the connection, or when the driver is gone.
pub(crate) fn start(
    number: u64,
    address: String,
    news: Sender<News>,
    log: Waker,
) -> io::Result<()> {
    let run = move || {
        let tell = |incoming| {
            let told = news.send((number, incoming)).is_ok();
            log.wake();
            told
        };
        match open(&address) {
            Ok((stream, copy)) => {
                if tell(Incoming::Connected(Socket(copy))) {
                    pass_on(stream, tell);
                }
            }
            Err(error) => {
                let _ = tell(Incoming::Failed(error));
            }
        }
    };
    std::thread::Builder::new().name("edgelog-connection".to_owned()).spawn(run).map(drop)
}

fn open(address: &str) -> io::Result<(TcpStream, TcpStream)> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
                let copy = stream.try_clone()?;
                return Ok((stream, copy));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn pass_on(mut stream: TcpStream, tell: impl Fn(Incoming) -> bool) {
    let mut buffer = vec![0; READ_LEN];
    loop {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                if !tell(Incoming::Bytes(bytes)) {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                let _ = tell(Incoming::Closed);
                return;
            }
        }
    }
}
