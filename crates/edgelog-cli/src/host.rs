//! This machine as an event. What the system does not tell is left at zero or out; a reading never fails.

use crate::schema::{Disk, HostMetrics, Network, Tables, Temperature, encode};
use edgelog::now_ms;
use edgelog_record::TooSmall;
use std::thread;
use sysinfo::{Components, Disks, MINIMUM_CPU_UPDATE_INTERVAL, Networks, System};

/// Disks, interfaces and sensors in one reading. Container hosts have hundreds of interfaces; one event should stay one event.
const LIST_MAX: usize = 64;

/// Takes readings of this machine.
pub(crate) struct Host {
    system: Option<System>,
    disks: Option<Disks>,
    networks: Option<Networks>,
    components: Option<Components>,
    name: String,
}

impl Host {
    /// Takes a fifth of a second, because processor use is a difference between two looks.
    pub(crate) fn new() -> Self {
        let mut system = System::new().ok();
        if let Some(system) = &mut system {
            system.refresh_cpu_usage();
            thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL);
        }
        Self {
            system,
            disks: Disks::new_with_refreshed_list().ok(),
            networks: Networks::new_with_refreshed_list().ok(),
            components: Components::new_with_refreshed_list().ok(),
            name: System::host_name().unwrap_or_else(|_| "localhost".to_owned()),
        }
    }

    /// The host name: the key of every reading.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes a reading: writes it into `payload` as an event.
    ///
    /// # Errors
    ///
    /// It is longer than a FlatBuffer can be.
    pub(crate) fn read(&mut self, payload: &mut Vec<u8>) -> Result<(), TooSmall> {
        let (disks, networks, temperatures) = (self.disks(), self.networks(), self.temperatures());
        let disks: Vec<_> = disks
            .iter()
            .map(|&(ref mount, total_bytes, available_bytes)| Disk {
                mount,
                total_bytes,
                available_bytes,
            })
            .collect();
        let networks: Vec<_> = networks
            .iter()
            .map(|&(ref name, received_bytes, transmitted_bytes)| Network {
                name,
                received_bytes,
                transmitted_bytes,
            })
            .collect();
        let temperatures: Vec<_> = temperatures
            .iter()
            .map(|&(ref sensor, celsius)| Temperature { sensor, celsius })
            .collect();
        let mut metrics = HostMetrics {
            time_ms: i64::try_from(now_ms()).unwrap_or(i64::MAX),
            host: &self.name,
            uptime_s: System::uptime().unwrap_or(0),
            disks: Tables::Slice(&disks),
            networks: Tables::Slice(&networks),
            temperatures: Tables::Slice(&temperatures),
            ..HostMetrics::default()
        };
        if let Ok(load) = System::load_average() {
            (metrics.load_1, metrics.load_5, metrics.load_15) = (load.one, load.five, load.fifteen);
        }
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            metrics.cpu_percent = two_digits(system.global_cpu_usage());
            metrics.memory_used_bytes = system.used_memory();
            metrics.memory_total_bytes = system.total_memory();
            metrics.swap_used_bytes = system.used_swap();
            metrics.swap_total_bytes = system.total_swap();
        }
        encode(&metrics, payload)
    }

    /// Mount points, sizes, and bytes that are free.
    fn disks(&mut self) -> Vec<(String, u64, u64)> {
        let Some(disks) = &mut self.disks else { return Vec::new() };
        disks.refresh(true);
        let list = disks.iter().map(|disk| {
            let mount = disk.mount_point().to_string_lossy().into_owned();
            (mount, disk.total_space(), disk.available_space())
        });
        let mut list: Vec<_> = list.collect();
        list.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        // A mount point that is mounted over shows its newest file system only.
        list.dedup_by(|(a, ..), (b, ..)| a == b);
        list.truncate(LIST_MAX);
        list
    }

    /// Names, and bytes received and sent.
    fn networks(&mut self) -> Vec<(String, u64, u64)> {
        let Some(networks) = &mut self.networks else { return Vec::new() };
        networks.refresh(true);
        let list = networks.iter().map(|(name, network)| {
            let name = name.to_string_lossy().into_owned();
            (name, network.total_received(), network.total_transmitted())
        });
        let mut list: Vec<_> = list.collect();
        list.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        list.truncate(LIST_MAX);
        list
    }

    /// Labels and degrees Celsius.
    fn temperatures(&mut self) -> Vec<(String, f64)> {
        let Some(components) = &mut self.components else { return Vec::new() };
        components.refresh(true);
        let list = components.iter().filter_map(|component| {
            let celsius = component.temperature().filter(|celsius| celsius.is_finite())?;
            Some((component.label().to_owned(), two_digits(celsius)))
        });
        let mut list: Vec<_> = list.collect();
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        list.truncate(LIST_MAX);
        list
    }
}

/// The kernel measures no finer, and an `f32` widened as it is would show digits that nobody measured.
fn two_digits(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}
