//! The settings of who answers requests, decides by hooks, and asks for things.

use crate::config::form::{hook, upstream};
use crate::config::quantity::{HOUR, MINUTE};
use crate::config::resolved::HookFailure;
use crate::config::setting::{Kind, Reload, Section, Setting};

const HOOK_ADDRESS: &str = "an http or https address without user and password";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "UPSTREAM",
        section: Section::Upstream,
        reload: Reload::Live,
        kind: Kind::Text(
            "echo, an http or https address, or nats://host/subject, without user and password",
            upstream,
        ),
        default: "",
        doc: "Who answers requests",
    },
    Setting {
        env: "UPSTREAM_TIMEOUT",
        section: Section::Upstream,
        reload: Reload::Live,
        kind: Kind::Duration(1..=HOUR, |c, time| c.upstream.timeout = time),
        default: "10000",
        doc: "How long an answer may take",
    },
    Setting {
        env: "UPSTREAM_CONCURRENCY",
        section: Section::Upstream,
        reload: Reload::Live,
        kind: Kind::Integer(1..=65_536, |c, n| c.upstream.concurrency_max = n),
        default: "256",
        doc: "How many requests may be on their way at once",
    },
    Setting {
        env: "HOOK_CONNECT",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.connect)),
        default: "",
        doc: "Asked whether a client may connect",
    },
    Setting {
        env: "HOOK_SUBSCRIBE",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.subscribe)),
        default: "",
        doc: "Asked whether a client may subscribe to a channel",
    },
    Setting {
        env: "HOOK_PUBLISH",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.publish)),
        default: "",
        doc: "Asked whether a client may publish to a channel",
    },
    Setting {
        env: "HOOK_DISCONNECTED",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Text(HOOK_ADDRESS, |c, text| hook(text, &mut c.hooks.disconnected)),
        default: "",
        doc: "Told that a client is gone",
    },
    Setting {
        env: "HOOK_TIMEOUT",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Duration(1..=MINUTE, |c, time| c.hooks.timeout = time),
        default: "2000",
        doc: "How long an answer may take",
    },
    Setting {
        env: "HOOK_CONCURRENCY",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Integer(1..=65_536, |c, n| c.hooks.concurrency_max = n),
        default: "256",
        doc: "How many may be on their way at once",
    },
    Setting {
        env: "HOOK_FAILURE",
        section: Section::Hooks,
        reload: Reload::Live,
        kind: Kind::Word(&[
            ("refuse", |c| c.hooks.failure = HookFailure::Refuse),
            ("allow", |c| c.hooks.failure = HookFailure::Allow),
        ]),
        default: "refuse",
        doc: "What counts as the answer when the back-end gives none",
    },
    Setting {
        env: "API_KEY",
        section: Section::Api,
        reload: Reload::Live,
        kind: Kind::Secret(|c, key| c.api.key = key),
        default: "",
        doc: "What /api demands as a bearer token; there is no /api unless it is set",
    },
];
