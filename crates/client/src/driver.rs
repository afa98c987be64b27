//! The machine's hands: dials, reads, writes, sleeps.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{SinkExt, StreamExt};
use tokio::{sync::watch, time::Instant};
use tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{
    builder::{Fetching, TokenError, TokenIn, TokenSource},
    client::Shared,
    dial::{Credential, DialError, Dialer, Socket},
    machine::{End, Failure, Wanted},
    network::NetworkStatus,
    probe::HealthProbe,
};

/// How many messages are taken from the socket before anything else has its turn.
const MESSAGES_MAX: usize = 128;

/// Owns the socket of one client.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    dialer: Arc<Dialer>,
    source: Option<TokenSource>,
    token_in: TokenIn,
    network: Network,
    link: Link,
    /// A token for the connection that lives.
    refresh: Option<Fetching>,
}

/// Who tells how the network is.
pub(crate) struct Network {
    status: Option<watch::Receiver<NetworkStatus>>,
    probe: Option<HealthProbe>,
}

/// What there is of a connection.
enum Link {
    Nothing,
    Attempt(u64, Attempt),
    Socket(u64, Open),
}

/// An attempt, which yields the socket and the token that went with it, or is to go.
type Attempt = Pin<Box<dyn Future<Output = Attempted> + Send>>;

type Attempted = Result<(Box<Socket>, Option<String>), Failure>;

struct Open {
    socket: Box<Socket>,
    /// What the server's close frame said.
    closed: Option<End>,
    /// Our own close frame, to be sent behind all else, and whether it was.
    farewell: Option<CloseFrame>,
    is_closing: bool,
}

/// What came of the link.
enum Happened {
    /// Something was read or written.
    Progress,
    Opened(u64, Attempted),
    Ended(End),
}

impl Network {
    pub(crate) fn new(
        status: Option<watch::Receiver<NetworkStatus>>,
        probe: Option<HealthProbe>,
    ) -> Self {
        Self { status, probe }
    }

