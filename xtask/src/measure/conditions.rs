//! Under which conditions figures came about: without them a figure is a rumour.

use std::process::Command;

use serde_json::{Value, json};

use super::cores::Cores;

/// The machine, and what else it had to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditions {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) compiler: String,
    pub(crate) pinning: String,
    /// The load average of a minute, before the first run and after the last.
    pub(crate) load_before: f64,
    pub(crate) load_after: f64,
}

impl Conditions {
    pub(crate) fn here(cores: &Cores) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let load = load_average();
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            compiler: first_words("rustc", &["--version"], 2),
            pinning: cores.describe(),
            load_before: load,
            load_after: load,
        }
    }

    /// Looks at the load once more, after the last run.
    pub(crate) fn end(&mut self) {
        self.load_after = load_average();
    }

    /// One sentence for a page; `runs` says how often each figure was taken.
    pub(crate) fn sentence(&self, runs: &str) -> String {
        let Self { processor, cores, kernel, compiler, pinning, load_before, load_after } = self;
        let cores = match cores {
            1 => "one core".to_owned(),
            many => format!("{many} cores"),
        };
        format!(
            "{cores} of {processor}, Linux {kernel}, {compiler}, profile `release`; {pinning}; {runs}; load \
             average {load_before:.1} before, {load_after:.1} after (our own servers and the load tool are in \
             the latter)"
        )
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "processor": self.processor, "cores": self.cores, "kernel": self.kernel,
            "compiler": self.compiler, "pinning": self.pinning,
            "load_average": [self.load_before, self.load_after],
        })
    }
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let clock = cpuinfo.lines().find_map(|line| {
        let mhz: f64 = line.strip_prefix("cpu MHz")?.split_once(": ")?.1.trim().parse().ok()?;
        Some(format!(" at {:.1} GHz", mhz / 1_000.0))
    });
    let name = name.map_or("a processor without a name", |(_, name)| name.trim());
    format!("{name}{}", clock.unwrap_or_default())
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// The first words that a program says of its version.
fn first_words(program: &str, arguments: &[&str], count: usize) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_with_its_clock() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\ncpu MHz\t\t: 2596.123\n";
        assert_eq!(processor(cpuinfo), "AMD EPYC at 2.6 GHz");
        assert_eq!(processor(""), "a processor without a name");
    }

    #[test]
    fn the_conditions_are_a_sentence() {
        let conditions = Conditions {
            processor: "AMD EPYC".to_owned(),
            cores: 2,
            kernel: "6.18".to_owned(),
            compiler: "rustc 1.95.0".to_owned(),
            pinning: "nothing pinned".to_owned(),
            load_before: 0.24,
            load_after: 1.2,
        };
        let sentence = conditions.sentence("3 pairs of runs");
        let expected = "2 cores of AMD EPYC, Linux 6.18, rustc 1.95.0, profile `release`; nothing pinned; 3 pairs of \
                        runs; load average 0.2 before, 1.2 after (";
        assert!(sentence.starts_with(expected), "{sentence}");
    }
}
