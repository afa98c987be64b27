//! The opening handshake (RFC 6455 §4) over plain values.
//!
//! A server parses a request's head ([`parse_request`]), judges it ([`Upgrade::from_request`]) and
//! writes either the upgrade's response or the refusal. A client builds a [`ClientHandshake`] and
//! judges the response with it. Nothing here reads a socket, and nothing knows JSON: a refusal has a
//! status and a sentence, and whoever answers decides on the form.

mod client;
mod head;
mod server;
mod tokens;

pub use client::{Agreement, ClientHandshake, HandshakeError};
pub use head::{
    HeadError, HeadLimits, encode_response, parse_request, parse_response, parse_shared_request,
};
pub use server::{ExtendedConnect, Refusal, Upgrade, is_upgrade};
