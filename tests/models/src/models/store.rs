//! Logs that make room for each other.

use super::Shared;
use super::budget::{Budget, Share};
use super::room::{Member, Rooms};
use crate::log::{Log, WeakLog};
use crate::models::{Time, check, models};
use crate::sync::thread;
use crate::sync::{Arc, Mutex};
use edgelog_core::Class;

models!(
    two_logs_that_need_room_at_once_get_it_and_no_more_goes_than_that,
    two_threads_that_need_the_same_segment_give_up_one,
    two_threads_that_need_the_same_segment_on_a_full_disk_give_up_one,
);

/// Bytes; a segment has one.
const BUDGET: u64 = 4;

/// Two logs that fill the budget, as members of their store.
fn logs(budget: u64) -> [(Log, Arc<Member>); 2] {
    let budget = Arc::new(Budget::new(budget));
    let store = Arc::new(Shared { budget: Arc::clone(&budget), rooms: Rooms::default() });
    ["a", "b"].map(|name| {
        let share = Share::new(&budget, name);
        let log = Log::sealed(BUDGET / 2, share.clone());
        let member = Member::new(Arc::clone(&store), share, Class::Normal);
        member.join(WeakLog(log.clone()));
        (log, Arc::new(member))
    })
}

/// A record that needs another segment, unless another thread opened that: what `Log::with_room` does where the budget has none.
fn append(log: &Log, member: &Member, until: u64) {
    loop {
        let mut engine = log.engine();
        let before = member.given_up();
        if engine.opened() == until {
            return;
        }
        if member.share().claim(1) {
            member.share().made(1);
            engine.open_segment();
            return;
        }
        drop(engine);
        assert!(member.make_room(1, before).unwrap());
    }
}

/// The same where the disk has none.
fn append_on(disk: &Mutex<u64>, log: &Log, member: &Member) {
    loop {
        let mut engine = log.engine();
        let before = member.given_up();
        if engine.opened() == 1 {
            return;
        }
        // Each that was given up left the space of one.
        let mut used = disk.lock().unwrap();
        if *used - before < BUDGET {
            *used += 1;
            engine.open_segment();
            return;
        }
        drop(used);
        drop(engine);
        assert!(member.give_up_one(before).unwrap());
    }
}

fn two_logs_that_need_room_at_once_get_it_and_no_more_goes_than_that() -> u64 {
    check(Time::Stands, Some(3), || {
        let [(a, of_a), (b, of_b)] = logs(BUDGET);
        let other = thread::spawn(move || append(&b, &of_b, 1));
        append(&a, &of_a, 1);
        other.join().unwrap();
        assert_eq!(of_a.given_up(), 2);
    })
}

fn two_threads_that_need_the_same_segment_give_up_one() -> u64 {
    check(Time::Stands, Some(3), || {
        let [(a, of_a), _] = logs(BUDGET);
        let (again, of_again) = (a.clone(), Arc::clone(&of_a));
        let other = thread::spawn(move || append(&again, &of_again, 1));
        append(&a, &of_a, 1);
        other.join().unwrap();
        assert_eq!(of_a.given_up(), 1);
    })
}

fn two_threads_that_need_the_same_segment_on_a_full_disk_give_up_one() -> u64 {
    check(Time::Stands, Some(3), || {
        let [(a, of_a), _] = logs(u64::MAX);
        let disk = Arc::new(Mutex::new(BUDGET));
        let (again, of_again, same) = (a.clone(), Arc::clone(&of_a), Arc::clone(&disk));
        let other = thread::spawn(move || append_on(&same, &again, &of_again));
        append_on(&disk, &a, &of_a);
        other.join().unwrap();
        assert_eq!(of_a.given_up(), 1);
    })
}
