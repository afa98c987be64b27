//! The tool against servers whose behaviour is known: what it reports of them must be true.

use std::{
    ffi::OsString,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;

mod closed_loops;
mod connecting;
mod fan_out;
mod open_loops;
mod servers;
mod shape;

/// Runs the tool with these arguments; its exit code and its JSON.
fn load(arguments: &str) -> (u8, Value) {
    load_until(arguments, &Arc::new(AtomicBool::new(false)))
}

fn load_until(arguments: &str, interrupted: &Arc<AtomicBool>) -> (u8, Value) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // One at a time: what is measured is a server, and not the tests beside it.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("ws-load-{}-{number}.json", std::process::id());
    let json = std::env::temp_dir().join(name);
    let mut words = vec![OsString::from("ws-load")];
    words.extend(arguments.split_ascii_whitespace().map(OsString::from));
    words.extend(["--quiet".into(), "--json".into(), json.clone().into_os_string()]);
    let code = ws_load::run(words, interrupted);
    let text = std::fs::read_to_string(&json).unwrap_or_default();
    let _ = std::fs::remove_file(&json);
    (code, serde_json::from_str(&text).unwrap_or_default())
}

fn number(report: &Value, path: &str) -> f64 {
    let found = report.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no number at {path} in {report:#}"))
}

/// Microseconds at a path.
fn time(report: &Value, path: &str) -> Duration {
    Duration::from_secs_f64(number(report, path) / 1e6)
}
