//! Prints what the last run of the benches measured, as ratios: the table of `docs/benchmarks.md`.
//!
//! ```text
//! cargo bench
//! cargo run -p ws-gateway-benches --features ratios --example ratios
//! ```
//!
//! A row for each figure of ours that has a peer in the same run, or another figure of ours to be held
//! against. Criterion keeps the results of
//! benches that are gone; remove `target/criterion` before a run that is to be published.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// One benchmark: the median of its samples and how far they lie from it.
struct Figure {
    who: String,
    median_ns: f64,
    spread: f64,
}

/// Figures that answer the same question: by group and case.
type Questions = BTreeMap<(String, String), Vec<Figure>>;

fn main() -> Result<(), Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let mut questions = Questions::new();
    let results = target.join("criterion");
    if !results.exists() {
        return Err(format!("no results in {}: run `cargo bench` first", results.display()).into());
    }
    collect(&results, &mut questions)?;
    println!("| group | case | ours | peer | ours ÷ peer | spread |");
    println!("|---|---|---|---|---|---|");
    for ((group, case), figures) in &questions {
        let (ours, peers): (Vec<_>, Vec<_>) =
            figures.iter().partition(|figure| figure.who.starts_with("ours"));
        if peers.is_empty() {
            // Where nobody else does it: a variant of ours beside the plain one.
            let (plain, variants): (Vec<_>, Vec<_>) =
                ours.into_iter().partition(|figure| figure.who == "ours");
            print_rows(group, case, &variants, &plain);
        } else {
            print_rows(group, case, &ours, &peers);
        }
    }
    Ok(())
}

fn print_rows(group: &str, case: &str, ours: &[&Figure], peers: &[&Figure]) {
    for our in ours {
        for peer in peers {
            let ratio = our.median_ns / peer.median_ns;
            let spread = 100.0 * our.spread.hypot(peer.spread);
            let (our, peer) = (&our.who, &peer.who);
            println!("| {group} | {case} | {our} | {peer} | {ratio:.2} | ± {spread:.0} % |");
        }
    }
}

/// Every folder below `folder` that holds a result.
fn collect(folder: &Path, questions: &mut Questions) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.ends_with("new") && path.join("benchmark.json").exists() {
                let (question, figure) = read(&path)?;
                questions.entry(question).or_default().push(figure);
            } else {
                collect(&path, questions)?;
            }
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Result<((String, String), Figure), Box<dyn Error>> {
    let json = |name: &str| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(folder.join(name))?)?)
    };
    let (benchmark, estimates) = (json("benchmark.json")?, json("estimates.json")?);
    let text = |name: &str| benchmark[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| {
        estimates[name]["point_estimate"].as_f64().ok_or(format!("no {name} in {folder:?}"))
    };
    let median_ns = number("median")?;
    let spread = number("median_abs_dev")? / median_ns;
    Ok((
        (text("group_id"), text("value_str")),
        Figure { who: text("function_id"), median_ns, spread },
    ))
}
