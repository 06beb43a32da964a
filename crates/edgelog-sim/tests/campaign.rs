//! The campaign finds planted bugs, spreads its states, and its cases can be run again.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog_sim::campaign::{Case, Device, Plan, Plant, Report, replay, run};

fn campaign(devices: &[Device], plant: Option<Plant>, states: u64) -> Report {
    run(&Plan { states, seed: 1, devices: devices.to_vec(), plant })
}

#[test]
fn a_disk_that_lies_about_sync_is_found() {
    assert_eq!(campaign(&[Device::Disk], None, 600).failures(), 0);
    let report = campaign(&[Device::Disk], Some(Plant::LyingSync), 600);
    assert!(report.failures() > 300, "{report}");
}

#[test]
fn flash_that_drops_a_word_in_silence_is_found_on_every_word_size() {
    for device in Device::NOR {
        let honest = campaign(&[device], None, 600);
        let report = campaign(&[device], Some(Plant::DroppedWord), 600);
        assert!(report.failures() > 300, "{report}");
        assert!(report.failures() > 10 * honest.failures(), "{honest}");
    }
}

#[test]
fn a_failure_names_the_case_that_reproduces_it() {
    let report = campaign(&[Device::Disk], Some(Plant::LyingSync), 600);
    let example = report.kinds[0].examples.first().unwrap();
    let case: Case = example.split(": ").next().unwrap().parse().unwrap();
    let again = replay(case, Some(Plant::LyingSync));
    assert!(again.kinds.iter().any(|kind| kind.examples.contains(example)), "{example}\n{again}");
    assert_eq!(replay(case, None).failures(), 0, "without the bug there is no failure");
    for wrong in ["", "append", "append:disk", "append:word2:1", "append:disk:x", "a:disk:1:1"] {
        assert!(wrong.parse::<Case>().is_err(), "{wrong}");
    }
}

#[test]
fn states_are_spread_over_devices_and_scenarios() {
    let devices = [Device::Disk, Device::Nor(4)];
    let report = campaign(&devices, None, 14_000);
    assert_eq!(report.cells.len(), 14);
    for cell in report.cells {
        assert!((1_000..6_000).contains(&cell.states), "{cell:?}");
    }
}
