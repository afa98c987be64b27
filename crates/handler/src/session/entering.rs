//! Whether a connection is welcome at its path and to the application, and what it is told first.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use ws_channels::{ChannelName, Entered};
use ws_close_manager::SendableCode;
use ws_protocol::{ErrorCode, ServerMessage};
use ws_transport::Replies;

use super::{
    GatewaySession,
    authentication::Asked,
    subscribing::{Way, Wish},
    waiting::Step,
};
use crate::{
    application::Application,
    gatekeeper::{Judgement, Refusal},
    lifecycle,
};

impl<A: Application> GatewaySession<A> {
    /// Who is there is known: takes its place at its path, and asks the gatekeeper.
    pub(super) fn enter(&mut self, asked: Option<Asked>, replies: &mut Replies<'_>) {
        if let Err(Refusal { code, message }) = self.take_place() {
            return self.turn_out(code, &message, asked.as_ref(), replies);
        }
        let shared = self.shared.clone();
        let judgement = match &shared.gatekeeper {
            Some(keeper) => keeper.judge_connect(self.client()),
            None => Judgement::Allow,
        };
        match judgement {
            Judgement::Allow => self.welcome(asked.as_ref(), replies),
            Judgement::Refuse(Refusal { code, message }) => {
                self.turn_out(code, &message, asked.as_ref(), replies);
            }
            Judgement::Later(verdict) => {
                self.wait_for(verdict, Step::Enter { asked, is_placed: true });
            }
        }
    }

    /// A place of its connection type, if its path has one.
    fn take_place(&mut self) -> Result<(), Refusal> {
        let shared = self.shared.clone();
        let Some(path) = self.path() else { return Ok(()) };
        let target = match shared.hub.settings.types.target(path) {
            Ok(Some(target)) => target,
            Ok(None) => return Ok(()),
            Err(error) => {
                let message = error.to_string().into();
                return Err(Refusal { code: ErrorCode::InvalidField, message });
            }
        };
        if !target.admits(self.identity.as_ref().map(|identity| &*identity.user_id)) {
            return Err(Refusal::forbidden("This path belongs to another user"));
        }
        let channels: VecDeque<ChannelName> = target.channels().iter().cloned().collect();
        let full = |_| {
            let code = ErrorCode::TooManyConnections;
            Refusal { code, message: code.sentence().into() }
        };
        let Entered { place, displaced } =
            shared.hub.places.enter(&target, self.client().clone()).map_err(full)?;
        if let Some(displaced) = displaced {
            lifecycle::replaced(&displaced);
            displaced.close(SendableCode::POLICY, ErrorCode::Replaced.sentence());
        }
        let rare = self.rare();
        rare.place = Some(place);
        rare.path_channels = channels;
        Ok(())
    }

    /// Tells the client that it is in, and puts it into the channels of its path and of its wishes.
    pub(super) fn welcome(&mut self, asked: Option<&Asked>, replies: &mut Replies<'_>) {
        let mut wishes = VecDeque::new();
        match asked {
            None => {
                let id = self.client().id().to_string();
                let user_id = self.client().user_id();
                let heartbeat_ms = self.shared.config.heartbeat_ms;
                let (client_id, user_id) = (&*id, user_id.as_deref());
                let connected = ServerMessage::Connected { client_id, user_id, heartbeat_ms };
                self.send(&connected, None, replies);
                lifecycle::connected(self.client());
            }
            Some(asked) => {
                let available = self.send_authenticated(asked, replies);
                lifecycle::authenticated(self.client());
                let way = Way::Asked { presence: false, since: false };
                wishes.extend(available.into_iter().map(|name| Wish { name, way, id: None }));
            }
        }
        if !self.is_started {
            self.start();
        }
        if let Some(rare) = &mut self.rare {
            let channels = std::mem::take(&mut rare.path_channels).into_iter();
            let own = channels.map(|name| Wish { name, way: Way::Path, id: None });
            wishes = own.chain(wishes).collect();
        }
        self.subscribe_all(wishes, replies);
        // What was ordered before it was in.
        self.handle_orders(replies);
    }

    /// Says why it is not welcome, and closes.
    pub(super) fn turn_out(
        &mut self,
        code: ErrorCode,
        message: &str,
        asked: Option<&Asked>,
        replies: &mut Replies<'_>,
    ) {
        lifecycle::turned_out(self.client(), code, message);
        let id = asked.and_then(Asked::id);
        self.refuse_with(code, Cow::Borrowed(message), id, replies);
        let close = match code {
            ErrorCode::HookUnavailable | ErrorCode::Overloaded => SendableCode::TRY_AGAIN,
            _ => SendableCode::POLICY,
        };
        self.end(close, message, replies);
    }

    fn path(&self) -> Option<&Arc<str>> {
        self.rare.as_ref().and_then(|rare| rare.path.as_ref())
    }
}
