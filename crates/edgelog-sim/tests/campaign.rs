//! The campaign finds planted bugs, spreads its states, and its cases can be run again.
#![allow(clippy::unwrap_used, clippy::panic)]

use edgelog_sim::campaign::{Case, Device, Plan, Plant, Report, Scenario, replay, run};

fn campaign(devices: &[Device], scenarios: &[Scenario], plant: Option<Plant>) -> Report {
    let (devices, scenarios) = (devices.to_vec(), scenarios.to_vec());
    run(&Plan { states: 600, seed: 1, devices, scenarios, plant })
}

/// Enough for bugs of the medium.
const PLAIN: [Scenario; 3] = [Scenario::Append, Scenario::Rollover, Scenario::Mount];

#[test]
fn a_disk_that_lies_about_sync_is_found() {
    assert_eq!(campaign(&[Device::Disk], &PLAIN, None).failures(), 0);
    let report = campaign(&[Device::Disk], &PLAIN, Some(Plant::LyingSync));
    assert!(report.failures() > 300, "{report}");
}

#[test]
fn a_disk_that_forgets_barriers_is_found() {
    let report = campaign(&[Device::Disk], &[Scenario::Rollover], Some(Plant::ForgottenBarrier));
    assert!(report.failures() > 0, "{report}");
}

#[test]
fn flash_that_drops_a_word_in_silence_is_found_on_every_word_size() {
    for device in Device::NOR {
        assert_eq!(campaign(&[device], &PLAIN, None).failures(), 0);
        let report = campaign(&[device], &PLAIN, Some(Plant::DroppedWord));
        assert!(report.failures() > 300, "{report}");
    }
}

#[test]
fn a_batch_that_lost_its_head_and_a_ring_that_drops_too_much_are_found() {
    for (plant, scenarios, kind) in [
        (Plant::HeadlessBatch, &[Scenario::Batch][..], "is not what was appended"),
        (Plant::GreedyRing, &[Scenario::FullDropOldest], "were let go"),
        (Plant::GreedyRing, &[Scenario::FullProtect], "were let go"),
        (Plant::GreedyRing, &[Scenario::Evict], "were let go"),
    ] {
        for devices in [&[Device::Disk][..], &[Device::Nor(1), Device::Nor(4), Device::Nor(16)]] {
            let report = campaign(devices, scenarios, Some(plant));
            assert!(report.failures() > 0, "{plant:?}: {report}");
            for found in &report.kinds {
                assert!(found.what.contains(kind), "{plant:?}: {report}");
            }
        }
    }
}

#[test]
fn a_failure_names_the_case_that_reproduces_it() {
    let report = campaign(&[Device::Disk], &PLAIN, Some(Plant::LyingSync));
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
    let scenarios = Scenario::ALL.to_vec();
    let report =
        run(&Plan { states: 24_000, seed: 1, devices: devices.to_vec(), scenarios, plant: None });
    assert_eq!(report.cells.len(), 24);
    for cell in report.cells {
        assert!((1_000..6_000).contains(&cell.states), "{cell:?}");
    }
}

#[test]
fn behind_a_damaged_epoch_entry_no_record_claims_that_its_clock_was_set() {
    let report = replay("clock:word4:92003".parse().unwrap(), None);
    assert_eq!(report.failures(), 0, "{report}");
}

#[test]
fn a_header_that_a_cut_erase_leaves_whole_after_a_cut_program_tells_of_records_that_were_given_up()
{
    for text in ["full-protect:word16:90000", "full-refuse:word16:90002"] {
        let report = replay(text.parse().unwrap(), None);
        assert_eq!(report.failures(), 0, "{report}");
    }
}
