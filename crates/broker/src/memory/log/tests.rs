use std::{num::NonZeroU32, time::Duration};

use super::*;

const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(3).unwrap(),
    ttl: Duration::from_secs(60),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};

#[test]
fn what_a_bound_took_is_missed_by_those_who_had_not_read_it() {
    let mut log = KeptLog::new(7, &KEEP);
    for number in 0..5_u8 {
        log.append(Bytes::from(vec![number]), None, 0).unwrap();
    }
    for (after, is_complete, count) in
        [(0, false, 3), (1, false, 3), (2, true, 3), (4, true, 1), (5, true, 0), (6, false, 0)]
    {
        let page = log.read(after, ReadLimits { entries_max: 9, bytes_max: 9 });
        assert_eq!((page.is_complete, page.entries.len()), (is_complete, count), "after {after}");
    }
}
