//! Ratios as bars that leave the line of "as much" to the left or to the right.

use super::canvas::{Anchor, Canvas};

const WIDTH: f64 = 820.0;
const LABELS: f64 = 190.0;
const VALUES: f64 = 60.0;
const TOP: f64 = 48.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 28.0;

/// Ratios beyond these end at the edge; their figure stands beside.
const LEAST: f64 = 1.0 / 64.0;
const GREATEST: f64 = 8.0;

/// One ratio with its range.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Bars that answer the same question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
}

/// A chart of ratios.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) groups: Vec<Group>,
}

impl Bars {
    pub(crate) fn svg(&self) -> String {
        let rows: usize = self.groups.iter().map(|group| group.bars.len()).sum();
        let height = TOP + HEAD * count(self.groups.len()) + ROW * count(rows) + 16.0;
        let mut canvas = Canvas::default();
        canvas.text((8.0, 20.0), Anchor::Start, "title", &self.title);
        for (tick, label) in [
            (1.0 / 32.0, "1/32"),
            (1.0 / 8.0, "1/8"),
            (0.5, "1/2"),
            (1.0, "as much"),
            (2.0, "2"),
            (4.0, "4"),
        ] {
            let class = if tick == 1.0 { "axis" } else { "grid" };
            canvas.line((x(tick), TOP - 6.0), (x(tick), height - 10.0), class);
            canvas.text((x(tick), TOP - 10.0), Anchor::Middle, "faint", label);
        }
        let mut y = TOP;
        for group in &self.groups {
            let label = group.label.replace('`', "");
            canvas.text((8.0, y + 18.0), Anchor::Start, "title", &label);
            y += HEAD;
            for bar in &group.bars {
                draw(&mut canvas, bar, y);
                y += ROW;
            }
        }
        canvas.finish(WIDTH, height, &self.title)
    }
}

fn draw(canvas: &mut Canvas, bar: &Bar, y: f64) {
    let class = if bar.value <= 1.0 { "less" } else { "more" };
    canvas.text((LABELS - 10.0, y + 13.0), Anchor::End, "", &bar.label);
    canvas.rectangle((x(1.0), y + 3.0), (x(bar.value), y + ROW - 5.0), class);
    let middle = y + ROW / 2.0 - 1.0;
    canvas.line((x(bar.low), middle), (x(bar.high), middle), "range");
    let value = format!("{:.2}", bar.value);
    canvas.text((WIDTH - 8.0, y + 13.0), Anchor::End, "", &value);
}

/// Where a ratio lies: half as much is as far from the middle as twice as much.
fn x(ratio: f64) -> f64 {
    let along = (ratio.clamp(LEAST, GREATEST) / LEAST).ln() / (GREATEST / LEAST).ln();
    LABELS + along * (WIDTH - LABELS - VALUES)
}

#[expect(clippy::cast_precision_loss, reason = "a chart has some dozens of rows")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::canvas::is_well_formed;

    #[test]
    fn bars_are_a_well_formed_picture_with_every_label() {
        let bar = |label: &str, value: f64| Bar {
            label: label.to_owned(),
            value,
            low: value * 0.9,
            high: value * 1.1,
        };
        let bars = Bars {
            title: "a & b".to_owned(),
            groups: vec![
                Group { label: "echo".to_owned(), bars: vec![bar("bun", 0.98), bar("node", 0.1)] },
                Group { label: "idle".to_owned(), bars: vec![bar("bun", 1_000.0)] },
            ],
        };
        let svg = bars.svg();
        assert!(is_well_formed(&svg), "{svg}");
        for text in ["a &amp; b", "echo", "idle", "node", ">0.98<", ">1000.00<"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn half_and_double_are_equally_far_from_as_much() {
        assert!(((x(1.0) - x(0.5)) - (x(2.0) - x(1.0))).abs() < 1e-9);
        assert!((x(1e9) - x(GREATEST)).abs() < 1e-9);
    }
}
