//! The opening handshake, from the request to the first message that makes a connection count.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use base64::Engine as _;
use http::{HeaderValue, header};
use mio::net::TcpStream;
use ws_compression::Role as CodecRole;
use ws_connection::{
    Connection,
    handshake::{ClientHandshake, HeadLimits, parse_response},
};

use super::{
    Phase,
    dialing::{dial_error, plain},
    link::{Shaking, Stage},
    worker::Worker,
};
use crate::{
    clock::{Nanos, nanos},
    credentials::Carried,
    plan::{Group, Reading, Role},
    template::Values,
};

/// Who did not get in tries again no sooner.
const RETRY: Duration = Duration::from_millis(100);

/// What came of looking at a response.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Answer {
    Unfinished,
    Upgraded { connection: Connection, deflated: bool, early: Vec<u8> },
    Refused(String),
}

impl Worker {
    /// The socket is on its way: the request goes out as soon as it can.
    pub(super) fn begin(&mut self, index: usize, socket: TcpStream, since: Nanos) {
        let request = self.handshake(index);
        self.links[index].socket = Some(socket);
        match request {
            Ok(handshake) => {
                let mut request = Vec::with_capacity(512);
                handshake.encode_request(&mut request);
                let shaking = Shaking { handshake, since, request, head: Vec::new() };
                self.links[index].stage = Stage::Shaking(Box::new(shaking));
                // Over loopback the connection is there already, and a turn of the loop is saved.
                self.write_request(index);
            }
            Err(error) => self.fail(index, &format!("handshake: {error}")),
        }
    }

    fn handshake(&mut self, index: usize) -> Result<ClientHandshake, String> {
        let link = &mut self.links[index];
        let opening = &self.plan.groups[link.group].opening;
        let conn = link.number as u64;
        link.user = opening.user.render_text(&Values { conn, ..Values::default() });
        link.token = opening.credentials.token(link.number, &link.user)?;
        let carried = (!opening.credentials.is_none()).then_some(opening.credentials.carried);
        let uri = match carried {
            Some(Carried::Query) => opening.target.with_query("token", &link.token),
            _ => opening.target.uri.clone(),
        };
        let key =
            base64::engine::general_purpose::STANDARD.encode(fastrand::u128(..).to_ne_bytes());
        let mut protocols = opening.protocols.clone();
        if carried == Some(Carried::Subprotocol) {
            protocols.push(format!("bearer.{}", link.token));
        }
        let offer = opening.compress.then(|| self.compression.offer()).flatten();
        let mut handshake = ClientHandshake::new(uri, key)
            .map_err(|error| error.to_string())?
            .with_protocols(protocols)
            .with_extensions(offer);
        if carried == Some(Carried::Header) {
            let value = HeaderValue::try_from(format!("Bearer {}", link.token))
                .map_err(|_| "the token cannot be a header".to_owned())?;
            handshake = handshake
                .with_header(header::AUTHORIZATION, value)
                .map_err(|error| error.to_string())?;
        }
        for (name, value) in &opening.headers {
            handshake = handshake
                .with_header(name.clone(), value.clone())
                .map_err(|error| error.to_string())?;
        }
        Ok(handshake)
    }

    /// The socket of an unfinished handshake is ready for something.
    pub(super) fn shake(&mut self, index: usize) {
        let Stage::Shaking(shaking) = &self.links[index].stage else { return };
        if !shaking.request.is_empty() {
            return self.write_request(index);
        }
        let buffer = self.workspace.read_buffer();
        match self.links[index].read(buffer) {
            Ok(0) => self.fail(index, "handshake: the server closed the connection"),
            Ok(len) => {
                self.workspace.filled(len);
                self.record.bytes_received += len as u64;
                self.judge(index);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.fail(index, &format!("handshake: {}", plain(&error))),
        }
    }

    fn write_request(&mut self, index: usize) {
        let link = &mut self.links[index];
        let Stage::Shaking(shaking) = &mut link.stage else { return };
        let request = std::mem::take(&mut shaking.request);
        match link.write(&request) {
            Ok(taken) => self.record.bytes_sent += taken as u64,
            Err(error) if error.kind() == ErrorKind::NotConnected => {}
            Err(error) => return self.fail(index, &dial_error(&error)),
        }
        // Either all of it went or it waits: a link that shakes keeps it as the request.
        let unsent = std::mem::take(&mut link.unsent);
        if let Stage::Shaking(shaking) = &mut link.stage {
            shaking.request = unsent;
        }
    }

    /// Looks at what came of the response.
    fn judge(&mut self, index: usize) {
        let rest = self.workspace.take_rest();
        let link = &mut self.links[index];
        let Stage::Shaking(shaking) = &mut link.stage else { return };
        shaking.head.extend_from_slice(rest);
        let now = self.control.clock.now();
        match self.answer(index, now) {
            Answer::Unfinished => {}
            Answer::Refused(cause) => self.fail(index, &cause),
            Answer::Upgraded { connection, deflated, early } => {
                self.upgraded(index, connection, deflated, now);
                self.work_off_early(index, &early);
            }
        }
    }

    fn answer(&self, index: usize, now: Nanos) -> Answer {
        let Stage::Shaking(shaking) = &self.links[index].stage else { return Answer::Unfinished };
        let refused =
            |cause: &dyn std::fmt::Display| Answer::Refused(format!("handshake: {cause}"));
        let (response, len) = match parse_response(&shaking.head, HeadLimits::default()) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Answer::Unfinished,
            Err(error) => return refused(&error),
        };
        let agreement = match shaking.handshake.judge(&response) {
            Ok(agreement) => agreement,
            Err(error) => return refused(&error),
        };
        let extensions = agreement.extensions.iter().map(String::as_str);
        let params = match self.compression.accept_response(extensions) {
            Ok(params) => params,
            Err(error) => return refused(&error),
        };
        let codec = params.map(|params| self.compression.codec(CodecRole::Client, params));
        let entropy = fastrand::u64(..);
        let instant = self.control.clock.instant(now);
        let connection = Connection::new(self.protocol.clone(), codec, entropy, instant);
        let deflated = params.is_some();
        Answer::Upgraded { connection, deflated, early: shaking.head[len..].to_vec() }
    }

