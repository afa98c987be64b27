//! The settings of who looks inside, and of what is told.

use crate::config::resolved::{LogFormat, LogLevel};
use crate::config::setting::{Kind, Reload, Section, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "ADMIN_KEY",
        section: Section::Admin,
        reload: Reload::Live,
        kind: Kind::Secret(|c, key| c.admin.key = key),
        default: "",
        doc: "What /stats, /metrics and the console demand; unless it is set the first two are open, and there is a console with --dev alone",
    },
    Setting {
        env: "ENDS_KEPT_USERS",
        section: Section::Admin,
        reload: Reload::Restart,
        kind: Kind::Integer(0..=1_000_000, |c, n| c.admin.ends_kept_users = n),
        default: "8192",
        doc: "Of how many users the last ends of connections are kept, for the API",
    },
    Setting {
        env: "LOG_LEVEL",
        section: Section::Log,
        reload: Reload::Live,
        kind: Kind::Word(&[
            ("error", |c| c.log.level = LogLevel::Error),
            ("warn", |c| c.log.level = LogLevel::Warn),
            ("info", |c| c.log.level = LogLevel::Info),
            ("debug", |c| c.log.level = LogLevel::Debug),
            ("trace", |c| c.log.level = LogLevel::Trace),
        ]),
        default: "info",
        doc: "The least urgent lines that are written",
    },
    Setting {
        env: "LOG_FORMAT",
        section: Section::Log,
        reload: Reload::Restart,
        kind: Kind::Word(&[
            ("auto", |c| c.log.format = LogFormat::Auto),
            ("human", |c| c.log.format = LogFormat::Human),
            ("json", |c| c.log.format = LogFormat::Json),
        ]),
        default: "auto",
        doc: "For people or for machines; `auto` is for people on a terminal only",
    },
];
