//! What was kept for a user who was away, and is the user's now.

use std::sync::Arc;

use futures_util::FutureExt;
use ws_broker::{EngineError, Letter, Mailbox};
use ws_protocol::{ChannelMessage, ServerMessage};
use ws_transport::Replies;

use super::{GatewaySession, promise::Promise};
use crate::{application::Application, channels::history::PAGE};

/// A user's inbox, while this connection reads it or may acknowledge what it has read.
#[derive(Debug)]
pub(super) struct Mail {
    mailbox: Arc<Mailbox>,
    /// The next letters, if they are at hand.
    letters: Option<Vec<Letter>>,
    /// The next letters, if they are being fetched.
    reading: Option<Promise<Reading>>,
    /// Somebody said that there are more, while the last were being fetched.
    look_again: bool,
    /// Nothing was in it so far: nothing can be acknowledged.
    is_unused: bool,
}

type Reading = Result<Vec<Letter>, EngineError>;

impl Mail {
    /// Whether there are letters to be sent, or it is to be seen that there are none.
    pub(super) fn has_letters(&self) -> bool {
        self.letters.is_some() || self.reading.as_ref().is_some_and(Promise::is_kept)
    }
}

impl<A: Application> GatewaySession<A> {
    /// Looks whether something was kept for the user. Where there is nothing, nothing remains of it.
    pub(super) fn look_for_letters(&mut self, device: Option<&str>) {
        let Some(inbox) = &self.shared.inbox else { return };
        let Some(user_id) = self.client().user_id() else { return };
        if let Some(mail) = self.rare.as_mut().and_then(|rare| rare.mail.as_mut()) {
            mail.look_again = true;
        } else {
            let own = self.identity.as_ref().and_then(|identity| identity.session_id.as_deref());
            let now = tokio::time::Instant::now().into_std();
            let device = own.or(device).unwrap_or_default();
            let mailbox = inbox.open(&user_id, device, self.shared.clock.wall_ms(now));
            let mut reading = Box::pin(mailbox.next(PAGE));
            let first = (&mut reading).now_or_never();
            if matches!(&first, Some(Ok(letters)) if letters.is_empty()) {
                return;
            }
            let (letters, reading) = match first {
                Some(Ok(letters)) => (Some(letters), None),
                Some(Err(error)) => (None, Some(Promise::kept(Err(error)))),
                None => (None, Some(self.promise_letters(reading))),
            };
            let mail = Mail { mailbox, letters, reading, look_again: false, is_unused: true };
            self.rare().mail = Some(Box::new(mail));
        }
        self.fetch_letters();
        // What is at hand goes with the next turn.
        self.client().outbox().nudge();
    }

    fn promise_letters(
        &self,
        reading: impl Future<Output = Reading> + Send + 'static,
    ) -> Promise<Reading> {
        let kind = self.shared.cluster.engine.kind();
        Promise::of(self.client(), Err(EngineError::Unknown { kind }), reading)
    }

    /// Goes on fetching, if there is a reason and nothing is at hand or on its way.
    fn fetch_letters(&mut self) {
        let Some(mail) = self.rare.as_mut().and_then(|rare| rare.mail.as_mut()) else { return };
        if mail.letters.is_some() || mail.reading.is_some() || !mail.look_again {
            return;
        }
        mail.look_again = false;
        let mut reading = Box::pin(mail.mailbox.next(PAGE));
        match (&mut reading).now_or_never() {
            Some(Ok(letters)) => mail.letters = Some(letters),
            Some(Err(error)) => mail.reading = Some(Promise::kept(Err(error))),
            None => {
                let reading = self.promise_letters(reading);
                if let Some(mail) = self.rare().mail.as_mut() {
                    mail.reading = Some(reading);
                }
            }
        }
    }

    /// Everything so far has left: the next letters.
    pub(super) fn send_letters(&mut self, replies: &mut Replies<'_>) {
        let Some(mail) = self.rare.as_mut().and_then(|rare| rare.mail.as_mut()) else { return };
        // Others may have asked for this turn: what is still being fetched goes on being fetched.
        if !mail.has_letters() {
            return;
        }
        let letters = match mail.letters.take() {
            Some(letters) => Ok(letters),
            // What is still on its way stays to be waited for.
            None => match mail.reading.take_if(|it| it.is_kept()).and_then(|it| it.take()) {
                Some(letters) => letters,
                None => return,
            },
        };
        let letters = letters.unwrap_or_else(|error| {
            // They are kept, and come with the next connection.
            tracing::debug!(%error, "what was kept for a user cannot be read");
            Vec::new()
        });
        if letters.is_empty() {
            if mail.is_unused && !mail.look_again {
                self.rare().mail = None;
            }
            return self.fetch_letters();
        }
        // Until there are none.
        (mail.look_again, mail.is_unused) = (true, false);
        for letter in &letters {
            let Letter { id, from, event, message, timestamp_ms } = letter;
            let said = match from {
                Some(from) => ServerMessage::Chat { from, message, message_id: id },
                None => ServerMessage::Message(ChannelMessage {
                    channel: None,
                    subject: None,
                    event: event.as_deref(),
                    data: message,
                    from: None,
                    offset: None,
                    event_id: None,
                    message_id: Some(id),
                }),
            };
            let sent = replies.send_text_with(|out| said.encode(None, *timestamp_ms, out));
            if sent.is_err() {
                return;
            }
        }
        self.fetch_letters();
    }

    /// The client has what it was sent.
    pub(super) fn handle_ack(&self, message_id: &str) {
        let Some(mail) = self.rare.as_ref().and_then(|rare| rare.mail.as_ref()) else { return };
        if mail.mailbox.ack(message_id) {
            let flushed = mail.mailbox.flush();
            tokio::spawn(async move {
                if let Err(error) = flushed.await {
                    tracing::debug!(%error, "what a client has acknowledged is not written down");
                }
            });
        }
    }
}
