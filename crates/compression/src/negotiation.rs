//! What client and server agree on: the values of `Sec-WebSocket-Extensions`, in and out.

mod client;
mod header;
mod server;

use std::fmt::Write as _;

pub use self::client::{accept_response, offer};
pub(crate) use self::server::accept_first;
pub use self::server::{Accepted, accept_offer};

use self::header::{Extension, extensions};
use crate::{NegotiationError, ParameterError, WindowBits};

/// The extension's registered name (RFC 7692 §7).
pub const EXTENSION_NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The "agreed parameters" of RFC 7692 §7: what holds for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// The server's messages never refer to its earlier ones.
    pub server_no_context_takeover: bool,
    /// The client's messages never refer to its earlier ones.
    pub client_no_context_takeover: bool,
    /// The largest window of the server's messages.
    pub server_max_window_bits: WindowBits,
    /// The largest window of the client's messages.
    pub client_max_window_bits: WindowBits,
}

/// Whether header values follow the grammar of RFC 6455 §9.1, whatever extensions they name.
///
/// [`accept_offer`] takes a malformed header for no offer. A server that wants to do what RFC 6455
/// §9.1 asks, fail the handshake, calls this first.
///
/// # Errors
/// [`NegotiationError::Malformed`].
pub fn check_header<'a>(
    headers: impl IntoIterator<Item = &'a str>,
) -> Result<(), NegotiationError> {
    for header in headers {
        for entry in extensions(header) {
            entry.map_err(|_| NegotiationError::Malformed)?;
        }
    }
    Ok(())
}

/// The parameters of one offer or one answer, as they were written.
#[derive(Debug, Default, PartialEq, Eq)]
struct Written {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
    /// The inner value is `None` where the parameter stands without one.
    client_max_window_bits: Option<Option<WindowBits>>,
}

impl Written {
    /// Everything that RFC 7692 §7.1 lists as wrong with a parameter by itself.
    ///
    /// Only an offer may have `client_max_window_bits` without a value (§7.1.2.2).
    fn read(extension: &Extension<'_>, is_offer: bool) -> Result<Self, ParameterError> {
        let mut written = Self::default();
        for (key, value) in &extension.parameters {
            let value = value.as_deref();
            if key.eq_ignore_ascii_case(SERVER_NO_CONTEXT_TAKEOVER) {
                let seen = &mut written.server_no_context_takeover;
                read_flag(SERVER_NO_CONTEXT_TAKEOVER, value, seen)?;
            } else if key.eq_ignore_ascii_case(CLIENT_NO_CONTEXT_TAKEOVER) {
                let seen = &mut written.client_no_context_takeover;
                read_flag(CLIENT_NO_CONTEXT_TAKEOVER, value, seen)?;
            } else if key.eq_ignore_ascii_case(SERVER_MAX_WINDOW_BITS) {
                let bits = read_bits(SERVER_MAX_WINDOW_BITS, value)?;
                set_once(SERVER_MAX_WINDOW_BITS, &mut written.server_max_window_bits, bits)?;
            } else if key.eq_ignore_ascii_case(CLIENT_MAX_WINDOW_BITS) {
                let bits = match value {
                    None if is_offer => None,
                    value => Some(read_bits(CLIENT_MAX_WINDOW_BITS, value)?),
                };
                set_once(CLIENT_MAX_WINDOW_BITS, &mut written.client_max_window_bits, bits)?;
            } else {
                return Err(ParameterError::Unknown { name: (*key).to_owned() });
            }
        }
        Ok(written)
    }
}

fn read_flag(
    name: &'static str,
    value: Option<&str>,
    seen: &mut bool,
) -> Result<(), ParameterError> {
    if value.is_some() {
        return Err(ParameterError::BadValue { name });
    }
    if std::mem::replace(seen, true) {
        return Err(ParameterError::Repeated { name });
    }
    Ok(())
}

fn read_bits(name: &'static str, value: Option<&str>) -> Result<WindowBits, ParameterError> {
    value.and_then(WindowBits::parse).ok_or(ParameterError::BadValue { name })
}

fn set_once<T>(name: &'static str, slot: &mut Option<T>, value: T) -> Result<(), ParameterError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParameterError::Repeated { name }),
    }
}

/// Writes one entry of the header, parameter by parameter.
struct Entry(String);

impl Entry {
    fn new() -> Self {
        Self(EXTENSION_NAME.to_owned())
    }

    fn flag(mut self, name: &str, present: bool) -> Self {
        if present {
            self.0.push_str("; ");
            self.0.push_str(name);
        }
        self
    }

    fn bits(mut self, name: &str, bits: Option<WindowBits>) -> Self {
        if let Some(bits) = bits {
            // Writing into a String cannot fail.
            let _ = write!(self.0, "; {name}={bits}");
        }
        self
    }
}
