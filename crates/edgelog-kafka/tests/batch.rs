//! Record batches against an independent codec.

use bytes::{Bytes, BytesMut};
use edgelog_kafka::batch::{
    BatchBuilder, BatchHeader, BatchScan, HEADER_LEN, Record, Scanned, Stamp,
};
use kafka_protocol::records::{
    Compression, Record as Theirs, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType,
};
use proptest::prelude::*;

const STAMP: Stamp = Stamp { producer_id: 4001, producer_epoch: 3, base_sequence: 17 };

#[derive(Clone, Debug)]
struct Ours {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
}

fn records() -> impl Strategy<Value = Vec<Ours>> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
    let headers =
        prop::collection::btree_map("[a-z]{1,9}", prop::collection::vec(0..9_u8, 0..9), 0..5);
    let record = (-1_i64..4_000_000_000_000, bytes(), bytes(), headers);
    let record = record.prop_map(|(timestamp, key, value, headers)| {
        let headers = headers.into_iter().collect();
        Ours { timestamp, key, value, headers }
    });
    prop::collection::vec(record, 1..80)
}

/// Pushes all records.
fn build<'a>(records: &[Ours], buffer: &'a mut [u8], stamp: Stamp) -> &'a mut [u8] {
    let mut builder = BatchBuilder::new(buffer);
    for ours in records {
        let headers: Vec<_> =
            ours.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let record = Record {
            timestamp_ms: ours.timestamp,
            key: ours.key.as_deref(),
            value: ours.value.as_deref(),
            headers: &headers,
        };
        builder.try_push(&record).unwrap();
    }
    assert_eq!(builder.count() as usize, records.len());
    builder.finish(stamp).unwrap()
}

