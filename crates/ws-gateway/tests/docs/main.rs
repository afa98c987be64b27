//! What the docs say is what the gateway does: transcripts are replayed, tables are compared with the
//! tables in the code, quoted code is the code of an example that runs.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod clients;
mod composition;
mod page;
mod sizes;
mod tables;
mod transcript;
mod troubleshooting;
