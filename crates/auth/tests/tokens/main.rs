//! Tokens, true and forged, against authenticators of every kind; keys that rotate on virtual time;
//! a hostile issuer and a real identity provider over loopback HTTP.

#![expect(clippy::expect_used, reason = "a test that cannot go on ends and says why")]

mod claims;
mod configuration;
mod forged;
mod hostile;
mod issuer;
mod provider;
mod rotation;
mod signer;
mod spelling;
