//! The checker is checked: against a gateway that keeps its word, and against ones that break it in one way each.

mod fake;

use std::{collections::BTreeMap, sync::atomic::AtomicBool, time::Duration};

use self::fake::{Fake, Flaw};
use super::{
    arguments::{Engine, Plan},
    course::Course,
    drive::{Outcome, drive},
    fault::{Fault, Kind},
    house::Stage,
    proxy::Proxy,
    verdict::Difference,
};

/// Two doors to the same fake, each behind a proxy.
struct FakeHouse {
    doors: [Proxy; 2],
    _fake: Fake,
}

impl FakeHouse {
    fn new(flaw: Flaw) -> Self {
        let fake = Fake::start(flaw);
        let door = || Proxy::start(fake.port()).unwrap();
        Self { doors: [door(), door()], _fake: fake }
    }
}

impl Stage for FakeHouse {
    fn doors(&self) -> Vec<u16> {
        self.doors.iter().map(Proxy::port).collect()
    }

    fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        self.doors[fault.gateway].cut();
        Ok(())
    }

    fn heal(&mut self, _: &Fault) -> Result<(), String> {
        Ok(())
    }

    fn logs(&self) -> String {
        String::new()
    }
}

fn run(flaw: Flaw, gaps_allowed: bool) -> Outcome {
    let plan = Plan {
        engine: Engine::Memory,
        is_volatile: gaps_allowed,
        duration: None,
        messages: Some(1_200),
        seed: 1,
        gateways: 2,
        publishers: 3,
        subscribers: 3,
        channels: 2,
        has_faults: true,
        program: "none".into(),
        json: None,
        is_quiet: true,
        standstill_max: Duration::from_secs(1),
        afterwards: Duration::from_millis(50),
    };
    let mut house = FakeHouse::new(flaw);
    let course = Course::new(plan, house.doors()).unwrap();
    let mut cuts = (1..).map(|number: u64| Fault {
        at: number * 40,
        lasting: 0,
        kind: Kind::ClientsCut,
        gateway: usize::try_from(number % 2).unwrap(),
    });
    drive(&course, &mut house, &mut cuts, &AtomicBool::new(false), &mut |_| {}).unwrap()
}

#[test]
fn a_gateway_that_keeps_its_word_is_believed() {
    let outcome = run(Flaw::None, false);
    assert!(outcome.verdict.is_good(), "{:?}", outcome.verdict);
    assert_eq!((outcome.accepted, outcome.seen), (1_200, 3 * 1_200));
    assert!(outcome.publishers.sent > 1_200, "the fake swallows acknowledgements");
    assert!(outcome.subscribers.recovered > 0 && !outcome.subscribers.recovery.is_empty());
}

#[test]
fn each_way_to_break_the_word_is_found() {
    const FOUND: [(Flaw, Difference); 8] = [
        (Flaw::Loses, Difference::Lost),
        (Flaw::LosesAtReturn, Difference::Lost),
        (Flaw::AcknowledgesOnly, Difference::Lost),
        (Flaw::Doubles, Difference::Doubled),
        (Flaw::ForgetsEvents, Difference::Doubled),
        (Flaw::Swaps, Difference::OffsetBack),
        (Flaw::SwapsOffsetsToo, Difference::Disagreed),
        (Flaw::CannotRecover, Difference::ToldGap),
    ];
    std::thread::scope(|scope| {
        for (flaw, difference) in FOUND {
            scope.spawn(move || {
                let outcome = run(flaw, false);
                let count = outcome.verdict.count(difference);
                assert!(count > 0, "{flaw:?}: {:?}", outcome.verdict);
            });
        }
    });
}

#[test]
fn what_was_told_to_be_missing_is_no_loss_where_that_is_all_that_is_promised() {
    let outcome = run(Flaw::CannotRecover, true);
    assert!(outcome.verdict.is_good(), "{:?}", outcome.verdict);
    assert!(outcome.verdict.told_gaps > 0);
    let silent = run(Flaw::Loses, true);
    assert!(silent.verdict.count(Difference::Lost) > 0, "{:?}", silent.verdict);
}

#[test]
fn a_report_says_what_came_of_it() {
    let outcome = run(Flaw::Doubles, false);
    let plan = Plan { seed: 77, ..plan_of_report() };
    let text = super::report::table(&plan, &outcome);
    for part in ["77", "FAILED", "doubled:", "clients cut off"] {
        assert!(text.contains(part), "{text}");
    }
    let json = super::report::json(&plan, &outcome);
    assert_eq!(json["good"], false);
    assert!(json["differences"]["doubled"]["count"].as_u64().unwrap() > 0);
    let faults: BTreeMap<String, u64> = serde_json::from_value(json["faults"].clone()).unwrap();
    assert!(faults["clients cut off"] > 0);
}

fn plan_of_report() -> Plan {
    let words = ["ws-torture", "--gateway", "g", "--engine", "redis"];
    super::arguments::plan(&super::arguments::command().get_matches_from(words)).unwrap()
}
