//! What a packed file gives back, whole, damaged and hostile.
#![expect(clippy::cast_possible_truncation, reason = "all lengths are small")]

use super::{BLOCK_LEN, Blocks, Packed, equals, pack, table};
use crate::file::read_full;
use std::fs::File;
use std::io::{self, Read, Write};

/// Neither a multiple of a block's length nor shorter than some.
const SIZE: u32 = 5 * BLOCK_LEN as u32 + 1000;
const DAMAGED: u8 = 0xFF;

/// Bytes as of a log: text that repeats, noise, and zeros at the end. No block of them is all 0xFF.
fn segment() -> Vec<u8> {
    let mut state = 7_u64;
    let mut bytes = Vec::new();
    while bytes.len() < SIZE as usize - 2 * BLOCK_LEN {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend_from_slice(&state.to_be_bytes());
        bytes.extend_from_slice(b"2014-02-14 14:30:00,12.5: ");
    }
    bytes.resize(SIZE as usize, 0);
    bytes
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn packed_bytes() -> Vec<u8> {
    let to = tempfile::tempfile().unwrap();
    let length = pack(&file_of(&segment()), SIZE, 3, &to, &|| true).unwrap().unwrap();
    let mut bytes = vec![0; length as usize + 1];
    assert_eq!(read_full(&to, &mut bytes, 0).unwrap() as u64, length);
    bytes.pop();
    bytes
}

/// All bytes, read in pieces of `piece`.
fn all(packed: &Packed, piece: usize) -> Vec<u8> {
    let (mut blocks, mut bytes) = (Blocks::default(), vec![0x5A; SIZE as usize]);
    for (n, bytes) in bytes.chunks_mut(piece).enumerate() {
        packed.read(&mut blocks, (n * piece) as u32, bytes).unwrap();
    }
    bytes
}

fn open(bytes: &[u8]) -> Packed {
    Packed::open(file_of(bytes), SIZE, !DAMAGED).unwrap()
}

/// Every block is as it was or all damaged; gives the damaged ones.
fn damaged_blocks(bytes: &[u8]) -> Vec<usize> {
    let read = all(&open(bytes), 4096);
    let whole = segment();
    let blocks = read.chunks(BLOCK_LEN).zip(whole.chunks(BLOCK_LEN));
    let mut damaged = Vec::new();
    for (n, (block, wanted)) in blocks.enumerate() {
        if block != wanted {
            assert!(block.iter().all(|&byte| byte == DAMAGED), "block {n} is neither");
            damaged.push(n);
        }
    }
    damaged
}

#[test]
fn a_packed_segment_reads_as_it_was_in_pieces_of_any_length() {
    let packed = open(&packed_bytes());
    for piece in [SIZE as usize, 1, 17, 4096, BLOCK_LEN, BLOCK_LEN + 1, 3 * BLOCK_LEN] {
        assert!(all(&packed, piece) == segment(), "in pieces of {piece}");
    }
    assert!(equals(&packed, &file_of(&segment()), SIZE, &|| true).unwrap());
    let mut other = segment();
    *other.last_mut().unwrap() ^= 1;
    assert!(!equals(&packed, &file_of(&other), SIZE, &|| true).unwrap());
}

#[test]
fn zeros_and_text_take_less_room_and_any_zstd_gives_the_segment_back() {
    let packed = packed_bytes();
    assert!(packed.len() < SIZE as usize / 2, "{} of {SIZE}", packed.len());
    assert!(zstd::stream::decode_all(&packed[..]).unwrap() == segment());
}

#[test]
fn other_programs_find_and_write_the_same_table() {
    let mut theirs = Vec::new();
    let mut decoder = zeekstd::Decoder::new(io::Cursor::new(packed_bytes())).unwrap();
    assert_eq!(decoder.seek_table().num_frames(), 6);
    decoder.read_to_end(&mut theirs).unwrap();
    assert!(theirs == segment());
    let mut theirs = Vec::new();
    let mut encoder = zeekstd::EncodeOptions::new()
        .frame_size_policy(zeekstd::FrameSizePolicy::Uncompressed(BLOCK_LEN as u32))
        .into_encoder(&mut theirs)
        .unwrap();
    encoder.write_all(&segment()).unwrap();
    encoder.finish().unwrap();
    assert!(all(&open(&theirs), 4096) == segment());
}

#[test]
fn a_flipped_bit_costs_its_block_and_none_in_the_table_costs_anything() {
    let whole = packed_bytes();
    let table_at = whole.len() - table::len(SIZE);
    let starts = open(&whole).starts;
    // Every byte of the table, and a sample of the others that is odd to everything.
    for at in (0..table_at).step_by(997).chain(table_at..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let damaged = damaged_blocks(&bytes);
        let hit = starts.iter().rposition(|&start| start <= at as u64).unwrap();
        let wanted = if at < table_at { vec![hit] } else { vec![] };
        assert_eq!(damaged, wanted, "byte {at} of {}", whole.len());
    }
}

#[test]
fn a_file_that_was_cut_gives_the_frames_that_it_still_has() {
    let whole = packed_bytes();
    let starts = open(&whole).starts;
    for length in (0..whole.len()).step_by(1009).chain([whole.len() - 1]) {
        let kept = starts.iter().skip(1).filter(|&&end| end <= length as u64).count();
        let damaged: Vec<_> = (kept..6).collect();
        assert_eq!(damaged_blocks(&whole[..length]), damaged, "cut at {length}");
    }
}

#[test]
fn nothing_that_a_file_says_makes_it_more_than_damaged() {
    let whole = packed_bytes();
    let table_at = whole.len() - table::len(SIZE);
    let frames = &whole[..table_at];
    let mut lens: Vec<u32> =
        open(&whole).starts.windows(2).map(|ends| (ends[1] - ends[0]) as u32).collect();
    // Lengths that are right in sum and wrong one by one.
    lens.swap(0, 4);
    let swapped = [frames, &table::of(&lens, SIZE)].concat();
    assert!(!damaged_blocks(&swapped).is_empty());
    // One frame has it all, the others have nothing.
    let lens = [table_at as u32, 0, 0, 0, 0, 0];
    let one = [frames, &table::of(&lens, SIZE)].concat();
    assert_eq!(damaged_blocks(&one), [0, 1, 2, 3, 4, 5]);
    // Whole frames of other lengths, or of far too many bytes.
    for plain in [0, 1, BLOCK_LEN - 1, BLOCK_LEN + 1, 100 * BLOCK_LEN] {
        let frame = zstd::bulk::compress(&vec![0; plain], 3).unwrap();
        let lens = [frame.len() as u32; 6];
        let bytes = [frame.repeat(6), table::of(&lens, SIZE)].concat();
        assert_eq!(damaged_blocks(&bytes), [0, 1, 2, 3, 4, 5], "frames of {plain} bytes");
        assert_eq!(damaged_blocks(&frame), [0, 1, 2, 3, 4, 5], "a frame of {plain} bytes");
    }
    // The head of a frame that promises 2^60 bytes, and of one with a window of 3.75 TiB.
    for head in
        [b"\x28\xB5\x2F\xFD\xE0\0\0\0\0\0\0\0\x10".as_slice(), b"\x28\xB5\x2F\xFD\0\xFF\x01\0\0"]
    {
        assert_eq!(damaged_blocks(head), [0, 1, 2, 3, 4, 5]);
        let lens = [head.len() as u32; 6];
        let bytes = [head.repeat(6), table::of(&lens, SIZE)].concat();
        assert_eq!(damaged_blocks(&bytes), [0, 1, 2, 3, 4, 5]);
    }
    assert_eq!(damaged_blocks(b""), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn random_bytes_and_random_changes_never_read_as_anything_but_what_was_or_damage() {
    let whole = packed_bytes();
    let mut state = 42_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random() % 8 {
            let at = random() % bytes.len();
            let end = bytes.len().min(at + random() % 64);
            bytes[at..end].iter_mut().for_each(|byte| *byte = random() as u8);
        }
        let _ = damaged_blocks(&bytes);
        let noise: Vec<u8> = (0..random() % 5000).map(|_| random() as u8).collect();
        assert_eq!(damaged_blocks(&noise), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn packing_stops_when_it_is_told_to_and_fails_on_a_file_that_is_too_short() {
    let to = tempfile::tempfile().unwrap();
    assert_eq!(pack(&file_of(&segment()), SIZE, 3, &to, &|| false).unwrap(), None);
    let short = file_of(&segment()[1..]);
    let failed = pack(&short, SIZE, 3, &to, &|| true).unwrap_err();
    assert_eq!(failed.kind(), io::ErrorKind::UnexpectedEof);
}
