use std::{num::NonZeroU32, time::Duration};

use proptest::{collection::vec, option, prelude::*};

use super::*;

const KEEP: Keep = Keep {
    entries_max: NonZeroU32::new(3).unwrap(),
    ttl: Duration::from_secs(60),
    when_full: WhenFull::DropOldest,
    event_window: Duration::from_secs(120),
};
const ALL: ReadLimits = ReadLimits { entries_max: u32::MAX, bytes_max: usize::MAX };

#[test]
fn what_a_bound_took_is_missed_by_those_who_had_not_read_it() {
    let mut log = KeptLog::new(7, &KEEP);
    for number in 0..5_u8 {
        log.append(Bytes::from(vec![number]), None, 0).unwrap();
    }
    for (after, is_complete, count) in
        [(0, false, 3), (1, false, 3), (2, true, 3), (4, true, 1), (5, true, 0), (6, false, 0)]
    {
        let page = log.read(after, ALL);
        assert_eq!((page.is_complete, page.entries.len()), (is_complete, count), "after {after}");
    }
}

#[test]
fn an_entry_is_kept_for_its_whole_ttl_and_no_longer() {
    let mut log = KeptLog::new(7, &KEEP);
    log.append(Bytes::new(), None, 1_000).unwrap();
    assert_eq!(log.expires_ms(), Some(61_001));
    assert_eq!(log.expire(61_000), 0);
    assert_eq!(log.expire(61_001), 1);
    assert_eq!(log.expires_ms(), None);
}

#[test]
fn a_log_that_was_long_gives_its_room_back() {
    let keep = Keep { entries_max: NonZeroU32::new(100_000).unwrap(), ..KEEP };
    let mut log = KeptLog::new(7, &keep);
    let bare = log.bytes();
    for _ in 0..100_000 {
        log.append(Bytes::from_static(b"x"), Some("event"), 0).unwrap();
        log.events = None;
    }
    assert!(log.bytes() > 100_000 * 40);
    log.clear();
    assert!(log.bytes() < bare + 8 * 1024, "{} bytes", log.bytes());
}

/// What is done to a log.
#[derive(Clone, Debug)]
enum Step {
    Append { bytes: usize, event: Option<u8> },
    Read { after: u64, entries_max: u32, bytes_max: usize },
    Remove { offsets: Vec<u64> },
    Pass { ms: u64 },
    Adopt { entries_max: u32, ttl_ms: u64, window_ms: u64, refuses: bool },
    Clear,
    Halve,
}

/// The same, as plainly as it can be said: all there ever was, and what became of it.
struct Model {
    keep: Keep,
    now_ms: u64,
    kept: Vec<Entry>,
    events: Vec<(u8, u64, u64)>,
    head: u64,
    dropped: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..50_usize, option::of(0..6_u8))
            .prop_map(|(bytes, event)| Step::Append { bytes, event }),
        4 => (0..60_u64, 0..8_u32, 0..200_usize).prop_map(|(after, entries_max, bytes_max)| {
            Step::Read { after, entries_max, bytes_max }
        }),
        2 => vec(0..60_u64, 0..4).prop_map(|offsets| Step::Remove { offsets }),
        3 => (0..700_u64).prop_map(|ms| Step::Pass { ms }),
        1 => (1..12_u32, 1..2_000_u64, 1..2_000_u64, any::<bool>()).prop_map(
            |(entries_max, ttl_ms, window_ms, refuses)| Step::Adopt {
                entries_max, ttl_ms, window_ms, refuses
            }
        ),
        1 => Just(Step::Clear),
        1 => Just(Step::Halve),
    ];
    vec(step, 1..120)
}

impl Model {
    fn drop_oldest(&mut self, count: usize) {
        for entry in self.kept.drain(..count) {
            self.dropped = entry.position.offset;
        }
    }

    fn expire(&mut self) {
        let (now_ms, ttl_ms) = (self.now_ms, millis(self.keep.ttl));
        let count = self.kept.iter().filter(|entry| entry.appended_ms + ttl_ms < now_ms).count();
        self.drop_oldest(count);
        let window_ms = millis(self.keep.event_window);
        self.events.retain(|(_, _, ms)| ms + window_ms >= now_ms);
    }

