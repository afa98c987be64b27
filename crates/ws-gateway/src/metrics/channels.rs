//! Channels, and who is in them.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn channels(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.channel_stats();
        page.gauge("ws_channels", "Channels that somebody is subscribed to", stats.channels)?;
        page.gauge("ws_channel_subscriptions", "Subscriptions", stats.subscriptions)?;
        page.gauge("ws_channel_rooms", "Rooms in which somebody is", stats.rooms)?;
        let with_presence = "Channels in which somebody is known to be, rooms among them";
        page.gauge("ws_channels_with_presence", with_presence, stats.channels_with_presence)?;
        page.gauge(
            "ws_channel_present_users",
            "Users present, in each channel once",
            stats.present,
        )?;
        let absent = "Users whose connections are gone, and who may come back in time";
        page.gauge("ws_channel_absent_users", absent, stats.absent)?;
        let remembered = "Events by which repetitions are recognized";
        page.gauge("ws_channel_remembered_events", remembered, stats.remembered_events)?;
        let typed = "Connections at the path of a connection type with a limit";
        page.gauge("ws_channel_typed_connections", typed, stats.typed_connections)?;
        page.counters(
            "ws_channel_events_total",
            "What happened in channels",
            "event",
            &stats.counts,
        )
    }
}
