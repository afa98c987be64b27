//! Which traces are recorded.

use crate::TraceContext;

/// Decides which traces are recorded, by the names that OpenTelemetry gives to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// What began elsewhere is recorded if it is there.
    follows_parent: bool,
    /// Of those that begin here, one in so many: 0 none, 1 all.
    ratio: f64,
}

/// There is no such sampler, or its argument is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a sampler is always_on, always_off or traceidratio, or one of them behind parentbased_; the ratio is from 0 to 1"
)]
pub struct UnknownSampler;

impl Sampler {
    /// The names that there are.
    pub const NAMES: [&str; 6] = [
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
        "always_on",
        "always_off",
        "traceidratio",
    ];

    /// The sampler of that name. The ratio is that of `traceidratio`, and asked by no other.
    ///
    /// # Errors
    ///
    /// There is none of that name, or the ratio is not from 0 to 1.
    pub fn named(name: &str, ratio: f64) -> Result<Self, UnknownSampler> {
        let base = name.strip_prefix("parentbased_");
        let ratio = match base.unwrap_or(name) {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" if (0.0..=1.0).contains(&ratio) => ratio,
            _ => return Err(UnknownSampler),
        };
        Ok(Self { follows_parent: base.is_some(), ratio })
    }

    /// Whether a step of this trace is recorded. `parent` is where it comes from, if from anywhere.
    #[must_use]
    pub fn samples(&self, trace_id: u128, parent: Option<TraceContext>) -> bool {
        match parent {
            Some(parent) if self.follows_parent => parent.is_sampled(),
            _ => self.is_of_share(trace_id),
        }
    }

    /// By the lower half of its name, as OpenTelemetry's own do: all who ask agree about a trace.
    fn is_of_share(&self, trace_id: u128) -> bool {
        let below = (self.ratio * (1_u64 << 63) as f64) as u64;
        (trace_id as u64 >> 1) < below
    }
}

/// `parentbased_always_on`.
impl Default for Sampler {
    fn default() -> Self {
        Self { follows_parent: true, ratio: 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_decides_as_opentelemetry_says() {
        let sampled = Some(TraceContext::new(1, 1, true));
        let other = Some(TraceContext::new(1, 1, false));
        for (name, expect) in [
            ("parentbased_always_on", [true, true, false]),
            ("parentbased_always_off", [false, true, false]),
            ("parentbased_traceidratio", [false, true, false]),
            ("always_on", [true, true, true]),
            ("always_off", [false, false, false]),
            ("traceidratio", [false, false, false]),
        ] {
            assert!(Sampler::NAMES.contains(&name));
            let sampler = Sampler::named(name, 0.25).unwrap();
            // Of the upper three quarters.
            let trace_id = 0xc000_0000_0000_0000;
            let found = [None, sampled, other].map(|parent| sampler.samples(trace_id, parent));
            assert_eq!(found, expect, "{name}");
        }
        assert_eq!(Sampler::named("parentbased_always_on", 7.0), Ok(Sampler::default()));
    }

    #[test]
    fn a_ratio_takes_its_share_by_the_lower_half_of_the_name() {
        let sampler = Sampler::named("traceidratio", 0.25).unwrap();
        let step = u64::MAX / 1000;
        let taken = (0..1000).filter(|it| sampler.samples(u128::from(it * step), None)).count();
        assert!((249..=251).contains(&taken), "{taken}");
        assert!(sampler.samples(u128::MAX << 64, None));
        let (none, all) =
            (Sampler::named("traceidratio", 0.0), Sampler::named("traceidratio", 1.0));
        assert!(!none.unwrap().samples(0, None));
        assert!(all.unwrap().samples(u128::MAX, None));
    }

    #[test]
    fn what_is_no_sampler_is_refused() {
        for (name, ratio) in [
            ("", 1.0),
            ("Always_on", 1.0),
            ("parentbased_", 1.0),
            ("jaeger_remote", 1.0),
            ("traceidratio", 1.1),
            ("traceidratio", -0.1),
            ("parentbased_traceidratio", f64::NAN),
        ] {
            assert_eq!(Sampler::named(name, ratio), Err(UnknownSampler), "{name} {ratio}");
        }
    }
}
