//! permessage-deflate (RFC 7692): negotiation, deflate, and inflate within a bound.
//!
//! The compression extension of WebSocket for any server or client: header values in, header values
//! out; messages in, payloads out, and back. zlib-rs does the deflating, by way of [`flate2`].
//!
//! # What it does
//!
//! - **Negotiates** all four parameters of RFC 7692 §7.1 for either end: several headers, several
//!   offers in one with fallbacks, quoted values; an offer that is unsound is declined and the next
//!   one tried. Windows of 8 to 15 bits are honoured.
//! - **Inflates within a bound.** The limit is an argument that cannot be left out. A bomb of a
//!   thousand to one is cut there, having cost no more than twice the limit in memory. A payload
//!   that is truncated is told from one that is complete.
//! - **Sends plain what does not pay**: below the threshold, not smaller when compressed, or the
//!   deflater failed. A deflate error is counted and never ends a connection.
//! - **Keeps no memory for idle connections.** Without context takeover (the default) a
//!   [`PerMessageDeflate`] is 24 bytes. zlib contexts are borrowed from a pool for one call.
//!   With takeover, a connection remembers the tail of its messages (4 KiB for what it sent, the
//!   negotiated window for what it received) instead of whole contexts, within one budget for all.
//! - **Deflates once for many** receivers ([`CompressionManager::compress_shared`]).
//! - **Counts** ([`CompressionStats`]), in counters that threads do not contend for.
//!
//! # What it does not do
//!
//! It performs no I/O, reads no clock, spawns nothing and knows nothing of frames: setting and
//! checking RSV1 (§6), putting fragments together and closing with 1009 or 1007 is the caller's.
//! Nothing is allocated for a message once the caller's buffers and the pool are warm.
//!
//! # How to drive it
//!
//! One [`CompressionManager`] for each server or client; at the handshake
//! [`accept_offer`](CompressionManager::accept_offer) (server), or
//! [`offer`](CompressionManager::offer) and
//! [`accept_response`](CompressionManager::accept_response) (client); then one [`codec`] for each
//! connection that negotiated, with [`compress`] and [`decompress`] for each message.
//!
//! [`codec`]: CompressionManager::codec
//! [`compress`]: PerMessageDeflate::compress
//! [`decompress`]: PerMessageDeflate::decompress
//!
//! ```
//! use ws_compression::{CompressionConfig, CompressionManager, Outcome, Role};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The handshake: each string travels as a value of Sec-WebSocket-Extensions.
//! let at_client = CompressionManager::new(CompressionConfig::default());
//! let at_server = CompressionManager::new(CompressionConfig::high());
//! let offer = at_client.offer().ok_or("compression is disabled")?;
//! let accepted = at_server.accept_offer([offer.as_str()]).ok_or("nothing acceptable offered")?;
//! let params = at_client.accept_response([accepted.response.as_str()])?.ok_or("not accepted")?;
//!
//! let mut server = at_server.codec(Role::Server, accepted.params);
//! let mut client = at_client.codec(Role::Client, params);
//!
//! // A message from the server. Compressed: RSV1 is set on its first frame.
//! let message = r#"{"type":"tick","price":42}"#.repeat(100);
//! let mut payload = Vec::new();
//! assert_eq!(server.compress(message.as_bytes(), &mut payload), Outcome::Compressed);
//! assert!(payload.len() < message.len() / 10);
//!
//! // The client allows a megabyte.
//! let mut received = Vec::new();
//! client.decompress(&payload, 1024 * 1024, &mut received)?;
//! assert_eq!(received, message.as_bytes());
//!
//! println!("{}", at_server.summary());
//! # Ok(())
//! # }
//! ```
//!
//! # Settings
//!
//! | profile | level | threshold | a message of 1 KiB of JSON costs |
//! |---|---|---|---|
//! | [`CompressionConfig::default`] | 6 | 1 KiB | 13 µs |
//! | [`CompressionConfig::high`] | 9 | 512 B | 22 µs |
//! | [`CompressionConfig::fast`] | 1 | 2 KiB | 6 µs |
//! | [`CompressionConfig::disabled`] | – | – | – |
//!
//! # What it costs in memory
//!
//! | | bytes |
//! |---|---|
//! | connection without takeover | 24 |
//! | connection with takeover, idle | 24 + 80 |
//! | … at most | + 4 KiB (sent, configurable) + the peer's window (received) |
//! | inflater in the pool, any window | 47,552 |
//! | deflater in the pool, window of 2ⁿ bytes | 248,960 + 4 × 2ⁿ: 251,008 (9 bits and 8) to 380,032 (15) |
//!
//! The pool holds at most one inflater and one deflater of each window in each of 32 shards, and
//! fills only as far as threads compress at the same instant: two threads that speak 15 bits own
//! 0.9 MB together, whatever the number of connections. [`CompressionManager::trim`] empties it.
//!
//! # Decisions
//!
//! - *Takeover by history.* A deflater that stays with its connection costs 245 to 371 KiB, and an
//!   inflater 46 KiB. The tail of the messages, given to a pooled context as its dictionary, costs
//!   what it holds. A message that goes out plain cannot desynchronise the two ends, because there
//!   is no state that saw it. To inflate, the dictionary takes 0.9 µs for 32 KiB and under 0.1 µs
//!   up to 8 KiB. To deflate it is indexed anew, 1.8 µs for each KiB, which is why 4 KiB are the
//!   default there: on JSON messages of 300 to 1,000 bytes at level 6, they went out as 35 % of
//!   their size without takeover, 18.9 % with 4 KiB and 18.2 % with 32 KiB.
//! - *A window of 8 bits* is accepted. zlib has no such deflater, but its deflater of 9 bits never
//!   looks back further than 250 bytes. C zlib's inflater of 8 bits confirms it in the tests.
//! - *A block with BFINAL set* may stand anywhere in a payload (§7.2.3.4). What follows it starts
//!   with an empty window, as in browsers; the next message sees the whole window again. A payload
//!   may also end right behind it.
//! - *Sharded pool, not thread-local*: bounded, countable, freed with its manager, and with its
//!   statistics 80 ns a message.
#![forbid(unsafe_code)]

mod budget;
mod codec;
mod config;
mod deflate;
mod error;
mod history;
mod inflate;
mod manager;
mod negotiation;
mod pool;
mod stats;
mod window;

pub use self::{
    codec::{Outcome, PerMessageDeflate, Role},
    config::{CompressionConfig, Level},
    error::{Corruption, InflateError, NegotiationError, ParameterError},
    manager::CompressionManager,
    negotiation::{
        Accepted, EXTENSION_NAME, Params, accept_offer, accept_response, check_header, offer,
    },
    stats::CompressionStats,
    window::WindowBits,
};
