//! How many tests ran, by the closing lines of cargo's test runner.

use std::fmt;

/// The sum of all `test result:` lines read so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// Takes in one line of output; all but the runner's closing lines are passed over.
    pub(crate) fn read(&mut self, line: &str) {
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split(';') {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// Takes in all that a runner wrote.
    pub(crate) fn read_all(&mut self, output: &str) {
        output.lines().for_each(|line| self.read(line));
    }

    /// Takes in what passed: what failed is not decided yet.
    pub(crate) fn read_passed(&mut self, output: &str) {
        let mut all = Self::default();
        all.read_all(output);
        self.passed += all.passed;
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up_and_nothing_else_counts() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        for line in [
            "running 3 tests",
            "test a_test ... ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out",
            "the test result: ok. 100 passed; 0 failed",
        ] {
            tally.read(line);
        }
        assert_eq!(tally, Tally { passed: 8, failed: 2 });
        assert_eq!(tally.to_string(), "8 passed, 2 failed");
        tally.read_passed("test result: FAILED. 4 passed; 1 failed; 0 ignored");
        assert_eq!(tally, Tally { passed: 12, failed: 2 });
    }
}
