//! How long the Rust files are. Split early, by concern: the one file that nobody split is what
//! every code base regrets.

use std::fmt;

use super::tree::Tree;
use super::{Finding, House};

/// No file may be longer.
const LINES_MAX: usize = 600;
/// Nine of ten files should be at most so long.
const LINES_AIM: usize = 350;

pub(super) fn no_file_is_too_long(house: &House) -> Vec<Finding> {
    let too_long = house.tree.rust_files().filter_map(|(file, _)| {
        let lines = file.text.lines().count();
        (lines > LINES_MAX).then(|| {
            let message =
                format!("{lines} lines; split it by concern into files of at most {LINES_AIM}");
            Finding::new(&file.path, lines, message)
        })
    });
    too_long.collect()
}

/// The lengths of all Rust files, summed up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Figures {
    files: usize,
    median: usize,
    ninetieth_percentile: usize,
    over_aim: usize,
    longest: Option<(usize, String)>,
}

impl Figures {
    pub(super) fn of(tree: &Tree) -> Self {
        let mut lengths: Vec<(usize, String)> = tree
            .rust_files()
            .map(|(file, _)| (file.text.lines().count(), file.path.clone()))
            .collect();
        lengths.sort_unstable();
        let at = |percent: usize| {
            let rank = (lengths.len() * percent).div_ceil(100).max(1);
            lengths.get(rank - 1).map_or(0, |(lines, _)| *lines)
        };
        Self {
            files: lengths.len(),
            median: at(50),
            ninetieth_percentile: at(90),
            over_aim: lengths.iter().filter(|(lines, _)| *lines > LINES_AIM).count(),
            longest: lengths.last().cloned(),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, median, ninetieth_percentile, over_aim, longest } = self;
        write!(f, "{files} Rust files: median {median} lines, p90 {ninetieth_percentile}")?;
        write!(f, ", {over_aim} over {LINES_AIM}")?;
        match longest {
            Some((lines, path)) => write!(f, ", longest {lines} ({path})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rust_file_over_the_limit_is_found() {
        for (path, lines, found) in
            [("a.rs", LINES_MAX, 0), ("a.rs", LINES_MAX + 1, 1), ("a.md", LINES_MAX + 1, 0)]
        {
            let tree = Tree::with(&[(path, &"\n".repeat(lines))]);
            let house = House { tree, ..House::default() };
            assert_eq!(no_file_is_too_long(&house).len(), found, "{path} of {lines} lines");
        }
    }

    #[test]
    fn the_middle_and_the_tail_are_told() {
        let texts: Vec<String> = (1..=10).map(|lines| "\n".repeat(lines)).collect();
        let paths: Vec<String> = (1..=10).map(|lines| format!("{lines}.rs")).collect();
        let files: Vec<(&str, &str)> =
            paths.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        assert_eq!(
            Figures::of(&Tree::with(&files)).to_string(),
            "10 Rust files: median 5 lines, p90 9, 0 over 350, longest 10 (10.rs)"
        );
        assert_eq!(
            Figures::of(&Tree::default()).to_string(),
            "0 Rust files: median 0 lines, p90 0, 0 over 350"
        );
    }
}