    fn upgraded(&mut self, index: usize, connection: Connection, deflated: bool, now: Nanos) {
        let link = &mut self.links[index];
        let Stage::Shaking(shaking) = std::mem::replace(&mut link.stage, Stage::Open(connection))
        else {
            return;
        };
        link.flow.awaiting = Some(shaking.since);
        link.deflated = deflated;
        self.send_on_open(index, now);
        if self.plan.groups[self.links[index].group].opening.until.is_none() {
            self.opened(index, now);
        }
    }

    /// What came right behind the response.
    fn work_off_early(&mut self, index: usize, mut early: &[u8]) {
        while !early.is_empty() {
            let len = self.workspace.load(early);
            early = &early[len..];
            self.work_off(index);
        }
    }

    /// The connection counts from now on.
    pub(super) fn opened(&mut self, index: usize, now: Nanos) {
        let link = &mut self.links[index];
        let Some(since) = link.flow.awaiting.take() else { return };
        let Group { role, reading, .. } = self.plan.groups[link.group];
        self.dialer.settled();
        self.record.succeeded += 1;
        self.record.connect.note(now.saturating_sub(since));
        self.gangs[link.group].join(index, link);
        if role == Role::Receive && reading == Reading::Full {
            self.control.fan.receiver_came();
        }
        self.count_open(true);
        match role {
            Role::Leave => self.leave(index, now),
            Role::Ask(_) | Role::Visit { .. } if self.phase.sends() => self.start_link(index, now),
            _ => {}
        }
    }

    /// The connection did not come to be.
    pub(super) fn fail(&mut self, index: usize, cause: &str) {
        self.dialer.settled();
        self.record.failed += 1;
        self.record.note_error(cause);
        self.links[index].drop_socket();
        self.come_back(index, RETRY);
    }

    /// Queues a connection that is gone, if it is one of those that come back.
    pub(super) fn come_back(&mut self, index: usize, at_least: Duration) {
        let backoff = match self.plan.groups[self.links[index].group].role {
            Role::Visit { .. } if self.phase.sends() => Duration::ZERO,
            Role::Return(drop) if self.phase == Phase::Measure => drop.backoff,
            _ => return,
        };
        self.dialer.no_longer_expect();
        let wait = nanos(backoff.max(at_least));
        let wait = if wait == 0 { 0 } else { fastrand::u64(..wait) };
        self.dialer.queue_at(index, self.control.clock.now() + wait);
    }

    fn send_on_open(&mut self, index: usize, now: Nanos) {
        let group = &self.plan.groups[self.links[index].group];
        let (link, instant) = (&mut self.links[index], self.control.clock.instant(now));
        self.out.clear();
        for template in &group.opening.on_open {
            let text = template.render_text(&Values {
                payload: &group.message.payload,
                seq: 0,
                conn: link.number as u64,
                user: &link.user,
                epoch_millis: self.control.clock.epoch_millis(now),
                token: &link.token,
            });
            if let Stage::Open(connection) = &mut link.stage {
                // A connection that was just opened takes messages.
                let _ = connection.send_text(&text, &mut self.out, instant);
            }
        }
        if !self.out.is_empty() {
            self.write_out(index);
        }
    }

    /// Writes what is in the output.
    pub(super) fn write_out(&mut self, index: usize) {
        let written = self.links[index].write(&self.out);
        self.out.clear();
        self.note_written(index, written);
    }

    pub(super) fn note_written(&mut self, index: usize, written: io::Result<usize>) {
        match written {
            Ok(taken) => self.record.bytes_sent += taken as u64,
            Err(error) => self.lose(index, Some(&format!("write: {}", plain(&error)))),
        }
    }
}
