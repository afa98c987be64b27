use proptest::prelude::*;

use super::*;

const TTL: Duration = Duration::from_secs(300);

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[test]
fn an_id_is_new_once() {
    let (mut seen, now) = (Duplicates::new(TTL, 10), start());
    assert!(seen.is_empty());
    assert!(seen.insert("a", now));
    assert!(!seen.insert("a", now));
    assert!(seen.insert("b", now));
    assert!(seen.contains("a", now));
    assert!(!seen.contains("c", now));
    assert_eq!(seen.len(), 2);
}

#[test]
fn an_id_is_forgotten_when_its_time_is_over() {
    let (mut seen, now) = (Duplicates::new(TTL, 10), start());
    seen.insert("a", now);
    let before = now + TTL - Duration::from_nanos(1);
    assert!(!seen.insert("a", before), "seeing it again makes it no younger");
    assert!(seen.insert("a", now + TTL));
    assert_eq!(seen.len(), 1);
}

#[test]
fn the_oldest_leave_first() {
    let (mut seen, now) = (Duplicates::new(TTL, 2), start());
    for id in ["a", "b", "c"] {
        assert!(seen.insert(id, now));
    }
    assert_eq!(seen.len(), 2);
    assert!(!seen.contains("a", now));
    assert!(seen.contains("b", now) && seen.contains("c", now));
}

#[test]
fn what_was_not_taken_is_new_again() {
    let (mut seen, now) = (Duplicates::new(TTL, 2), start());
    seen.insert("a", now);
    seen.insert("b", now);
    seen.forget("a");
    seen.forget("a");
    assert_eq!(seen.len(), 1);
    assert!(seen.insert("a", now + TTL / 2));
    // What was forgotten left nothing behind that would end the second life of `a` with the first.
    assert!(seen.contains("a", now + TTL));
    assert!(!seen.contains("b", now + TTL));
}

#[test]
fn without_room_nothing_is_remembered() {
    let (mut seen, now) = (Duplicates::new(TTL, 0), start());
    assert!(seen.insert("a", now));
    assert!(seen.insert("a", now));
    assert!(seen.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8),
    Forget(u8),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..12u8).prop_map(Step::Insert),
        1 => (0..12u8).prop_map(Step::Forget),
        2 => (0..120u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn it_knows_what_a_list_would_know(steps in steps(), entries_max in 0..8usize) {
        let mut seen = Duplicates::new(TTL, entries_max);
        let mut list: Vec<(u8, Instant)> = Vec::new();
        let mut now = start();
        for step in steps {
            match step {
                Step::Insert(id) => {
                    list.retain(|(_, at)| now - *at < TTL);
                    let is_new = list.iter().all(|(known, _)| *known != id);
                    prop_assert_eq!(seen.insert(&id.to_string(), now), is_new);
                    if is_new {
                        list.push((id, now));
                        list.drain(..list.len().saturating_sub(entries_max));
                    }
                    prop_assert_eq!(seen.len(), list.len());
                }
                Step::Forget(id) => {
                    seen.forget(&id.to_string());
                    list.retain(|(known, _)| *known != id);
                }
                Step::Pass(seconds) => now += Duration::from_secs(seconds),
            }
        }
    }
}
