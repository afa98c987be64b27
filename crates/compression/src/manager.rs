//! What all connections of a server, or of a client, share.

use std::sync::Arc;

use crate::budget::Budget;
use crate::codec::Outcome;
use crate::history::History;
use crate::pool::Pool;
use crate::{
    Accepted, CompressionConfig, CompressionStats, InflateError, Level, NegotiationError, Params,
    PerMessageDeflate, Role, WindowBits, deflate, inflate, negotiation,
};

/// One configuration, one pool of zlib contexts, one budget and one set of statistics for any
/// number of connections. A clone is another handle to the same.
#[derive(Clone)]
pub struct CompressionManager {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: CompressionConfig,
    pub(crate) pool: Pool,
    pub(crate) budget: Budget,
}

impl CompressionManager {
    /// A manager that has done nothing and holds nothing yet.
    pub fn new(config: CompressionConfig) -> Self {
        let budget = Budget::new(config.takeover_budget_bytes());
        Self { shared: Arc::new(Shared { config, pool: Pool::new(), budget }) }
    }

    /// A manager with [`CompressionConfig::default`].
    pub fn create_default() -> Self {
        Self::default()
    }

    /// What it was made with.
    pub fn config(&self) -> &CompressionConfig {
        &self.shared.config
    }

    /// The server's half of the negotiation: [`accept_offer`](crate::accept_offer) with what is
    /// left of the takeover budget.
    pub fn accept_offer<'a>(&self, headers: impl IntoIterator<Item = &'a str>) -> Option<Accepted> {
        let Shared { config, pool, budget } = &*self.shared;
        let (accepted, refused) = negotiation::accept_first(config, budget.left_bytes(), headers)?;
        if refused {
            pool.counters().takeover_refused();
        }
        Some(accepted)
    }

    /// The client's first half: [`offer`](crate::offer) of its configuration.
    pub fn offer(&self) -> Option<String> {
        negotiation::offer(&self.shared.config)
    }

    /// The client's second half: [`accept_response`](crate::accept_response).
    ///
    /// # Errors
    /// The answer is not one to our offer; the handshake fails.
    pub fn accept_response<'a>(
        &self,
        headers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Params>, NegotiationError> {
        negotiation::accept_response(&self.shared.config, headers)
    }

    /// The codec of a connection that negotiated `params`. Reserves its share of the takeover
    /// budget until it is dropped; what was negotiated before the budget ran out is honoured, so
    /// it can be exceeded by as much as the handshakes under way were promised.
    pub fn codec(&self, role: Role, params: Params) -> PerMessageDeflate {
        PerMessageDeflate::new(Arc::clone(&self.shared), role, params)
    }

    /// Deflates one message for many receivers: each whose
    /// [`shared_window_bits`](PerMessageDeflate::shared_window_bits) are these or more. Appends to
    /// `out` like [`PerMessageDeflate::compress`], and counts as one message.
    pub fn compress_shared(&self, bits: WindowBits, message: &[u8], out: &mut Vec<u8>) -> Outcome {
        self.shared.compress(bits, None, message, out)
    }

    /// What was done so far, and what is held now.
    pub fn stats(&self) -> CompressionStats {
        let mut stats = CompressionStats {
            takeover_bytes: self.shared.budget.used_bytes(),
            pool_bytes: self.shared.pool.bytes(),
            ..CompressionStats::default()
        };
        self.shared.pool.all_counters().for_each(|counters| counters.add_to(&mut stats));
        stats
    }

    /// [`CompressionStats`] as one line for a log.
    pub fn summary(&self) -> String {
        self.stats().to_string()
    }

    /// [`CompressionStats::ratio_percent`] as of now.
    pub fn ratio_percent(&self) -> f64 {
        self.stats().ratio_percent()
    }

    /// [`CompressionStats::average_bytes_saved`] as of now.
    pub fn average_bytes_saved(&self) -> f64 {
        self.stats().average_bytes_saved()
    }

    /// Frees the zlib contexts that lie ready. They are made anew when needed: for the quiet after
    /// a rush on many threads.
    pub fn trim(&self) {
        self.shared.pool.trim();
    }
}

impl Default for CompressionManager {
    fn default() -> Self {
        Self::new(CompressionConfig::default())
    }
}

impl std::fmt::Debug for CompressionManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressionManager")
            .field("config", &self.shared.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn compress(
        &self,
        bits: WindowBits,
        history: Option<&History>,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Outcome {
        let counters = self.pool.counters();
        if message.len() < self.config.threshold_bytes() || self.config.level() == Level::NONE {
            counters.plain_small();
            return Outcome::Plain;
        }
        let start = out.len();
        let mut deflater = self.pool.take_deflater(bits, self.config.level());
        match deflate::deflate(&mut deflater, history, message, out) {
            Ok(smaller) => {
                self.pool.give_deflater(bits, deflater);
                if smaller {
                    counters.compressed(message.len(), out.len() - start);
                    return Outcome::Compressed;
                }
                counters.plain_incompressible();
            }
            // The deflater is dropped: what failed once is not lent again.
            Err(_) => counters.deflate_error(),
        }
        Outcome::Plain
    }

    pub(crate) fn inflate(
        &self,
        history: Option<&History>,
        payload: &[u8],
        limit_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), InflateError> {
        let counters = self.pool.counters();
        let start = out.len();
        let mut inflater = self.pool.take_inflater();
        let result = inflate::inflate(&mut inflater, history, payload, limit_bytes, out);
        self.pool.give_inflater(inflater);
        match result {
            Ok(()) => counters.inflated(payload.len(), out.len() - start),
            Err(InflateError::TooLarge { .. }) => counters.inflate_too_large(),
            Err(InflateError::Corrupt(_)) => counters.inflate_error(),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::CompressionManager;
    use crate::codec::Outcome;
    use crate::{CompressionConfig, WindowBits};

    #[test]
    fn a_deflate_error_sends_the_message_plain_and_is_counted_once() {
        let config = CompressionConfig::default().with_threshold_bytes(0);
        let manager = CompressionManager::new(config);
        // A deflater whose stream has ended refuses everything; nothing else makes zlib fail.
        let mut broken = Compress::new(Compression::fast(), false);
        broken.compress_vec(b"x", &mut Vec::with_capacity(64), FlushCompress::Finish).unwrap();
        manager.shared.pool.lend_for_test(WindowBits::MAX, broken);

        let message = b"the same the same the same the same the same";
        let mut out = b"before".to_vec();
        let outcome = manager.compress_shared(WindowBits::MAX, message, &mut out);
        assert_eq!((outcome, &out[..]), (Outcome::Plain, &b"before"[..]));
        assert_eq!(manager.stats().deflate_errors, 1);

        let outcome = manager.compress_shared(WindowBits::MAX, message, &mut out);
        assert_eq!(outcome, Outcome::Compressed, "the broken deflater was not kept");
        assert_eq!(manager.stats().deflate_errors, 1);
    }
}
