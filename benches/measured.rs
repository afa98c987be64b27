//! How all benches measure: by the time of the processor, shortly, over and over.
//!
//! A wall clock also counts what the machine did for others meanwhile. Processor time does not, so a
//! ratio holds on a machine that is not quiet.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use rustix::time::{ClockId, clock_gettime};

/// What a benchmark is given.
pub(crate) type Criterion = criterion::Criterion<ProcessorTime>;

/// Short enough that all benches together are run often.
const WARM_UP: Duration = Duration::from_millis(250);
const MEASUREMENT: Duration = Duration::from_millis(600);
const SAMPLES: usize = 40;
/// For Criterion's intervals; the analysis is not to outlast the measurement.
const RESAMPLES: usize = 4_000;

/// Runs benchmarks with these settings, unless the command line says otherwise.
pub(crate) fn run(benchmarks: &[fn(&mut Criterion)]) {
    let mut criterion = criterion::Criterion::default()
        .with_measurement(ProcessorTime)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .sample_size(SAMPLES)
        .nresamples(RESAMPLES)
        .configure_from_args();
    for benchmark in benchmarks {
        benchmark(&mut criterion);
    }
    criterion.final_summary();
}

/// What all threads of the process have spent.
pub(crate) struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        Duration::try_from(spent).unwrap_or_default()
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
