//! What something costs as it grows: lines over logarithmic axes.

use super::canvas::{Anchor, Canvas};

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 52.0;

/// As many as there are colours.
pub(crate) const SERIES_MAX: usize = 4;

/// One line: points of (how much, what it cost).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A chart of costs. Both axes are logarithmic, so that ten times as much is the same step anywhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lines {
    pub(crate) title: String,
    /// What grows, and its ticks with their labels.
    pub(crate) across: String,
    pub(crate) ticks: Vec<(f64, String)>,
    /// What it costs.
    pub(crate) upward: String,
    pub(crate) series: Vec<Series>,
}

/// Where a figure lies between two others, on a logarithmic scale.
#[derive(Debug, Clone, Copy)]
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    fn at(&self, figure: f64) -> f64 {
        let along = (figure / self.from).ln() / (self.to / self.from).ln();
        self.start + along * (self.end - self.start)
    }
}

impl Lines {
    pub(crate) fn svg(&self) -> String {
        let mut canvas = Canvas::default();
        canvas.text((8.0, 20.0), Anchor::Start, "title", &self.title);
        let Some((across, upward)) = self.scales() else {
            canvas.text((8.0, 50.0), Anchor::Start, "faint", "nothing was measured");
            return canvas.finish(WIDTH, 70.0, &self.title);
        };
        self.draw_axes(&mut canvas, across, upward);
        let mut legend = LEFT;
        for (index, series) in self.series.iter().take(SERIES_MAX).enumerate() {
            let class = format!("s{index}");
            let at = |&(x, y): &(f64, f64)| (across.at(x), upward.at(y));
            let points: Vec<(f64, f64)> = series.points.iter().map(at).collect();
            canvas.path(&points, &class);
            for point in points {
                canvas.dot(point, &class);
            }
            canvas.dot((legend, 40.0), &class);
            canvas.text((legend + 8.0, 44.0), Anchor::Start, "", &series.label);
            legend +=
                30.0 + 7.0 * f64::from(u32::try_from(series.label.chars().count()).unwrap_or(20));
        }
        canvas.finish(WIDTH, HEIGHT, &self.title)
    }

    /// From the least to the greatest, rounded outward to powers of ten for the costs.
    fn scales(&self) -> Option<(Scale, Scale)> {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            let figures = points().map(of).filter(|figure| *figure > 0.0);
            figures.fold(None, |range, figure| {
                let (least, greatest): (f64, f64) = range.unwrap_or((figure, figure));
                Some((least.min(figure), greatest.max(figure)))
            })
        };
        let (least, greatest) = range(|point| point.0)?;
        let across =
            Scale { from: least, to: greatest.max(least * 2.0), start: LEFT, end: WIDTH - RIGHT };
        let (cheapest, dearest) = range(|point| point.1)?;
        let (from, to) = (rounded(cheapest, false), rounded(dearest, true));
        let upward = Scale { from, to, start: HEIGHT - BOTTOM, end: TOP };
        Some((across, upward))
    }

    fn draw_axes(&self, canvas: &mut Canvas, across: Scale, upward: Scale) {
        for tick in ticks(upward.from, upward.to) {
            let y = upward.at(tick);
            canvas.line((LEFT, y), (WIDTH - RIGHT, y), "grid");
            canvas.text((LEFT - 8.0, y + 4.0), Anchor::End, "faint", &shown(tick));
        }
        let floor = HEIGHT - BOTTOM;
        for (tick, label) in &self.ticks {
            let x = across.at(*tick);
            canvas.line((x, floor), (x, floor + 4.0), "axis");
            canvas.text((x, floor + 18.0), Anchor::Middle, "faint", label);
        }
        canvas.line((LEFT, floor), (WIDTH - RIGHT, floor), "axis");
        canvas.line((LEFT, floor), (LEFT, TOP), "axis");
        canvas.text((f64::midpoint(LEFT, WIDTH), HEIGHT - 12.0), Anchor::Middle, "", &self.across);
        canvas.text((8.0, TOP - 8.0), Anchor::Start, "", &self.upward);
    }
}

/// The next of 1, 2, 5, 10, 20 … that is not less, or not more.
fn rounded(figure: f64, upward: bool) -> f64 {
    let decade = 10_f64.powf(figure.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    // A hair beside a step is the step: a figure has been divided and multiplied before.
    let found = match upward {
        true => steps.iter().find(|step| **step >= figure * 0.999),
        false => steps.iter().rfind(|step| **step <= figure * 1.001),
    };
    let found = found.copied().unwrap_or(figure);
    // A line of one height needs room around it.
    if upward { found * 1.000_001 } else { found }
}

/// 1, 2, 5, 10 … from one to the other.
fn ticks(from: f64, to: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut decade = 10_f64.powf(from.log10().floor());
    while decade <= to {
        ticks.extend([1.0, 2.0, 5.0].map(|step| step * decade));
        decade *= 10.0;
    }
    ticks.retain(|tick| *tick >= from * 0.999 && *tick <= to * 1.001);
    ticks
}

fn shown(figure: f64) -> String {
    match figure {
        _ if figure >= 1.0 => format!("{figure:.0}"),
        _ if figure >= 0.1 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::canvas::is_well_formed;

    fn lines(series: Vec<Series>) -> Lines {
        Lines {
            title: "echo".to_owned(),
            across: "connections".to_owned(),
            ticks: vec![(100.0, "100".to_owned())],
            upward: "µs a message".to_owned(),
            series,
        }
    }

    #[test]
    fn lines_are_a_well_formed_picture_with_a_legend() {
        let series = |label: &str, points: &[(f64, f64)]| Series {
            label: label.to_owned(),
            points: points.to_vec(),
        };
        let svg = lines(vec![
            series("ours", &[(100.0, 5.0), (19_000.0, 6.5)]),
            series("<bun>", &[(100.0, 5.2), (19_000.0, 70.0)]),
        ])
        .svg();
        assert!(is_well_formed(&svg), "{svg}");
        for text in ["ours", "&lt;bun&gt;", "connections", ">100<", ">50<"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn a_chart_of_nothing_and_of_one_point_is_a_picture_too() {
        let one = Series { label: "ours".to_owned(), points: vec![(100.0, 5.0)] };
        for series in [vec![], vec![one]] {
            let svg = lines(series).svg();
            assert!(is_well_formed(&svg) && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn an_axis_ends_at_round_figures_and_has_ticks_between() {
        for (figure, below, above) in
            [(5.2, 5.0, 10.0), (0.47, 0.2, 0.5), (1_020.0, 1_000.0, 2_000.0)]
        {
            assert!((rounded(figure, false) / below - 1.0).abs() < 1e-3, "{figure}");
            assert!((rounded(figure, true) / above - 1.0).abs() < 1e-3, "{figure}");
        }
        assert_eq!(ticks(5.0, 100.0), [5.0, 10.0, 20.0, 50.0, 100.0]);
    }
}
