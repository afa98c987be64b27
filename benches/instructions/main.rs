//! The work that `cargo xtask instructions` counts: one thing at a time, done over and over, each
//! case between two marks that callgrind is told of.
//!
//! Prints a line for each case, `messages<TAB>name`, in the order in which they were done: callgrind
//! writes what each cost to a file of its own. Names on the command line choose cases.
//!
//! ```text
//! cargo run --profile counts -p ws-gateway-instructions
//! ```
#![expect(clippy::print_stdout, reason = "its output is its purpose")]
#![expect(clippy::unwrap_used, reason = "what goes wrong here is a mistake in the work itself")]

use std::hint::black_box;

mod connecting;
mod crowd;
mod delivering;
mod echoing;
mod house;
#[path = "../lib.rs"]
#[expect(dead_code, unreachable_pub, reason = "a part of what the benches share is all we need")]
mod material;
mod publishing;
mod requesting;
mod single_parts;

/// Things done the same way each time.
struct Case {
    name: String,
    /// How many rounds are counted, and how many go before to warm what is kept.
    rounds: u32,
    /// What the figure is for: so many messages, receivers or connects make up a round.
    messages: u32,
    round: Box<dyn FnMut()>,
}

impl Case {
    fn new(
        name: impl Into<String>,
        rounds: u32,
        messages: u32,
        round: impl FnMut() + 'static,
    ) -> Self {
        Self { name: name.into(), rounds, messages, round: Box::new(round) }
    }
}

/// Cases are made one after the other, so that the memory of one is not in the way of the next.
type Maker = fn(&mut dyn FnMut(Case));

const MAKERS: [Maker; 6] = [
    single_parts::cases,
    echoing::cases,
    requesting::cases,
    delivering::cases,
    connecting::cases,
    publishing::cases,
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    // Timers are made and never fire: nobody drives this runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    let mut count = |mut case: Case| {
        if !wanted.is_empty() && !wanted.contains(&case.name) {
            return;
        }
        for _ in 0..case.rounds {
            (case.round)();
        }
        count_these_instructions(&mut *case.round, case.rounds);
        println!("{}\t{}", case.rounds * case.messages, case.name);
    };
    for make in MAKERS {
        make(&mut count);
    }
}

/// Callgrind counts from its first instruction to its last, because of its name.
#[inline(never)]
fn count_these_instructions(round: &mut dyn FnMut(), rounds: u32) {
    for _ in 0..black_box(rounds) {
        round();
    }
}
