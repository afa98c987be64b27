//! What an issuer's claims must say, and the identity that they make.

use std::sync::Arc;
use std::time::SystemTime;

use crate::claims::Claims;
use crate::config::IssuerRules;
use crate::error::AuthError;
use crate::identity::Identity;

impl IssuerRules {
    /// Whether tokens with this `iss` may be from this issuer.
    pub(crate) fn accepts_issuer(&self, iss: Option<&str>) -> bool {
        self.iss.is_empty() || iss.is_some_and(|iss| self.iss.iter().any(|own| **own == *iss))
    }

    pub(crate) fn accepts_type(&self, token_type: Option<&str>) -> bool {
        token_type.is_none_or(|token_type| self.token_types.iter().any(|own| **own == *token_type))
    }

    /// The identity that these claims make, whose signature was verified.
    ///
    /// Expiry is looked at last: "Token expired" tells a client to come back with a fresh token, so
    /// a token that would be refused when fresh must get another answer.
    pub(crate) fn identity(&self, claims: &Claims, now: SystemTime) -> Result<Identity, AuthError> {
        self.check_audience(claims)?;
        for path in &self.required_claims {
            if !claims.has(path) {
                return Err(AuthError::MissingClaim(path.name().into()));
            }
        }
        let user_id = claims.user(&self.user_claims)?.ok_or_else(|| {
            AuthError::MissingClaim(self.user_claims.first().map_or("", |path| path.name()).into())
        })?;
        let issued_at = claims.time("iat")?;
        let not_before = claims.time("nbf")?;
        let expires_at = self.expiry(claims)?;
        let identity = Identity {
            user_id: Arc::from(user_id),
            issuer: Arc::clone(&self.name),
            session_id: claims.user(&self.session_claims)?,
            tier: claims.text(&self.tier_claims)?,
            token_id: claims.string("jti")?.map(Into::into),
            channels: claims.names(&self.channels_claims)?,
            permissions: claims.names(&self.permissions_claims)?,
            issued_at,
            expires_at,
            valid_until: expires_at.map(|expiry| expiry + self.leeway),
        };
        if let Some(max) = self.lifetime_max {
            // Whoever takes tokens back has to remember that for as long as they could be good.
            let issued_at = issued_at.ok_or_else(|| AuthError::MissingClaim("iat".into()))?;
            // One that is dated ahead would live on when it is forgotten.
            let latest = issued_at.min(now + self.leeway) + max;
            if expires_at.is_none_or(|end| end > latest) {
                return Err(AuthError::LivesTooLong);
            }
        }
        if not_before.is_some_and(|start| now + self.leeway < start) {
            return Err(AuthError::NotYetValid);
        }
        if identity.is_expired(now) {
            return Err(AuthError::Expired);
        }
        Ok(identity)
    }

    /// Whether the token has expired going by what it says itself, signature unseen. Good enough to
    /// refuse it without asking its issuer for keys, and for nothing else.
    pub(crate) fn says_expired(&self, claims: &Claims, now: SystemTime) -> bool {
        matches!(self.expiry(claims), Ok(Some(expiry)) if now >= expiry + self.leeway)
    }

    fn expiry(&self, claims: &Claims) -> Result<Option<SystemTime>, AuthError> {
        match claims.time("exp")? {
            None if self.expiry_required => Err(AuthError::MissingClaim("exp".into())),
            expiry => Ok(expiry),
        }
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), AuthError> {
        let is_ours = claims.audience_is_one_of(&self.audiences)?;
        match is_ours {
            _ if self.any_audience => Ok(()),
            Some(true) => Ok(()),
            None if self.audiences.is_empty() => Ok(()),
            None => Err(AuthError::MissingClaim("aud".into())),
            Some(false) => Err(AuthError::WrongAudience),
        }
    }
}
