use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn queue() -> Queue<&'static str> {
    Queue::new(QueueConfig::default())
}

/// Appends a message that is answered and may be repeated, as a publish is.
fn publish<T: std::fmt::Debug>(queue: &mut Queue<T>, priority: Priority, value: T) -> Key {
    queue.push(priority, 1, Confirm::Answered, true, value).expect("there is room")
}

fn pop<T: Copy>(queue: &mut Queue<T>, now: Instant) -> Option<T> {
    queue.pop(now).map(|next| match next {
        Next::Kept { value, .. } => *value,
        Next::Done { value, .. } => value,
    })
}

/// Sends all that can be sent now, and answers it at once.
fn send_all<T: Copy>(queue: &mut Queue<T>, now: Instant) -> Vec<T> {
    let mut sent = Vec::new();
    while let Some(next) = queue.pop(now) {
        match next {
            Next::Kept { key, value } => {
                sent.push(*value);
                assert!(queue.settle(key).is_some());
            }
            Next::Done { value, .. } => sent.push(value),
        }
    }
    sent
}

#[test]
fn what_is_kept_leaves_in_its_order() {
    let (mut queue, now) = (queue(), start());
    for value in ["a", "b", "c"] {
        publish(&mut queue, Priority::Normal, value);
    }
    assert_eq!((queue.len(), queue.bytes()), (3, 3));
    assert_eq!(send_all(&mut queue, now), ["a", "b", "c"]);
    assert!(queue.is_empty());
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let config = QueueConfig { entries_max: 2, bytes_max: 10, ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let push = |queue: &mut Queue<_>, priority, bytes, value| {
        queue.push(priority, bytes, Confirm::Answered, true, value)
    };
    let first = push(&mut queue, Priority::Normal, 3, "a").expect("there is room");
    push(&mut queue, Priority::Normal, 3, "b").expect("there is room");
    assert_eq!(push(&mut queue, Priority::Normal, 1, "entries"), Err("entries"));
    assert_eq!(push(&mut queue, Priority::High, 5, "bytes"), Err("bytes"));
    push(&mut queue, Priority::High, 4, "c").expect("another priority has room for four");
    assert_eq!(push(&mut queue, Priority::Low, 1, "bytes"), Err("bytes"));
    assert_eq!(queue.bytes(), 10);

    // What is sent and not answered is still held.
    assert_eq!(pop(&mut queue, now), Some("c"));
    assert_eq!(pop(&mut queue, now), Some("a"));
    assert_eq!(push(&mut queue, Priority::Normal, 0, "entries"), Err("entries"));
    assert_eq!(queue.settle(first), Some("a"));
    push(&mut queue, Priority::Normal, 3, "d").expect("there is room again");
    assert_eq!(push(&mut queue, Priority::Low, usize::MAX, "absurd"), Err("absurd"));
}

#[test]
fn higher_priorities_go_first() {
    let (mut queue, now) = (queue(), start());
    publish(&mut queue, Priority::Low, "low");
    publish(&mut queue, Priority::default(), "normal");
    publish(&mut queue, Priority::Critical, "critical");
    publish(&mut queue, Priority::High, "high");
    assert_eq!(send_all(&mut queue, now), ["critical", "high", "normal", "low"]);
}

#[test]
fn low_priority_is_never_starved() {
    let (mut queue, now) = (queue(), start());
    for _ in 0..100 {
        publish(&mut queue, Priority::Critical, "critical");
        publish(&mut queue, Priority::Low, "low");
    }
    let sent = send_all(&mut queue, now);
    let mut passes: Vec<_> = sent.split(|value| *value == "low").map(<[_]>::len).collect();
    passes.truncate(11);
    assert_eq!(passes, [8; 11], "eight of the others, then one of it");
}

#[test]
fn a_priority_waits_for_its_answer_and_the_others_do_not() {
    let (mut queue, now) = (queue(), start());
    let first = publish(&mut queue, Priority::High, "high 1");
    publish(&mut queue, Priority::High, "high 2");
    publish(&mut queue, Priority::Low, "low");
    assert_eq!(pop(&mut queue, now), Some("high 1"));
    assert_eq!(pop(&mut queue, now), Some("low"));
    assert_eq!(pop(&mut queue, now), None);
    assert_eq!(queue.sent_at(first), Some(now));
    assert_eq!(queue.settle(first), Some("high 1"));
    assert_eq!(queue.settle(first), None, "it is answered once");
    assert_eq!(queue.sent_at(first), None);
    assert_eq!(pop(&mut queue, now + SECOND), Some("high 2"));
}

#[test]
fn as_many_are_in_flight_as_may_be() {
    let config = QueueConfig { in_flight_max: 2, ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let keys = [1, 2, 3].map(|value| publish(&mut queue, Priority::Normal, value));
    assert_eq!(pop(&mut queue, now), Some(1));
    assert_eq!(pop(&mut queue, now), Some(2));
    assert_eq!(pop(&mut queue, now), None);
    queue.settle(keys[1]);
    assert_eq!(pop(&mut queue, now), Some(3));
}

#[test]
fn requests_do_not_wait_for_each_other() {
    let (mut queue, now) = (queue(), start());
    let request = queue.push(Priority::Normal, 1, Confirm::Tracked, false, "request 1");
    queue.push(Priority::Normal, 1, Confirm::Tracked, false, "request 2").expect("room");
    publish(&mut queue, Priority::Normal, "publish");
    queue.push(Priority::Normal, 1, Confirm::Tracked, false, "request 3").expect("room");
    for value in ["request 1", "request 2", "publish", "request 3"] {
        assert_eq!(pop(&mut queue, now), Some(value));
    }
    assert_eq!(queue.settle(request.expect("there was room")), Some("request 1"));
    assert_eq!(queue.len(), 3);
}

#[test]
fn what_is_only_written_is_done_when_it_goes_out() {
    let (mut queue, now) = (queue(), start());
    let key = queue.push(Priority::Normal, 5, Confirm::Written, false, "typing").expect("room");
    assert_eq!(queue.pop(now), Some(Next::Done { key, value: "typing" }));
    assert!(queue.is_empty());
    assert_eq!(queue.bytes(), 0);
    assert!(queue.handle_lost().is_empty());
}

#[test]
fn a_refused_entry_goes_again_first_and_the_rest_of_its_priority_waits() {
    let (mut queue, now) = (queue(), start());
    let first = publish(&mut queue, Priority::Normal, "first");
    publish(&mut queue, Priority::Normal, "second");
    publish(&mut queue, Priority::Low, "low");
    assert_eq!(pop(&mut queue, now), Some("first"));
    assert_eq!(queue.refuse(first, Some(3 * SECOND), now), Refused::Again);
    assert_eq!(pop(&mut queue, now), Some("low"));
    assert_eq!(pop(&mut queue, now), None);
    assert_eq!(queue.poll_timeout(), Some(now + 3 * SECOND));
    assert_eq!(send_all(&mut queue, now + 3 * SECOND), ["first", "second"]);
    assert_eq!(queue.poll_timeout(), None);
}

#[test]
fn who_may_go_and_cannot_be_written_keeps_nobody_awake() {
    let (mut queue, now) = (queue(), start());
    for priority in [Priority::High, Priority::Low] {
        let key = publish(&mut queue, priority, "a");
        pop(&mut queue, now);
        let retry_after = if priority == Priority::High { SECOND } else { 2 * SECOND };
        assert_eq!(queue.refuse(key, Some(retry_after), now), Refused::Again);
    }
    queue.handle_timeout(now);
    assert_eq!(queue.poll_timeout(), Some(now + SECOND));
    queue.handle_timeout(now + SECOND);
    assert_eq!(queue.poll_timeout(), Some(now + 2 * SECOND), "the first is only to be fetched");
    assert_eq!(pop(&mut queue, now + SECOND), Some("a"));
    assert_eq!(pop(&mut queue, now + SECOND), None);
}

#[test]
fn without_a_time_a_refusal_waits_longer_each_time() {
    let config = QueueConfig { refusals_max: 4, ..QueueConfig::default() };
    let (mut queue, mut now) = (Queue::new(config), start());
    let key = publish(&mut queue, Priority::Normal, "a");
    for attempt in 1..=3 {
        assert_eq!(pop(&mut queue, now), Some("a"));
        assert_eq!(queue.refuse(key, None, now), Refused::Again);
        assert_eq!(queue.poll_timeout(), Some(now + attempt * SECOND));
        now += attempt * SECOND;
    }
    assert_eq!(pop(&mut queue, now), Some("a"));
    assert_eq!(queue.refuse(key, None, now), Refused::Exhausted("a"));
    assert_eq!(queue.refuse(key, None, now), Refused::Unknown);
    assert!(queue.is_empty());
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn an_absurd_wait_does_not_carry_the_clock_beyond_its_end() {
    let (mut queue, now) = (queue(), start());
    let key = publish(&mut queue, Priority::Normal, "a");
    pop(&mut queue, now);
    assert_eq!(queue.refuse(key, Some(Duration::MAX), now), Refused::Again);
    assert_eq!(queue.poll_timeout(), Some(now + RETRY_MAX));
}

#[test]
fn what_waits_for_an_answer_needs_no_waking() {
    let config = QueueConfig { in_flight_max: 2, ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let keys = [1, 2].map(|value| publish(&mut queue, Priority::Normal, value));
    pop(&mut queue, now);
    pop(&mut queue, now);
    assert_eq!(queue.refuse(keys[0], None, now), Refused::Again);
    publish(&mut queue, Priority::Normal, 3);
    assert_eq!(queue.poll_timeout(), Some(now + SECOND), "one of two is in flight");

    queue.config.in_flight_max = 1;
    assert_eq!(queue.poll_timeout(), None, "or else a driver would spin from then on");
    assert_eq!(pop(&mut queue, now + SECOND), None);
    queue.settle(keys[1]);
    assert_eq!(send_all(&mut queue, now + SECOND), [1, 3]);
}

#[test]
fn what_was_lost_goes_first_in_its_order_or_comes_back() {
    let config = QueueConfig { in_flight_max: 4, ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let keys: Vec<_> = (1..=5)
        .map(|value| queue.push(Priority::Normal, 1, Confirm::Answered, value != 3, value))
        .map(|key| key.expect("there is room"))
        .collect();
    publish(&mut queue, Priority::High, 9);
    for value in [9, 1, 2, 3, 4] {
        assert_eq!(pop(&mut queue, now), Some(value));
    }
    queue.settle(keys[1]);
    assert_eq!(queue.handle_lost(), [3], "it may not be repeated");
    assert!(queue.handle_lost().is_empty(), "nothing was sent since");
    assert_eq!((queue.len(), queue.bytes()), (4, 4));
    assert_eq!(send_all(&mut queue, now), [9, 1, 4, 5]);
}

#[test]
fn losses_are_bounded_if_they_are() {
    let config = QueueConfig { losses_max: Some(2), ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let key = publish(&mut queue, Priority::Normal, "a");
    publish(&mut queue, Priority::Normal, "b");
    for _ in 0..2 {
        assert_eq!(pop(&mut queue, now), Some("a"));
        assert!(queue.handle_lost().is_empty());
    }
    assert!(queue.handle_lost().is_empty(), "it was not sent on that connection");
    assert_eq!(pop(&mut queue, now), Some("a"));
    assert_eq!(queue.handle_lost(), ["a"]);
    assert_eq!(queue.settle(key), None);
    assert_eq!(pop(&mut queue, now), Some("b"));
}

#[test]
fn what_nobody_answers_goes_again_on_the_same_connection() {
    let config = QueueConfig { losses_max: Some(1), ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let first = publish(&mut queue, Priority::Normal, "a");
    let second = queue.push(Priority::Low, 1, Confirm::Answered, false, "b").expect("room");
    publish(&mut queue, Priority::Normal, "c");
    assert_eq!((pop(&mut queue, now), pop(&mut queue, now)), (Some("a"), Some("b")));

    assert_eq!(queue.repeat(first), Refused::Again);
    assert_eq!(queue.repeat(first), Refused::Again, "it waits already, and that counts once");
    assert_eq!(queue.repeat(second), Refused::Exhausted("b"));
    assert_eq!(queue.repeat(second), Refused::Unknown);
    assert_eq!(pop(&mut queue, now), Some("a"));
    assert_eq!(queue.repeat(first), Refused::Exhausted("a"));
    assert_eq!(send_all(&mut queue, now), ["c"]);
}

#[test]
fn a_late_answer_settles_what_waits_again() {
    let (mut queue, now) = (queue(), start());
    let key = publish(&mut queue, Priority::Normal, "a");
    pop(&mut queue, now);
    assert_eq!(queue.repeat(key), Refused::Again);
    assert_eq!(queue.settle(key), Some("a"));
    assert_eq!(pop(&mut queue, now), None);
    assert!(queue.is_empty());
}

#[test]
fn what_is_cancelled_holds_up_nobody() {
    let (mut queue, now) = (queue(), start());
    let keys = ["a", "b", "c"].map(|value| publish(&mut queue, Priority::Normal, value));
    pop(&mut queue, now);
    assert_eq!(queue.refuse(keys[0], None, now), Refused::Again);
    assert_eq!(queue.settle(keys[1]), Some("b"));
    assert_eq!(queue.settle(keys[0]), Some("a"));
    assert_eq!(queue.poll_timeout(), None, "who had to wait is gone");
    assert_eq!(pop(&mut queue, now), Some("c"));
    assert_eq!(queue.settle(keys[2]), Some("c"));
    assert_eq!(queue.bytes(), 0);
}

#[test]
fn all_is_drained_oldest_first() {
    let (mut queue, now) = (queue(), start());
    for (priority, value) in
        [(Priority::Low, 1), (Priority::High, 2), (Priority::Normal, 3), (Priority::High, 4)]
    {
        // An entry of a queue of another type, so that the order cannot come from the values.
        let value = ["", "a", "b", "c", "d"][value];
        publish(&mut queue, priority, value);
    }
    assert_eq!(pop(&mut queue, now), Some("b"));
    assert_eq!(queue.drain(), ["a", "b", "c", "d"]);
    assert!(queue.is_empty() && queue.drain().is_empty());
    assert_eq!(queue.bytes(), 0);
    publish(&mut queue, Priority::High, "e");
    assert_eq!(pop(&mut queue, now), Some("e"), "nothing is in flight any more");
}

#[test]
fn a_key_finds_its_entry_and_only_that() {
    let (mut queue, now) = (queue(), start());
    let key = publish(&mut queue, Priority::Low, "a");
    assert_eq!(Key::from(key.get()), key);
    assert_eq!(queue.get_mut(key).copied(), Some("a"));
    pop(&mut queue, now);
    *queue.get_mut(key).expect("it is there") = "b";
    assert_eq!(queue.get_mut(Key::from(key.get() + 1)), None);
    assert_eq!(queue.settle(Key::from(u64::MAX)), None);
    assert_eq!(queue.settle(key), Some("b"));
}

/// How long the whole life of so many entries takes: pushed, sent, lost, sent again, and answered
/// from all over the queue.
/// What this thread has spent: what others do on the machine does not count.
fn processor_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).expect("a time that was spent")
}

fn life_of(count: u64) -> Duration {
    let config = QueueConfig { entries_max: usize::MAX, ..QueueConfig::default() };
    let (mut queue, now) = (Queue::new(config), start());
    let began_at = processor_time();
    let keys: Vec<_> = (0..count)
        .map(|value| queue.push(Priority::Normal, 1, Confirm::Tracked, true, value))
        .map(|key| key.expect("there is room"))
        .collect();
    let send_all = |queue: &mut Queue<_>| while queue.pop(now).is_some() {};
    send_all(&mut queue);
    assert!(queue.handle_lost().is_empty());
    for key in keys.iter().step_by(2) {
        assert!(queue.settle(*key).is_some());
    }
    send_all(&mut queue);
    let odd: Vec<_> = keys.iter().skip(1).step_by(2).collect();
    for place in 0..odd.len() {
        // A stride that shares no factor with the count reaches all of them.
        let key = *odd[place * 7_919 % odd.len()];
        assert_eq!(queue.refuse(key, Some(Duration::ZERO), now), Refused::Again);
        assert!(queue.settle(key).is_some());
    }
    assert!(queue.is_empty());
    processor_time() - began_at
}

#[test]
fn ten_thousand_entries_cost_little_more_each_than_five_hundred() {
    // Of several runs the fastest is the one that nothing else disturbed.
    let fastest = |count| (0..5).map(|_| life_of(count)).min().unwrap_or_default();
    let (few, many) = (fastest(500), fastest(10_000));
    let ratio = many.as_secs_f64() / few.as_secs_f64();
    assert!(ratio < 120.0, "twenty times as many take {ratio:.0} times as long, as a square would");
}
