//! Attacks on a view beside a living writer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod common;

use common::{Bytes, Met, Rng, create, mount, put, view_from};
use edgelog_core::{FullPolicy, LogView, Reader};

#[test]
fn a_view_sees_what_is_appended_after_the_writer_started_anew_behind_a_torn_tail() {
    for erased in [0x00, 0xFF] {
        let medium = Bytes::new(4096, 3, 4, erased);
        let mut log = create(&medium);
        put(&mut log, b"before the cut");
        log.sync().unwrap();
        let mut view = LogView::open(medium.clone()).unwrap();
        let mut reader = Reader::at(0);
        assert_eq!(view_from(&mut view, &mut reader).len(), 1);
        let end = medium.find(b"before the cut") + 16;
        medium.bytes.borrow_mut()[end..end + 4].fill(0x12);
        let mut log = mount(&medium);
        for _ in 0..3 {
            put(&mut log, b"after the cut");
            log.sync().unwrap();
        }
        view.refresh().unwrap();
        assert_eq!(view.visible(), log.visible(), "erased value {erased:#x}");
        assert_eq!(view_from(&mut view, &mut reader).len(), 3);
    }
}

#[test]
fn a_view_that_is_refreshed_now_and_then_accounts_for_every_record() {
    for seed in 0..200 {
        let mut rng = Rng(seed);
        let erased = if seed % 2 == 0 { 0 } else { 0xFF };
        let medium = Bytes::new(1024, 2 + (seed % 5) as u32, [1, 4, 32][seed as usize % 3], erased);
        let mut log = create(&medium);
        log.set_full_policy(FullPolicy::DropOldest);
        let mut view = LogView::open(medium.clone()).unwrap();
        let (mut reader, mut next) = (Reader::at(0), 0);
        for _ in 0..150 {
            match rng.below(8) {
                0 => {
                    log = mount(&medium);
                    log.set_full_policy(FullPolicy::DropOldest);
                }
                1 => {
                    log.maintain(1).unwrap();
                }
                2 => log.give_up(rng.below(4) as u32),
                3 => {
                    view.refresh().unwrap();
                    for item in view_from(&mut view, &mut reader) {
                        match item {
                            Met::Record(offset, _) => {
                                assert_eq!(offset, next, "seed {seed}");
                                next += 1;
                            }
                            Met::Gap(gap) => {
                                assert_eq!(gap.from, next, "seed {seed}");
                                next = gap.to;
                            }
                        }
                    }
                    assert_eq!(next, view.visible(), "seed {seed}");
                    if erased == 0 {
                        assert_eq!(view.visible(), log.visible(), "seed {seed}");
                    }
                }
                _ => {
                    let length = rng.below(120);
                    put(&mut log, &vec![3; length]);
                    log.sync().unwrap();
                }
            }
        }
    }
}
