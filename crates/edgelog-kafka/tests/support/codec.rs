//! Frames by way of an independent codec.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

/// A request without its size: header and what is left for the body.
pub fn request_header(frame: &[u8]) -> (ApiKey, RequestHeader, Bytes) {
    let mut bytes = Bytes::copy_from_slice(frame);
    let key = i16::from_be_bytes([frame[0], frame[1]]);
    let version = i16::from_be_bytes([frame[2], frame[3]]);
    let key = ApiKey::try_from(key).expect("a known API");
    let header = RequestHeader::decode(&mut bytes, key.request_header_version(version)).unwrap();
    assert_eq!((header.request_api_key, header.request_api_version), (key as i16, version));
    (key, header, bytes)
}

/// The whole body, which must leave nothing behind.
pub fn body<T: Decodable>(mut bytes: Bytes, version: i16) -> T {
    let body = T::decode(&mut bytes, version).expect("the body decodes");
    assert!(bytes.is_empty(), "bytes behind the body");
    body
}

/// A response frame, size included.
pub fn response<T: Encodable>(key: ApiKey, version: i16, correlation_id: i32, body: &T) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    // The crate follows the rule that ApiVersions responses always have the old header.
    header.encode(&mut bytes, key.response_header_version(version)).unwrap();
    body.encode(&mut bytes, version).unwrap();
    let mut frame = (bytes.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(&bytes);
    frame
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}
