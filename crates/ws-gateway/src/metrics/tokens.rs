//! Tokens and the keys that they are verified with.

use std::fmt;

use ws_handler::Application;

use super::{Snapshots, page::Page};

impl<A: Application> Snapshots<A> {
    pub(super) fn tokens(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.handler.authenticator().stats();
        page.counter(
            "ws_tokens_verified_total",
            "Tokens whose signature was verified",
            stats.verified,
        )?;
        page.counter(
            "ws_tokens_cached_total",
            "Tokens recognized without verifying",
            stats.cache_hits,
        )?;
        page.counters("ws_tokens_refused_total", "Tokens refused", "reason", &stats.refused)?;
        page.counter("ws_key_fetches_total", "Fetches of an issuer's keys", stats.fetches)?;
        page.counter("ws_key_fetch_failures_total", "Fetches that failed", stats.fetch_failures)?;
        page.gauge("ws_token_cache_entries", "Tokens in the cache", stats.cached_tokens)
    }
}
