//! This machine as an event. What the system does not tell is left at zero or out; a reading never fails.

use crate::schema::{Disk, HostMetrics, Network, Temperature};
use edgelog::now_ms;
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

    pub(crate) fn read(&mut self) -> HostMetrics {
        let mut metrics = HostMetrics {
            time_ms: i64::try_from(now_ms()).unwrap_or(i64::MAX),
            host: self.name.clone(),
            uptime_s: System::uptime().unwrap_or(0),
            disks: self.disks(),
            networks: self.networks(),
            temperatures: self.temperatures(),
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
        metrics
    }

    fn disks(&mut self) -> Vec<Disk> {
        let Some(disks) = &mut self.disks else { return Vec::new() };
        disks.refresh(true);
        let mut list: Vec<Disk> = disks
            .iter()
            .map(|disk| Disk {
                mount: disk.mount_point().to_string_lossy().into_owned(),
                total_bytes: disk.total_space(),
                available_bytes: disk.available_space(),
            })
            .collect();
        list.sort_by(|a, b| a.mount.cmp(&b.mount));
        // A mount point that is mounted over shows its newest file system only.
        list.dedup_by(|a, b| a.mount == b.mount);
        list.truncate(LIST_MAX);
        list
    }

    fn networks(&mut self) -> Vec<Network> {
        let Some(networks) = &mut self.networks else { return Vec::new() };
        networks.refresh(true);
        let mut list: Vec<Network> = networks
            .iter()
            .map(|(name, network)| Network {
                name: name.to_string_lossy().into_owned(),
                received_bytes: network.total_received(),
                transmitted_bytes: network.total_transmitted(),
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list.truncate(LIST_MAX);
        list
    }

    fn temperatures(&mut self) -> Vec<Temperature> {
        let Some(components) = &mut self.components else { return Vec::new() };
        components.refresh(true);
        let mut list: Vec<Temperature> = components
            .iter()
            .filter_map(|component| {
                let celsius = component.temperature().filter(|celsius| celsius.is_finite())?;
                let sensor = component.label().to_owned();
                Some(Temperature { sensor, celsius: two_digits(celsius) })
            })
            .collect();
        list.sort_by(|a, b| a.sensor.cmp(&b.sensor));
        list.truncate(LIST_MAX);
        list
    }
}

/// The kernel measures no finer, and an `f32` widened as it is would show digits that nobody measured.
fn two_digits(value: f32) -> f64 {
    (f64::from(value) * 100.0).round() / 100.0
}
