#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod algorithm;
mod authenticator;
mod cache;
mod claims;
mod compact;
mod config;
mod credential;
mod error;
#[cfg(feature = "fetch")]
mod fetch;
mod freshness;
mod identity;
mod jwks;
mod key;
mod keyring;
mod mint;
mod origins;
mod revocation;
mod rules;
mod secret;
mod stats;
mod url;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use authenticator::{Authenticator, KeyDocument, KeyFetch};
pub use config::{AuthenticatorBuilder, BuildError, ConfigFault, Issuer, JwksSettings};
pub use credential::{
    BEARER_SUBPROTOCOL, Credential, CredentialError, CredentialFault, CredentialSource,
    CredentialSources, SUBPROTOCOL, find_credential, find_credential_in, select_subprotocol,
};
pub use error::{AuthError, Fault, FetchError, JwksError, VerifyError};
pub use freshness::max_age;
pub use identity::{Identity, Names};
pub use key::KeyFault;
pub use keyring::{KeyWanted, Want};
pub use mint::{MintError, TokenMinter, TokenRequest};
pub use origins::{OriginError, Origins};
pub use revocation::{Revocation, Revocations, Revoked, TooManyRevocations};
pub use secret::Secret;
pub use stats::{AuthStats, IssuerStats};
