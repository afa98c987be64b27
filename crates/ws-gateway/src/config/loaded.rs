//! A configuration that is complete, with what is to be said about it.

mod channels;

use std::fmt;

use super::origin::Origin;
use super::resolved::Config;
use super::secret::Secret;
use super::setting::{Section, Setting};

/// What the gateway runs with.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the settings mean.
    pub config: Config,
    /// What is permitted and probably not meant: a line each, to be logged.
    pub warnings: Vec<String>,
    /// Where each value came from, in the order of the table of settings.
    pub provenance: Vec<Effective>,
    /// Where each channel rule was written.
    pub rule_origins: Vec<Origin>,
    /// Where each connection type was written; empty when there are those of the default table.
    pub type_origins: Vec<Origin>,
    /// Where each bridge was written.
    pub bridge_origins: Vec<Origin>,
}

/// One setting with the value that counts.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Its row in the table.
    pub setting: &'static Setting,
    /// The value as it was written, a secret as `***`; empty if it is not set.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
    /// The value as it was written, also of a secret: to be compared, never to be shown.
    pub(crate) text: Secret,
}

impl Loaded {
    /// Where the value of that variable came from.
    #[must_use]
    pub fn effective(&self, env: &str) -> Option<&Effective> {
        self.provenance.iter().find(|effective| effective.setting.env == env)
    }
}

/// What `ws-gateway config` prints: a line for each setting, rule and connection type, with its value and
/// its origin.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.provenance.iter().map(|effective| effective.setting.env.len());
        let name_width = names.max().unwrap_or_default();
        let printed = |effective: &Effective| match effective.value.as_str() {
            "" => "(not set)".to_owned(),
            value => value.escape_debug().to_string(),
        };
        // One long list of origins must not push everybody's column off the screen.
        let widths = self.provenance.iter().map(|effective| printed(effective).chars().count());
        let value_width = widths.filter(|width| *width <= 40).max().unwrap_or_default();
        for section in Section::ALL {
            writeln!(f, "[{}]", section.name())?;
            for effective in self.provenance.iter().filter(|one| one.setting.section == section) {
                let (name, value) = (effective.setting.env, printed(effective));
                let origin = &effective.origin;
                writeln!(f, "{name:name_width$}  {value:value_width$}  {origin}")?;
            }
            writeln!(f)?;
        }
        for (name, tier) in &self.config.limits.tiers {
            let or_none = |number: Option<u32>| number.unwrap_or_default();
            writeln!(f, "[tiers.{name}]")?;
            writeln!(f, "messages_per_minute  {}", or_none(tier.messages_per_minute))?;
            writeln!(f, "burst                {}", or_none(tier.burst))?;
            if let Some(is_shadow) = tier.is_shadow {
                let mode = if is_shadow { "shadow" } else { "enforce" };
                writeln!(f, "mode                 {mode}")?;
            }
            writeln!(f)?;
        }
        if !self.config.limits.costs.is_empty() {
            writeln!(f, "[costs]")?;
            for (kind, cost) in &self.config.limits.costs {
                writeln!(f, "{kind}  {cost}")?;
            }
            writeln!(f)?;
        }
        channels::print(self, f)
    }
}
