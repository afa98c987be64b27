//! What is different, and when that takes effect.

use std::collections::HashMap;

use crate::config::{Config, Effective, Loaded, Reload};

use super::report::{Change, ReloadReport};

/// What is in force: of each setting the value that counts, changed or not yet.
pub(super) struct Standing {
    settings: HashMap<&'static str, Effective>,
    /// What the gateway was started with, for what only a start changes.
    started: Config,
    /// What was loaded last.
    loaded: Config,
}

/// A part of the configuration that stands in no table: a section of the file, or what a file holds that
/// a setting names.
struct Part {
    name: &'static str,
    reload: Reload,
    is_same: fn(&Config, &Config) -> bool,
}

const PARTS: &[Part] = &[
    Part {
        name: "[tiers]",
        reload: Reload::Live,
        is_same: |one, other| one.limits.tiers == other.limits.tiers,
    },
    Part {
        name: "[costs]",
        reload: Reload::Live,
        is_same: |one, other| one.limits.costs == other.limits.costs,
    },
    Part {
        name: "[[channels]]",
        reload: Reload::Live,
        is_same: |one, other| one.channels.rules == other.channels.rules,
    },
    Part {
        name: "[[connection_types]]",
        reload: Reload::NewConnections,
        is_same: |one, other| one.channels.types == other.channels.types,
    },
    Part {
        name: "[[bridges]]",
        reload: Reload::Restart,
        is_same: |one, other| one.nats.bridges == other.nats.bridges,
    },
    Part {
        name: "the keys in JWT_PUBLIC_KEY_FILE",
        reload: Reload::Live,
        is_same: |one, other| one.auth.public_key == other.auth.public_key,
    },
    Part {
        name: "the word in REDIS_PASSWORD_FILE",
        reload: Reload::Restart,
        is_same: |one, other| {
            one.redis.password_file.is_none()
                || other.redis.password_file.is_none()
                || one.redis.password == other.redis.password
        },
    },
    Part {
        name: "the word in NATS_PASSWORD_FILE",
        reload: Reload::Restart,
        is_same: |one, other| {
            one.nats.password_file.is_none()
                || other.nats.password_file.is_none()
                || one.nats.password == other.nats.password
        },
    },
];

impl Standing {
    pub(super) fn new(started: &Loaded) -> Self {
        let settings = started.provenance.iter().map(|it| (it.setting.env, it.clone()));
        Self {
            settings: settings.collect(),
            started: started.config.clone(),
            loaded: started.config.clone(),
        }
    }

    /// Goes on to what was loaded, and says what that changes. What needs a start is different until there is
    /// one; `held_back` names settings that need one this time, and why.
    pub(super) fn advance(
        &mut self,
        loaded: &Loaded,
        held_back: &[(&'static str, &'static str)],
    ) -> ReloadReport {
        let mut report = ReloadReport { warnings: loaded.warnings.clone(), ..Default::default() };
        for effective in &loaded.provenance {
            self.compare(effective, held_back, &mut report);
        }
        for part in PARTS {
            let base = match part.reload {
                Reload::Restart => &self.started,
                Reload::Live | Reload::NewConnections => &self.loaded,
            };
            if (part.is_same)(base, &loaded.config) {
                report.unchanged += 1;
            } else {
                report.add(part.reload, Change::of_part(part.name));
            }
        }
        self.loaded = loaded.config.clone();
        report
    }

    fn compare(
        &mut self,
        effective: &Effective,
        held_back: &[(&'static str, &'static str)],
        report: &mut ReloadReport,
    ) {
        let setting = effective.setting;
        let Some(before) = self.settings.get_mut(setting.env) else { return };
        if setting.means_the_same(before.text.expose(), effective.text.expose()) {
            report.unchanged += 1;
            return;
        }
        let held = held_back.iter().find(|(env, _)| *env == setting.env);
        let reload = held.map_or(setting.reload, |_| Reload::Restart);
        let why = held.map(|(_, why)| *why);
        report.add(reload, Change::of_setting(before, effective, why));
        if reload != Reload::Restart {
            *before = effective.clone();
        }
    }
}
