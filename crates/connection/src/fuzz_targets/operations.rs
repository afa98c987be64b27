//! Any sequence of what a driver, an application, a peer and a clock can do to one connection.

use std::{
    io::ErrorKind,
    sync::Arc,
    time::{Duration, Instant},
};

use tungstenite::{Message, protocol::frame::coding::OpCode};
use ws_close_manager::SendableCode;
use ws_heartbeat::HeartbeatConfig;

use super::{
    base,
    input::{Input, codec},
    watch::Watch,
};
use crate::{Closed, Connection, Prepared, Role, Wire, Workspace, apply_mask, encode_header};

/// Plays the operations that the bytes spell.
pub fn operations(data: &[u8]) {
    let mut input = Input::new(data);
    let role = if input.coin() { Role::Client } else { Role::Server };
    let mut config = input.config(role);
    if input.coin() {
        config = config.with_heartbeat(None);
    } else {
        config = config.with_heartbeat(Some(HeartbeatConfig::default()));
    }
    if input.coin() {
        config = config.with_idle_timeout(Some(Duration::from_secs(40)));
    }
    let codec = input.compression().map(|manager| codec(&manager, role));
    let now = base();
    let mut scene = Scene {
        connection: Connection::new(Arc::new(config), codec, 7, now),
        role,
        workspace: Workspace::with_read_bytes(1 << 16),
        watch: Watch::default(),
        out: Vec::new(),
        now,
    };
    for _ in 0..500 {
        if input.is_empty() {
            break;
        }
        scene.step(&mut input);
        scene.watch.step(&scene.connection, &scene.out);
    }
}

struct Scene {
    connection: Connection,
    role: Role,
    workspace: Workspace,
    watch: Watch,
    /// Everything that was ever written.
    out: Vec<u8>,
    now: Instant,
}

impl Scene {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() % 16 {
            0..=3 => self.receive_frame(input),
            4 => {
                let len = input.below(40);
                self.receive(input.take(len));
            }
            5..=8 => self.send(input),
            9..=11 => self.pass(Duration::from_millis(input.below(20_000) as u64)),
            12 => {
                let code = SendableCode::try_from(input.below(5000) as u16);
                let was_closing = self.connection.is_closing();
                let code = code.unwrap_or(SendableCode::NORMAL);
                let started =
                    self.connection.start_close(code, &input.text(), &mut self.out, self.now);
                assert_eq!(started, !was_closing);
            }
            13 => self.connection.hold_close(input.coin()),
            14 => match input.byte() % 4 {
                0 => self.connection.handle_write_progress(self.now),
                _ => self.connection.handle_pause(self.now),
            },
            _ => match input.byte() % 8 {
                0 => self.connection.handle_eof(self.now),
                1 => self.connection.handle_io_error(ErrorKind::ConnectionReset, self.now),
                2 => self.connection.handle_kill(self.now),
                _ => {}
            },
        }
    }

    /// A frame that is sound as such, from the other role.
    fn receive_frame(&mut self, input: &mut Input<'_>) {
        let first = input.byte();
        let mut payload = input.payload();
        if first & 8 != 0 && input.coin() {
            payload.truncate(125);
        }
        let mask = (self.role == Role::Server).then_some([9, 8, 7, 6]);
        let mut wire = Vec::new();
        let opcode = OpCode::from(first & 0x0f);
        encode_header(&mut wire, true, false, opcode, payload.len(), mask);
        wire[0] = if input.coin() { first } else { first & 0x8f };
        let body = wire.len();
        wire.extend_from_slice(&payload);
        if let Some(key) = mask {
            apply_mask(&mut wire[body..], key, 0);
        }
        self.receive(&wire);
    }

    fn receive(&mut self, wire: &[u8]) {
        // A driver reads nothing more once the transport is to be dropped.
        self.workspace.load(wire);
        while let Some(event) =
            self.connection.poll_event(&mut self.workspace, &mut self.out, self.now)
        {
            self.watch.event(&event);
        }
        // What is held is dropped here: the fuzzer finds what happens to the rest of a stream.
        self.workspace.take_rest();
    }

    fn send(&mut self, input: &mut Input<'_>) {
        let is_closing = self.connection.is_closing();
        let (connection, out, now) = (&mut self.connection, &mut self.out, self.now);
        let before = out.len();
        let sent = match input.byte() % 6 {
            0 => connection.send_text(&input.text(), out, now),
            1 => connection.send_binary(&input.payload(), out, now),
            2 => {
                let (text, spare) = (input.text(), &mut Vec::new());
                let write = |out: &mut Vec<u8>| out.extend_from_slice(text.as_bytes());
                connection.send_text_with(write, spare, out, now)
            }
            3 => {
                let prepared = Prepared::binary(&input.payload());
                connection.send_prepared(&prepared, out, now).map(|wire| match wire {
                    Wire::Shared(frame) => out.extend_from_slice(frame),
                    Wire::Written => {}
                })
            }
            4 => connection.send_message(&Message::Ping(input.payload().into()), out, now),
            _ => connection.send_message(&Message::Pong(input.payload().into()), out, now),
        };
        assert_eq!(sent, if is_closing { Err(Closed) } else { Ok(()) });
        assert_eq!(out.len() > before, sent.is_ok(), "a message is written or refused");
    }

    /// Time passes; every deadline on the way is kept.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..1000 {
            let Some(due) = self.connection.poll_timeout().filter(|due| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            let mut told = 0;
            while self.connection.handle_timeout(&mut self.out, self.now).is_some() {
                told += 1;
                assert!(told < 10, "timeouts without an end");
            }
            let next = self.connection.poll_timeout();
            assert!(next.is_none_or(|next| next > self.now), "a deadline that is kept is over");
        }
        panic!("deadlines without an end");
    }
}
