//! One reading of a machine: `schema/host_metrics.fbs`.

use super::table::{Table, slot};
use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, InvalidFlatbuffer, TableFinishedWIPOffset, VOffsetT,
    Vector, Verifiable, Verifier, WIPOffset,
};
use serde::Serialize;

/// One reading of a machine. Units and meaning: the schema.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct HostMetrics {
    pub(crate) time_ms: i64,
    pub(crate) host: String,
    pub(crate) uptime_s: u64,
    pub(crate) cpu_percent: f64,
    pub(crate) load_1: f64,
    pub(crate) load_5: f64,
    pub(crate) load_15: f64,
    pub(crate) memory_used_bytes: u64,
    pub(crate) memory_total_bytes: u64,
    pub(crate) swap_used_bytes: u64,
    pub(crate) swap_total_bytes: u64,
    pub(crate) disks: Vec<Disk>,
    pub(crate) networks: Vec<Network>,
    pub(crate) temperatures: Vec<Temperature>,
}

/// A mounted file system.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Disk {
    pub(crate) mount: String,
    pub(crate) total_bytes: u64,
    pub(crate) available_bytes: u64,
}

/// A network interface.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) received_bytes: u64,
    pub(crate) transmitted_bytes: u64,
}

/// A temperature sensor.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Temperature {
    pub(crate) sensor: String,
    pub(crate) celsius: f64,
}

const TIME_MS: VOffsetT = slot(0);
const HOST: VOffsetT = slot(1);
const UPTIME_S: VOffsetT = slot(2);
const CPU_PERCENT: VOffsetT = slot(3);
const LOAD_1: VOffsetT = slot(4);
const LOAD_5: VOffsetT = slot(5);
const LOAD_15: VOffsetT = slot(6);
const MEMORY_USED_BYTES: VOffsetT = slot(7);
const MEMORY_TOTAL_BYTES: VOffsetT = slot(8);
const SWAP_USED_BYTES: VOffsetT = slot(9);
const SWAP_TOTAL_BYTES: VOffsetT = slot(10);
const DISKS: VOffsetT = slot(11);
const NETWORKS: VOffsetT = slot(12);
const TEMPERATURES: VOffsetT = slot(13);

/// The tables in the vectors all begin with a name and go on with numbers.
const ITEM_NAME: VOffsetT = slot(0);
const ITEM_FIRST: VOffsetT = slot(1);
const ITEM_SECOND: VOffsetT = slot(2);

impl HostMetrics {
    /// The file identifier, at bytes 4 to 8 of the payload.
    pub(crate) const IDENTIFIER: &'static [u8] = b"EHM1";

    /// The event's bytes, in the builder's buffer.
    pub(crate) fn encode<'b>(&self, builder: &'b mut FlatBufferBuilder<'_>) -> &'b [u8] {
        builder.reset();
        let host = builder.create_string(&self.host);
        let disks = items(builder, &self.disks, |disk, builder| {
            builder.push_slot(ITEM_FIRST, disk.total_bytes, 0);
            builder.push_slot(ITEM_SECOND, disk.available_bytes, 0);
        });
        let networks = items(builder, &self.networks, |network, builder| {
            builder.push_slot(ITEM_FIRST, network.received_bytes, 0);
            builder.push_slot(ITEM_SECOND, network.transmitted_bytes, 0);
        });
        let temperatures = items(builder, &self.temperatures, |temperature, builder| {
            builder.push_slot(ITEM_FIRST, temperature.celsius, 0.0);
        });
        let table = builder.start_table();
        builder.push_slot(TIME_MS, self.time_ms, 0);
        builder.push_slot_always(HOST, host);
        builder.push_slot(UPTIME_S, self.uptime_s, 0);
        builder.push_slot(CPU_PERCENT, self.cpu_percent, 0.0);
        builder.push_slot(LOAD_1, self.load_1, 0.0);
        builder.push_slot(LOAD_5, self.load_5, 0.0);
        builder.push_slot(LOAD_15, self.load_15, 0.0);
        builder.push_slot(MEMORY_USED_BYTES, self.memory_used_bytes, 0);
        builder.push_slot(MEMORY_TOTAL_BYTES, self.memory_total_bytes, 0);
        builder.push_slot(SWAP_USED_BYTES, self.swap_used_bytes, 0);
        builder.push_slot(SWAP_TOTAL_BYTES, self.swap_total_bytes, 0);
        builder.push_slot_always(DISKS, disks);
        builder.push_slot_always(NETWORKS, networks);
        builder.push_slot_always(TEMPERATURES, temperatures);
        let root = builder.end_table(table);
        builder.finish(root, std::str::from_utf8(Self::IDENTIFIER).ok());
        builder.finished_data()
    }

