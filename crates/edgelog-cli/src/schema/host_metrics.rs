//! One reading of a machine, as `edgelog run` stores it in the topic `host.metrics`.

use super::{Tables, shown};
use edgelog_record::table;

table! {
    /// A mounted file system.
    pub(crate) struct Disk<'a> in "edgelog.cli" {
        /// Where it is mounted.
        0: mount: &'a str,
        /// Its size in bytes.
        1: total_bytes: u64,
        /// Bytes that an ordinary user can still write.
        2: available_bytes: u64,
    }
}

table! {
    /// A network interface.
    pub(crate) struct Network<'a> in "edgelog.cli" {
        /// Its name, such as eth0.
        0: name: &'a str,
        /// Bytes received since it came up.
        1: received_bytes: u64,
        /// Bytes sent since it came up.
        2: transmitted_bytes: u64,
    }
}

table! {
    /// A temperature sensor.
    pub(crate) struct Temperature<'a> in "edgelog.cli" {
        /// The label that the kernel gives it.
        0: sensor: &'a str,
        /// Degrees Celsius.
        1: celsius: f64,
    }
}

table! {
    /// One reading of a machine, as `edgelog run` stores it in the topic `host.metrics`.
    /// Counters are totals since the machine (or the interface) came up; whoever wants a rate takes two readings.
    pub(crate) struct HostMetrics<'a> in "edgelog.cli" id "EHM1" {
        /// When it was taken: milliseconds since 1970-01-01 UTC by the machine's own clock.
        0: time_ms: i64,
        /// The machine's host name; also the record's key.
        1: host: &'a str,
        /// Seconds since the machine was started.
        2: uptime_s: u64,
        /// Use of all processors together since the reading before, 0 to 100.
        3: cpu_percent: f64,
        /// Runnable tasks, averaged over 1 minute.
        4: load_1: f64,
        /// Runnable tasks, averaged over 5 minutes.
        5: load_5: f64,
        /// Runnable tasks, averaged over 15 minutes.
        6: load_15: f64,
        /// Memory in use, in bytes.
        7: memory_used_bytes: u64,
        /// Memory there is, in bytes.
        8: memory_total_bytes: u64,
        /// Swap in use, in bytes.
        9: swap_used_bytes: u64,
        /// Swap there is, in bytes.
        10: swap_total_bytes: u64,
        /// Mounted file systems, by mount point.
        11: disks: Tables<'a, Disk<'a>>,
        /// Network interfaces, by name.
        12: networks: Tables<'a, Network<'a>>,
        /// Temperature sensors that gave a value; empty on machines without any.
        13: temperatures: Tables<'a, Temperature<'a>>,
    }
}

shown! {
    Disk { mount, total_bytes, available_bytes }
    Network { name, received_bytes, transmitted_bytes }
    Temperature { sensor, celsius }
    HostMetrics {
        time_ms, host, uptime_s, cpu_percent, load_1, load_5, load_15, memory_used_bytes, memory_total_bytes, swap_used_bytes,
        swap_total_bytes, disks, networks, temperatures
    }
}
