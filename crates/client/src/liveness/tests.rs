use super::*;

const INTERVAL: Duration = Duration::from_secs(25);
const GRACE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(1);

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[test]
fn silence_for_the_heartbeat_is_asked_about_and_silence_for_the_grace_ends_the_connection() {
    let now = start();
    let mut liveness = Liveness::new(INTERVAL, GRACE, now);
    assert_eq!(liveness.poll_timeout(), now + INTERVAL);
    assert_eq!(liveness.handle_timeout(now + INTERVAL - TICK), Verdict::Wait);
    assert_eq!(liveness.handle_timeout(now + INTERVAL), Verdict::Ping);
    assert_eq!(liveness.handle_timeout(now + INTERVAL), Verdict::Wait, "it asks once");
    assert_eq!(liveness.poll_timeout(), now + INTERVAL + GRACE);
    assert_eq!(liveness.handle_timeout(now + INTERVAL + GRACE - TICK), Verdict::Wait);
    assert_eq!(liveness.handle_timeout(now + INTERVAL + GRACE), Verdict::Dead);
    assert_eq!(liveness.handle_timeout(now + INTERVAL + GRACE), Verdict::Dead);
}

#[test]
fn anything_heard_is_a_sign_of_life() {
    let now = start();
    let mut liveness = Liveness::new(INTERVAL, GRACE, now);
    // Something before it is asked: the question moves.
    liveness.handle_heard(now + INTERVAL - TICK);
    assert_eq!(liveness.handle_timeout(now + INTERVAL), Verdict::Wait);
    let asked_at = now + 2 * INTERVAL - TICK;
    assert_eq!(liveness.poll_timeout(), asked_at);
    // Something after it was asked: the verdict is off, and all begins again.
    assert_eq!(liveness.handle_timeout(asked_at), Verdict::Ping);
    let heard_at = asked_at + GRACE - TICK;
    liveness.handle_heard(heard_at);
    assert_eq!(liveness.handle_timeout(asked_at + GRACE), Verdict::Wait);
    assert_eq!(liveness.poll_timeout(), heard_at + INTERVAL);
}

#[test]
fn a_check_asks_at_once_and_only_once() {
    let now = start();
    let mut liveness = Liveness::new(INTERVAL, GRACE, now);
    liveness.check_now(now + TICK);
    assert_eq!(liveness.poll_timeout(), now + TICK);
    assert_eq!(liveness.handle_timeout(now + TICK), Verdict::Ping);
    liveness.check_now(now + 2 * TICK);
    assert_eq!(liveness.handle_timeout(now + 2 * TICK), Verdict::Wait);
    assert_eq!(liveness.handle_timeout(now + TICK + GRACE), Verdict::Dead);
}

#[test]
fn a_check_moves_no_question_that_is_overdue() {
    let now = start();
    let mut liveness = Liveness::new(INTERVAL, GRACE, now);
    liveness.check_now(now + 2 * INTERVAL);
    assert_eq!(liveness.poll_timeout(), now + INTERVAL);
}

#[test]
fn a_process_that_slept_asks_before_it_judges() {
    let now = start();
    let mut liveness = Liveness::new(INTERVAL, GRACE, now);
    let woken_at = now + 100 * INTERVAL;
    assert_eq!(liveness.handle_timeout(woken_at), Verdict::Ping);
    assert_eq!(liveness.poll_timeout(), woken_at + GRACE);
}

#[test]
fn an_untold_interval_is_thirty_seconds() {
    let now = start();
    let liveness = Liveness::new(Duration::ZERO, GRACE, now);
    assert_eq!(liveness.poll_timeout(), now + Duration::from_secs(30));
}

#[test]
fn an_absurd_interval_does_not_carry_the_clock_beyond_its_end() {
    let now = start();
    let mut liveness = Liveness::new(Duration::from_millis(u64::MAX), Duration::MAX, now);
    liveness.handle_heard(now);
    assert_eq!(liveness.poll_timeout(), now + WAIT_MAX);
    assert_eq!(liveness.handle_timeout(now + WAIT_MAX), Verdict::Ping);
}
