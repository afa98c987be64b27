//! The schedule against its rules written down naively, over any sequence of events.

use proptest::{prelude::*, test_runner::TestCaseResult};

use super::{tests::base, *};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    ToDeadline,
    Frame,
    Pong,
    StalePong,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..20_000_000u64).prop_map(Step::Wait),
        Just(Step::ToDeadline),
        Just(Step::ToDeadline),
        Just(Step::Frame),
        Just(Step::Pong),
        Just(Step::StalePong),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What anyone can tell who watches the connection from outside.
struct Witness {
    config: HeartbeatConfig,
    first_wait: Duration,
    now: Instant,
    last_life: Instant,
    pings_since_life: u32,
    pings: u32,
    last_ping: Option<([u8; 8], Instant)>,
    dead: bool,
}

impl Witness {
    fn sees_action(&mut self, action: Action) -> TestCaseResult {
        let (now, silence) = (self.now, self.now - self.last_life);
        let again = self.last_ping.map(|(_, at)| at + self.config.pong_timeout());
        match action {
            Action::SendPing(payload) => {
                if self.pings_since_life == 0 {
                    let interval = self.config.ping_interval();
                    let patience = if self.pings == 0 { self.first_wait } else { interval };
                    // Never early; late at most by a wait that a frame has ended.
                    prop_assert!(silence >= patience);
                    prop_assert!(silence <= patience.max(self.config.pong_timeout()));
                } else {
                    prop_assert_eq!(Some(now), again);
                    prop_assert!(self.pings_since_life < self.config.max_missed_pongs());
                }
                self.pings_since_life += 1;
                self.pings += 1;
                self.last_ping = Some((payload, now));
            }
            Action::DeclareDead => {
                prop_assert!(!self.dead, "declared dead twice");
                prop_assert_eq!(self.pings_since_life, self.config.max_missed_pongs());
                prop_assert_eq!(Some(now), again);
                prop_assert!(silence <= self.config.detection_bound());
                self.dead = true;
            }
        }
        Ok(())
    }

    fn sees_frame(&mut self) {
        if !self.dead {
            (self.last_life, self.pings_since_life) = (self.now, 0);
        }
    }

    fn agrees_with(&self, heartbeat: &Heartbeat) -> TestCaseResult {
        let stats = heartbeat.stats(self.now);
        prop_assert_eq!(heartbeat.is_dead(), self.dead);
        prop_assert_eq!(stats.pings, self.pings);
        prop_assert!(stats.pongs <= stats.pings && stats.missed <= stats.pings);
        if !self.dead {
            let silence = self.now - self.last_life;
            prop_assert_eq!(stats.silent_for, silence);
            prop_assert_eq!(stats.missed_in_a_row, self.pings_since_life.saturating_sub(1));
            prop_assert!(silence < self.config.detection_bound(), "outlived the bound");
        }
        Ok(())
    }
}

/// Lets time pass until `target`, every deadline kept.
fn pass_time(heartbeat: &mut Heartbeat, witness: &mut Witness, target: Instant) -> TestCaseResult {
    while let Some(at) = heartbeat.poll_timeout().filter(|&at| at <= target) {
        prop_assert!(at >= witness.now, "a deadline in the past was left behind");
        witness.now = at;
        match heartbeat.handle_timeout(at) {
            None => prop_assert!(heartbeat.poll_timeout().unwrap() > at),
            Some(action) => witness.sees_action(action)?,
        }
    }
    witness.now = target;
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// When deadlines are kept, pings and death come exactly when the schedule says, counted from the
    /// peer's last frame, whatever happens.
    #[test]
    fn any_sequence_keeps_the_schedule(
        steps in steps(),
        seed: u64,
        interval_ms in 1..40_000u64,
        timeout_ms in 1..8_000u64,
        max_missed in 1..5u32,
    ) {
        let ms = Duration::from_millis;
        let config = HeartbeatConfig::new(ms(interval_ms), ms(timeout_ms), max_missed).unwrap();
        let now = base();
        let mut heartbeat = Heartbeat::new(config, now, seed);
        let mut witness = Witness {
            config,
            first_wait: config.first_wait(seed),
            now,
            last_life: now,
            pings_since_life: 0,
            pings: 0,
            last_ping: None,
            dead: false,
        };
        for step in steps {
            let now = witness.now;
            match step {
                Step::Wait(micros) => {
                    let target = now + Duration::from_micros(micros);
                    pass_time(&mut heartbeat, &mut witness, target)?;
                }
                Step::ToDeadline => {
                    let target = heartbeat.poll_timeout().unwrap_or(now);
                    pass_time(&mut heartbeat, &mut witness, target)?;
                }
                Step::Frame => {
                    heartbeat.handle_frame(now);
                    witness.sees_frame();
                }
                Step::StalePong => {
                    prop_assert_eq!(heartbeat.handle_pong(b"not a ping", now), None);
                    witness.sees_frame();
                }
                Step::Pong => {
                    let (payload, sent) = witness.last_ping.unwrap_or(([0; 8], now));
                    if let Some(round_trip) = heartbeat.handle_pong(&payload, now) {
                        prop_assert_eq!(round_trip, now - sent);
                    }
                    witness.sees_frame();
                }
            }
            witness.agrees_with(&heartbeat)?;
        }
    }
}