    /// The event in `payload`, if the verifier accepts it.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let root = Table::root::<Schema>(payload)?;
        let name = |item: &Table<'_>| item.str(ITEM_NAME).unwrap_or_default().to_owned();
        let disks = root.tables(DISKS).map(|item| Disk {
            mount: name(&item),
            total_bytes: item.u64(ITEM_FIRST),
            available_bytes: item.u64(ITEM_SECOND),
        });
        let networks = root.tables(NETWORKS).map(|item| Network {
            name: name(&item),
            received_bytes: item.u64(ITEM_FIRST),
            transmitted_bytes: item.u64(ITEM_SECOND),
        });
        let temperatures = root
            .tables(TEMPERATURES)
            .map(|item| Temperature { sensor: name(&item), celsius: item.f64(ITEM_FIRST) });
        Some(Self {
            time_ms: root.i64(TIME_MS),
            host: root.str(HOST).unwrap_or_default().to_owned(),
            uptime_s: root.u64(UPTIME_S),
            cpu_percent: root.f64(CPU_PERCENT),
            load_1: root.f64(LOAD_1),
            load_5: root.f64(LOAD_5),
            load_15: root.f64(LOAD_15),
            memory_used_bytes: root.u64(MEMORY_USED_BYTES),
            memory_total_bytes: root.u64(MEMORY_TOTAL_BYTES),
            swap_used_bytes: root.u64(SWAP_USED_BYTES),
            swap_total_bytes: root.u64(SWAP_TOTAL_BYTES),
            disks: disks.collect(),
            networks: networks.collect(),
            temperatures: temperatures.collect(),
        })
    }
}

trait Named {
    fn name(&self) -> &str;
}

impl Named for Disk {
    fn name(&self) -> &str {
        &self.mount
    }
}

impl Named for Network {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Temperature {
    fn name(&self) -> &str {
        &self.sensor
    }
}

type Tables<'f> = WIPOffset<Vector<'f, ForwardsUOffset<TableFinishedWIPOffset>>>;

/// A vector of tables that begin with their name; `rest` pushes what follows it.
fn items<'f, T: Named>(
    builder: &mut FlatBufferBuilder<'f>,
    items: &[T],
    rest: impl Fn(&T, &mut FlatBufferBuilder<'f>),
) -> Tables<'f> {
    let mut tables = Vec::with_capacity(items.len());
    for item in items {
        let name = builder.create_string(item.name());
        let table = builder.start_table();
        builder.push_slot_always(ITEM_NAME, name);
        rest(item, builder);
        tables.push(builder.end_table(table));
    }
    builder.create_vector(&tables)
}

struct Schema;

impl Verifiable for Schema {
    fn run_verifier(v: &mut Verifier<'_, '_>, position: usize) -> Result<(), InvalidFlatbuffer> {
        type Items<T> = ForwardsUOffset<Vector<'static, ForwardsUOffset<T>>>;
        v.visit_table(position)?
            .visit_field::<i64>("time_ms", TIME_MS, false)?
            .visit_field::<ForwardsUOffset<&str>>("host", HOST, true)?
            .visit_field::<u64>("uptime_s", UPTIME_S, false)?
            .visit_field::<f64>("cpu_percent", CPU_PERCENT, false)?
            .visit_field::<f64>("load_1", LOAD_1, false)?
            .visit_field::<f64>("load_5", LOAD_5, false)?
            .visit_field::<f64>("load_15", LOAD_15, false)?
            .visit_field::<u64>("memory_used_bytes", MEMORY_USED_BYTES, false)?
            .visit_field::<u64>("memory_total_bytes", MEMORY_TOTAL_BYTES, false)?
            .visit_field::<u64>("swap_used_bytes", SWAP_USED_BYTES, false)?
            .visit_field::<u64>("swap_total_bytes", SWAP_TOTAL_BYTES, false)?
            .visit_field::<Items<CountersSchema>>("disks", DISKS, false)?
            .visit_field::<Items<CountersSchema>>("networks", NETWORKS, false)?
            .visit_field::<Items<TemperatureSchema>>("temperatures", TEMPERATURES, false)?
            .finish();
        Ok(())
    }
}

/// A name and two counters: a disk or a network interface.
struct CountersSchema;

impl Verifiable for CountersSchema {
    fn run_verifier(v: &mut Verifier<'_, '_>, position: usize) -> Result<(), InvalidFlatbuffer> {
        v.visit_table(position)?
            .visit_field::<ForwardsUOffset<&str>>("name", ITEM_NAME, true)?
            .visit_field::<u64>("first", ITEM_FIRST, false)?
            .visit_field::<u64>("second", ITEM_SECOND, false)?
            .finish();
        Ok(())
    }
}

struct TemperatureSchema;

impl Verifiable for TemperatureSchema {
    fn run_verifier(v: &mut Verifier<'_, '_>, position: usize) -> Result<(), InvalidFlatbuffer> {
        v.visit_table(position)?
            .visit_field::<ForwardsUOffset<&str>>("sensor", ITEM_NAME, true)?
            .visit_field::<f64>("celsius", ITEM_FIRST, false)?
            .finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_comes_back_as_it_was() {
        let metrics = HostMetrics {
            time_ms: 1_700_000_000_000,
            host: "gateway".to_owned(),
            cpu_percent: 12.5,
            disks: vec![Disk { mount: "/".to_owned(), total_bytes: u64::MAX, available_bytes: 1 }],
            temperatures: vec![Temperature { sensor: "cpu".to_owned(), celsius: -40.0 }],
            ..HostMetrics::default()
        };
        let mut builder = FlatBufferBuilder::new();
        let bytes = metrics.encode(&mut builder);
        assert_eq!(&bytes[4..8], HostMetrics::IDENTIFIER);
        assert_eq!(HostMetrics::decode(bytes), Some(metrics));
    }
}
