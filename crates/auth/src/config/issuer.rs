//! One issuer as it is written down: its keys, what it may sign, how its claims are read.

use std::time::Duration;

use super::JwksSettings;
use crate::algorithm::Algorithm;
use crate::secret::Secret;

/// An issuer that is trusted, before it is checked.
///
/// It has keys of any mix: HMAC secrets, public keys in PEM, a JWK set given inline, and one address
/// where it publishes a JWK set. Unless [`Issuer::algorithms`] says otherwise its secrets verify
/// HS256 and its public keys every algorithm of their type.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) name: Box<str>,
    pub(super) secrets: Vec<Secret>,
    pub(super) pems: Vec<String>,
    pub(super) inline_jwks: Vec<String>,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_settings: JwksSettings,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(super) iss: Vec<Box<str>>,
    pub(super) audiences: Vec<Box<str>>,
    pub(super) any_audience: bool,
    pub(super) leeway: Duration,
    pub(super) expiry_required: bool,
    pub(super) lifetime_max: Option<Duration>,
    pub(super) required_claims: Vec<Box<str>>,
    pub(super) token_types: Vec<Box<str>>,
    pub(super) user_claims: Vec<Box<str>>,
    pub(super) session_claims: Vec<Box<str>>,
    pub(super) tier_claims: Vec<Box<str>>,
    pub(super) channels_claims: Vec<Box<str>>,
    pub(super) permissions_claims: Vec<Box<str>>,
}

/// Appends rather than replaces.
macro_rules! adders {
    ($($(#[$doc:meta])* $name:ident => $field:ident: $kind:ty;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: impl Into<$kind>) -> Self {
            self.$field.push(value.into());
            self
        }
    )*};
}

/// Replaces the list of claims that are looked at, in order, for one purpose.
macro_rules! claim_lists {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
            self.$name = paths.into_iter().map(Into::into).collect();
            self
        }
    )*};
}

impl Issuer {
    /// An issuer without keys yet. The name is ours: it shows in errors of the configuration, in
    /// statistics and as [`Identity::issuer`](crate::Identity::issuer).
    pub fn new(name: impl Into<Box<str>>) -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        Self {
            name: name.into(),
            secrets: Vec::new(),
            pems: Vec::new(),
            inline_jwks: Vec::new(),
            jwks_url: None,
            jwks_settings: JwksSettings::default(),
            algorithms: None,
            iss: Vec::new(),
            audiences: Vec::new(),
            any_audience: false,
            leeway: Duration::from_secs(5),
            expiry_required: true,
            lifetime_max: None,
            required_claims: Vec::new(),
            token_types: list(&["jwt", "at+jwt"]),
            user_claims: list(&["sub", "user_id"]),
            session_claims: list(&["session_id", "sid"]),
            tier_claims: list(&["tier"]),
            channels_claims: list(&["channels"]),
            permissions_claims: list(&["permissions"]),
        }
    }

    /// A Supabase project: its auth domain (`abc.supabase.co`), audience (`authenticated`) and
    /// issuer (`https://abc.supabase.co/auth/v1`).
    ///
    /// Keys come from `https://<domain>/auth/v1/.well-known/jwks.json` and verify every algorithm of
    /// their type. A project that still signs with its shared secret gets that by
    /// [`Issuer::secret`]. Tier, channels and permissions are looked for at the top level and then in
    /// `app_metadata`, which users cannot write (they can write `user_metadata`).
    ///
    /// A domain may be given as an address, which a local stack needs: `http://127.0.0.1:54321`.
    pub fn supabase(
        domain: &str,
        audience: impl Into<Box<str>>,
        issuer: impl Into<Box<str>>,
    ) -> Self {
        let base = domain.trim().trim_end_matches('/');
        let scheme = if base.contains("://") { "" } else { "https://" };
        Self::new("supabase")
            .jwks_url(format!("{scheme}{base}/auth/v1/.well-known/jwks.json"))
            .iss(issuer)
            .audience(audience)
            .tier_claims(["tier", "app_metadata.tier"])
            .channels_claims(["channels", "app_metadata.channels"])
            .permissions_claims(["permissions", "app_metadata.permissions"])
    }

    adders! {
        /// One more HMAC secret, of at least 32, 48 or 64 bytes for HS256, HS384 or HS512 (RFC 7518
        /// §3.2). While a secret is being replaced, both are given.
        secret => secrets: Secret;
        /// One more text with public keys in PEM. Private keys and certificates are refused.
        pem => pems: String;
        /// One more JWK set as a JSON text. Every key in it must be usable.
        jwks => inline_jwks: String;
        /// One more accepted `iss`, compared letter by letter. With none, any `iss` and no `iss` is
        /// accepted: the keys alone decide.
        iss => iss: Box<str>;
        /// One more accepted `aud`. A token must name one of them. With none, a token that names any
        /// audience is refused (RFC 7519 §4.1.3) unless [`Issuer::any_audience`] is set.
        audience => audiences: Box<str>;
        /// One more claim that must be there and not null, by name or path. `exp` and a user are
        /// required without being listed.
        required_claim => required_claims: Box<str>;
        /// One more accepted `typ`, in lower case and without `application/`. Absent, `JWT` and
        /// `at+jwt` are accepted by default; a `logout+jwt` must not log anybody in.
        token_type => token_types: Box<str>;
    }

    claim_lists! {
        /// The claims for the user, by name or path; the first that is there counts. Default `sub`,
        /// then `user_id`.
        user_claims;
        /// The claims for the session. Default `session_id`, then `sid`.
        session_claims;
        /// The claims for the tier. Default `tier`.
        tier_claims;
        /// The claims for channels: a list of strings, or one string with spaces. Default
        /// `channels`.
        channels_claims;
        /// The claims for permissions, in the same form. Default `permissions`; `scope` is another
        /// that providers have.
        permissions_claims;
    }

    /// Where the issuer publishes its JWK set: `https://…`, or `http://…` to loopback.
    #[must_use]
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// How published keys are fetched and kept.
    #[must_use]
    pub fn jwks_settings(mut self, settings: JwksSettings) -> Self {
        self.jwks_settings = settings;
        self
    }

    /// Pins the algorithms. A token with any other is refused before a key is touched.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Accepts tokens for any audience, ours or not. Only for an issuer whose every token is ours.
    #[must_use]
    pub fn any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// How far our clock and the issuer's may be apart for `exp` and `nbf`. Default 5 s, at most
    /// 10 min. Zero: none.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Accepts tokens without `exp`, which are then good until their key goes.
    #[must_use]
    pub fn expiry_optional(mut self) -> Self {
        self.expiry_required = false;
        self
    }

    /// Refuses tokens that are good for longer than this, from `iat` to `exp`, and those that do not say
    /// so. Default: tokens may live for ever. With a bound, whoever takes tokens back knows for how long that
    /// has to be remembered.
    #[must_use]
    pub fn lifetime_max(mut self, lifetime: Duration) -> Self {
        self.lifetime_max = Some(lifetime);
        self
    }
}
