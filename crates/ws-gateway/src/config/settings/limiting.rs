//! The settings of how limits are applied, and of tokens that are taken back.

use crate::config::quantity::{DAY, GIB};
use crate::config::setting::{Kind, Reload, Section, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "RATE_LIMIT_MODE",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Word(&[
            ("enforce", |c| c.limits.is_shadow = false),
            ("shadow", |c| c.limits.is_shadow = true),
        ]),
        default: "enforce",
        doc: "Whether who is above a rate limit is refused, or let through and counted",
    },
    Setting {
        env: "CONNECTION_RATE_LIMIT_MODE",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Word(&[
            ("same", |c| c.limits.connects_shadow = None),
            ("enforce", |c| c.limits.connects_shadow = Some(false)),
            ("shadow", |c| c.limits.connects_shadow = Some(true)),
        ]),
        default: "same",
        doc: "The same for connects alone; `same` as RATE_LIMIT_MODE",
    },
    Setting {
        env: "MESSAGE_COST_BYTES",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Size(0..=GIB, |c, bytes| c.limits.bytes_per_token = super::limit(bytes as u32)),
        default: "0",
        doc: "Each whole span of so many bytes of a message counts as one message more; 0: length costs nothing",
    },
    Setting {
        env: "LIMITS_SCOPE",
        section: Section::Limits,
        reload: Reload::Live,
        kind: Kind::Word(&[
            ("node", |c| c.limits.is_cluster_wide = false),
            ("cluster", |c| c.limits.is_cluster_wide = true),
        ]),
        default: "node",
        doc: "Whether each node has the rate limits for itself, or all of them together",
    },
    Setting {
        env: "TOKEN_LIFETIME_MAX",
        section: Section::Auth,
        reload: Reload::Restart,
        kind: Kind::Duration(0..=366 * DAY, |c, time| {
            c.auth.lifetime_max = Some(time).filter(|time| !time.is_zero());
        }),
        default: "0",
        doc: "How long a token may live, from `iat` to `exp`; others are refused; 0 for any time",
    },
    Setting {
        env: "REVOCATIONS_MAX",
        section: Section::Auth,
        reload: Reload::Restart,
        kind: Kind::Integer(1..=10_000_000, |c, n| c.auth.revocations_max = n),
        default: "100000",
        doc: "How many revocations of tokens are remembered",
    },
    Setting {
        env: "REVOCATIONS_REQUIRED",
        section: Section::Auth,
        reload: Reload::Restart,
        kind: Kind::Switch(|c, on| c.auth.revocations_required = on),
        default: "true",
        doc: "Whether tokens are refused until it is known which of them were revoked",
    },
];