fn check(records: &[Ours], batch: &[u8], stamp: Stamp) {
    let decoded = RecordBatchDecoder::decode(&mut Bytes::copy_from_slice(batch)).unwrap().records;
    assert_eq!(decoded.len(), records.len());
    for (at, (theirs, ours)) in decoded.iter().zip(records).enumerate() {
        assert_eq!(
            (theirs.producer_id, theirs.producer_epoch),
            (stamp.producer_id, stamp.producer_epoch)
        );
        assert_eq!(theirs.sequence, stamp.base_sequence + i32::try_from(at).unwrap());
        assert_eq!((theirs.offset, theirs.timestamp), (i64::try_from(at).unwrap(), ours.timestamp));
        assert_eq!(theirs.timestamp_type, TimestampType::Creation);
        assert_eq!(
            (theirs.partition_leader_epoch, theirs.transactional, theirs.control),
            (-1, false, false)
        );
        assert_eq!(theirs.key.as_deref(), ours.key.as_deref());
        assert_eq!(theirs.value.as_deref(), ours.value.as_deref());
        let headers: Vec<_> = theirs
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone().unwrap().to_vec()))
            .collect();
        assert_eq!(headers, ours.headers);
    }
    let header = BatchHeader::parse(batch.first_chunk().unwrap()).unwrap();
    assert_eq!(header.max_timestamp, records.iter().map(|record| record.timestamp).max().unwrap());
    assert_eq!(
        (header.base_timestamp, usize::try_from(header.count).unwrap()),
        (records[0].timestamp, records.len())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ours_decode_there(records in records()) {
        let mut buffer = vec![0xAA; 200_000];
        let batch = build(&records, &mut buffer, STAMP);
        check(&records, batch, STAMP);
        let other = Stamp { producer_id: i64::MAX, producer_epoch: i16::MAX, base_sequence: 0 };
        let batch = build(&records, &mut buffer, other);
        check(&records, batch, other);
        let last = batch.len() - 1;
        batch[last] ^= 1;
        assert!(RecordBatchDecoder::decode(&mut Bytes::copy_from_slice(batch)).is_err());
    }

    #[test]
    fn a_record_that_does_not_fit_leaves_the_batch_unchanged(records in records(), left in 0..400_usize) {
        let mut buffer = vec![0; 200_000];
        let len = build(&records, &mut buffer, STAMP).len();
        let mut tight = vec![0; len + left];
        let batch = build(&records, &mut tight, STAMP).to_vec();
        let mut tight = vec![0; len + left];
        let mut builder = BatchBuilder::new(&mut tight);
        for ours in &records {
            let headers: Vec<_> =
                ours.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let record = Record { timestamp_ms: ours.timestamp, key: ours.key.as_deref(), value: ours.value.as_deref(), headers: &headers };
            builder.try_push(&record).unwrap();
        }
        let big = vec![0; left];
        let record = Record { timestamp_ms: 0, key: None, value: Some(&big), headers: &[] };
        let full = builder.try_push(&record).unwrap_err();
        prop_assert!(full.needed > left && full.left == left);
        prop_assert_eq!(builder.finish(STAMP).unwrap().to_vec(), batch);
    }

    #[test]
    fn theirs_are_found_by_the_scan(
        batches in prop::collection::vec((1..5_i32, 0..9_i64, 0..1000_i32, 0..90_usize), 0..20),
        portion in 1..200_usize,
    ) {
        let mut bytes = BytesMut::new();
        let mut expected = Vec::new();
        let mut offset = 1_000_i64;
        for (count, producer_id, sequence, size) in batches {
            let records: Vec<_> = (0..count).map(|at| theirs(offset + i64::from(at), producer_id, sequence + at, size)).collect();
            let options = RecordEncodeOptions { version: 2, compression: Compression::None };
            RecordBatchEncoder::encode(&mut bytes, records.iter(), &options).unwrap();
            expected.push((offset, count - 1, producer_id, 9, sequence, count));
            offset += i64::from(count);
        }
        let mut scan = BatchScan::new();
        let mut found = Vec::new();
        for mut chunk in bytes.chunks(portion) {
            while let Some(scanned) = scan.next(&mut chunk).unwrap() {
                let Scanned::Batch(header) = scanned else { panic!("an old message") };
                found.push((header.base_offset, header.last_offset_delta, header.producer_id, header.producer_epoch, header.base_sequence, header.count));
            }
            assert!(chunk.is_empty());
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn arbitrary_bytes_never_panic_the_scan(bytes in prop::collection::vec(any::<u8>(), 0..400), magic in 0..4_u8) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.get_mut(16) { *byte = magic; }
        let mut scan = BatchScan::new();
        let mut rest = bytes.as_slice();
        while let Ok(Some(_)) = scan.next(&mut rest) {}
    }
}

fn theirs(offset: i64, producer_id: i64, sequence: i32, size: usize) -> Theirs {
    Theirs {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 1,
        producer_id,
        producer_epoch: 9,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence,
        timestamp: 5,
        key: None,
        value: Some(vec![1; size].into()),
        headers: indexmap::IndexMap::default(),
    }
}

#[test]
fn an_empty_batch_is_none() {
    assert_eq!(BatchBuilder::new(&mut [0; 100]).finish(STAMP), None);
    assert_eq!(BatchBuilder::new(&mut []).finish(STAMP), None);
    let record = Record { timestamp_ms: 0, key: None, value: None, headers: &[] };
    assert!(BatchBuilder::new(&mut [0; HEADER_LEN]).try_push(&record).is_err());
}

#[test]
fn messages_of_old_formats_are_skipped() {
    let mut bytes = Vec::new();
    for magic in [0, 1] {
        bytes.extend_from_slice(&(70_i64 + i64::from(magic)).to_be_bytes());
        bytes.extend_from_slice(&30_i32.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 0, magic]);
        bytes.extend_from_slice(&[0x55; 25]);
    }
    let mut scan = BatchScan::new();
    let mut rest = bytes.as_slice();
    assert_eq!(scan.next(&mut rest), Ok(Some(Scanned::Old { next_offset: 71 })));
    assert_eq!(scan.next(&mut rest), Ok(Some(Scanned::Old { next_offset: 72 })));
    assert_eq!(scan.next(&mut rest), Ok(None));
}
