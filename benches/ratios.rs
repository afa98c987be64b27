//! Prints what the benches measured as ratios: the table of `docs/benchmarks.md`.
//!
//! ```text
//! for run in 1 2 3; do cargo bench -p ws-gateway-benches -- --save-baseline $run; done
//! cargo run -p ws-gateway-benches --features ratios --example ratios
//! ```
//!
//! A row for each figure of ours that has a peer, or another figure of ours to be held against. The
//! ratio is that of the fastest tenth of the samples (in the fastest of the runs that Criterion has
//! kept), for a machine can be kept from its work in many ways and helped in none; the range is that of
//! the single runs. Criterion also keeps what is old: remove `target/criterion` before a measurement
//! that is to be published.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// What Criterion keeps beside the results of runs.
const NO_RUNS: [&str; 3] = ["base", "change", "report"];

/// What a tenth of the samples of each run stayed below, in nanoseconds for one iteration.
type Runs = BTreeMap<String, f64>;

/// Figures that answer the same question (a group and a case), by whose they are.
type Questions = BTreeMap<(String, String), BTreeMap<String, Runs>>;

fn main() -> Result<(), Box<dyn Error>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let results = target.join("criterion");
    if !results.exists() {
        return Err(format!("no results in {}: run `cargo bench` first", results.display()).into());
    }
    let mut questions = Questions::new();
    collect(&results, &mut questions)?;
    println!("| group | case | ours | peer | ours ÷ peer | range |");
    println!("|---|---|---|---|---|---|");
    for ((group, case), figures) in &questions {
        let (ours, peers): (Vec<_>, Vec<_>) =
            figures.iter().partition(|(who, _)| who.starts_with("ours"));
        // Where nobody else does it: a variant of ours beside the plain one.
        let (ours, peers): (Vec<_>, Vec<_>) = if peers.is_empty() {
            ours.into_iter().partition(|(who, _)| *who != "ours")
        } else {
            (ours, peers)
        };
        for (our, our_runs) in &ours {
            for (peer, peer_runs) in &peers {
                let ratio = ratio(our_runs, peer_runs);
                println!("| {group} | {case} | {our} | {peer} | {ratio} |");
            }
        }
    }
    Ok(())
}

/// The ratio over all runs, and between which ones it lay in the single ones.
fn ratio(ours: &Runs, peers: &Runs) -> String {
    let least = |runs: &Runs| runs.values().copied().fold(f64::INFINITY, f64::min);
    let all = least(ours) / least(peers);
    let single = ours.iter().filter_map(|(run, our)| Some(our / peers.get(run)?));
    let (low, high) = single.fold((f64::INFINITY, 0.0), |(low, high), ratio| {
        (f64::min(low, ratio), f64::max(high, ratio))
    });
    format!("{all:.2} | {low:.2}–{high:.2}")
}

/// Every folder below `folder` that holds the result of a run.
fn collect(folder: &Path, questions: &mut Questions) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.join("benchmark.json").exists() {
            if !NO_RUNS.contains(&name) {
                read(&path, name, questions)?;
            }
        } else if path.is_dir() {
            collect(&path, questions)?;
        }
    }
    Ok(())
}

fn read(folder: &Path, run: &str, questions: &mut Questions) -> Result<(), Box<dyn Error>> {
    let json = |name: &str| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(folder.join(name))?)?)
    };
    let (benchmark, sample) = (json("benchmark.json")?, json("sample.json")?);
    let text = |name: &str| benchmark[name].as_str().unwrap_or_default().to_owned();
    let numbers = |name: &str| sample[name].as_array().into_iter().flatten().map(Value::as_f64);
    let mut samples: Vec<_> = numbers("times")
        .zip(numbers("iters"))
        .filter_map(|(time, iterations)| Some(time? / iterations?))
        .collect();
    samples.sort_by(f64::total_cmp);
    let fast = *samples.get(samples.len() / 10).ok_or(format!("no samples in {folder:?}"))?;
    let question = questions.entry((text("group_id"), text("value_str"))).or_default();
    question.entry(text("function_id")).or_default().insert(run.to_owned(), fast);
    Ok(())
}
