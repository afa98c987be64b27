//! The server's half: pick the first offer that can be served, and say how.

use super::{
    CLIENT_MAX_WINDOW_BITS, CLIENT_NO_CONTEXT_TAKEOVER, EXTENSION_NAME, Entry, Params,
    SERVER_MAX_WINDOW_BITS, SERVER_NO_CONTEXT_TAKEOVER, Written, extensions,
};
use crate::{CompressionConfig, WindowBits};

/// An offer that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What holds for the connection from now on.
    pub params: Params,
    /// The value of the `Sec-WebSocket-Extensions` header of the answer.
    pub response: String,
}

/// Accepts the first offer of permessage-deflate that is sound, in the client's order of
/// preference (RFC 7692 §5, §7.1). `None`: the connection goes without compression.
///
/// `headers` are the values of all `Sec-WebSocket-Extensions` headers of the request, in order;
/// other extensions are passed over, and an offer with an unknown, repeated or ill-valued
/// parameter is declined in favour of the next. A header that is not of the grammar offers
/// nothing (see [`check_header`](crate::check_header)).
///
/// `takeover_bytes_left` is what may still be remembered for the new connection. Takeover that
/// does not fit is refused, which a server always may (§7.1.1).
/// [`CompressionManager::accept_offer`](crate::CompressionManager::accept_offer) fills it in.
pub fn accept_offer<'a>(
    config: &CompressionConfig,
    takeover_bytes_left: usize,
    headers: impl IntoIterator<Item = &'a str>,
) -> Option<Accepted> {
    accept_first(config, takeover_bytes_left, headers).map(|(accepted, _)| accepted)
}

/// As [`accept_offer`]. The second value says whether takeover was refused for want of memory.
pub(crate) fn accept_first<'a>(
    config: &CompressionConfig,
    takeover_bytes_left: usize,
    headers: impl IntoIterator<Item = &'a str>,
) -> Option<(Accepted, bool)> {
    if !config.enabled() {
        return None;
    }
    for header in headers {
        let Ok(entries) = extensions(header).collect::<Result<Vec<_>, _>>() else { continue };
        let ours = entries.iter().filter(|entry| entry.name.eq_ignore_ascii_case(EXTENSION_NAME));
        if let Some(offer) = ours.filter_map(|entry| Written::read(entry, true).ok()).next() {
            return Some(accept(config, takeover_bytes_left, &offer));
        }
    }
    None
}

fn accept(
    config: &CompressionConfig,
    takeover_bytes_left: usize,
    offer: &Written,
) -> (Accepted, bool) {
    // §7.1.2.1: the same or a smaller window than offered; unasked for, it may be named as well.
    let server_bits = config.server_max_window_bits();
    let server_bits =
        offer.server_max_window_bits.map_or(server_bits, |bits| bits.min(server_bits));
    // §7.1.2.2: only a client that names the parameter can be asked for a smaller window.
    let client_bits = match offer.client_max_window_bits {
        None => WindowBits::MAX,
        Some(bits) => bits.unwrap_or_default().min(config.client_max_window_bits()),
    };

    let (mut bytes_left, mut refused) = (takeover_bytes_left, false);
    let mut fits = |wanted: bool, bytes: usize| {
        let granted = wanted && bytes <= bytes_left;
        refused |= wanted && !granted;
        bytes_left -= if granted { bytes } else { 0 };
        granted
    };
    // The server's direction comes first: it is the cheaper one, and most bytes go that way.
    let server_takeover = fits(
        config.server_context_takeover() && !offer.server_no_context_takeover,
        config.sent_history_bytes(server_bits),
    );
    let client_takeover = fits(
        config.client_context_takeover() && !offer.client_no_context_takeover,
        client_bits.bytes(),
    );

    let params = Params {
        server_no_context_takeover: !server_takeover,
        client_no_context_takeover: !client_takeover,
        server_max_window_bits: server_bits,
        client_max_window_bits: client_bits,
    };
    let name_server_bits = offer.server_max_window_bits.is_some() || server_bits < WindowBits::MAX;
    let name_client_bits = offer.client_max_window_bits.is_some() && client_bits < WindowBits::MAX;
    let response = Entry::new()
        .flag(SERVER_NO_CONTEXT_TAKEOVER, params.server_no_context_takeover)
        .flag(CLIENT_NO_CONTEXT_TAKEOVER, params.client_no_context_takeover)
        .bits(SERVER_MAX_WINDOW_BITS, name_server_bits.then_some(server_bits))
        .bits(CLIENT_MAX_WINDOW_BITS, name_client_bits.then_some(client_bits));
    (Accepted { params, response: response.0 }, refused)
}