    fn append(&mut self, payload: &Bytes, event: Option<u8>) -> Result<(u64, bool), Full> {
        self.expire();
        let known = self.events.iter().find(|(name, ..)| Some(*name) == event);
        if let Some((_, offset, _)) = known {
            return Ok((*offset, true));
        }
        let entries_max = self.keep.entries_max.get() as usize;
        if self.kept.len() >= entries_max {
            if self.keep.when_full == WhenFull::Refuse {
                return Err(Full);
            }
            self.drop_oldest(self.kept.len() + 1 - entries_max);
        }
        let previous = self.head;
        self.head += 1;
        let position = Position { epoch: 7, offset: self.head };
        let payload = payload.clone();
        self.kept.push(Entry { position, previous, appended_ms: self.now_ms, payload });
        self.events.extend(event.map(|name| (name, self.head, self.now_ms)));
        Ok((self.head, false))
    }

    fn read(&self, after: u64, limits: ReadLimits) -> Page {
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for entry in self.kept.iter().filter(|entry| entry.position.offset > after) {
            bytes += entry.payload.len();
            let is_over = bytes > limits.bytes_max && !entries.is_empty();
            if entries.len() >= limits.entries_max as usize || is_over {
                break;
            }
            let previous = entries.last().map_or(after, |before| before.position.offset);
            entries.push(Entry { previous, ..entry.clone() });
        }
        Page {
            head: Position { epoch: 7, offset: self.head },
            is_complete: after >= self.dropped && after <= self.head,
            entries,
        }
    }
}

/// Does the same to both; what both answer must be the same.
fn play(log: &mut KeptLog, model: &mut Model, step: Step) -> Result<(), TestCaseError> {
    match step {
        Step::Append { bytes, event } => {
            let payload = Bytes::from(vec![b'x'; bytes]);
            let expected = model.append(&payload, event);
            log.expire(model.now_ms);
            let event = event.map(|event| event.to_string());
            let appended = log.append(payload, event.as_deref(), model.now_ms);
            let appended = appended.map(|place| (place.position.offset, place.is_repeated));
            prop_assert_eq!(&appended, &expected);
            if let Ok((_, false)) = appended {
                prop_assert_eq!(log.last(), model.kept.last().cloned());
            }
        }
        Step::Read { after, entries_max, bytes_max } => {
            model.expire();
            log.expire(model.now_ms);
            let limits = ReadLimits { entries_max, bytes_max };
            prop_assert_eq!(log.read(after, limits), model.read(after, limits));
        }
        Step::Remove { offsets } => {
            model.kept.retain(|entry| !offsets.contains(&entry.position.offset));
            log.remove(&offsets);
        }
        Step::Pass { ms } => model.now_ms += ms,
        Step::Adopt { entries_max, ttl_ms, window_ms, refuses } => {
            model.keep = Keep {
                entries_max: NonZeroU32::new(entries_max).unwrap(),
                ttl: Duration::from_millis(ttl_ms),
                when_full: if refuses { WhenFull::Refuse } else { WhenFull::DropOldest },
                event_window: Duration::from_millis(window_ms),
            };
            log.adopt(&model.keep);
        }
        Step::Clear => {
            model.drop_oldest(model.kept.len());
            model.events.clear();
            log.clear();
        }
        Step::Halve => {
            model.drop_oldest(model.kept.len().div_ceil(2));
            model.events.drain(..model.events.len().div_ceil(2));
            log.halve();
        }
    }
    prop_assert_eq!(log.len(), model.kept.len());
    let payload_bytes: usize = model.kept.iter().map(|entry| entry.payload.len()).sum();
    prop_assert_eq!(log.payload_bytes, payload_bytes);
    Ok(())
}

proptest! {
    #[test]
    fn a_log_does_what_a_plain_list_would(steps in steps()) {
        let mut log = KeptLog::new(7, &KEEP);
        let mut model = Model {
            keep: KEEP, now_ms: 10_000, kept: Vec::new(), events: Vec::new(), head: 0, dropped: 0,
        };
        for step in steps {
            play(&mut log, &mut model, step)?;
        }
        model.expire();
        log.expire(model.now_ms);
        prop_assert_eq!(log.read(model.dropped, ALL), model.read(model.dropped, ALL));
        prop_assert_eq!(log.is_bare(), model.kept.is_empty() && model.events.is_empty());
    }
}
