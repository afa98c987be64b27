//! The life of a gateway connection: admit, authenticate, register, route, limit, deliver, close.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod admission;
mod agents;
mod application;
mod breaks;
mod channels;
mod client;
mod clock;
mod cluster;
mod config;
mod costs;
mod counts;
mod drain;
mod end_reason;
mod expiry;
mod gatekeeper;
mod goodbye;
mod handler;
mod health;
mod identification;
mod leasing;
mod lifecycle;
mod moving;
mod past_ends;
mod policy;
mod registry;
mod rejection;
mod revoking;
mod session;
mod stats;
mod tap;
mod traced;
mod tunnels;

pub use address::TrustedProxies;
pub use admission::Admission;
pub use application::{Application, LateResponder, Responder};
pub use channels::back_end::{ChannelInfo, ChannelStats, PresenceInfo, Publish, Published};
pub use channels::look_back::{HistoryPage, KeptMessage};
pub use channels::outward::Outward;
pub use channels::settings::ChannelSettings;
pub use client::{Client, ConnectionId, ConnectionIdError};
pub use clock::WallClock;
pub use cluster::ends::{EndsEverywhere, Whereabouts};
pub use cluster::{
    direct::{Kept, Sent},
    everywhere::Reached,
};
pub use config::{AuthMode, HandlerConfig, Limits};
pub use costs::Costs;
pub use counts::Counts;
pub use end_reason::EndReason;
pub use gatekeeper::{Gatekeeper, Judgement, Refusal, Verdict};
pub use handler::WebSocketHandler;
pub use health::Health;
pub use identification::{Authenticate, Identification, LateIdentification};
pub use leasing::ClusterLimits;
pub use moving::{Moving, Rebalance};
pub use past_ends::PastEnd;
pub use policy::{CurrentPolicy, Policy};
pub use rejection::Rejection;
pub use revoking::RevocationConfig;
pub use session::GatewaySession;
pub use stats::{HandlerStats, Histogram};
pub use tap::{
    Activity, Direction, Measurement, Outline, Payload, Sighting, WatchCounts, WatchError,
    WatchRequest, WatchStats, Watcher, What,
};
pub use tunnels::{TunnelOpening, TunnelRefusal, Tunneling};
pub use ws_broker::OfflineCause;
pub use ws_heartbeat::{Culprit, Suspect};
