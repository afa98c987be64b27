//! Making tokens: for development, for tests, for `ws-gateway token`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde_json::{Map, Value, json};

use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::key::{KeyFault, VerifyingKey};
use crate::secret::Secret;

/// Signs HS256 tokens with a secret that the gateway knows.
pub struct TokenMinter {
    key: EncodingKey,
    iss: Option<Box<str>>,
    audience: Option<Box<str>>,
}

/// What a token is to say.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    user: Box<str>,
    ttl: Duration,
    claims: Map<String, Value>,
}

impl TokenRequest {
    /// A token for this user (`sub`), good for one hour.
    pub fn new(user: impl Into<Box<str>>) -> Self {
        Self { user: user.into(), ttl: Duration::from_secs(60 * 60), claims: Map::new() }
    }

    /// How long the token is to be good.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The user's tier.
    #[must_use]
    pub fn tier(self, tier: &str) -> Self {
        self.claim("tier", tier)
    }

    /// Any other claim. `sub`, `iat` and `exp` stay what they are.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }
}

/// Signing failed, which the cryptography library gives no further reason for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token could not be signed")]
pub struct MintError;

impl TokenMinter {
    /// A minter with this secret, which must be good enough to verify with.
    ///
    /// # Errors
    ///
    /// When the secret is shorter than 32 bytes, or is a key in PEM.
    pub fn new(secret: &Secret) -> Result<Self, KeyFault> {
        let bytes = secret.expose().as_bytes();
        VerifyingKey::hmac(bytes, AlgorithmSet::of(&[Algorithm::Hs256]))?;
        Ok(Self { key: EncodingKey::from_secret(bytes), iss: None, audience: None })
    }

    /// Puts this `iss` into every token.
    #[must_use]
    pub fn iss(mut self, iss: impl Into<Box<str>>) -> Self {
        self.iss = Some(iss.into());
        self
    }

    /// Puts this `aud` into every token.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Signs a token that is issued at `now`.
    ///
    /// # Errors
    ///
    /// When the cryptography library fails.
    pub fn mint(&self, request: &TokenRequest, now: SystemTime) -> Result<Secret, MintError> {
        let issued_at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut claims = request.claims.clone();
        for (name, value) in [("iss", &self.iss), ("aud", &self.audience)] {
            if let Some(value) = value {
                claims.insert(name.into(), Value::from(&**value));
            }
        }
        claims.insert("sub".into(), Value::from(&*request.user));
        claims.insert("iat".into(), issued_at.into());
        claims.insert("exp".into(), issued_at.saturating_add(request.ttl.as_secs()).into());
        let algorithm = Algorithm::Hs256;
        let header = json!({ "alg": algorithm.name(), "typ": "JWT" });
        let mut token = String::new();
        URL_SAFE_NO_PAD.encode_string(header.to_string(), &mut token);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(Value::Object(claims).to_string(), &mut token);
        let signature = (DEFAULT_PROVIDER.signer_factory)(&algorithm.provider_name(), &self.key)
            .map_err(|_| MintError)?
            .try_sign(token.as_bytes())
            .map_err(|_| MintError)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token.into())
    }
}

impl std::fmt::Debug for TokenMinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenMinter").field("iss", &self.iss).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Authenticator, Issuer};

    #[test]
    fn a_minted_token_is_verified_by_the_same_secret() {
        let secret = Secret::from("a secret of more than thirty-two bytes");
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let minter = TokenMinter::new(&secret).expect("long enough").iss("dev").audience("gateway");
        let request = TokenRequest::new("user-123")
            .tier("pro")
            .ttl(Duration::from_secs(60))
            .claim("channels", vec!["chat:*"])
            .claim("sub", "somebody else");
        let token = minter.mint(&request, now).expect("signs");
        let issuer = Issuer::new("dev").secret(secret).iss("dev").audience("gateway");
        let authenticator = Authenticator::builder().issuer(issuer).build().expect("valid");
        let identity = authenticator.verify(token.expose(), now).expect("good");
        assert_eq!(&*identity.user_id, "user-123");
        assert_eq!(identity.tier.as_deref(), Some("pro"));
        assert!(identity.channels.as_ref().is_some_and(|names| names.contains("chat:*")));
        assert_eq!(identity.expires_at, Some(now + Duration::from_secs(60)));
    }

    #[test]
    fn a_secret_that_would_not_verify_does_not_sign() {
        let fault = TokenMinter::new(&Secret::from("short")).err();
        assert_eq!(fault, Some(KeyFault::SecretTooShort(32)));
    }
}
