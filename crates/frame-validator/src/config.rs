//! The settings of the shared validator.

use crate::SizeLimits;

/// How a [`FrameSizeValidator`](crate::FrameSizeValidator) judges and how much it remembers.
///
/// It is memory, not time, that the two bounds cost: at most
/// `recent_max × 350 bytes + 2 × offenders_max × 250 bytes` (identifiers are cut at 128 bytes),
/// and none of it before the first violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatorConfig {
    /// The limits. Default: [`SizeLimits::default`], 1 MiB with a warning above 512 KiB.
    pub limits: SizeLimits,
    /// How many of the newest violations are kept with their details. Default: 256. Zero keeps none;
    /// they are counted all the same.
    pub recent_max: usize,
    /// How many users, and how many connections, have their violations counted one by one; beyond
    /// that the one who offended longest ago is forgotten. Default: 1024. Zero counts only the total.
    pub offenders_max: usize,
}

impl Default for ValidatorConfig {
    fn default() -> Self {
        Self { limits: SizeLimits::default(), recent_max: 256, offenders_max: 1024 }
    }
}

impl From<SizeLimits> for ValidatorConfig {
    fn from(limits: SizeLimits) -> Self {
        Self { limits, ..Self::default() }
    }
}
