//! Whether a connection is welcome at its path and to the application, and what it is told first.

use std::{borrow::Cow, collections::VecDeque, sync::Arc};

use ws_channels::{Action, ChannelName, Entered, UrlError};
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
    cluster::counting::Counted,
    end_reason::EndReason,
    gatekeeper::{Judgement, Refusal},
    lifecycle,
};

impl<A: Application> GatewaySession<A> {
    /// Who is there is known: is it welcome at its path, and to the gatekeeper?
    pub(super) fn enter(&mut self, asked: Option<Asked>, replies: &mut Replies<'_>) {
        if let Err(Refusal { code, message }) = self.judge_path() {
            let why = EndReason::of_refusal(code);
            return self.turn_out(why, code, &message, asked.as_ref(), replies);
        }
        let keeper = self.shared.in_force().gatekeeper.clone();
        let judgement = match keeper {
            Some(keeper) => keeper.judge_connect(self.client()),
            None => Judgement::Allow,
        };
        match judgement {
            Judgement::Allow => self.let_in(asked, replies),
            Judgement::Refuse(Refusal { code, message }) => {
                let why = EndReason::of_gatekeeper(code);
                self.turn_out(why, code, &message, asked.as_ref(), replies);
            }
            Judgement::Later(verdict) => {
                self.wait_for(verdict, Step::Enter { asked, is_judged: true });
            }
        }
    }

    /// Nothing is in its way but perhaps those who are at its path already.
    pub(super) fn let_in(&mut self, asked: Option<Asked>, replies: &mut Replies<'_>) {
        if self.is_to_be_counted() {
            return self.be_counted(asked, replies);
        }
        match self.take_place() {
            Ok(()) => self.welcome(asked.as_ref(), replies),
            Err(Refusal { code, message }) => {
                let why = EndReason::of_refusal(code);
                self.turn_out(why, code, &message, asked.as_ref(), replies);
            }
        }
    }

    /// Whether the other nodes have to be asked how many connections its user has.
    pub(super) fn is_to_be_counted(&self) -> bool {
        !self.is_counted && self.identity.is_some() && self.shared.peers().is_some()
    }

    fn be_counted(&mut self, asked: Option<Asked>, replies: &mut Replies<'_>) {
        let max = self.shared.in_force().limits.connections_per_user_max;
        let user = self.client().name();
        match self.shared.count_in(user, max) {
            Some((counted, verdict)) => self.wait_for(verdict, Step::Count { asked, counted }),
            None => self.let_in(asked, replies),
        }
    }

    /// How many connections its user has is known.
    pub(super) fn conclude_count(
        &mut self,
        asked: Option<Asked>,
        counted: &Counted,
        verdict: Result<(), Refusal>,
        replies: &mut Replies<'_>,
    ) {
        match verdict {
            Ok(()) => {
                self.is_counted = counted.take();
                self.let_in(asked, replies);
            }
            Err(Refusal { code, message }) => {
                lifecycle::too_many(self.client(), &self.client().name());
                let why = EndReason::of_refusal(code);
                self.turn_out(why, code, &message, asked.as_ref(), replies);
            }
        }
    }

    /// Whether it may be at its path and in the channels of that, if the path has a connection type.
    fn judge_path(&self) -> Result<(), Refusal> {
        let hub = &self.shared.hub;
        let Some(path) = self.path() else { return Ok(()) };
        let in_force = hub.in_force();
        let Some(target) = in_force.types.target(path).map_err(|error| unusable(&error))? else {
            return Ok(());
        };
        if !target.admits(self.identity.as_ref().map(|identity| &*identity.user_id)) {
            return Err(Refusal::forbidden("This path belongs to another user"));
        }
        for name in target.channels() {
            let judged = hub.authorize(&in_force, name, Action::Subscribe, &self.bearer());
            judged.map_err(|denial| Refusal::forbidden(format!("{}: {denial}", name.as_str())))?;
        }
        Ok(())
    }

    /// A place of its connection type. Last of all: whom it displaces is displaced for somebody who
    /// stays.
    fn take_place(&mut self) -> Result<(), Refusal> {
        let shared = self.shared.clone();
        let Some(path) = self.path() else { return Ok(()) };
        let in_force = shared.in_force();
        let Some(target) = in_force.types.target(path).map_err(|error| unusable(&error))? else {
            return Ok(());
        };
        let channels: VecDeque<ChannelName> = target.channels().iter().cloned().collect();
        let full = |_| {
            let code = ErrorCode::TooManyConnections;
            Refusal { code, message: code.sentence().into() }
        };
        let Entered { place, displaced } =
            shared.hub.places.enter(&target, self.client().clone()).map_err(full)?;
        if let Some(displaced) = displaced {
            lifecycle::replaced(&displaced);
            let reason = ErrorCode::Replaced.sentence();
            displaced.close_for(EndReason::Replaced, SendableCode::POLICY, reason);
        }
        let rare = self.rare();
        rare.place = Some(place);
        rare.path_channels = channels;
        Ok(())
    }

    /// Tells the client that it is in, and puts it into the channels of its path and of its wishes.
    pub(super) fn welcome(&mut self, asked: Option<&Asked>, replies: &mut Replies<'_>) {
        if self.is_tunnel() {
            return self.bridge(replies);
        }
        let mut wishes = VecDeque::new();
        match asked {
            None => {
                let id = self.client().id().to_string();
                let user_id = self.client().user_id();
                let heartbeat_ms = self.shared.in_force().heartbeat_ms;
                let (client_id, user_id) = (&*id, user_id.as_deref());
                let connected = ServerMessage::Connected { client_id, user_id, heartbeat_ms };
                self.send(&connected, None, replies);
                lifecycle::connected(self.client());
            }
            Some(asked) => {
                let available = self.send_authenticated(asked, replies);
                lifecycle::authenticated(self.client());
                let way = Way::Asked { presence: false };
                let names = available.into_iter();
                wishes.extend(names.map(|name| Wish { name, way, since: None, id: None }));
            }
        }
        if !self.is_started {
            self.start(asked.and_then(Asked::session_id));
        }
        if let Some(rare) = &mut self.rare {
            let channels = std::mem::take(&mut rare.path_channels).into_iter();
            let own = channels.map(|name| Wish { name, way: Way::Path, since: None, id: None });
            wishes = own.chain(wishes).collect();
        }
        self.open_ahead(&wishes);
        self.subscribe_all(wishes, replies);
        // What was ordered before it was in.
        self.handle_orders(replies);
    }

    /// Says why it is not welcome, and closes.
    pub(super) fn turn_out(
        &mut self,
        why: EndReason,
        code: ErrorCode,
        message: &str,
        asked: Option<&Asked>,
        replies: &mut Replies<'_>,
    ) {
        lifecycle::turned_out(self.client(), code, message);
        let id = asked.and_then(Asked::id);
        if !self.is_tunnel() {
            self.refuse_with(code, Cow::Borrowed(message), id, replies);
        }
        let close = match code {
            ErrorCode::HookUnavailable | ErrorCode::BrokerUnavailable | ErrorCode::Overloaded => {
                SendableCode::TRY_AGAIN
            }
            _ => SendableCode::POLICY,
        };
        self.end(why, close, message, replies);
    }

    fn path(&self) -> Option<&Arc<str>> {
        self.rare.as_ref().and_then(|rare| rare.path.as_ref())
    }
}

fn unusable(error: &UrlError) -> Refusal {
    Refusal { code: ErrorCode::InvalidField, message: error.to_string().into() }
}
