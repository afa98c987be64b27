//! The client's half: what is offered, and whether the answer is one to it.

use super::{
    CLIENT_MAX_WINDOW_BITS, CLIENT_NO_CONTEXT_TAKEOVER, EXTENSION_NAME, Entry, Params,
    SERVER_MAX_WINDOW_BITS, SERVER_NO_CONTEXT_TAKEOVER, Written, extensions,
};
use crate::{CompressionConfig, NegotiationError, WindowBits};

/// The value of the `Sec-WebSocket-Extensions` header of a request; `None` when disabled.
///
/// What is wished for comes first. Where that demands something of the server (no takeover, a
/// small window), a second offer without the demand follows for servers that cannot grant it
/// (RFC 7692 §7.1.3), provided that the takeover budget holds the server's full window.
pub fn offer(config: &CompressionConfig) -> Option<String> {
    if !config.enabled() {
        return None;
    }
    let mut value = entry(config, Demands::of(config));
    if has_fallback(config) {
        value.push_str(", ");
        value.push_str(&entry(config, Demands::default()));
    }
    Some(value)
}

/// Reads a server's answer to [`offer`] of the same configuration. `Ok(None)`: the server does
/// without the extension.
///
/// # Errors
/// Whatever was not offered, is malformed, or grants less than was demanded: the handshake fails
/// (RFC 7692 §7.1, RFC 6455 §9.1).
pub fn accept_response<'a>(
    config: &CompressionConfig,
    headers: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Params>, NegotiationError> {
    let mut accepted = None;
    for header in headers {
        for entry in extensions(header) {
            let entry = entry.map_err(|_| NegotiationError::Malformed)?;
            if !config.enabled() || !entry.name.eq_ignore_ascii_case(EXTENSION_NAME) {
                return Err(NegotiationError::NotOffered { extension: entry.name.to_owned() });
            }
            if accepted.replace(Written::read(&entry, false)?).is_some() {
                return Err(NegotiationError::AcceptedTwice);
            }
        }
    }
    accepted.map(|answer| agree(config, &answer)).transpose()
}

fn agree(config: &CompressionConfig, answer: &Written) -> Result<Params, NegotiationError> {
    let server_bits = answer.server_max_window_bits.unwrap_or_default();
    // An answer that grants less than the wish may still be one to the second offer.
    if !has_fallback(config) {
        let demands = Demands::of(config);
        if demands.server_no_context_takeover && !answer.server_no_context_takeover {
            return Err(NegotiationError::NotGranted { parameter: SERVER_NO_CONTEXT_TAKEOVER });
        }
        if demands.server_max_window_bits.is_some_and(|demanded| server_bits > demanded) {
            return Err(NegotiationError::NotGranted { parameter: SERVER_MAX_WINDOW_BITS });
        }
    }
    // §7.1.2.2: the server may ask for a window up to the one that the offer names.
    let offered = config.client_max_window_bits();
    let client_bits = match answer.client_max_window_bits {
        Some(Some(bits)) if bits > offered => {
            return Err(NegotiationError::NotGranted { parameter: CLIENT_MAX_WINDOW_BITS });
        }
        Some(Some(bits)) => bits,
        Some(None) | None => offered,
    };
    Ok(Params {
        server_no_context_takeover: answer.server_no_context_takeover,
        client_no_context_takeover: answer.client_no_context_takeover
            || !config.client_context_takeover(),
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    })
}

/// What an offer makes the server's duty (§7.1.1.1, §7.1.2.1). The client's own two parameters
/// are hints and can be had from any server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Demands {
    server_no_context_takeover: bool,
    server_max_window_bits: Option<WindowBits>,
}

impl Demands {
    fn of(config: &CompressionConfig) -> Self {
        let bits = config.server_max_window_bits();
        Self {
            server_no_context_takeover: !config.server_context_takeover(),
            server_max_window_bits: (bits < WindowBits::MAX).then_some(bits),
        }
    }
}

/// Living without the demands means to remember the server's full window.
fn has_fallback(config: &CompressionConfig) -> bool {
    Demands::of(config) != Demands::default()
        && config.takeover_budget_bytes() >= WindowBits::MAX.bytes()
}

fn entry(config: &CompressionConfig, demands: Demands) -> String {
    let client_bits = config.client_max_window_bits();
    let small = client_bits < WindowBits::MAX;
    Entry::new()
        .flag(SERVER_NO_CONTEXT_TAKEOVER, demands.server_no_context_takeover)
        .flag(CLIENT_NO_CONTEXT_TAKEOVER, !config.client_context_takeover())
        .bits(SERVER_MAX_WINDOW_BITS, demands.server_max_window_bits)
        .flag(CLIENT_MAX_WINDOW_BITS, !small)
        .bits(CLIENT_MAX_WINDOW_BITS, small.then_some(client_bits))
        .0
}
