//! Runs in turn, A B A B, and what they say together.

/// What two sides cost, run after run; the n-th of one was measured beside the n-th of the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pairs {
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
}

/// The middle of some figures, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Pairs {
    pub(crate) fn push(&mut self, ours: f64, theirs: f64) {
        self.ours.push(ours);
        self.theirs.push(theirs);
    }

    /// Ours ÷ theirs of each pair: what disturbs the machine for longer than a run disturbs both.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect()
    }

    pub(crate) fn ratio(&self) -> Option<Summary> {
        Summary::of(&self.ratios())
    }
}

impl Summary {
    /// Nothing for no figures, and nothing for figures that are none.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        if sorted.iter().any(|figure| !figure.is_finite()) {
            return None;
        }
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        Some(Self { median, least, greatest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_lies_between_the_two_middles() {
        for (figures, median, least, greatest) in [
            (vec![3.0], 3.0, 3.0, 3.0),
            (vec![9.0, 1.0, 2.0], 2.0, 1.0, 9.0),
            (vec![4.0, 1.0, 2.0, 100.0], 3.0, 1.0, 100.0),
        ] {
            let expected = Summary { median, least, greatest };
            assert_eq!(Summary::of(&figures), Some(expected), "{figures:?}");
        }
    }

    #[test]
    fn no_figures_and_figures_that_are_none_have_no_median() {
        for figures in [vec![], vec![f64::NAN], vec![1.0, f64::INFINITY]] {
            assert_eq!(Summary::of(&figures), None, "{figures:?}");
        }
    }

    #[test]
    fn a_ratio_is_that_of_a_pair_and_not_of_the_medians() {
        let mut pairs = Pairs::default();
        // The machine was three times as slow in the second pair.
        for (ours, theirs) in [(1.0, 2.0), (3.0, 6.0), (1.1, 2.0)] {
            pairs.push(ours, theirs);
        }
        let ratio = pairs.ratio().unwrap();
        assert!((ratio.median - 0.5).abs() < 1e-9 && (ratio.greatest - 0.55).abs() < 1e-9);
    }
}
