//! The results as one page that needs nothing else: no script, no font, no picture from elsewhere.

use super::{
    Sample,
    figures::{number, time},
    json::Report,
    plot::{Line, Plot, escaped},
    table::table,
};
use crate::{course::Outcome, engine::Phase, record::Latencies};

const STYLE: &str = include_str!("page.css");
/// So many marks fit on the time axis.
const MARKS: usize = 8;

/// The whole page.
pub(crate) fn page(outcome: &Outcome, report: &Report, samples: &[Sample]) -> String {
    let title = escaped(&format!("{} {}", report.scenario, report.url));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>ws-load: {title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    for plot in plots(outcome, samples) {
        if let Some(svg) = plot.svg() {
            page.push_str(&format!(
                "<section>\n<h2>{}</h2>\n<p>{}</p>\n{svg}\n</section>\n",
                escaped(plot.title),
                plot.legend()
            ));
        }
    }
    page.push_str(&format!(
        "<section>\n<h2>Figures</h2>\n<pre>{}</pre>\n</section>\n<details>\n<summary>JSON</summary>\n\
         <pre>{}</pre>\n</details>\n<footer>ws-load {}</footer>\n</main>\n</body>\n</html>\n",
        escaped(table(report).trim_start_matches('\n')),
        escaped(&report.to_json()),
        env!("CARGO_PKG_VERSION")
    ));
    page
}

fn plots<'a>(outcome: &Outcome, samples: &[Sample]) -> Vec<Plot<'a>> {
    let shown: Vec<&Sample> = samples.iter().filter(|it| it.phase <= Phase::Measure).collect();
    let over_time = |name, value: fn(&Sample) -> Option<f64>| Line {
        name,
        points: shown.iter().filter_map(|it| Some((it.at as f64 / 1e9, value(it)?))).collect(),
    };
    let marks = time_marks(shown.last().map_or(0.0, |it| it.at as f64 / 1e9));
    let plot = |title, y_text, lines| Plot {
        title,
        x_label: "seconds since the start",
        x_marks: marks.clone(),
        y_text,
        lines,
    };
    let measured = &outcome.measured;
    let mut distribution = Vec::new();
    for (name, latencies) in [
        ("latency", &measured.latency),
        ("connect", &measured.connect),
        ("established", &measured.background),
    ] {
        if latencies.count() > 0 {
            distribution.push(Line { name, points: quantiles(latencies) });
        }
    }
    vec![
        plot(
            "Messages a second",
            number,
            vec![over_time("messages", |it| Some(it.messages_per_second()))],
        ),
        plot(
            "Latency",
            time,
            vec![
                over_time("p50", |it| it.p50.map(|it| it as f64)),
                over_time("p99", |it| it.p99.map(|it| it as f64)),
            ],
        ),
        Plot {
            title: "Latency by share of the messages",
            x_label: "share that is faster",
            x_marks: quantile_marks(),
            y_text: time,
            lines: distribution,
        },
        plot("Connections", number, vec![over_time("open", |it| Some(it.open as f64))]),
        plot(
            "Handshakes a second",
            number,
            vec![over_time("handshakes", |it| Some(it.connects_per_second()))],
        ),
        plot("Errors a sample", number, vec![over_time("errors", |it| Some(it.errors as f64))]),
    ]
}

fn time_marks(end: f64) -> Vec<(f64, String)> {
    let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3_600.0];
    let step = steps.into_iter().find(|step| end / step <= MARKS as f64).unwrap_or(end);
    let marks = (0..=MARKS).map(|index| index as f64 * step).take_while(|at| *at <= end);
    marks.map(|at| (at, number(at))).collect()
}

/// The rarer, the further to the right: each step is a tenth of what is left.
fn place(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn quantile_marks() -> Vec<(f64, String)> {
    let marks = [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")];
    marks.iter().map(|(quantile, text)| (place(*quantile), (*text).to_owned())).collect()
}

fn quantiles(latencies: &Latencies) -> Vec<(f64, f64)> {
    let places = (0..=60).map(|index| f64::from(index) / 20.0);
    places.map(|it| (it, latencies.at(1.0 - 10_f64.powf(-it)) as f64)).collect()
}
