//! Free loopback ports that stay free while a node is down.

use core::hash::BuildHasher;
use core::net::Ipv4Addr;
use std::hash::RandomState;
use std::net::TcpListener;

use anyhow::{Result, bail};

/// Below the ports that systems hand out to outgoing connections (from 32768 on Linux, 49152 elsewhere),
/// or a restarted node could find its own port taken by a client.
const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;

/// Picks `wanted` ports that nothing listens on now.
pub(super) fn pick(wanted: usize) -> Result<Vec<u16>> {
    // A random start keeps test processes that run side by side from racing for the same ports.
    let start = RandomState::new().hash_one(std::process::id()) % u64::from(COUNT);
    let start = u16::try_from(start)?;
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for step in 0..COUNT {
        let port = FIRST + (start + step) % COUNT;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push(listener);
            ports.push(port);
        }
        if ports.len() == wanted {
            return Ok(ports);
        }
    }
    bail!("no {wanted} free loopback ports from {FIRST} to {}", FIRST + COUNT)
}
