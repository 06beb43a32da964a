//! What the writer thread is asked for, and those who wait for it.

use super::{Time, check, waker};
use crate::log::Log;
use crate::sync::Arc;
use crate::sync::thread::{self, JoinHandle, park};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

super::models!(
    an_order_to_sync_is_heard_while_the_thread_goes_to_sleep,
    orders_of_two_tasks_are_both_done,
    a_task_is_served_by_the_writer_thread_or_by_whoever_syncs_meanwhile,
    a_task_that_is_dropped_ends_nobody_elses_wait,
    who_waits_for_a_time_that_is_over_leaves_nothing_behind,
    what_two_append_is_written_when_it_is_due,
    a_batch_is_synced_when_its_time_is_over,
    a_batch_whose_first_record_another_sync_covers_is_synced_as_well,
    a_batch_that_begins_while_the_one_before_needs_no_sync_any_more_is_synced_as_well,
    a_batch_is_synced_when_its_bytes_are_together,
    a_batch_is_synced_when_the_log_is_closed,
    a_disk_that_fails_is_told_to_all_who_wait,
    the_end_comes_while_orders_are_given,
);

/// No batch is ever due.
const NEVER: (Duration, u64) = (Duration::MAX, u64::MAX);

fn with(log: &Log, run: fn(&Log)) -> JoinHandle<()> {
    let log = log.clone();
    thread::spawn(move || run(&log))
}

/// Waits as a task for a record that it appends; whether it got durable.
fn run_task(log: &Log) -> bool {
    let offset = log.append();
    let mut durable = pin!(log.durable(offset));
    let waker = waker();
    loop {
        match durable.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Ok(durable)) => {
                assert!(durable > offset, "{durable} does not cover {offset}");
                return true;
            }
            Poll::Ready(Err(_)) => return false,
            Poll::Pending => park(),
        }
    }
}

/// The same without asking for a sync.
fn wait_until_durable(log: &Log, below: u64) {
    let (waker, mut place) = (waker(), None);
    while log.committer().group().poll(below, &mut place, &waker).is_pending() {
        park();
    }
}

fn an_order_to_sync_is_heard_while_the_thread_goes_to_sleep() -> u64 {
    check(Time::Stands, Some(3), || assert!(run_task(&Log::open(NEVER))))
}

fn orders_of_two_tasks_are_both_done() -> u64 {
    check(Time::Stands, Some(2), || {
        let log = Log::open(NEVER);
        let other = with(&log, |log| assert!(run_task(log)));
        assert!(run_task(&log));
        other.join().unwrap();
    })
}

fn a_task_is_served_by_the_writer_thread_or_by_whoever_syncs_meanwhile() -> u64 {
    check(Time::Stands, Some(2), || {
        let log = Log::open(NEVER);
        let syncing = with(&log, |log| {
            let offset = log.append();
            assert!(log.committer().sync(u64::MAX).unwrap() > offset);
        });
        assert!(run_task(&log));
        syncing.join().unwrap();
    })
}

fn a_task_that_is_dropped_ends_nobody_elses_wait() -> u64 {
    check(Time::Stands, Some(2), || {
        let log = Log::open(NEVER);
        let dropped = with(&log, |log| {
            let mut durable = pin!(log.durable(log.append()));
            let _ = durable.as_mut().poll(&mut Context::from_waker(&waker()));
        });
        assert!(run_task(&log));
        dropped.join().unwrap();
    })
}

fn who_waits_for_a_time_that_is_over_leaves_nothing_behind() -> u64 {
    check(Time::Passes, Some(3), || {
        let log = Log::open(NEVER);
        let offset = log.append();
        let mut durable = log.durable(offset);
        let is_durable = durable.wait_timeout(Duration::from_secs(1)).unwrap();
        assert!(!is_durable || durable.is_durable());
        drop(durable);
        assert!(run_task(&log));
    })
}

fn what_two_append_is_written_when_it_is_due() -> u64 {
    fn append(log: &Log) {
        log.append();
        log.committer().orders().write();
    }
    check(Time::Passes, Some(2), || {
        let log = Log::open(NEVER);
        let other = with(&log, append);
        append(&log);
        // Without that it waits for ever.
        log.medium().wait(2);
        other.join().unwrap();
    })
}

fn batch(log: &Log) {
    let offset = log.append();
    log.committer().orders().batch(offset + 1, 1);
}

fn a_batch_is_synced_when_its_time_is_over() -> u64 {
    check(Time::Passes, Some(2), || {
        let log = Log::open((Duration::from_secs(1), u64::MAX));
        let other = with(&log, batch);
        batch(&log);
        wait_until_durable(&log, 2);
        other.join().unwrap();
    })
}

fn a_batch_whose_first_record_another_sync_covers_is_synced_as_well() -> u64 {
    check(Time::Passes, Some(2), || {
        let log = Log::open((Duration::from_secs(1), u64::MAX));
        let others = [with(&log, batch), with(&log, batch)];
        let _ = log.committer().sync(u64::MAX);
        wait_until_durable(&log, 2);
        others.into_iter().for_each(|it| it.join().unwrap());
    })
}

fn a_batch_that_begins_while_the_one_before_needs_no_sync_any_more_is_synced_as_well() -> u64 {
    check(Time::Passes, Some(3), || {
        let log = Log::open((Duration::from_secs(1), u64::MAX));
        let offset = log.append();
        log.committer().sync(u64::MAX).unwrap();
        // Who appended it says so only now.
        let other = with(&log, |log| log.committer().orders().batch(1, 1));
        assert_eq!(offset, 0);
        batch(&log);
        wait_until_durable(&log, 2);
        other.join().unwrap();
    })
}

fn a_batch_is_synced_when_its_bytes_are_together() -> u64 {
    check(Time::Stands, Some(2), || {
        let log = Log::open((Duration::from_secs(1), 2));
        let other = with(&log, batch);
        batch(&log);
        wait_until_durable(&log, 2);
        other.join().unwrap();
    })
}

fn a_batch_is_synced_when_the_log_is_closed() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::open((Duration::from_secs(1), u64::MAX));
        let other = with(&log, batch);
        batch(&log);
        other.join().unwrap();
        let committer = Arc::clone(log.committer());
        drop(log);
        assert_eq!(committer.group().durable(), 2);
    })
}

fn a_disk_that_fails_is_told_to_all_who_wait() -> u64 {
    check(Time::Stands, Some(2), || {
        let log = Log::open(NEVER);
        let syncing = with(&log, |log| {
            let offset = log.append();
            let led = log.committer().sync(offset + 1);
            assert!(led.is_err() || led.is_ok_and(|durable| durable > offset));
        });
        log.medium().break_it();
        run_task(&log);
        syncing.join().unwrap();
        assert!(!run_task(&log));
    })
}

fn the_end_comes_while_orders_are_given() -> u64 {
    check(Time::Stands, Some(3), || {
        let log = Log::open(NEVER);
        let committer = Arc::clone(log.committer());
        let ordering = thread::spawn(move || {
            committer.orders().write();
            committer.orders().sync(1);
        });
        drop(log);
        ordering.join().unwrap();
    })
}
