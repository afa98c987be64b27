//! One connection as the rest of the server sees it.

use std::{
    fmt,
    net::IpAddr,
    num::NonZeroU16,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use ws_auth::Identity;
use ws_channels::{ChannelName, EventId, SeenEvents};
use ws_close_manager::SendableCode;
use ws_connection::Prepared;
use ws_transport::{Delivery, Outbox, SendError};

use crate::{channels::is_public, end_reason::EndReason, lifecycle};

/// The server's name for a connection: random, so that nobody guesses another's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u128);

impl ConnectionId {
    pub(crate) fn random() -> Self {
        // Version 4 of RFC 9562.
        let bits: u128 = rand::random();
        Self(bits & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62)
    }

    /// The number behind the name.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    /// As a UUID, made in one piece. Each line of the log has one, and five numbers with their
    /// padding would make it dearer by a quarter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut place = 0;
        for (index, byte) in self.0.to_be_bytes().into_iter().enumerate() {
            place += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[place] = DIGITS[usize::from(byte >> 4)];
            text[place + 1] = DIGITS[usize::from(byte & 0xf)];
            place += 2;
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// The text is no [`ConnectionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a connection's id is expected, such as 550e8400-e29b-41d4-a716-446655440000")]
pub struct ConnectionIdError;

impl FromStr for ConnectionId {
    type Err = ConnectionIdError;

    /// Reads what [`Display`](fmt::Display) writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, ConnectionIdError> {
        let digits = text.bytes().filter(u8::is_ascii_hexdigit).fold(0, |bits, digit| {
            let digit = char::from(digit).to_digit(16).unwrap_or_default();
            bits << 4 | u128::from(digit)
        });
        let id = Self(digits);
        (id.to_string() == text).then_some(id).ok_or(ConnectionIdError)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connection: who it is, and the way to it. Shared by its session, the registry and whatever
/// answers it later.
#[derive(Debug)]
pub struct Client {
    id: ConnectionId,
    address: IpAddr,
    /// What it calls itself; many share one text.
    agent: Option<Arc<str>>,
    connected_at_ms: u64,
    outbox: Outbox,
    identity: RwLock<Option<Arc<Identity>>>,
    /// None while it has been sent nothing with a name and nobody has ordered anything.
    aside: Mutex<Option<Box<Aside>>>,
    /// Microseconds of the last round trip; `u32::MAX` while none is known.
    latency_micros: AtomicU32,
    unhealthy: AtomicBool,
    /// Why it ends, once that is noted, as [`EndReason::to_byte`] has it.
    end: AtomicU8,
    welcome: AtomicBool,
    /// What is sent on it is somebody else's bytes.
    is_tunnel: bool,
}

/// What is kept of few connections.
#[derive(Debug, Default)]
struct Aside {
    /// The events that it has been sent.
    events: Option<SeenEvents>,
    orders: Vec<Order>,
}

/// What somebody else wants a connection's session to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// To be in a channel, whatever the rules say to the client.
    Subscribe(ChannelName),
    /// To be in it no more.
    Unsubscribe(ChannelName),
    /// To look whether something was kept for its user.
    LookForLetters,
}

impl Client {
    pub(crate) fn new(
        id: ConnectionId,
        address: IpAddr,
        connected_at_ms: u64,
        outbox: Outbox,
        identity: Option<Arc<Identity>>,
    ) -> Self {
        Self {
            id,
            address,
            agent: None,
            connected_at_ms,
            outbox,
            identity: RwLock::new(identity),
            aside: Mutex::default(),
            latency_micros: AtomicU32::new(u32::MAX),
            unhealthy: AtomicBool::new(false),
            end: AtomicU8::new(0),
            welcome: AtomicBool::new(false),
            is_tunnel: false,
        }
    }

    pub(crate) fn with_agent(self, agent: Option<Arc<str>>) -> Self {
        Self { agent, ..self }
    }

    pub(crate) fn with_tunnel(self, is_tunnel: bool) -> Self {
        Self { is_tunnel, ..self }
    }

    /// The connection's name.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Where it comes from, proxies that are trusted looked through.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What it calls itself (`User-Agent`): at most 128 bytes of what it said.
    pub fn agent(&self) -> Option<&Arc<str>> {
        self.agent.as_ref()
    }

    /// When it was opened, in ms since 1970.
    pub fn connected_at_ms(&self) -> u64 {
        self.connected_at_ms
    }

    /// Who it is; `None` before it has authenticated, and where nobody has to.
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.read().clone()
    }

    /// The user's name, as [`Client::identity`] has it.
    pub fn user_id(&self) -> Option<Arc<str>> {
        self.identity.read().as_ref().map(|identity| identity.user_id.clone())
    }

    /// Whether it is this user's.
    pub(crate) fn is_user(&self, user_id: &str) -> bool {
        self.identity.read().as_ref().is_some_and(|identity| *identity.user_id == *user_id)
    }

    /// The last round trip of the heartbeat.
    pub fn latency(&self) -> Option<Duration> {
        let micros = self.latency_micros.load(Ordering::Relaxed);
        (micros != u32::MAX).then(|| Duration::from_micros(micros.into()))
    }

    /// Whether no ping is overdue.
    pub fn is_healthy(&self) -> bool {
        !self.unhealthy.load(Ordering::Relaxed)
    }

    /// Whether it has been let in: has said who it is, if that is asked for, and was not refused.
    pub fn is_welcome(&self) -> bool {
        self.welcome.load(Ordering::Relaxed)
    }

    /// Whether it is, or is to be, a tunnel: nothing is said to it in texts, and whoever is behind it cannot be
    /// asked to come back.
    pub fn is_tunnel(&self) -> bool {
        self.is_tunnel
    }

    /// What others call it: its user, or where nobody has to say who it is, the connection.
    pub fn name(&self) -> Arc<str> {
        self.user_id().unwrap_or_else(|| self.id.to_string().into())
    }

    /// Puts it into a channel, whatever the rules allow it to ask for; it is told `subscribed`. What
    /// comes of it is seen soon, not at once. Nothing comes of a channel of the gateway's own (`$…`).
    pub fn subscribe(&self, channel: &ChannelName) {
        if is_public(channel) {
            self.order(Order::Subscribe(channel.clone()));
        }
    }

    /// Takes it out of a channel; it is told `unsubscribed`, and nothing of the channel behind that.
    pub fn unsubscribe(&self, channel: &ChannelName) {
        if is_public(channel) {
            self.order(Order::Unsubscribe(channel.clone()));
        }
    }

    /// Looks whether something was kept for its user.
    pub(crate) fn look_for_letters(&self) {
        self.order(Order::LookForLetters);
    }

    fn order(&self, order: Order) {
        self.aside.lock().get_or_insert_default().orders.push(order);
        self.outbox.nudge();
    }

    pub(crate) fn take_orders(&self) -> Vec<Order> {
        let mut aside = self.aside.lock();
        aside.as_mut().map_or_else(Vec::new, |aside| std::mem::take(&mut aside.orders))
    }

    /// Those that have to wait, before what came meanwhile.
    pub(crate) fn put_back_orders(&self, mut orders: Vec<Order>) {
        let mut aside = self.aside.lock();
        let aside = aside.get_or_insert_default();
        orders.append(&mut aside.orders);
        aside.orders = orders;
    }

    /// Sends an event unless it has been sent: `None` if it has.
    pub(crate) fn send_once(
        &self,
        event: EventId,
        capacity: NonZeroU16,
        send: impl FnOnce() -> Result<Delivery, SendError>,
    ) -> Option<Result<Delivery, SendError>> {
        let mut aside = self.aside.lock();
        let events = &mut aside.get_or_insert_default().events;
        let events = events.get_or_insert_with(|| SeenEvents::new(capacity));
        if events.contains(event) {
            // Offered, so that it is forgotten later than what nobody brings any more.
            events.insert(event);
            return None;
        }
        let sent = send();
        // What it goes without may be tried again.
        if matches!(sent, Ok(Delivery::Queued)) {
            events.insert(event);
        }
        Some(sent)
    }

    /// Sends a text message.
    pub fn send_text(&self, text: &str) -> Result<(), SendError> {
        self.outbox.send(Arc::new(Prepared::text(text)))
    }

    /// Sends a message that was framed once for many.
    pub fn send(&self, message: Arc<Prepared>) -> Result<(), SendError> {
        self.outbox.send(message)
    }

    /// Starts the closing handshake behind what is queued, for a reason of the application.
    pub fn close(&self, code: SendableCode, reason: &str) {
        self.close_for(EndReason::Application, code, reason);
    }

    /// Starts the closing handshake behind what is queued, and notes why: the first close wins.
    pub fn close_for(&self, why: EndReason, code: SendableCode, reason: &str) {
        self.note_end(why);
        self.outbox.close(code, reason);
    }

    /// Ends a connection that does not take what it is sent: what waits is dropped, and the client is
    /// told 1013, to come back later.
    pub(crate) fn close_slow(&self) {
        lifecycle::slow_consumer(self);
        self.note_end(EndReason::Slow);
        self.outbox.close_discarding(SendableCode::TRY_AGAIN, "Slow consumer");
    }

    /// Whether we have started to close it, or it is over.
    pub fn is_closing(&self) -> bool {
        self.end.load(Ordering::Relaxed) != 0
    }

    /// Why it ended, or why our side has started to close it.
    pub fn end_reason(&self) -> Option<EndReason> {
        EndReason::from_byte(self.end.load(Ordering::Relaxed))
    }

    /// The way to the connection.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn set_identity(&self, identity: Arc<Identity>) {
        *self.identity.write() = Some(identity);
    }

    pub(crate) fn note_welcome(&self) {
        self.welcome.store(true, Ordering::Relaxed);
    }

    /// Why it is about to end; the first note wins.
    pub(crate) fn note_end(&self, why: EndReason) {
        let (none, noted) = (0, why.to_byte());
        // Who comes second leaves what the first has noted.
        let _ = self.end.compare_exchange(none, noted, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Why it has ended: what was noted does not count any more.
    pub(crate) fn conclude_end(&self, why: EndReason) {
        self.end.store(why.to_byte(), Ordering::Relaxed);
    }

    pub(crate) fn note_latency(&self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX - 1);
        self.latency_micros.store(micros.min(u32::MAX - 1), Ordering::Relaxed);
    }

    pub(crate) fn note_health(&self, healthy: bool) {
        // Written when it changes only: the flag is read on each message.
        if self.is_healthy() != healthy {
            self.unhealthy.store(!healthy, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionId, ConnectionIdError};

    #[test]
    fn a_connection_id_prints_as_a_uuid_of_version_4() {
        for _ in 0..100 {
            let id = ConnectionId::random();
            let text = id.to_string();
            assert_eq!(text.replace('-', ""), format!("{:032x}", id.bits()));
            let groups: Vec<_> = text.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{text}");
            assert_eq!(text.as_bytes()[14], b'4', "{text}");
            assert!(matches!(text.as_bytes()[19], b'8'..=b'b'), "{text}");
            assert_eq!(text.parse(), Ok(id));
        }
    }

    #[test]
    fn only_what_an_id_prints_as_is_read_as_one() {
        let id = ConnectionId::random().to_string();
        let upper = "550E8400-E29B-41D4-A716-446655440000";
        for text in ["", "x", &id[1..], &format!("{id}0"), &id.replace('-', ""), upper] {
            assert_eq!(text.parse::<ConnectionId>(), Err(ConnectionIdError), "{text}");
        }
    }
}
