//! The queue against a plain list of what should be in it.

use proptest::prelude::*;

use super::*;

const ANY: [Priority; PRIORITIES] =
    [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];

/// What the list knows of an entry. Its place in the list is its age.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    priority: Priority,
    bytes: usize,
    confirm: Confirm,
    is_repeatable: bool,
    is_sent: bool,
    not_before: Option<Instant>,
    refusals: u32,
    losses: u32,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push { priority: Priority, bytes: usize, confirm: Confirm, is_repeatable: bool },
    Pop,
    Settle(usize),
    Refuse(usize, Option<u64>),
    Repeat(usize),
    Lose,
    Pass(u64),
}

fn confirms() -> impl Strategy<Value = Confirm> {
    prop_oneof![3 => Just(Confirm::Answered), 1 => Just(Confirm::Written), 1 => Just(Confirm::Tracked)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (prop::sample::select(&ANY[..]), 0..20usize, confirms(), prop::bool::weighted(0.8));
    let step = prop_oneof![
        12 => push.prop_map(|(priority, bytes, confirm, is_repeatable)| {
            Step::Push { priority, bytes, confirm, is_repeatable }
        }),
        12 => Just(Step::Pop),
        4 => any::<usize>().prop_map(Step::Settle),
        3 => (any::<usize>(), prop::option::of(0..3_000u64))
            .prop_map(|(index, retry)| Step::Refuse(index, retry)),
        2 => any::<usize>().prop_map(Step::Repeat),
        1 => Just(Step::Lose),
        2 => (0..2_000u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..300)
}

fn configs() -> impl Strategy<Value = QueueConfig> {
    (1..8usize, 10..200usize, 0..4usize, 3..9u32, 0..4u32, prop::option::of(0..3u32)).prop_map(
        |(entries_max, bytes_max, in_flight_max, passes_max, refusals_max, losses_max)| {
            let retry_delay = Duration::from_secs(1);
            QueueConfig {
                entries_max,
                bytes_max,
                in_flight_max,
                passes_max,
                refusals_max,
                retry_delay,
                losses_max,
            }
        },
    )
}

/// The queue and the list, which go through the same.
struct Pair {
    config: QueueConfig,
    queue: Queue<Key>,
    list: Vec<Known>,
    passes: [u32; PRIORITIES],
    now: Instant,
}

impl Pair {
    fn new(config: QueueConfig) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let (queue, list) = (Queue::new(config), Vec::new());
        Self { config, queue, list, passes: [0; PRIORITIES], now }
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push { priority, bytes, confirm, is_repeatable } => {
                self.push(priority, bytes, confirm, is_repeatable)?;
            }
            Step::Pop => self.pop()?,
            Step::Settle(index) => {
                let Some(known) = self.remove(index) else { return Ok(()) };
                prop_assert_eq!(self.queue.settle(known.key), Some(known.key));
                prop_assert_eq!(self.queue.settle(known.key), None);
            }
            Step::Refuse(index, retry) => self.refuse(index, retry.map(Duration::from_millis))?,
            Step::Repeat(index) => self.repeat(index)?,
            Step::Lose => {
                let config = self.config;
                self.passes = [0; PRIORITIES];
                let (kept, returned): (Vec<_>, Vec<_>) = std::mem::take(&mut self.list)
                    .into_iter()
                    .map(|known| known.after_loss(&config))
                    .partition(|(_, is_kept)| *is_kept);
                self.list = kept.into_iter().map(|(known, _)| known).collect();
                let returned: Vec<_> = returned.into_iter().map(|(known, _)| known.key).collect();
                prop_assert_eq!(self.queue.handle_lost(), returned);
            }
            Step::Pass(millis) => {
                self.now += Duration::from_millis(millis);
                // Telling the time or not makes no difference to what goes.
                if millis % 2 == 0 {
                    self.queue.handle_timeout(self.now);
                    self.tell_time();
                }
            }
        }
        self.check()
    }

    fn push(
        &mut self,
        priority: Priority,
        bytes: usize,
        confirm: Confirm,
        is_repeatable: bool,
    ) -> Result<(), TestCaseError> {
        let entries = self.list.iter().filter(|known| known.priority == priority).count();
        let held: usize = self.list.iter().map(|known| known.bytes).sum();
        let has_room = entries < self.config.entries_max && held + bytes <= self.config.bytes_max;
        let nobody = Key::from(0);
        let Ok(key) = self.queue.push(priority, bytes, confirm, is_repeatable, nobody) else {
            prop_assert!(!has_room, "refused with room left");
            return Ok(());
        };
        prop_assert!(has_room, "taken beyond the bounds");
        prop_assert!(self.list.iter().all(|known| known.key < key), "keys grow with age");
        *self.queue.get_mut(key).expect("it was taken") = key;
        self.list.push(Known {
            key,
            priority,
            bytes,
            confirm,
            is_repeatable,
            is_sent: false,
            not_before: None,
            refusals: 0,
            losses: 0,
        });
        Ok(())
    }

    /// The first of a priority, unless something must be answered before it.
    fn sendable(&self, priority: Priority) -> Option<usize> {
        let of_it = || self.list.iter().enumerate().filter(|(_, it)| it.priority == priority);
        let counts = |known: &Known| known.is_sent && known.confirm == Confirm::Answered;
        let in_flight = of_it().filter(|(_, known)| counts(known)).count();
        let (index, first) = of_it().find(|(_, known)| !known.is_sent)?;
        let must_wait =
            first.confirm == Confirm::Answered && in_flight >= self.config.in_flight_max.max(1);
        (!must_wait).then_some(index)
    }

    fn pop(&mut self) -> Result<(), TestCaseError> {
        let is_due = |index: &usize| self.list[*index].not_before.is_none_or(|it| it <= self.now);
        let firsts = ANY.map(|priority| self.sendable(priority).filter(is_due));
        let (key, is_done) = match self.queue.pop(self.now) {
            None => {
                prop_assert_eq!(firsts, [None; PRIORITIES], "something could go");
                self.passes = [0; PRIORITIES];
                return Ok(());
            }
            Some(Next::Kept { key, value }) => {
                prop_assert_eq!(key, *value);
                (key, false)
            }
            Some(Next::Done { key, value }) => {
                prop_assert_eq!(key, value);
                (key, true)
            }
        };
        let is_it = |first: &Option<usize>| first.is_some_and(|it| self.list[it].key == key);
        let chosen = firsts.iter().position(is_it);
        let Some(chosen) = chosen else {
            return Err(TestCaseError::fail(format!("{key:?} is not the first of its priority")));
        };
        for (index, passes) in self.passes.iter_mut().enumerate() {
            let is_passed_over = firsts[index].is_some() && index != chosen;
            *passes = if is_passed_over { *passes + 1 } else { 0 };
            prop_assert!(*passes <= self.config.passes_max, "{index} starves");
        }
        let place = firsts[chosen].expect("it is the first");
        prop_assert_eq!(is_done, self.list[place].confirm == Confirm::Written);
        if is_done {
            self.list.remove(place);
        } else {
            self.list[place].is_sent = true;
            self.list[place].not_before = None;
            prop_assert_eq!(self.queue.sent_at(key), Some(self.now));
        }
        Ok(())
    }

    fn refuse(&mut self, index: usize, retry: Option<Duration>) -> Result<(), TestCaseError> {
        let Some(mut known) = self.remove(index) else { return Ok(()) };
        let outcome = self.queue.refuse(known.key, retry, self.now);
        known.refusals += 1;
        if known.refusals >= self.config.refusals_max {
            prop_assert_eq!(outcome, Refused::Exhausted(known.key));
            prop_assert_eq!(self.queue.refuse(known.key, retry, self.now), Refused::Unknown);
            return Ok(());
        }
        prop_assert_eq!(outcome, Refused::Again);
        let delay = retry.unwrap_or(self.config.retry_delay * known.refusals);
        known.not_before = Some(self.now + delay);
        known.is_sent = false;
        self.insert(known);
        Ok(())
    }

    fn repeat(&mut self, index: usize) -> Result<(), TestCaseError> {
        let Some(known) = self.remove(index) else { return Ok(()) };
        let outcome = self.queue.repeat(known.key);
        let (known, is_kept) = known.after_loss(&self.config);
        if is_kept {
            prop_assert_eq!(outcome, Refused::Again);
            self.insert(known);
        } else {
            prop_assert_eq!(outcome, Refused::Exhausted(known.key));
        }
        Ok(())
    }

    fn remove(&mut self, index: usize) -> Option<Known> {
        let count = self.list.len();
        (count > 0).then(|| self.list.remove(index % count))
    }

    fn insert(&mut self, known: Known) {
        self.list.push(known);
        self.list.sort_by_key(|known| known.key);
    }

    /// The first of each priority waits for the time no more if it has come.
    fn tell_time(&mut self) {
        for priority in ANY {
            let first = self.list.iter_mut().find(|it| it.priority == priority && !it.is_sent);
            if let Some(first) = first {
                first.not_before = first.not_before.filter(|it| *it > self.now);
            }
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.queue.len(), self.list.len());
        prop_assert_eq!(self.queue.is_empty(), self.list.is_empty());
        prop_assert_eq!(
            self.queue.bytes(),
            self.list.iter().map(|known| known.bytes).sum::<usize>()
        );
        let due = |priority| self.list[self.sendable(priority)?].not_before;
        prop_assert_eq!(self.queue.poll_timeout(), ANY.into_iter().filter_map(due).min());
        Ok(())
    }
}

