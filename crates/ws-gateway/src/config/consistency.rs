//! What must fit together. Each check names the settings that it compares, and is left out when
//! one of them is wrong by itself: the default in its place would only confuse.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::fault::Fault;
use super::form::secret_bytes_min;
use super::origin::Origin;
use super::resolved::{AuthMode, Config, UpstreamTarget};
use super::settings::setting;
use super::shown::shown;
use super::sources::Raw;
use super::sources::command_line::Asked;

mod channels;
mod drain;
mod engine;
#[cfg(test)]
mod tests;
mod tls;
mod traces;
mod tunnels;

pub(super) use self::engine::asking;

/// Secrets that stand in documents for everybody to read.
const PUBLISHED_SECRETS: [&str; 2] = ["your-secret-key-change-in-production", "your-secret-key"];

/// The algorithm of a secret unless another is asked for.
const DEFAULT_SECRET_ALGORITHM: &str = "HS256";

pub(super) struct Checks<'a> {
    raw: &'a Raw,
    asked: &'a Asked,
    faulty: BTreeSet<&'a str>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(raw: &'a Raw, asked: &'a Asked) -> Self {
        let faulty = raw.faults.iter().map(|fault| fault.name.as_str()).collect();
        Self { raw, asked, faulty, faults: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn run(&mut self, config: &Config) {
        self.check_sizes(config);
        self.check_times(config);
        self.check_network(config);
        self.check_tls(config);
        self.check_secret(config);
        self.check_keys(config);
        self.check_algorithms(config);
        self.check_mode(config);
        self.check_tiers(config);
        self.check_api(config);
        self.check_hooks(config);
        self.check_channels(config);
        self.check_tunnels(config);
        self.check_engine(config);
        self.check_drain(config);
        self.check_traces(config);
    }

    pub(super) fn into_findings(self) -> (Vec<Fault>, Vec<String>) {
        (self.faults, self.warnings)
    }

    /// Reads the public keys, so that a file that is not there is found out with everything else.
    pub(super) fn read_public_key(
        &mut self,
        config: &mut Config,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) {
        let Some(path) = &config.auth.public_key_file else { return };
        match read_file(path) {
            Err(error) => {
                self.fault("JWT_PUBLIC_KEY_FILE", format!("a file that can be read ({error})"));
            }
            Ok(pem) if pem.contains("PRIVATE KEY-----") => {
                let accepted = "a file with public keys only; this one holds a private key, which \
                                belongs to whoever signs the tokens";
                self.fault("JWT_PUBLIC_KEY_FILE", accepted);
            }
            Ok(pem) if !pem.contains("-----BEGIN ") => {
                let accepted = "a file in PEM, with a line -----BEGIN PUBLIC KEY-----";
                self.fault("JWT_PUBLIC_KEY_FILE", accepted);
            }
            Ok(pem) => config.auth.public_key = Some(pem),
        }
    }

    fn check_sizes(&mut self, config: &Config) {
        let (max, warn) = (config.frames.bytes_max, config.frames.warn_bytes);
        if warn > max && self.are_sound(&["FRAME_WARN_THRESHOLD", "MAX_FRAME_SIZE"]) {
            let accepted = format!("at most MAX_FRAME_SIZE, which is {max}");
            self.fault("FRAME_WARN_THRESHOLD", accepted);
        }
        let outbox = config.limits.outbox_bytes_max;
        if (outbox as u64) < max && self.are_sound(&["OUTBOX_BYTES_MAX", "MAX_FRAME_SIZE"]) {
            self.warnings.push(format!(
                "OUTBOX_BYTES_MAX ({outbox}) is less than MAX_FRAME_SIZE ({max}): a message that may \
                 come in may not fit when it goes out"
            ));
        }
    }

    fn check_times(&mut self, config: &Config) {
        let (interval, timeout) = (config.heartbeat.ping_interval, config.heartbeat.pong_timeout);
        if timeout > interval && self.are_sound(&["PING_INTERVAL", "PONG_TIMEOUT"]) {
            let bound =
                interval.saturating_add(timeout.saturating_mul(config.heartbeat.missed_pongs_max));
            self.warnings.push(format!(
                "PONG_TIMEOUT ({timeout:?}) is longer than PING_INTERVAL ({interval:?}): a dead peer \
                 is found after {bound:?}"
            ));
        }
    }

    fn check_network(&mut self, config: &Config) {
        let server = &config.server;
        if server.proxy_protocol
            && server.trusted_proxies.is_empty()
            && self.are_sound(&["PROXY_PROTOCOL", "TRUSTED_PROXIES"])
        {
            let accepted = "only with TRUSTED_PROXIES: the header is read from nobody else";
            self.fault("PROXY_PROTOCOL", accepted);
        }
        if let Some(everybody) = server.trusted_proxies.iter().find(|net| net.prefix_len() == 0) {
            self.warnings.push(format!(
                "TRUSTED_PROXIES has {everybody}: anybody can claim any address, and no limit by \
                 address holds"
            ));
        }
        if config.dev && !server.address.ip().is_loopback() {
            self.warnings.push(format!(
                "--dev listens on {}: whoever reaches that can use the development set-up",
                server.address.ip()
            ));
        }
        // `*` was taken for "any" by now, so that it does not count as a list here.
        if config.auth.cookie.is_some()
            && server.allowed_origins.is_none()
            && self.are_sound(&["AUTH_COOKIE", "ALLOWED_ORIGINS"])
        {
            let accepted = "only with ALLOWED_ORIGINS, and not `*`: a browser sends cookies from any \
                            page, so that any page could act for its visitor";
            self.fault("AUTH_COOKIE", accepted);
        }
    }

    fn check_secret(&mut self, config: &Config) {
        let Some(secret) = &config.auth.secret else { return };
        if !config.dev && PUBLISHED_SECRETS.contains(&secret.expose()) {
            let accepted = "a secret of your own: this one is published as an example, and anybody \
                            can sign with it (openssl rand -base64 48)";
            return self.fault("JWT_SECRET_KEY", accepted);
        }
        if secret.expose().contains("-----BEGIN ") {
            let accepted = "a secret; this is a key in PEM, which goes into JWT_PUBLIC_KEY_FILE";
            return self.fault("JWT_SECRET_KEY", accepted);
        }
        let algorithms = config.auth.algorithms.iter().map(String::as_str);
        let needs = algorithms.filter_map(|name| Some((secret_bytes_min(name)?, name))).max();
        let default = secret_bytes_min(DEFAULT_SECRET_ALGORITHM).unwrap_or_default();
        let (bytes_min, algorithm) = needs.unwrap_or((default, DEFAULT_SECRET_ALGORITHM));
        let length = secret.expose().len();
        if length < bytes_min {
            self.fault("JWT_SECRET_KEY", format!(
                "at least {bytes_min} bytes for {algorithm} (RFC 7518 §3.2), and this has {length} \
                 (openssl rand -base64 48)"
            ));
        }
    }

    fn check_keys(&mut self, config: &Config) {
        let auth = &config.auth;
        if let Asked::Token(_) = self.asked {
            if auth.secret.is_none() && self.may_miss("JWT_SECRET_KEY") {
                let accepted = "a token can only be signed with the secret that the gateway \
                                verifies with; the throw-away secret of --dev is not known here";
                self.missing("JWT_SECRET_KEY", accepted);
            }
        } else if !auth.has_keys()
            && !config.dev
            && auth.mode != AuthMode::None
            && self.may_miss("JWT_SECRET_KEY")
            && self.are_sound(&[
                "AUTH_MODE",
                "JWKS_URL",
                "JWT_PUBLIC_KEY_FILE",
                "SUPABASE_AUTH_DOMAIN",
            ])
        {
            let accepted = "nobody could be let in; set JWT_SECRET_KEY (openssl rand -base64 48), \
                            JWT_PUBLIC_KEY_FILE, JWKS_URL or SUPABASE_AUTH_DOMAIN, or try --dev; \
                            AUTH_MODE=none lets anybody in";
            self.missing("JWT_SECRET_KEY", accepted);
        }
        let domain_is_missing = auth.supabase.as_ref().is_some_and(|one| one.domain.is_empty());
        if domain_is_missing && self.are_sound(&["SUPABASE_AUTH_DOMAIN"]) {
            let accepted =
                "SUPABASE_AUTH_AUDIENCE and SUPABASE_AUTH_ISSUER mean nothing without it";
            self.missing("SUPABASE_AUTH_DOMAIN", accepted);
        }
        if auth.jwks_url.is_some() && auth.audiences.is_empty() && self.are_sound(&["JWT_AUDIENCE"])
        {
            self.warnings.push(
                "JWKS_URL without JWT_AUDIENCE: tokens that name an audience are refused"
                    .to_owned(),
            );
        }
    }

    /// An algorithm that no key can have admits nobody, and nobody would notice until somebody is
    /// locked out.
    fn check_algorithms(&mut self, config: &Config) {
        let auth = &config.auth;
        let keys = ["JWT_SECRET_KEY", "JWKS_URL", "JWT_PUBLIC_KEY_FILE", "SUPABASE_AUTH_DOMAIN"];
        let has_nothing = auth.algorithms.is_empty() || (!auth.has_keys() && !config.dev);
        if has_nothing || !self.are_sound(&["JWT_ALGORITHMS"]) || !self.are_sound(&keys) {
            return;
        }
        let has_secret = auth.secret.is_some() || (config.dev && !auth.has_keys());
        let is_usable = |name: &&String| match secret_bytes_min(name) {
            Some(_) => has_secret,
            None => auth.has_public_keys(),
        };
        let useless: Vec<&str> =
            auth.algorithms.iter().filter(|name| !is_usable(name)).map(String::as_str).collect();
        if useless.len() == auth.algorithms.len() {
            let accepted = if has_secret {
                "HS256, HS384 or HS512 with JWT_SECRET_KEY"
            } else {
                "algorithms of public keys, unless JWT_SECRET_KEY is set"
            };
            self.fault("JWT_ALGORITHMS", accepted);
        } else if !useless.is_empty() {
            let names = useless.join(", ");
            self.warnings.push(format!("JWT_ALGORITHMS has {names}, for which there is no key"));
        }
    }

    fn check_mode(&mut self, config: &Config) {
        if config.auth.mode == AuthMode::None && !config.dev {
            self.warnings.push("AUTH_MODE=none: anybody is let in".to_owned());
        }
        let serves = !matches!(self.asked, Asked::Token(_));
        if serves
            && config.upstream.target == UpstreamTarget::Unset
            && self.are_sound(&["UPSTREAM"])
        {
            self.warnings.push(
                "UPSTREAM is not set: each request is answered with an error that says so"
                    .to_owned(),
            );
        }
    }

    fn check_tiers(&mut self, config: &Config) {
        let limits = &config.limits;
        let unknown = limits.default_tier.as_ref().filter(|name| !limits.tiers.contains_key(*name));
        if unknown.is_some() && !self.raw.is_incomplete {
            let names: Vec<&str> = limits.tiers.keys().map(String::as_str).collect();
            let accepted = match names.as_slice() {
                [] => "the name of a [tiers.NAME] of the file, which has none".to_owned(),
                names => format!("one of {}", names.join(", ")),
            };
            self.fault("DEFAULT_TIER", accepted);
        }
    }

    fn are_sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| !self.faulty.contains(name))
    }

    /// Whether a setting that is not there was really not written.
    fn may_miss(&self, name: &str) -> bool {
        !self.raw.is_incomplete && self.are_sound(&[name])
    }

    fn missing(&mut self, name: &str, accepted: &str) {
        self.faults.push(Fault {
            name: name.to_owned(),
            value: None,
            source: Origin::Default,
            accepted: accepted.to_owned(),
        });
    }

    /// A value that does not fit to others.
    fn fault(&mut self, name: &'static str, accepted: impl Into<String>) {
        let Some(setting) = setting(name) else { return };
        let (value, source) = match self.raw.written.get(name) {
            Some(written) => (shown(setting, &written.text), written.origin.clone()),
            None => (setting.default.to_owned(), Origin::Default),
        };
        let (name, accepted) = (name.to_owned(), accepted.into());
        self.faults.push(Fault { name, value: Some(value), source, accepted });
    }
}
