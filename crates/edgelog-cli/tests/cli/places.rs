//! Folders that cannot take a log, each with a sentence that tells what to do.

use crate::support::{Place, binary, finish, in_own_mounts};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn a_folder_without_write_permission() {
    let place = Place::new();
    let folder = place.path("theirs");
    fs::create_dir(&folder).expect("writable");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).expect("ours");
    // A user namespace takes away root's right to write everywhere, so that this also tests something as root.
    let mut command = Command::new("unshare");
    command.args(["--user", binary(), "--dir"]).arg(folder.join("log")).arg("append");
    let ended = finish(&mut command, b"event\n");
    assert!(
        !ended.stderr.contains("unshare:"),
        "this test needs unshare (package util-linux) and user namespaces: {}",
        ended.stderr
    );
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("Permission denied"), "{}", ended.stderr);
    assert!(ended.stderr.contains("give this user permission there"), "{}", ended.stderr);
}

#[test]
fn a_file_system_that_is_mounted_read_only() {
    let place = Place::new();
    let script = r#"
        mount -t tmpfs -o ro none "$LOG"
        echo event | "$EDGELOG" --dir "$LOG/log" append
    "#;
    let ended = in_own_mounts(script, &place);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("mounted read-only: choose another folder"), "{}", ended.stderr);
}

#[test]
fn a_path_that_leads_through_a_file() {
    let place = Place::new();
    let file = place.file("file", "content");
    let mut command = Command::new(binary());
    command.args(["--dir", &format!("{file}/log"), "append"]);
    let ended = finish(&mut command, b"event\n");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("a part of this path is a file"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(file).expect("still there"), "content");
}

#[test]
fn a_disk_without_space_keeps_what_was_stored_and_goes_on_later() {
    let place = Place::new();
    let script = r#"
        mount -t tmpfs -o size=1m none "$LOG"
        head -c 700000 /dev/zero > "$LOG/filler"
        yes 0123456789012345678901234567890123456789 | head -20000 | "$EDGELOG" --dir "$LOG/log" append --budget 1MiB || echo "failed $?"
        "$EDGELOG" --dir "$LOG/log" verify
        "$EDGELOG" --dir "$LOG/log" tail --from earliest | wc -l
        rm "$LOG/filler"
        yes 0123456789 | head -1000 | "$EDGELOG" --dir "$LOG/log" append
        "$EDGELOG" --dir "$LOG/log" verify
    "#;
    let ended = in_own_mounts(script, &place);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert!(lines.contains(&"failed 1"), "{}", ended.stdout);
    assert!(ended.stderr.contains("No space left on device"), "{}", ended.stderr);
    assert!(ended.stderr.contains("free some space, then go on"), "{}", ended.stderr);
    let counted = lines.iter().find_map(|line| line.trim().parse::<u64>().ok()).expect("wc");
    assert!(counted > 1000, "{counted}");
    let told = ended.stderr.replace(',', "");
    assert!(
        told.contains(&format!("{counted} events before it are stored and durable")),
        "{counted} are there, but it said: {told}"
    );
    assert_eq!(ended.stdout.matches("whole:").count(), 2, "{}", ended.stdout);
}
