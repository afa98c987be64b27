//! What may be chosen: how hard to deflate, what to leave alone, what to remember.

use crate::WindowBits;

/// How hard the deflater works: 0 (not at all) to 9 (as hard as it can).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// Nothing is deflated; what the peer deflated is still inflated.
    pub const NONE: Self = Self(0);
    /// The fastest that still compresses.
    pub const FAST: Self = Self(1);
    /// The usual balance.
    pub const BALANCED: Self = Self(6);
    /// The smallest output, at about twice the time of [`BALANCED`](Self::BALANCED).
    pub const BEST: Self = Self(9);

    /// `Some` for 0 to 9.
    pub const fn new(level: u8) -> Option<Self> {
        if level <= 9 { Some(Self(level)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::BALANCED
    }
}

/// The settings of permessage-deflate, for a server or a client.
///
/// Four profiles to start from, and `with_*` for each setting:
///
/// | profile | level | threshold |
/// |---|---|---|
/// | [`default`](Self::default) | 6 | 1 KiB |
/// | [`high`](Self::high) | 9 | 512 bytes |
/// | [`fast`](Self::fast) | 1 | 2 KiB |
/// | [`disabled`](Self::disabled) | – | – |
///
/// ```
/// use ws_compression::{CompressionConfig, Level};
///
/// let config = CompressionConfig::default().with_level(Level::FAST).with_threshold_bytes(256);
/// assert_eq!(config.threshold_bytes(), 256);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressionConfig {
    enabled: bool,
    level: Level,
    threshold_bytes: usize,
    server_context_takeover: bool,
    client_context_takeover: bool,
    server_max_window_bits: WindowBits,
    client_max_window_bits: WindowBits,
    takeover_history_bytes: usize,
    takeover_budget_bytes: usize,
}

impl Default for CompressionConfig {
    /// Level 6, messages from 1 KiB, no context takeover, windows of 32 KiB.
    fn default() -> Self {
        Self {
            enabled: true,
            level: Level::BALANCED,
            threshold_bytes: 1024,
            server_context_takeover: false,
            client_context_takeover: false,
            server_max_window_bits: WindowBits::MAX,
            client_max_window_bits: WindowBits::MAX,
            takeover_history_bytes: 4096,
            takeover_budget_bytes: 64 * 1024 * 1024,
        }
    }
}

impl CompressionConfig {
    /// The smallest output: level 9, messages from 512 bytes.
    pub fn high() -> Self {
        Self { level: Level::BEST, threshold_bytes: 512, ..Self::default() }
    }

    /// The least time: level 1, messages from 2 KiB.
    pub fn fast() -> Self {
        Self { level: Level::FAST, threshold_bytes: 2048, ..Self::default() }
    }

    /// The extension is neither offered nor accepted.
    pub fn disabled() -> Self {
        Self { enabled: false, level: Level::NONE, ..Self::default() }
    }

    /// Whether the extension is offered (client) and accepted (server). Default: yes.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// How hard to deflate. Default: 6. Level 0 sends every message plain and still inflates what
    /// the peer sends. A message of 1 KiB of JSON costs about 6, 13 and 22 µs at levels 1, 6 and 9;
    /// 3.4 µs of each is the clearing of the deflater's hash table.
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Messages shorter than this go out plain. Default: 1024. Zero: every message is tried, and
    /// those that would not shrink go out plain all the same.
    pub fn with_threshold_bytes(mut self, bytes: usize) -> Self {
        self.threshold_bytes = bytes;
        self
    }

    /// Whether the server may refer back to its earlier messages (RFC 7692 §7.1.1.1). Default: no.
    ///
    /// Costs each connection of a server up to [`takeover_history_bytes`], and each connection of
    /// a client up to the negotiated window.
    ///
    /// [`takeover_history_bytes`]: Self::with_takeover_history_bytes
    pub fn with_server_context_takeover(mut self, takeover: bool) -> Self {
        self.server_context_takeover = takeover;
        self
    }

