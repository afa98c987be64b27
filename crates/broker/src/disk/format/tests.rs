use proptest::prelude::*;

use super::{
    ENTRY_OVERHEAD, Frame, FrameHeader, HeaderFault, Item, Items, Kept, SegmentHeader,
    entry_payload,
};

fn check(item: Item<'_>) {
    let mut frame = Frame::new();
    frame.push(&Item::Forgotten { id: 7 });
    let start = frame.body().len();
    frame.push(&item);
    frame.push(&Item::Forgotten { id: 8 });
    let found: Vec<_> = Items::new(frame.body()).map(Result::unwrap).collect();
    let (at, bytes, middle) = found[1];
    assert_eq!((found.len(), at, middle), (3, start, item));
    assert_eq!(bytes, found[2].0 - start);
    if let Item::Entry { id, offset, payload, event, .. } = item {
        let entry = &frame.body()[at..at + bytes];
        let start = entry_payload(entry, id, offset).unwrap();
        assert_eq!(&entry[start..], payload);
        assert_eq!(start, ENTRY_OVERHEAD + event.map_or(0, str::len));
        assert_eq!(entry_payload(entry, id + 1, offset), None);
        assert_eq!(entry_payload(entry, id, offset + 1), None);
    }
}

#[test]
fn a_segment_says_which_it_is() {
    let header = SegmentHeader { number: 3, sequence: 9, previous_end: 77, repaired_before: 2 };
    let bytes = header.encode();
    assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
    assert_eq!(SegmentHeader::decode(&bytes[..63]), Err(HeaderFault::Unfinished));
    assert_eq!(SegmentHeader::decode(&[0; 64]), Err(HeaderFault::Unfinished));
    let mut damaged = bytes;
    damaged[20] ^= 1;
    assert_eq!(SegmentHeader::decode(&damaged), Err(HeaderFault::Damaged));
    let mut newer = bytes;
    newer[8] = 2;
    assert_eq!(SegmentHeader::decode(&newer), Err(HeaderFault::Newer(2)));
}

#[test]
fn a_frame_is_known_by_its_checksums() {
    let mut frame = Frame::new();
    frame.push(&Item::Forgotten { id: 7 });
    let bytes = frame.seal(5).to_vec();
    let (head, body) = bytes.split_at(super::FRAME_HEADER);
    let header = FrameHeader::decode(head).unwrap();
    assert_eq!((header.sequence, header.body_bytes), (5, body.len()));
    assert!(header.is_of(body) && !header.is_of(&body[1..]));
    for bit in 0..head.len() * 8 {
        let mut flipped = head.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(FrameHeader::decode(&flipped), None, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        id: u32, offset: u64, appended_ms: u64,
        text in ".{0,40}", event in proptest::option::of(".{0,40}"),
        payload in proptest::collection::vec(any::<u8>(), 0..200), refuses: bool,
    ) {
        let id = id / 2;
        let offset = offset / 2;
        let event = event.as_deref();
        let kept = Kept { entries_max: id, ttl_ms: offset, event_window_ms: appended_ms, refuses };
        check(Item::Entry { id, offset, appended_ms, event, payload: &payload });
        check(Item::Log { id, epoch: offset, head: 3, dropped: appended_ms, kept, name: &text });
        check(Item::Event { id, offset, appended_ms, event: &text });
        check(Item::Put { key: &text, revision: offset, value: &payload });
        check(Item::Deletion { key: &text, revision: offset });
        check(Item::Removal { id, offset });
        check(Item::Counters { new_epoch: offset, revision: appended_ms, log_id: id });
    }

    #[test]
    fn whatever_is_there_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let count = Items::new(&bytes).count();
        prop_assert!(count <= bytes.len());
        let _ = SegmentHeader::decode(&bytes);
        let _ = FrameHeader::decode(&bytes);
        let _ = entry_payload(&bytes, 1, 1);
    }
}