impl Known {
    /// As it is after a connection is lost, and whether it is kept.
    fn after_loss(mut self, config: &QueueConfig) -> (Self, bool) {
        if !self.is_sent {
            return (self, true);
        }
        self.is_sent = false;
        self.losses += 1;
        let is_kept = self.is_repeatable && config.losses_max.is_none_or(|it| self.losses <= it);
        (self, is_kept)
    }
}

proptest! {
    #[test]
    fn it_holds_what_a_list_would_hold(config in configs(), steps in steps()) {
        let mut pair = Pair::new(config);
        for step in steps {
            pair.step(step)?;
        }
        let expected: Vec<_> = pair.list.iter().map(|known| known.key).collect();
        prop_assert_eq!(pair.queue.drain(), expected, "nothing is lost and nothing is doubled");
    }

    /// With one in flight, what the server has taken is in the order of the calls, whatever it
    /// refused, left unanswered, or took on a connection that was lost before it could say so.
    #[test]
    fn a_publish_keeps_its_order_over_retries(
        priorities in prop::collection::vec(prop::sample::select(&ANY[..]), 1..40),
        fates in prop::collection::vec(0..5u8, 0..60),
    ) {
        let config = QueueConfig { refusals_max: u32::MAX, ..QueueConfig::default() };
        let mut queue = Queue::new(config);
        let mut now = tokio::time::Instant::now().into_std();
        for (age, priority) in priorities.iter().enumerate() {
            let pushed = queue.push(*priority, 1, Confirm::Answered, true, (*priority, age));
            prop_assert!(pushed.is_ok());
        }
        let mut taken: Vec<(Priority, usize)> = Vec::new();
        let mut fates = fates.into_iter();
        while !queue.is_empty() {
            let Some(Next::Kept { key, value }) = queue.pop(now) else {
                now = queue.poll_timeout().expect("somebody waits for the time");
                continue;
            };
            let value = *value;
            let fate = fates.next().unwrap_or(0);
            // The server knows the event id of what it has taken before, and takes it once.
            if matches!(fate, 0 | 3) && !taken.contains(&value) {
                taken.push(value);
            }
            match fate {
                0 => prop_assert_eq!(queue.settle(key), Some(value)),
                1 => prop_assert_eq!(queue.refuse(key, None, now), Refused::Again),
                2 => prop_assert_eq!(queue.repeat(key), Refused::Again),
                _ => prop_assert!(queue.handle_lost().is_empty()),
            }
        }
        prop_assert_eq!(taken.len(), priorities.len());
        for priority in ANY {
            let ages = taken.iter().filter(|(of, _)| *of == priority).map(|(_, age)| *age);
            prop_assert!(ages.is_sorted(), "{priority:?} is out of order: {taken:?}");
        }
    }
}
