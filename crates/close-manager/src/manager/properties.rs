//! Any sequence of calls, the driver's part done after each.

use std::{
    collections::HashSet,
    num::{NonZeroU32, NonZeroUsize},
};

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{tests::run, *};
use crate::{Pace, Side, handshake::tests::base};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Close(u32),
    CloseAll { from: u32, count: u32, timeout: u64, concurrency: usize, pace: u32 },
    PeerClose(u32),
    Closed(u32, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..2000u64).prop_map(Step::Wait),
        (0..60u32).prop_map(Step::Close),
        (0..50u32, 0..40u32, 0..6000u64, 1..20usize, 0..50u32).prop_map(
            |(from, count, timeout, concurrency, pace)| {
                Step::CloseAll { from, count, timeout, concurrency, pace }
            }
        ),
        (0..60u32).prop_map(Step::PeerClose),
        (0..60u32, any::<bool>()).prop_map(|(key, acknowledged)| Step::Closed(key, acknowledged)),
        (0..60u32).prop_map(|key| Step::Closed(key, true)),
    ]
}

#[derive(Default)]
struct Driver {
    manager: GracefulCloseManager<u32>,
    told: HashSet<u32>,
}

impl Driver {
    fn take(&mut self, step: &Step, now: Instant) {
        match *step {
            Step::Wait(_) => {}
            Step::Close(key) => {
                self.manager.close_normal(key, "", now);
            }
            Step::CloseAll { from, count, timeout, concurrency, pace } => {
                let mut options = CloseOptions::new(SendableCode::RESTART)
                    .timeout(Duration::from_millis(timeout))
                    .concurrency(NonZeroUsize::new(concurrency).unwrap());
                if let Some(pace) = NonZeroU32::new(pace) {
                    options = options.pace(Pace::new(pace, 1));
                }
                self.manager.close_all(from..from + count, &options, now);
            }
            Step::PeerClose(key) => {
                self.manager.handle_peer_close(key, None, now);
            }
            Step::Closed(key, acknowledged) => {
                self.manager.handle_closed(&key, acknowledged, now);
                self.told.remove(&key);
            }
        }
    }

    fn do_its_part(&mut self, now: Instant) -> TestCaseResult {
        self.manager.handle_timeout(now);
        while let Some((key, _)) = self.manager.poll_close(now) {
            prop_assert!(self.told.insert(key), "told twice");
            prop_assert_eq!(self.manager.metadata(&key).unwrap().started_by, Side::Local);
        }
        while let Some(key) = self.manager.poll_force(now) {
            prop_assert!(!self.manager.is_closing(&key));
            self.told.remove(&key);
        }
        Ok(())
    }

    fn check(&self, now: Instant) -> TestCaseResult {
        let manager = &self.manager;
        prop_assert!(manager.poll_timeout().is_none_or(|at| at > now), "left something due");
        prop_assert_eq!(manager.poll_timeout().is_none(), manager.closing_count() == 0);
        prop_assert_eq!(manager.deadlines.len(), manager.closing_count());
        // That the books balance is asserted by `report` itself.
        let report = manager.report();
        prop_assert_eq!(report.waiting + report.closing, manager.closing_count());
        let in_flight = |entry: &&Entry| matches!(entry.stage, Stage::InFlight { .. });
        prop_assert_eq!(manager.in_flight, manager.closing.values().filter(in_flight).count());
        Ok(())
    }
}

proptest! {
    /// Each connection is told at most once and forced at most once, the books balance, and the last
    /// deadline leaves nothing behind.
    #[test]
    fn any_sequence_closes_all_by_the_deadline(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut now = base();
        let mut driver = Driver::default();
        for step in steps {
            if let Step::Wait(millis) = step {
                now += Duration::from_millis(millis);
            }
            driver.take(&step, now);
            driver.do_its_part(now)?;
            driver.check(now)?;
        }
        let mut manager = driver.manager;
        run(&mut manager, now, |_| None);
        prop_assert!(manager.report().is_done());
        prop_assert_eq!((manager.queue.len(), manager.single.len()), (0, 0));
    }
}
