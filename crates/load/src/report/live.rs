//! Progress while it runs: redrawn in place on a terminal, a line a second elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use super::{
    Progress, Sample,
    figures::{count, number, time},
};
use crate::{clock::Nanos, engine::Phase};

/// Where there is no terminal, a line each.
const LINE: Nanos = 1_000_000_000;
/// So many causes of errors are shown; there are rarely more.
const CAUSES_MAX: usize = 4;

/// Draws on the standard error, and keeps the samples for the plots.
#[derive(Debug)]
pub(crate) struct Live {
    shows: bool,
    in_place: bool,
    /// Lines on the terminal that the next drawing replaces.
    drawn: usize,
    next_line: Nanos,
    /// What came since the last line.
    gathered: Option<Sample>,
    pub(crate) samples: Vec<Sample>,
}

impl Live {
    pub(crate) fn new(shows: bool) -> Self {
        Self {
            shows,
            in_place: io::stderr().is_terminal(),
            drawn: 0,
            next_line: LINE,
            gathered: None,
            samples: Vec::new(),
        }
    }

    fn draw(&mut self, sample: &Sample) {
        let lines = lines(sample);
        let mut text = self.erasing();
        lines.iter().for_each(|line| text.push_str(&format!("{line}\n")));
        self.drawn = if self.in_place { lines.len() } else { 0 };
        // Progress that cannot be shown is no reason to stop.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Up to the first line that was drawn, and away with it all.
    fn erasing(&self) -> String {
        if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() }
    }
}

impl Progress for Live {
    fn tick(&mut self, sample: &Sample) {
        self.samples.push(sample.clone());
        if !self.shows {
            return;
        }
        if self.in_place {
            return self.draw(sample);
        }
        let gathered = match self.gathered.take() {
            Some(earlier) => earlier.with(sample),
            None => sample.clone(),
        };
        if sample.at < self.next_line {
            self.gathered = Some(gathered);
        } else {
            self.next_line = sample.at + LINE;
            self.draw(&gathered);
        }
    }

    fn done(&mut self) {
        let erasing = self.erasing();
        self.drawn = 0;
        let _ = io::stderr().write_all(erasing.as_bytes());
    }
}

impl Sample {
    /// Both as one; of the latencies, the worse.
    fn with(mut self, later: &Self) -> Self {
        self.messages += later.messages;
        self.connects += later.connects;
        self.errors += later.errors;
        self.span += later.span;
        Self {
            messages: self.messages,
            connects: self.connects,
            errors: self.errors,
            span: self.span,
            p50: self.p50.max(later.p50),
            p99: self.p99.max(later.p99),
            ..later.clone()
        }
    }
}

fn lines(sample: &Sample) -> Vec<String> {
    let phase = match sample.phase {
        Phase::Connect => "connecting",
        Phase::Warmup => "warming up",
        Phase::Settle => "settling",
        Phase::Measure => "measuring",
        Phase::Drain => "draining",
        Phase::Close | Phase::Finish => "closing",
    };
    let mut parts = vec![
        format!("{:>6.1} s  {phase:<10}", sample.at as f64 / 1e9),
        format!("{} open", count(sample.open)),
    ];
    if sample.connects > 0 {
        parts.push(format!("{} connects/s", number(sample.connects_per_second())));
    }
    if sample.messages > 0 {
        parts.push(format!("{} messages/s", number(sample.messages_per_second())));
    }
    if let (Some(p50), Some(p99)) = (sample.p50, sample.p99) {
        parts.push(format!("p50 {}  p99 {}", time(p50 as f64), time(p99 as f64)));
    }
    let mut lines = vec![parts.join("   ")];
    let causes = sample.causes.iter().take(CAUSES_MAX);
    lines.extend(causes.map(|(cause, times)| format!("          {} × {cause}", count(*times))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Sample {
        Sample {
            at: 2_400_000_000,
            span: 200_000_000,
            phase: Phase::Measure,
            open: 1_200,
            messages: 4_000,
            connects: 0,
            errors: 2,
            p50: Some(80_000),
            p99: Some(1_500_000),
            causes: vec![("read: connection reset".to_owned(), 2)],
        }
    }

    #[test]
    fn a_line_tells_how_it_goes_and_what_went_wrong() {
        assert_eq!(
            lines(&sample()),
            [
                "   2.4 s  measuring    1,200 open   20k messages/s   p50 80 µs  p99 1.50 ms",
                "          2 × read: connection reset",
            ]
        );
    }

    #[test]
    fn samples_of_a_line_add_up_to_the_worse_latency() {
        let later = Sample { at: 3_000_000_000, p99: Some(9), span: 600_000_000, ..sample() };
        let both = sample().with(&later);
        assert_eq!((both.messages, both.span, both.p99), (8_000, 800_000_000, Some(1_500_000)));
        assert_eq!((both.at, both.messages_per_second()), (3_000_000_000, 10_000.0));
    }
}
