//! This machine's readings.

use crate::support::{Place, in_own_mounts};

#[test]
fn two_samples_are_two_durable_events_and_a_status_line() {
    let place = Place::new();
    let told = place.done(&["run", "--samples", "2", "--every", "200ms"]);
    assert!(told.contains("appended 1  durable 1  uplink none, storing"), "{told}");
    assert!(told.contains("ended: 2 readings stored; everything below offset 2"), "{told}");
    let records = place.records();
    assert_eq!(records.len(), 2);
    for record in records {
        assert_eq!(record["topic"], "host.metrics");
        assert_eq!(record["schema"], "HostMetrics");
        assert_eq!(record["key"], record["value"]["host"]);
        assert!(record["value"]["memory_total_bytes"].as_u64() > Some(1 << 20), "{record}");
        assert!(record["value"]["uptime_s"].as_u64() > Some(0), "{record}");
    }
    let human = place.done(&["tail"]);
    assert!(human.contains("cpu ") && human.contains(" mem "), "{human}");
}

#[test]
fn ctrl_c_ends_it_cleanly() {
    for signal in ["INT", "TERM"] {
        let place = Place::new();
        let running = place.start(&["run", "--every", "50ms"]);
        place.wait_for(2);
        running.signal(signal);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let stored = place.records().len();
        assert!(stored >= 2);
        let words = format!("ended: {stored} readings stored; everything below offset {stored}");
        assert!(ended.stdout.contains(&words), "{}", ended.stdout);
    }
}

#[test]
fn the_folder_is_owned_while_it_runs_and_others_may_read() {
    let place = Place::new();
    let running = place.start(&["run", "--every", "50ms"]);
    place.wait_for(2);
    let owner = running.id().to_string();
    let told = place.json(&["info"])["owner"].as_str().map(str::to_owned);
    assert_eq!(told, Some(format!("{owner} (edgelog)")));
    let second = place.run(&["append"]);
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(&format!("is owned by process {owner}")), "{}", second.stderr);
    assert!(second.stderr.contains("choose another folder"), "{}", second.stderr);
    place.done(&["verify"]);
    running.signal("INT");
    assert_eq!(running.ended().code, Some(0));
    assert!(place.json(&["info"])["owner"].is_null());
}

#[test]
fn a_full_log_refuses_readings_and_counts_them() {
    let place = Place::new();
    let payload = [vec![b'x'; 1000], b"\n".to_vec()].concat().repeat(200);
    let filled = place.run_with(&["append", "--budget", "128KiB"], &payload);
    assert_eq!(filled.code, Some(1));
    assert!(filled.stderr.contains("the log is full"), "{}", filled.stderr);
    let stored = place.records().len();
    let words = format!("{stored} events before it are stored and durable");
    assert!(filled.stderr.contains(&words), "{}", filled.stderr);
    let ended = place.run(&["run", "--samples", "20", "--every", "10ms"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("the log is full").count(), 1, "{}", ended.stderr);
    let words = "end this and start it with --kafka HOST:PORT";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    let refused = 20 - (place.records().len() - stored);
    assert!(refused > 0);
    assert!(ended.stdout.contains(&format!(", {refused} refused")), "{}", ended.stdout);
}

#[test]
fn a_run_that_stored_nothing_is_a_failure() {
    let place = Place::new();
    let payload = [vec![b'x'; 1000], b"\n".to_vec()].concat().repeat(200);
    place.run_with(&["append", "--budget", "128KiB"], &payload);
    place.run_with(&["append"], &b"x\n".repeat(200));
    let ended = place.run(&["run", "--samples", "3", "--every", "10ms"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("ended: 0 readings stored, 3 refused"), "{}", ended.stdout);
    assert!(ended.stderr.contains("not one reading could be stored"), "{}", ended.stderr);
    // Advice to ship is of no use to those who do.
    let shipping = ["run", "--samples", "3", "--every", "10ms", "--kafka", "127.0.0.1:1"];
    let ended = place.run(&shipping);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("room when Kafka has acknowledged"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("start it with"), "{}", ended.stderr);
}

#[test]
fn a_full_disk_refuses_readings_until_there_is_room_again() {
    let place = Place::new();
    // One segment fits beside the filler, and most of it is used up; then the filler goes.
    let script = r#"
        mount -t tmpfs -o size=1m none "$LOG"
        head -c 965000 /dev/zero > "$LOG/filler"
        yes 0123456789012345678901234567890123456789 | head -1050 | "$EDGELOG" --dir "$LOG/log" append --budget 1MiB
        "$EDGELOG" --dir "$LOG/log" run --samples 60 --every 50ms 2> "$LOG/../told" &
        running=$!
        for look in $(seq 600); do
            if grep -q refused "$LOG/../told"; then break; fi
            sleep 0.05
        done
        rm "$LOG/filler"
        wait $running
        cat "$LOG/../told" >&2
        "$EDGELOG" --dir "$LOG/log" verify
    "#;
    let ended = in_own_mounts(script, &place);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let warnings = ended.stderr.matches("No space left on device").count();
    assert_eq!(warnings, 1, "once, not for every reading: {}", ended.stderr);
    assert!(ended.stderr.contains("refused and counted until there is room"), "{}", ended.stderr);
    assert!(ended.stderr.contains("there is room again;"), "{}", ended.stderr);
    assert!(ended.stdout.contains(" refused; everything below"), "{}", ended.stdout);
    assert!(ended.stdout.contains("gone (refused), offsets"), "{}", ended.stdout);
    assert!(ended.stdout.contains("whole:"), "{}", ended.stdout);
}
