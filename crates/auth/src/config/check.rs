//! From an issuer as it is written down to one that verifies, or to all that is wrong with it.

use std::sync::Arc;
use std::time::Duration;

use super::{ConfigFault, Issuer, JwksSettings};
use crate::algorithm::{Algorithm, AlgorithmSet};
use crate::claims::ClaimPath;
use crate::jwks::{read_jwks, read_pem};
use crate::key::{KeySet, VerifyingKey};
use crate::url::KeyUrl;

/// A larger leeway would be a second lifetime.
const LEEWAY_MAX: Duration = Duration::from_secs(600);

/// An issuer after it was checked.
pub(crate) struct IssuerRules {
    pub(crate) name: Arc<str>,
    pub(crate) algorithms: AlgorithmSet,
    pub(crate) static_keys: Arc<KeySet>,
    pub(crate) remote: Option<(KeyUrl, JwksSettings)>,
    pub(crate) iss: Vec<Box<str>>,
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) any_audience: bool,
    pub(crate) leeway: Duration,
    pub(crate) expiry_required: bool,
    pub(crate) lifetime_max: Option<Duration>,
    pub(crate) required_claims: Vec<ClaimPath>,
    pub(crate) token_types: Vec<Box<str>>,
    pub(crate) user_claims: Vec<ClaimPath>,
    pub(crate) session_claims: Vec<ClaimPath>,
    pub(crate) tier_claims: Vec<ClaimPath>,
    pub(crate) channels_claims: Vec<ClaimPath>,
    pub(crate) permissions_claims: Vec<ClaimPath>,
}

impl Issuer {
    pub(crate) fn into_rules(self, faults: &mut Vec<ConfigFault>) -> Option<IssuerRules> {
        let before = faults.len();
        let allowed = self.allowed_algorithms();
        let mut static_keys = KeySet::default();
        self.read_secrets(allowed, &mut static_keys, faults);
        self.read_public_keys(allowed, &mut static_keys, faults);
        let url = self.jwks_url.as_deref().and_then(|url| {
            let parsed = KeyUrl::parse(url);
            if parsed.is_none() {
                faults.push(ConfigFault::Url { issuer: self.name.clone(), url: url.into() });
            }
            parsed
        });
        self.check(allowed, faults);
        let paths = |names: &[Box<str>]| names.iter().map(|name| ClaimPath::new(name)).collect();
        let rules = IssuerRules {
            algorithms: allowed,
            static_keys: Arc::new(static_keys),
            remote: url.map(|url| (url, self.jwks_settings.clone())),
            user_claims: paths(&self.user_claims),
            session_claims: paths(&self.session_claims),
            tier_claims: paths(&self.tier_claims),
            channels_claims: paths(&self.channels_claims),
            permissions_claims: paths(&self.permissions_claims),
            required_claims: paths(&self.required_claims),
            name: Arc::from(self.name),
            iss: self.iss,
            audiences: self.audiences,
            any_audience: self.any_audience,
            leeway: self.leeway,
            expiry_required: self.expiry_required,
            lifetime_max: self.lifetime_max,
            token_types: self.token_types,
        };
        (faults.len() == before).then_some(rules)
    }

    fn allowed_algorithms(&self) -> AlgorithmSet {
        match &self.algorithms {
            Some(algorithms) => AlgorithmSet::of(algorithms),
            None => {
                let hmac = if self.secrets.is_empty() { &[][..] } else { &[Algorithm::Hs256] };
                let pairs = if self.has_public_keys() {
                    AlgorithmSet::KEY_PAIRS
                } else {
                    AlgorithmSet::default()
                };
                AlgorithmSet::of(hmac).union(pairs)
            }
        }
    }

    fn has_public_keys(&self) -> bool {
        !self.pems.is_empty() || !self.inline_jwks.is_empty() || self.jwks_url.is_some()
    }

    fn read_secrets(
        &self,
        allowed: AlgorithmSet,
        keys: &mut KeySet,
        faults: &mut Vec<ConfigFault>,
    ) {
        for secret in &self.secrets {
            match VerifyingKey::hmac(secret.expose().as_bytes(), allowed) {
                Ok(key) => keys.push(key),
                Err(fault) => {
                    faults.push(ConfigFault::Key {
                        issuer: self.name.clone(),
                        what: "secret",
                        fault,
                    });
                }
            }
        }
    }

    fn read_public_keys(
        &self,
        allowed: AlgorithmSet,
        keys: &mut KeySet,
        faults: &mut Vec<ConfigFault>,
    ) {
        let issuer = || self.name.clone();
        for pem in &self.pems {
            match read_pem(pem, allowed) {
                Ok(read) => keys.append(read),
                Err(fault) => {
                    faults.push(ConfigFault::Key { issuer: issuer(), what: "PEM key", fault });
                }
            }
        }
        for document in &self.inline_jwks {
            match read_jwks(document.as_bytes(), allowed) {
                Ok(read) if read.skipped.is_empty() && !read.keys.is_empty() => {
                    keys.append(read.keys);
                }
                Ok(read) if !read.skipped.is_empty() => {
                    faults.extend(read.skipped.into_iter().map(|fault| ConfigFault::Key {
                        issuer: issuer(),
                        what: "key in the JWK set",
                        fault,
                    }));
                }
                _ => faults.push(ConfigFault::KeySet { issuer: issuer() }),
            }
        }
    }

    fn check(&self, allowed: AlgorithmSet, faults: &mut Vec<ConfigFault>) {
        let issuer = || self.name.clone();
        if self.secrets.is_empty() && !self.has_public_keys() {
            faults.push(ConfigFault::NoKeys { issuer: issuer() });
            return;
        }
        let mut useful = AlgorithmSet::default();
        if !self.secrets.is_empty() {
            useful = useful.union(AlgorithmSet::HMAC);
        }
        if self.has_public_keys() {
            useful = useful.union(AlgorithmSet::KEY_PAIRS);
        }
        let useless: Vec<&str> = allowed
            .iter()
            .filter(|algorithm| !useful.contains(*algorithm))
            .map(Algorithm::name)
            .collect();
        if !useless.is_empty() {
            let algorithms = useless.join(", ").into();
            faults.push(ConfigFault::UselessAlgorithms { issuer: issuer(), algorithms });
        }
        if allowed.is_empty() {
            faults.push(ConfigFault::Empty { issuer: issuer(), what: "the list of algorithms" });
        }
        if self.leeway > LEEWAY_MAX {
            faults.push(ConfigFault::Leeway { issuer: issuer() });
        }
        for (what, names) in [
            ("an accepted issuer", &self.iss),
            ("an audience", &self.audiences),
            ("a required claim", &self.required_claims),
            ("a user claim", &self.user_claims),
        ] {
            if names.iter().any(|name| name.trim().is_empty()) {
                faults.push(ConfigFault::Empty { issuer: issuer(), what });
            }
        }
        if self.user_claims.is_empty() {
            faults.push(ConfigFault::Empty { issuer: issuer(), what: "the list of user claims" });
        }
    }
}
