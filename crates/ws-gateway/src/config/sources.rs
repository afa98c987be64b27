//! What was written, before anybody asks what it means: the first of the two stages.

pub(super) mod command_line;
pub(super) mod environment;
pub(super) mod file;

use std::collections::BTreeMap;

use ws_channels::{ConnectionTypeSpec, RuleSpec};

use super::fault::Fault;
use super::origin::{Origin, Written};
use super::resolved::{BridgeSpec, Tier};
use super::setting::Setting;

/// What one source says, or all of them laid over each other.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// By variable. What a source says again replaces what was said before.
    pub(super) written: BTreeMap<&'static str, Written>,
    /// Only the file can say these.
    pub(super) tiers: BTreeMap<String, Tier>,
    pub(super) costs: BTreeMap<&'static str, u32>,
    pub(super) rules: Vec<(RuleSpec, Origin)>,
    /// `None` where not a word is said about them.
    pub(super) types: Option<Vec<(ConnectionTypeSpec, Origin)>>,
    pub(super) bridges: Vec<(BridgeSpec, Origin)>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
    /// Whether a source could not be read at all, so that what seems to be missing may be there.
    pub(super) is_incomplete: bool,
}

impl Raw {
    pub(super) fn write(&mut self, setting: &'static Setting, written: Written) {
        self.written.insert(setting.env, written);
    }

    /// Lays `above` over what is here.
    pub(super) fn overlay(&mut self, above: Self) {
        self.written.extend(above.written);
        self.tiers.extend(above.tiers);
        self.costs.extend(above.costs);
        self.rules.extend(above.rules);
        self.types = above.types.or(self.types.take());
        self.bridges.extend(above.bridges);
        self.faults.extend(above.faults);
        self.warnings.extend(above.warnings);
        self.is_incomplete |= above.is_incomplete;
    }
}
