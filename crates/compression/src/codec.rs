//! The compression of one connection.

use std::sync::Arc;

use crate::history::History;
use crate::manager::Shared;
use crate::{InflateError, Params, WindowBits};

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends with the client's parameters, receives with the server's.
    Client,
    /// Sends with the server's parameters, receives with the client's.
    Server,
}

/// What became of a message that was to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a compressed payload travels with RSV1 set, a plain one without"]
pub enum Outcome {
    /// The payload was appended: send it with RSV1 on the first frame (RFC 7692 §6.1).
    Compressed,
    /// Nothing was appended: send the message as it is, without RSV1.
    Plain,
}

/// permessage-deflate of one connection: 24 bytes and no window of its own, unless context takeover
/// was negotiated; then it remembers as much of the last messages as that needs.
///
/// Made by [`CompressionManager::codec`](crate::CompressionManager::codec).
pub struct PerMessageDeflate {
    shared: Arc<Shared>,
    takeover: Option<Box<Takeover>>,
    params: Params,
    role: Role,
}

/// A direction without a history compresses, or inflates, each message by itself.
struct Takeover {
    sent: Option<History>,
    received: Option<History>,
}

impl PerMessageDeflate {
    pub(crate) fn new(shared: Arc<Shared>, role: Role, params: Params) -> Self {
        let (send_alone, receive_alone, receive_bits) = match role {
            Role::Client => (
                params.client_no_context_takeover,
                params.server_no_context_takeover,
                params.server_max_window_bits,
            ),
            Role::Server => (
                params.server_no_context_takeover,
                params.client_no_context_takeover,
                params.client_max_window_bits,
            ),
        };
        let send_bytes = shared.config.sent_history_bytes(send_bits(role, params));
        // The peer was promised that we remember; that we refer back ourselves was not.
        let received = (!receive_alone).then(|| {
            shared.budget.take(receive_bits.bytes());
            History::new(receive_bits.bytes())
        });
        let sent = (!send_alone && send_bytes > 0).then_some(send_bytes).and_then(|bytes| {
            let granted = shared.budget.try_take(bytes);
            if !granted {
                shared.pool.counters().takeover_refused();
            }
            granted.then(|| History::new(bytes))
        });
        let takeover =
            (sent.is_some() || received.is_some()).then(|| Box::new(Takeover { sent, received }));
        Self { shared, takeover, params, role }
    }

    /// What was negotiated.
    pub fn params(&self) -> Params {
        self.params
    }

    /// Which end of the connection this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Appends the compressed payload to `out` and says [`Outcome::Compressed`]; or appends
    /// nothing and says [`Outcome::Plain`]: below the threshold, no shorter when compressed, or
    /// the deflater failed (which is counted and never ends a connection).
    ///
    /// A message that goes out plain leaves the context of both ends as it was (RFC 7692 §7.2.1).
    pub fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) -> Outcome {
        let bits = send_bits(self.role, self.params);
        let history = self.takeover.as_mut().and_then(|takeover| takeover.sent.as_mut());
        let outcome = self.shared.compress(bits, history.as_deref(), message, out);
        if let (Outcome::Compressed, Some(history)) = (outcome, history) {
            history.push(message);
        }
        outcome
    }

    /// Deflates a message without reference to earlier ones, with this connection's window, for all
    /// connections with the same [`shared_window_bits`](Self::shared_window_bits). Otherwise as
    /// [`compress`](Self::compress).
    pub fn compress_alone(&self, message: &[u8], out: &mut Vec<u8>) -> Outcome {
        self.shared.compress(send_bits(self.role, self.params), None, message, out)
    }

    /// Appends the message whose compressed payload this is, all its frames put together, to
    /// `out`: never more than `limit_bytes`.
    ///
    /// The room in `out` grows with what was really inflated, so a payload that would inflate to a
    /// thousand times its size is cut at the limit having cost no more than twice the limit.
    ///
    /// # Errors
    /// [`InflateError`], and `out` is as it was. The connection cannot go on after one: with
    /// takeover, the two ends no longer remember the same.
    pub fn decompress(
        &mut self,
        payload: &[u8],
        limit_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        let history = self.takeover.as_mut().and_then(|takeover| takeover.received.as_mut());
        let start = out.len();
        self.shared.inflate(history.as_deref(), payload, limit_bytes, out)?;
        if let Some(history) = history {
            history.push(&out[start..]);
        }
        Ok(())
    }

    /// `Some` if a message that [`CompressionManager::compress_shared`] deflated for this window,
    /// or a smaller one, may be sent on this connection. `None` if its messages refer back to
    /// earlier ones and have to go through [`compress`](Self::compress).
    ///
    /// [`CompressionManager::compress_shared`]: crate::CompressionManager::compress_shared
    pub fn shared_window_bits(&self) -> Option<WindowBits> {
        let alone = self.takeover.as_ref().is_none_or(|takeover| takeover.sent.is_none());
        alone.then(|| send_bits(self.role, self.params))
    }
}

impl Drop for PerMessageDeflate {
    fn drop(&mut self) {
        if let Some(takeover) = &self.takeover {
            let histories = takeover.sent.iter().chain(&takeover.received);
            self.shared.budget.give_back(histories.map(History::capacity_bytes).sum());
        }
    }
}

impl std::fmt::Debug for PerMessageDeflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PerMessageDeflate")
            .field("role", &self.role)
            .field("params", &self.params)
            .finish_non_exhaustive()
    }
}

fn send_bits(role: Role, params: Params) -> WindowBits {
    match role {
        Role::Client => params.client_max_window_bits,
        Role::Server => params.server_max_window_bits,
    }
}

// Part of what an idle connection costs; see the crate's documentation.
const _: () = assert!(size_of::<PerMessageDeflate>() <= 32);
