//! What the gateway held, over time: memory above, files and tasks below, each from zero.

use serde_json::Value;

use crate::chart::canvas::{Anchor, Canvas};

const WIDTH: f64 = 820.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const PANEL: f64 = 150.0;
const TOP: f64 = 58.0;
const GAP: f64 = 54.0;

/// One panel: its name, and its lines.
struct Panel {
    name: &'static str,
    lines: Vec<(&'static str, Vec<f64>)>,
}

pub(super) fn svg(figures: &Value) -> String {
    let samples = figures["samples"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |name: &str, unit: f64| -> Vec<f64> {
        samples.iter().map(|it| it[name].as_f64().unwrap_or_default() / unit).collect()
    };
    let minutes = of("seconds", 60.0);
    let panels = [
        Panel {
            name: "MiB of memory",
            lines: vec![("resident", of("residentBytes", f64::from(1 << 20)))],
        },
        Panel {
            name: "number",
            lines: vec![
                ("files", of("files", 1.0)),
                ("tasks", of("tasks", 1.0)),
                ("connections", of("connections", 1.0)),
            ],
        },
    ];
    let title = "A gateway under churn, reloads and an engine that is killed";
    let mut canvas = Canvas::default();
    canvas.text((8.0, 20.0), Anchor::Start, "title", title);
    for (index, panel) in (0_u8..).zip(&panels) {
        panel.draw(&mut canvas, TOP + f64::from(index) * (PANEL + GAP), &minutes);
    }
    canvas.finish(WIDTH, TOP + 2.0 * PANEL + GAP + 44.0, title)
}

impl Panel {
    fn draw(&self, canvas: &mut Canvas, top: f64, minutes: &[f64]) {
        let greatest = |figures: &[f64]| figures.iter().copied().fold(0.0, f64::max);
        let most = self.lines.iter().map(|(_, line)| greatest(line)).fold(1.0, f64::max) * 1.1;
        let last = greatest(minutes).max(1e-3);
        let across = |minute: f64| LEFT + minute / last * (WIDTH - RIGHT - LEFT);
        let upward = |figure: f64| top + PANEL - figure / most * PANEL;
        for tick in ticks(most, 4.0) {
            canvas.line((LEFT, upward(tick)), (WIDTH - RIGHT, upward(tick)), "grid");
            let at = (LEFT - 8.0, upward(tick) + 4.0);
            canvas.text(at, Anchor::End, "faint", &format!("{tick}"));
        }
        for tick in ticks(last, 6.0) {
            let at = (across(tick), top + PANEL + 18.0);
            canvas.text(at, Anchor::Middle, "faint", &format!("{tick} min"));
        }
        canvas.text((8.0, top - 10.0), Anchor::Start, "", self.name);
        let mut legend = LEFT + 90.0;
        for (index, (label, figures)) in self.lines.iter().enumerate() {
            let class = format!("s{index}");
            let points = minutes.iter().zip(figures);
            let points: Vec<(f64, f64)> =
                points.map(|(minute, figure)| (across(*minute), upward(*figure))).collect();
            canvas.path(&points, &class);
            canvas.dot((legend, top - 14.0), &class);
            canvas.text((legend + 8.0, top - 10.0), Anchor::Start, "", label);
            legend += 110.0;
        }
    }
}

/// Round figures from zero to the greatest, so many at most.
fn ticks(greatest: f64, count: f64) -> Vec<f64> {
    let least = greatest / count;
    let decade = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    let step = steps.into_iter().find(|step| *step >= least).unwrap_or(least);
    let mut ticks = vec![0.0];
    while let Some(last) = ticks.last().filter(|last| **last + step <= greatest) {
        let next = last + step;
        ticks.push(next);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chart::canvas::is_well_formed;

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(30.0, 6.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(ticks(66.0, 4.0), [0.0, 20.0, 40.0, 60.0]);
    }

    #[test]
    fn a_picture_is_drawn_of_any_samples() {
        let sample = |minute: u64| json!({ "seconds": minute * 60, "residentBytes": 50 << 20, "files": 20, "tasks": 30, "connections": 64 });
        let full = json!({ "samples": (0..30).map(sample).collect::<Vec<_>>() });
        for figures in [full, json!({})] {
            assert!(is_well_formed(&svg(&figures)), "{figures}");
        }
    }
}
