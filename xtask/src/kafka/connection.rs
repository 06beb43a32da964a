//! A blocking connection that speaks whole Kafka frames.

use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// Longer than any broker-side request timeout, so that running into it means the broker is gone.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(45);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No answer on a test cluster is larger, so a larger length is a framing error.
const MAX_FRAME: usize = 64 << 20;

/// One TCP connection to one broker, whose answers come in the order of the requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    client_id: String,
    correlation: i32,
    unanswered: VecDeque<i32>,
}

impl Connection {
    /// Connects to `address` (`host:port`) and introduces itself as `client_id`.
    ///
    /// # Errors
    /// When the address does not resolve or nothing accepts there in time.
    pub fn open(address: &str, client_id: &str) -> Result<Self> {
        let mut last = None;
        for resolved in address.to_socket_addrs().with_context(|| format!("resolve {address}"))? {
            match TcpStream::connect_timeout(&resolved, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                    return Ok(Self {
                        stream,
                        client_id: client_id.to_owned(),
                        correlation: 0,
                        unanswered: VecDeque::new(),
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        bail!("cannot connect to {address}: {last:?}")
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer cannot be decoded.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        self.send(version, request)?;
        self.receive::<R>(version)
    }

    /// Sends a request and leaves its answer for [`Self::receive`].
    ///
    /// # Errors
    /// When the request cannot be encoded in this version or the connection breaks.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        self.send_unanswered(version, request)?;
        self.unanswered.push_back(self.correlation);
        Ok(())
    }

    /// Sends a request that the broker does not answer: a Produce with acks = 0.
    ///
    /// # Errors
    /// When the request cannot be encoded in this version or the connection breaks.
    pub fn send_unanswered<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_string(self.client_id.clone())));
        let mut body = BytesMut::new();
        header.encode(&mut body, R::header_version(version))?;
        request.encode(&mut body, version)?;
        self.send_frame(&body)?;
        Ok(())
    }

    /// Waits for the answer to the oldest request that has none yet.
    ///
    /// # Errors
    /// When the connection breaks, or the answer belongs to another request or cannot be decoded.
    pub fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response> {
        let expected = self.unanswered.pop_front().context("no request is unanswered")?;
        let frame = self.receive_frame()?.context("the broker closed the connection")?;
        let mut answer = Bytes::from(frame);
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version))?;
        ensure!(
            header.correlation_id == expected,
            "answer {} to request {expected}",
            header.correlation_id
        );
        R::Response::decode(&mut answer, version)
    }

    /// Sends a length and these bytes, whatever they are.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send_frame(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(4 + body.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(body);
        self.stream.write_all(&frame)
    }

    /// Reads one frame without its length, or `None` where the broker closed the connection.
    ///
    /// # Errors
    /// When nothing arrives in time or a frame is cut short.
    pub fn receive_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        match self.stream.read(&mut length[..1]) {
            Ok(0) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
            Err(error) => return Err(error),
            Ok(_) => self.stream.read_exact(&mut length[1..])?,
        }
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
        if length > MAX_FRAME {
            return Err(io::Error::other(format!("a frame of {length} bytes")));
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(Some(frame))
    }
}
