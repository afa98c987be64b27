//! Choices read from bytes.

use ws_compression::{CompressionConfig, CompressionManager, Role as Side, WindowBits};
use ws_frame_validator::SizeLimits;

use crate::{ConnectionConfig, Role};

/// What is left of the fuzzer's bytes. When nothing is left, every choice is the first one.
pub(super) struct Input<'d>(&'d [u8]);

/// The limit on messages in all targets: small, so that it is met often.
pub(super) const LIMIT: usize = 4096;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

impl<'d> Input<'d> {
    pub(super) fn new(data: &'d [u8]) -> Self {
        Self(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// A number below `end`, which is not zero.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let number = u16::from_be_bytes([self.byte(), self.byte()]);
        usize::from(number) % end
    }

    pub(super) fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(super) fn take(&mut self, len: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn rest(&mut self) -> &'d [u8] {
        self.take(usize::MAX)
    }

    /// A payload: some bytes of the input, repeated, so that long ones need few.
    pub(super) fn payload(&mut self) -> Vec<u8> {
        let (len, of) = (self.below(LIMIT + 100), self.below(32));
        let pattern = self.take(of);
        let pattern = if pattern.is_empty() { b"ab" } else { pattern };
        // Copied, not counted out: the fuzzer looks at each step of each loop.
        let mut payload = pattern.repeat(len.div_ceil(pattern.len()));
        payload.truncate(len);
        payload
    }

    /// The same as text; what is no UTF-8 is replaced.
    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.payload()).into_owned()
    }

    /// One side's configuration; its limits are low.
    pub(super) fn config(&mut self, role: Role) -> ConnectionConfig {
        let config = match role {
            Role::Server => ConnectionConfig::server(),
            Role::Client => ConnectionConfig::client(|| KEY),
        };
        let mut config = config.with_fragments_max(16).with_late_messages(self.coin());
        if let Ok(sizes) = SizeLimits::with_max(LIMIT as u64) {
            config = config.with_sizes(sizes);
        }
        config
    }

    /// How both sides compress, if they do: the real negotiation of a client's offer.
    pub(super) fn compression(&mut self) -> Option<CompressionManager> {
        if !self.coin() {
            return None;
        }
        let mut bits = || WindowBits::new(9 + self.byte() % 7).unwrap_or(WindowBits::MAX);
        let (server, client) = (bits(), bits());
        let config = CompressionConfig::default()
            .with_threshold_bytes(self.below(64))
            .with_server_max_window_bits(server)
            .with_client_max_window_bits(client)
            .with_server_context_takeover(self.coin())
            .with_client_context_takeover(self.coin());
        Some(CompressionManager::new(config))
    }
}

/// The codec of one side, as the handshake would have negotiated it with the other.
pub(super) fn codec(manager: &CompressionManager, role: Role) -> ws_compression::PerMessageDeflate {
    let offer = manager.offer().unwrap_or_default();
    let accepted = manager.accept_offer([offer.as_str()]);
    assert!(accepted.is_some(), "a server accepts the offer of its own configuration: {offer}");
    let (params, response) = accepted.map(|it| (it.params, it.response)).unzip();
    match role {
        Role::Server => params.map(|params| manager.codec(Side::Server, params)),
        Role::Client => {
            let agreed = manager.accept_response(response.as_deref());
            agreed.ok().flatten().map(|params| manager.codec(Side::Client, params))
        }
    }
    .unwrap_or_else(|| unreachable!("a client accepts the answer to its offer"))
}
