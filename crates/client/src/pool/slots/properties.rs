//! Whatever happens to a pool, its bounds hold, and everybody has a turn.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::tests::Fake;
use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(usize),
    Cancel(usize),
    Opened(usize, bool),
    Release(usize),
    Sicken(usize),
    Closed(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..6usize).prop_map(Step::Ask),
        1 => any::<usize>().prop_map(Step::Cancel),
        5 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(index, is_up)| Step::Opened(index, is_up)),
        5 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Sicken),
        3 => any::<usize>().prop_map(Step::Closed),
        1 => (0..90u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..200)
}

/// What a test knows of a pool from outside.
#[derive(Default)]
struct Seen {
    asked: Vec<(u64, usize)>,
    opening: Vec<Arc<Place>>,
    used: Vec<u64>,
    connections: HashSet<usize>,
    closing: Vec<Arc<Place>>,
}

fn take<T>(list: &mut Vec<T>, index: usize) -> Option<T> {
    (!list.is_empty()).then(|| list.remove(index % list.len()))
}

fn place(number: usize) -> Arc<Place> {
    // Three hosts with two paths each.
    Place::new(&format!("ws://{}/{}", number % 3, number / 3), "token")
}

fn act(slots: &mut Slots<Fake, usize>, seen: &mut Seen, now: Instant) -> Result<(), TestCaseError> {
    while let Some(action) = slots.poll_action(now) {
        match action {
            Action::Grant { waiter, id, connection } => {
                let first = seen.asked.iter().position(|(_, number)| *number == waiter);
                prop_assert!(first.is_some(), "nobody asked");
                seen.asked.remove(first.unwrap_or_default());
                prop_assert!(connection.is_healthy());
                let is_free = seen.connections.insert(Arc::as_ptr(&connection).addr());
                prop_assert!(is_free, "somebody uses it");
                seen.used.push(id);
            }
            Action::Open { waiter, place } => {
                let first = seen.asked.iter().position(|(_, number)| *number == waiter);
                prop_assert!(first.is_some(), "nobody asked");
                seen.asked.remove(first.unwrap_or_default());
                seen.opening.push(place);
            }
            Action::Close { place, .. } => seen.closing.push(place),
            Action::Refuse { .. } => prop_assert!(false, "the pool is open"),
        }
    }
    let (mut hosts, mut open) = (HashMap::<_, usize>::new(), 0);
    let used = slots.used.values().chain(slots.idle.iter().map(|idle| &idle.member));
    let places = used.map(|member| &member.place).chain(&seen.opening).chain(&seen.closing);
    for place in places {
        *hosts.entry(&*place.host).or_default() += 1;
        open += 1;
    }
    prop_assert!(open <= slots.config.connections_max, "{open} are open");
    let per_host_max = slots.config.connections_per_host_max;
    prop_assert!(hosts.values().all(|count| *count <= per_host_max), "{hosts:?}");
    let metrics = PoolMetrics { open, idle: slots.idle.len(), waiting: seen.asked.len() };
    prop_assert_eq!(slots.metrics(), metrics);
    Ok(())
}

proptest! {
    #[test]
    fn the_bounds_hold_and_everybody_is_served(
        steps in steps(), connections_max in 1..6usize, connections_per_host_max in 1..4usize,
    ) {
        let config = PoolConfig { connections_max, connections_per_host_max, ..Default::default() };
        let mut slots: Slots<Fake, usize> = Slots::new(config);
        let mut seen = Seen::default();
        let mut now = tokio::time::Instant::now().into_std();
        let forget = |slots: &Slots<Fake, usize>, seen: &mut Seen, id: u64| {
            seen.connections.remove(&Arc::as_ptr(&slots.used[&id].connection).addr());
        };
        let opened = |slots: &mut Slots<Fake, usize>, seen: &mut Seen, place: Arc<Place>, is_up: bool| {
            if !is_up {
                return slots.handle_failed(&place);
            }
            let id = slots.handle_opened(place, Arc::default()).expect("the pool is open");
            seen.connections.insert(Arc::as_ptr(&slots.used[&id].connection).addr());
            seen.used.push(id);
        };
        for step in steps {
            match step {
                Step::Ask(number) => seen.asked.push((slots.ask(place(number), number), number)),
                Step::Cancel(index) => {
                    if let Some((ticket, _)) = take(&mut seen.asked, index) {
                        slots.cancel(ticket);
                    }
                }
                Step::Opened(index, is_up) => {
                    if let Some(place) = take(&mut seen.opening, index) {
                        opened(&mut slots, &mut seen, place, is_up);
                    }
                }
                Step::Release(index) => {
                    if let Some(id) = take(&mut seen.used, index) {
                        forget(&slots, &mut seen, id);
                        slots.handle_released(id, now);
                    }
                }
                Step::Sicken(index) => {
                    let count = slots.idle.len().max(1);
                    if let Some(idle) = slots.idle.get(index % count) {
                        idle.member.connection.is_sick.store(true, Ordering::Relaxed);
                    }
                }
                Step::Closed(index) => {
                    if let Some(place) = take(&mut seen.closing, index) {
                        slots.handle_closed(&place);
                    }
                }
                Step::Pass(seconds) => {
                    now += Duration::from_secs(seconds);
                    slots.handle_timeout(now);
                }
            }
            act(&mut slots, &mut seen, now)?;
        }
        // Whoever opens, uses or closes comes to an end, and so does the line.
        let mut rounds = 0;
        while !seen.asked.is_empty() {
            if let Some(place) = take(&mut seen.opening, 0) {
                opened(&mut slots, &mut seen, place, true);
            } else if let Some(place) = take(&mut seen.closing, 0) {
                slots.handle_closed(&place);
            } else if let Some(id) = take(&mut seen.used, 0) {
                forget(&slots, &mut seen, id);
                slots.handle_released(id, now);
            } else {
                prop_assert!(false, "{} wait for nothing", seen.asked.len());
            }
            act(&mut slots, &mut seen, now)?;
            rounds += 1;
            prop_assert!(rounds < 2_000, "they are in each other's way");
        }
    }
}