    /// Resolves when it has changed; never, if nobody tells.
    async fn changed(&mut self) -> NetworkStatus {
        if let Some(status) = &mut self.status {
            if status.changed().await.is_ok() {
                return *status.borrow_and_update();
            }
            // Whoever told has gone; what was said last stays.
            self.status = None;
        }
        std::future::pending().await
    }
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        dialer: Dialer,
        source: Option<TokenSource>,
        token_in: TokenIn,
        network: Network,
    ) -> Self {
        let dialer = Arc::new(dialer);
        Self { shared, dialer, source, token_in, network, link: Link::Nothing, refresh: None }
    }

    /// Runs until the client has stopped.
    pub(crate) async fn run(mut self) {
        loop {
            let (wanted, wake_at, is_over) = self.look();
            self.provide(wanted);
            if is_over {
                break;
            }
            self.turn(wake_at).await;
        }
    }

    /// What the machine wants now.
    fn look(&mut self) -> (Wanted, Option<Instant>, bool) {
        let mut machine = self.shared.machine.lock();
        machine.handle_timeout(Instant::now().into_std());
        let events: Vec<_> = std::iter::from_fn(|| machine.poll_event()).collect();
        let is_token_wanted = machine.poll_token_wish();
        let (state, wanted, over) = (machine.state(), machine.wanted(), machine.is_over());
        let wake_at = machine.poll_timeout().map(Instant::from_std);
        drop(machine);
        // The application's own code, which may look at the client: not under its lock.
        if is_token_wanted && self.refresh.is_none() {
            self.refresh = self.source.as_ref().map(TokenSource::fetch);
        }
        for event in events {
            // Nobody need listen.
            let _ = self.shared.events.send(event);
        }
        self.shared.states.send_if_modified(|current| std::mem::replace(current, state) != state);
        (wanted, wake_at, over)
    }

    /// Has what is wanted, and nothing else.
    fn provide(&mut self, wanted: Wanted) {
        match (wanted, &mut self.link) {
            (Wanted::Attempt(number), Link::Attempt(current, _)) if number == *current => {}
            (Wanted::Attempt(number), _) => self.link = Link::Attempt(number, self.attempt()),
            (Wanted::Socket(number), Link::Socket(current, _)) if number == *current => {}
            (Wanted::Closing(number, reason), Link::Socket(current, open))
                if number == *current =>
            {
                open.start_close(reason);
            }
            _ => {
                if matches!(self.link, Link::Socket(..)) {
                    self.refresh = None;
                    if let Some(probe) = &self.network.probe {
                        probe.check_now();
                    }
                }
                self.link = Link::Nothing;
            }
        }
    }

    fn attempt(&self) -> Attempt {
        let (dialer, source, token_in) = (self.dialer.clone(), self.source.clone(), self.token_in);
        Box::pin(async move {
            let token = match source {
                Some(source) => Some(source.fetch().await.map_err(|error| no_token(&error))?),
                None => None,
            };
            let credential = token.as_deref().and_then(|token| match token_in {
                TokenIn::Header => Some(Credential::Header(token)),
                TokenIn::Protocol => Some(Credential::Protocol(token)),
                TokenIn::Message => None,
            });
            match dialer.dial(credential).await {
                Ok(socket) => Ok((Box::new(socket), token)),
                Err(error) => Err(failure(error)),
            }
        })
    }

    /// Waits for something to happen, and tells the machine.
    async fn turn(&mut self, wake_at: Option<Instant>) {
        let Self { shared, network, link, refresh, .. } = self;
        let sleep = async {
            match wake_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let refreshed = async {
            match refresh {
                Some(fetching) => fetching.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What has arrived is heard before the time is told, which may have passed while the thread was busy.
            // The seldom come first: a link that always has something must not keep them from their turn.
            biased;
            status = network.changed() => {
                shared.change(|machine, now| machine.handle_network(status, now));
            }
            fetched = refreshed => {
                *refresh = None;
                match fetched {
                    Ok(token) => shared.change(|machine, _| machine.handle_token(&token)),
                    // Without one, the connection ends with 3000, and the next attempt fetches another.
                    Err(error) => tracing::warn!(%error, "no fresh token"),
                }
            }
            happened = poll_fn(|cx| link.poll(shared, cx)) => self.handle(happened),
            () = shared.news.notified() => {}
            () = sleep => {}
        }
    }

    fn handle(&mut self, happened: Happened) {
        let mut machine = self.shared.machine.lock();
        let now = Instant::now().into_std();
        match happened {
            Happened::Progress => {}
            Happened::Opened(number, Ok((socket, token))) => {
                machine.handle_open(token);
                let open = Open { socket, closed: None, farewell: None, is_closing: false };
                self.link = Link::Socket(number, open);
            }
            Happened::Opened(_, Err(failure)) => {
                machine.handle_failure(&failure, now);
                self.link = Link::Nothing;
            }
            Happened::Ended(end) => machine.handle_end(&end, now),
        }
    }
}

/// However it ends, also by a panic of the token source or with its runtime, nobody waits for ever.
impl Drop for Driver {
    fn drop(&mut self) {
        self.link = Link::Nothing;
        let mut machine = self.shared.machine.lock();
        machine.abandon();
        let state = machine.state();
        drop(machine);
        // Whoever waits for the end is woken, also where the state is as it was.
        self.shared.states.send_replace(state);
    }
}

impl Link {
    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Happened> {
        match self {
            Self::Nothing => Poll::Pending,
            Self::Attempt(number, attempt) => {
                attempt.as_mut().poll(cx).map(|outcome| Happened::Opened(*number, outcome))
            }
            Self::Socket(_, open) => open.poll(shared, cx),
        }
    }
}

impl Open {
    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Happened> {
        // What was written may have set a deadline, for which the driver does not wait yet.
        let Ok(mut has_progress) = self.poll_write(shared, cx) else {
            return Poll::Ready(Happened::Ended(self.closed.take().unwrap_or(End::Lost)));
        };
        for _ in 0..MESSAGES_MAX {
            let Poll::Ready(read) = self.socket.poll_next_unpin(cx) else { break };
            has_progress = true;
            let Some(Ok(message)) = read else {
                let end = self.closed.take().unwrap_or(End::Lost);
                return Poll::Ready(Happened::Ended(end));
            };
            self.hear(message, shared);
        }
        if has_progress { Poll::Ready(Happened::Progress) } else { Poll::Pending }
    }

    fn hear(&mut self, message: Message, shared: &Shared) {
        let mut machine = shared.machine.lock();
        let now = Instant::now().into_std();
        match message {
            Message::Text(text) => machine.handle_text(&text, now),
            Message::Close(frame) => {
                let (code, reason) = frame
                    .map_or((1005, String::new()), |it| (it.code.into(), it.reason.to_string()));
                self.closed = Some(End::Closed { code, reason });
            }
            // The stream answers pings itself; anything is a sign of life.
            _ => machine.handle_heard(now),
        }
    }

    /// Writes as much as the socket takes. Each message is asked for only then, so that what matters more and comes
    /// later still goes first. Answers whether there was something.
    fn poll_write(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Result<bool, tungstenite::Error> {
        let mut has_written = false;
        while !self.is_closing && self.closed.is_none() {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(ready) => ready?,
                Poll::Pending => break,
            }
            let text = shared.machine.lock().poll_text(Instant::now().into_std());
            if let Some(text) = text {
                has_written = true;
                self.socket.start_send_unpin(Message::text(text))?;
            } else if let Some(frame) = self.farewell.take() {
                self.is_closing = true;
                self.socket.start_send_unpin(Message::Close(Some(frame)))?;
            } else {
                break;
            }
        }
        if let Poll::Ready(flushed) = self.socket.poll_flush_unpin(cx) {
            flushed?;
        }
        Ok(has_written)
    }

    fn start_close(&mut self, reason: &'static str) {
        if !self.is_closing {
            self.farewell = Some(CloseFrame { code: CloseCode::Normal, reason: reason.into() });
        }
    }
}

fn no_token(error: &TokenError) -> Failure {
    tracing::warn!(%error, "no token for the next attempt");
    Failure::Passing
}

fn failure(error: DialError) -> Failure {
    match error {
        DialError::Refused { status, retry_after, code, message } => {
            let sentence = message.or(code).unwrap_or_default();
            Failure::Refused { status, retry_after, sentence }
        }
        DialError::Invalid(sentence) => Failure::Hopeless(sentence),
        error @ (DialError::TimedOut
        | DialError::Io(_)
        | DialError::Tls(_)
        | DialError::Handshake(_)) => {
            tracing::debug!(%error, "an attempt failed");
            Failure::Passing
        }
    }
}
