//! A file with every setting in it, as a comment: written from the table of settings, so that it leaves none
//! out. `docs/gateway.example.toml` is this text.

use std::fmt::Write as _;

use super::quantity::{show_duration, show_size};
use super::setting::{Kind, Reload, Section, Setting};
use super::settings::SETTINGS;

const HEAD: &str = "\
# A configuration of ws-gateway, with every setting at its default: `ws-gateway config --example` prints it.
# Take away a `#` that no space follows and write what you want. `ws-gateway check-config --config FILE` says
# all that is wrong with it. Each setting is a variable and a flag as well, and those win over this file.
#
# `at once`, `for new connections` and `with the next start` say when another value counts that the gateway
# reads while it runs: on SIGHUP, or by `POST /api/reload`.
";

const TAIL: &str = r#"
# What users of a tier may do; a claim of the token names it. `mode` is enforce or shadow, and without it as
# RATE_LIMIT_MODE says. Counts at once.
#[tiers.free]
#messages_per_minute = 60
#[tiers.pro]
#messages_per_minute = 1000
#burst = 100
#mode = "shadow"

# What a message counts for of a user's limit, by its type; what is not named counts for one. Short ones
# of the last four types are never limited, so that a cost of theirs counts for long ones alone. Counts at once.
#[costs]
#auth = 1
#request = 5
#subscribe = 1
#publish = 2
#join_room = 1
#room_message = 2
#chat = 2
#typing = 1
#presence = 1
#ping = 0
#heartbeat = 0
#custom = 1
#unsubscribe = 1
#leave_room = 1
#ack = 1
#pong = 1

# Who may do what in which channel. Without any, whoever has authenticated may use any channel; with one or
# more, what none means is denied. Counts at once.
#[[channels]]
#pattern = "chat:*"
#subscribe = true
#publish = true
#presence = true
#allowed_events = ["message", "edited"]
#rate_limit = 10
#slow_consumer = "disconnect"
#history = { size = 100, ttl = "5m" }
#on_outage = "refuse"

# What the path of a connection says about it. One of these takes the place of all that there are by default.
# Counts for new connections.
#[[connection_types]]
#path = "/ws/chat/{session_id}"
#max = 1
#per = "session_id"
#owner = false
#channels = ["chat:{session_id}"]
#on_limit = "reject"
# A type may lead to a TCP address of `targets` under [tunnel] instead; it has no channels then.
#[[connection_types]]
#path = "/ssh/{user_id}"
#max = 1
#per = "user_id"
#owner = true
#tunnel = "127.0.0.1:22"

# What passes between subjects of NATS and channels. Counts with the next start.
#[[bridges]]
#subject = "orders.*"
#channel = "orders"
#direction = "in"
"#;

/// The whole file.
#[must_use]
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    for section in Section::ALL {
        let _ = write!(text, "\n# {}\n[{}]\n", section.title(), section.name());
        for setting in SETTINGS.iter().filter(|setting| setting.section == section) {
            write_setting(&mut text, setting);
        }
    }
    text.push_str(TAIL);
    text
}

fn write_setting(text: &mut String, setting: &Setting) {
    let when = match setting.reload {
        Reload::Live => "at once",
        Reload::NewConnections => "for new connections",
        Reload::Restart => "with the next start",
    };
    let (doc, accepted) = (setting.doc, setting.accepted());
    let _ = writeln!(text, "# {doc}.\n# Accepts {accepted}; counts {when}.");
    let _ = writeln!(text, "#{} = {}", setting.key(), value(setting));
}

/// The default as TOML has it.
fn value(setting: &Setting) -> String {
    let default = setting.default;
    let number = default.parse::<u64>().ok().filter(|number| *number > 0);
    match (&setting.kind, number) {
        (Kind::Duration(..), Some(number)) => format!("{:?}", show_duration(number)),
        (Kind::Size(..), Some(number)) => format!("{:?}", show_size(number)),
        (Kind::Duration(..) | Kind::Size(..) | Kind::Integer(..) | Kind::Switch(_), _) => {
            default.to_owned()
        }
        (Kind::List(..), _) if default.is_empty() => "[]".to_owned(),
        (Kind::Word(_) | Kind::Secret(_) | Kind::Text(..) | Kind::List(..), _) => {
            format!("{default:?}")
        }
    }
}