    /// Whether the client may refer back to its earlier messages (RFC 7692 §7.1.1.2). Default: no.
    ///
    /// Costs each connection of a server up to the negotiated window, and each connection of a
    /// client up to [`takeover_history_bytes`](Self::with_takeover_history_bytes).
    pub fn with_client_context_takeover(mut self, takeover: bool) -> Self {
        self.client_context_takeover = takeover;
        self
    }

    /// The largest window of the server's messages (RFC 7692 §7.1.2.1). Default: 15 bits, 32 KiB.
    /// A smaller one saves the receiver memory when there is takeover, and compresses less.
    pub fn with_server_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.server_max_window_bits = bits;
        self
    }

    /// The largest window of the client's messages (RFC 7692 §7.1.2.2). Default: 15 bits, 32 KiB.
    /// A server can only ask this of a client that says it understands the question.
    pub fn with_client_max_window_bits(mut self, bits: WindowBits) -> Self {
        self.client_max_window_bits = bits;
        self
    }

    /// How much of what was *sent* is remembered for the next message to refer to. Default: 4096;
    /// never more than the negotiated window. Zero: each message stands alone, whatever was
    /// negotiated.
    ///
    /// Costs its size in memory for each connection with takeover, and about 1.8 µs for each KiB
    /// and message (the deflater indexes it anew): 4 KiB cost 7 µs, 32 KiB 65 µs.
    pub fn with_takeover_history_bytes(mut self, bytes: usize) -> Self {
        self.takeover_history_bytes = bytes;
        self
    }

    /// What all connections of one [`CompressionManager`](crate::CompressionManager) together may
    /// remember. Default: 64 MiB. When it is used up, new connections are negotiated without
    /// takeover. Zero: takeover is never granted.
    ///
    /// Shown by [`CompressionStats::takeover_bytes`](crate::CompressionStats::takeover_bytes); a
    /// refusal counts in
    /// [`takeover_refused`](crate::CompressionStats::takeover_refused).
    pub fn with_takeover_budget_bytes(mut self, bytes: usize) -> Self {
        self.takeover_budget_bytes = bytes;
        self
    }

    /// Whether the extension is offered and accepted.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// How hard to deflate.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Messages shorter than this go out plain.
    pub fn threshold_bytes(&self) -> usize {
        self.threshold_bytes
    }

    /// Whether the server may refer back to its earlier messages.
    pub fn server_context_takeover(&self) -> bool {
        self.server_context_takeover
    }

    /// Whether the client may refer back to its earlier messages.
    pub fn client_context_takeover(&self) -> bool {
        self.client_context_takeover
    }

    /// The largest window of the server's messages.
    pub fn server_max_window_bits(&self) -> WindowBits {
        self.server_max_window_bits
    }

    /// The largest window of the client's messages.
    pub fn client_max_window_bits(&self) -> WindowBits {
        self.client_max_window_bits
    }

    /// How much of what was sent is remembered when there is takeover.
    pub fn takeover_history_bytes(&self) -> usize {
        self.takeover_history_bytes
    }

    /// What all connections together may remember.
    pub fn takeover_budget_bytes(&self) -> usize {
        self.takeover_budget_bytes
    }

    /// What a sender remembers within a window of `bits`.
    pub(crate) fn sent_history_bytes(&self, bits: WindowBits) -> usize {
        self.takeover_history_bytes.min(bits.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{CompressionConfig, Level};

    #[test]
    fn profiles_have_their_levels_and_thresholds() {
        for (profile, enabled, level, threshold) in [
            (CompressionConfig::default(), true, 6, 1024),
            (CompressionConfig::high(), true, 9, 512),
            (CompressionConfig::fast(), true, 1, 2048),
            (CompressionConfig::disabled(), false, 0, 1024),
        ] {
            assert_eq!(profile.enabled(), enabled);
            assert_eq!(profile.level().get(), level);
            assert_eq!(profile.threshold_bytes(), threshold);
            assert!(!profile.server_context_takeover() && !profile.client_context_takeover());
        }
    }

    #[test]
    fn a_level_above_nine_cannot_be_built() {
        assert_eq!(Level::new(9), Some(Level::BEST));
        assert_eq!(Level::new(10), None);
    }
}
