//! Honest clients, who ask, wait for the answer, and remember how long that took.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use hdrhistogram::Histogram;

use super::{field, now};
use crate::torture::{client::Client, pause};

/// How many there are.
const COUNT: usize = 4;
/// Between an answer and the next question.
const REST: Duration = Duration::from_millis(8);
/// Who waits longer is not served.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// µs: longer than anybody waits.
const WAIT_MAX: u64 = 60_000_000;

/// What is going on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    Quiet,
    Siege,
    After,
}

/// µs of waiting, in each phase; and how often somebody was not served.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) by_phase: [Histogram<u64>; 3],
    pub(super) failures: usize,
}

impl Waits {
    pub(super) fn new() -> Result<Self, String> {
        let histogram =
            || Histogram::new_with_bounds(1, WAIT_MAX, 3).map_err(|error| error.to_string());
        Ok(Self { by_phase: [histogram()?, histogram()?, histogram()?], failures: 0 })
    }

    fn add(&mut self, other: &Self) {
        for (sum, part) in self.by_phase.iter_mut().zip(&other.by_phase) {
            // They were made alike.
            let _ = sum.add(part);
        }
        self.failures += other.failures;
    }

    pub(super) fn of(&self, phase: Phase) -> &Histogram<u64> {
        &self.by_phase[phase as usize]
    }
}

pub(super) struct Bystanders {
    threads: Vec<JoinHandle<Result<Waits, String>>>,
    is_over: Arc<AtomicBool>,
    all: Waits,
}

impl Bystanders {
    pub(super) fn start(port: u16, phase: &Arc<AtomicUsize>) -> Result<Self, String> {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for number in 0..COUNT {
            let token = field::token(&format!("bystander-{number}"))?;
            let (phase, is_over) = (phase.clone(), is_over.clone());
            threads.push(std::thread::spawn(move || ask_on(port, &token, &phase, &is_over)));
        }
        Ok(Self { threads, is_over, all: Waits::new()? })
    }

    /// Ends them, and answers how they fared.
    pub(super) fn end(self) -> Waits {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = self.all;
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(waits)) => all.add(&waits),
                Ok(Err(_)) | Err(_) => all.failures += 1,
            }
        }
        all
    }
}

fn ask_on(
    port: u16,
    token: &str,
    phase: &AtomicUsize,
    is_over: &AtomicBool,
) -> Result<Waits, String> {
    let mut waits = Waits::new()?;
    let mut number = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        let Ok(mut client) = Client::connect(port, token) else {
            waits.failures += 1;
            pause(Duration::from_millis(100));
            continue;
        };
        while !is_over.load(Ordering::Relaxed) {
            number += 1;
            let asked_in = phase.load(Ordering::Relaxed).min(2);
            let start = now();
            if ask(&mut client, number).is_none() {
                waits.failures += 1;
                break;
            }
            let waited = u64::try_from((now() - start).as_micros()).unwrap_or(u64::MAX);
            waits.by_phase[asked_in].saturating_record(waited);
            pause(REST);
        }
    }
    Ok(waits)
}

/// Asks, and waits for the answer.
fn ask(client: &mut Client, number: u64) -> Option<()> {
    let request =
        format!(r#"{{"type":"request","requestId":"{number}","payload":{{"n":{number}}}}}"#);
    client.say(request).ok()?;
    let wanted = format!(r#""requestId":"{number}""#);
    let start = now();
    while now() - start < ANSWER_MAX {
        let heard = client.hear().ok()?;
        if heard.is_some_and(|text| text.contains(&wanted)) {
            return Some(());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_seconds_is_counted_with_seconds() {
        let mut waits = Waits::new().unwrap();
        waits.by_phase[Phase::Siege as usize].saturating_record(3_000_000);
        let mut all = Waits::new().unwrap();
        all.add(&waits);
        let p99 = all.of(Phase::Siege).value_at_quantile(0.99);
        assert!((2_900_000..3_100_000).contains(&p99), "{p99}");
    }
}
