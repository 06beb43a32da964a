//! Types that flatc generated: verified once, read in place, at a bounded cost.

use edgelog_record::foreign;
use flatbuffers::{FlatBufferBuilder, InvalidFlatbuffer, WIPOffset};
use record_judge::generated::everything::Everything;
use record_judge::generated::node::{Node, NodeArgs};
use record_judge::{Pool, Random, write_everything};

#[test]
fn a_generated_type_is_verified_and_read_in_place_without_an_allocation() {
    let pool = Pool::new(3);
    let written = write_everything(&pool.everything(&mut Random::new(3)));
    let counted = allocation_counter::measure(|| {
        let seen = foreign::read::<Everything<'_>>(&written).unwrap();
        assert!(written.as_ptr_range().contains(&seen.name().as_ptr()), "it is a copy");
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_cut_buffer_is_an_error() {
    let pool = Pool::new(3);
    let written = write_everything(&pool.everything(&mut Random::new(3)));
    for len in 0..16 {
        assert!(foreign::read::<Everything<'_>>(&written[..len]).is_err(), "cut to {len}");
    }
}

#[test]
fn tables_that_lie_too_deep_are_refused_and_the_deepest_allowed_are_not() {
    assert!(foreign::read::<Node<'_>>(&nodes(32, 1)).is_ok());
    let deeper = nodes(33, 1);
    let refused = foreign::read::<Node<'_>>(&deeper);
    assert!(matches!(refused, Err(InvalidFlatbuffer::DepthLimitReached)), "{refused:?}");
}

#[test]
fn tables_that_share_what_they_lead_to_cost_no_more_than_their_bytes() {
    // Two children each that are one and the same: 2^12 tables in a few hundred bytes.
    let refused = foreign::read::<Node<'_>>(&nodes(12, 2)).map(|_| ());
    let limited = matches!(
        refused,
        Err(InvalidFlatbuffer::TooManyTables | InvalidFlatbuffer::ApparentSizeTooLarge)
    );
    assert!(limited, "{refused:?}");
}

/// Nodes `depth` deep, each with the same child `times` times.
fn nodes(depth: usize, times: usize) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let mut node: Option<WIPOffset<Node<'_>>> = None;
    for _ in 0..depth {
        let children = node.map(|it| builder.create_vector(&vec![it; times]));
        node = Some(Node::create(&mut builder, &NodeArgs { name: None, children }));
    }
    builder.finish(node.expect("some depth"), None);
    builder.finished_data().to_vec()
}

#[test]
fn many_small_tables_of_a_wide_schema_are_no_attack() {
    // Of 150 fields each has only the last, as telemetry of a wide schema does; the builder stores their vtable once.
    let mut builder = FlatBufferBuilder::new();
    let children: Vec<_> = (0..1000)
        .map(|_| {
            let table = builder.start_table();
            builder.push_slot_always::<u8>(4 + 2 * 149, 1);
            WIPOffset::<Node<'_>>::new(builder.end_table(table).value())
        })
        .collect();
    let children = Some(builder.create_vector(&children));
    let root = Node::create(&mut builder, &NodeArgs { name: None, children });
    builder.finish(root, None);
    let read = foreign::read::<Node<'_>>(builder.finished_data());
    assert_eq!(read.unwrap().children().unwrap().len(), 1000);
}
