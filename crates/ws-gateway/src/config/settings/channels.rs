//! The settings of how much of channels; who may use which is said by rules in the file.

use crate::config::quantity::{DAY, HOUR};
use crate::config::setting::{Kind, Reload, Section, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        env: "MAX_CHANNELS_PER_CONNECTION",
        section: Section::Subscriptions,
        reload: Reload::Live,
        kind: Kind::Integer(1..=1_000_000, |c, n| c.channels.per_connection_max = n),
        default: "100",
        doc: "In how many channels one connection may be",
    },
    Setting {
        env: "MAX_CONNECTIONS_PER_CHANNEL",
        section: Section::Subscriptions,
        reload: Reload::Live,
        kind: Kind::Integer(1..=u32::MAX, |c, n| c.channels.connections_per_channel_max = n),
        default: "1000000",
        doc: "How many connections one channel may have",
    },
    Setting {
        env: "MAX_CHANNELS",
        section: Section::Subscriptions,
        reload: Reload::Live,
        kind: Kind::Integer(1..=100_000_000, |c, n| c.channels.channels_max = n),
        default: "1000000",
        doc: "How many channels there may be with somebody in them",
    },
    Setting {
        env: "EVENT_CACHE_SIZE",
        section: Section::Subscriptions,
        reload: Reload::Restart,
        kind: Kind::Integer(0..=65_535, |c, n| c.channels.event_cache_size = n as u16),
        default: "1000",
        doc: "How many event ids are remembered of what a client was sent; 0 for none",
    },
    Setting {
        env: "EVENT_WINDOW",
        section: Section::Subscriptions,
        reload: Reload::Restart,
        kind: Kind::Duration(0..=DAY, |c, time| {
            c.channels.event_window = Some(time).filter(|time| !time.is_zero());
        }),
        default: "120000",
        doc: "How long an `eventId` that was published is not published again; 0 for never",
    },
    Setting {
        env: "PRESENCE_GRACE",
        section: Section::Subscriptions,
        reload: Reload::Restart,
        kind: Kind::Duration(0..=HOUR, |c, time| c.channels.presence_grace = time),
        default: "15000",
        doc: "How long a user whose last connection was lost still counts as there",
    },
    Setting {
        env: "PRESENCE_BATCH_ABOVE",
        section: Section::Subscriptions,
        reload: Reload::Restart,
        kind: Kind::Integer(0..=u32::MAX, |c, n| c.channels.presence_batch_above = n),
        default: "50",
        doc: "Above how many users a room is told of changes in batches; 0 for always",
    },
    Setting {
        env: "PRESENCE_BATCH_INTERVAL",
        section: Section::Subscriptions,
        reload: Reload::Restart,
        kind: Kind::Duration(1..=HOUR, |c, time| c.channels.presence_batch_interval = time),
        default: "1000",
        doc: "How often such a batch goes out",
    },
    Setting {
        env: "PRESENCE_USERS_MAX",
        section: Section::Subscriptions,
        reload: Reload::Live,
        kind: Kind::Integer(0..=100_000, |c, n| c.channels.presence_users_max = n),
        default: "100",
        doc: "Up to how many users are named to who asks for presence; 0 for a count only",
    },
];
