//! Plots as SVG: lines over an axis that starts at nothing.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

/// A line with its name; its place in the list says its colour.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

/// A plot of some lines.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) x_label: &'a str,
    /// Where the horizontal axis has its marks, and what they say.
    pub(super) x_marks: Vec<(f64, String)>,
    pub(super) y_text: fn(f64) -> String,
    pub(super) lines: Vec<Line<'a>>,
}

impl Plot<'_> {
    /// The SVG element, or nothing when there is nothing to draw.
    pub(super) fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_max = points().map(|(x, _)| *x).fold(0.0, f64::max);
        let y_max = nice_above(points().map(|(_, y)| *y).fold(0.0, f64::max));
        if x_max <= 0.0 || y_max <= 0.0 {
            return None;
        }
        let x_at = |x: f64| LEFT + x / x_max * (WIDTH - LEFT - RIGHT);
        let y_at = |y: f64| HEIGHT - BOTTOM - y / y_max * (HEIGHT - TOP - BOTTOM);
        let mut svg = String::new();
        // Writing to memory does not fail.
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.title)
        );
        for step in 0..=4 {
            let y = y_max * f64::from(step) / 4.0;
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>\
                 <text class=\"y\" x=\"{2}\" y=\"{3:.1}\">{4}</text>",
                WIDTH - RIGHT,
                y_at(y),
                LEFT - 8.0,
                y_at(y) + 4.0,
                escaped(&(self.y_text)(y))
            );
        }
        for (x, text) in &self.x_marks {
            let _ = write!(
                svg,
                "<text class=\"x\" x=\"{:.1}\" y=\"{}\">{}</text>",
                x_at(*x),
                HEIGHT - BOTTOM + 16.0,
                escaped(text)
            );
        }
        let _ = write!(
            svg,
            "<text class=\"x\" x=\"{}\" y=\"{}\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 3.0,
            escaped(self.x_label)
        );
        for (index, line) in self.lines.iter().enumerate() {
            let points: Vec<String> = line
                .points
                .iter()
                .map(|(x, y)| format!("{:.1},{:.1}", x_at(*x), y_at(*y)))
                .collect();
            let _ = write!(
                svg,
                "<polyline class=\"line c{index}\" points=\"{}\"><title>{}</title></polyline>",
                points.join(" "),
                escaped(line.name)
            );
        }
        svg.push_str("</svg>");
        Some(svg)
    }

    /// The names beside their colours.
    pub(super) fn legend(&self) -> String {
        let entry = |(index, line): (usize, &Line<'_>)| {
            format!("<span class=\"key c{index}\">{}</span>", escaped(line.name))
        };
        self.lines.iter().enumerate().map(entry).collect::<Vec<_>>().join(" ")
    }
}

/// The next of 1, 2, 2.5, 4, 5 or 8 times a power of ten, so that quarters are round.
fn nice_above(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|it| *it >= value).unwrap_or(value)
}

/// Text as HTML and SVG take it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>) -> Option<String> {
        let lines = vec![Line { name: "<p99>", points }];
        Plot {
            title: "a & b",
            x_label: "seconds",
            x_marks: vec![(1.0, "1".to_owned())],
            y_text: |y| format!("{y}"),
            lines,
        }
        .svg()
    }

    #[test]
    fn the_highest_point_is_below_the_top_and_text_is_escaped() {
        let svg = plot(vec![(0.0, 0.0), (1.0, 3.0)]).unwrap();
        assert!(svg.contains("points=\"78.0,206.0 744.0,62.0\""), "{svg}");
        assert!(svg.contains("aria-label=\"a &amp; b\"") && svg.contains("&lt;p99&gt;"), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_no_plot() {
        assert_eq!(plot(vec![]), None);
        assert_eq!(plot(vec![(0.0, 5.0)]), None);
        assert_eq!(plot(vec![(1.0, 0.0), (2.0, 0.0)]), None);
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, end) in [(0.9, 1.0), (1.0, 1.0), (3.0, 4.0), (4.2, 5.0), (71_000.0, 80_000.0)] {
            assert!((nice_above(value) - end).abs() < 1e-6 * end, "{value}");
        }
    }
}
