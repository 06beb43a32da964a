//! Addresses and topics of Kafka as they are typed. Checked before a command does anything, so that a mistake leaves no log behind.

use std::net::Ipv6Addr;

/// Kafka's limit for the name of a topic.
const TOPIC_BYTES_MAX: usize = 249;

/// `HOST:PORT`, or several of them with commas between, for the command line.
pub(crate) fn parse_addresses(text: &str) -> Result<String, String> {
    for address in text.split(',') {
        if address.contains("://") {
            return Err(format!("`{address}` has a scheme: write only HOST:PORT"));
        }
        if !is_address(address) {
            return Err(format!(
                "`{address}` is not HOST:PORT, such as localhost:9092, [::1]:9092 or kafka1:9092,kafka2:9092 (no spaces, ports are 1 to 65535)"
            ));
        }
    }
    Ok(text.to_owned())
}

/// The name of a Kafka topic, for the command line.
pub(crate) fn parse_kafka_topic(text: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let fits = (1..=TOPIC_BYTES_MAX).contains(&text.len()) && text.bytes().all(known);
    if fits && !matches!(text, "." | "..") {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "Kafka allows 1 to {TOPIC_BYTES_MAX} letters, digits, dots, underscores and hyphens, and neither `.` nor `..`"
        ))
    }
}

fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    digits && port.parse::<u16>().is_ok_and(|port| port > 0) && is_host(host)
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_default();
        // A link's own address names its interface.
        let (inner, _) = inner.split_once('%').unwrap_or((inner, ""));
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let foreign = |c: char| c.is_whitespace() || c.is_control() || ":/[]@".contains(c);
    !host.is_empty() && !host.contains(foreign)
}
