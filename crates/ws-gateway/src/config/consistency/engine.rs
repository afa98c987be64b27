//! What must fit together about the engine, and the files that it names.

use std::io;
use std::path::Path;

use super::Checks;
use crate::config::resolved::{Config, EngineKind, ServerAddress, UpstreamTarget};
use crate::config::secret::Secret;
use crate::config::setting::Section;
use crate::config::settings::SETTINGS;
use crate::config::sources::Raw;

/// The settings that ask for an engine, each with the one that it asks for.
const ASKING: [(&str, EngineKind); 4] = [
    ("DATA_DIR", EngineKind::Disk),
    ("REDIS_HOST", EngineKind::Redis),
    ("REDIS_URL", EngineKind::Redis),
    ("NATS_URL", EngineKind::Nats),
];

/// The settings that are written and ask for an engine; of two that ask for the same, the first.
pub(in crate::config) fn asking(raw: &Raw) -> Vec<(&'static str, EngineKind)> {
    let is_written = |env: &str| raw.written.get(env).is_some_and(|it| !it.text.is_empty());
    let mut asking: Vec<_> = ASKING.into_iter().filter(|(env, _)| is_written(env)).collect();
    asking.dedup_by_key(|(_, kind)| *kind);
    asking
}

impl Checks<'_> {
    /// Reads what files hold, so that one that is not there is found out with everything else.
    pub(in crate::config) fn read_files_of_servers(
        &mut self,
        config: &mut Config,
        read_file: impl Fn(&Path) -> io::Result<String>,
    ) {
        let (redis, nats) = (&mut config.redis, &mut config.nats);
        if let Some(path) = redis.password_file.clone() {
            redis.password =
                self.read_secret("REDIS_PASSWORD_FILE", "REDIS_PASSWORD", &read_file(&path));
        }
        if let Some(path) = nats.password_file.clone() {
            nats.password =
                self.read_secret("NATS_PASSWORD_FILE", "NATS_PASSWORD", &read_file(&path));
        }
        for (env, path, place) in [
            ("REDIS_CA_FILE", &redis.ca_file, &mut redis.ca),
            ("NATS_CA_FILE", &nats.ca_file, &mut nats.ca),
        ] {
            let Some(path) = path else { continue };
            match read_file(path) {
                Ok(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => *place = Some(pem),
                Ok(_) => self.fault(env, "a file in PEM, with a line -----BEGIN CERTIFICATE-----"),
                Err(error) => self.fault(env, format!("a file that can be read ({error})")),
            }
        }
        if let Some(path) = &nats.credentials_file {
            match read_file(path) {
                Ok(text) if text.contains("BEGIN USER NKEY SEED") => {
                    nats.credentials = Some(Secret::new(text));
                }
                Ok(_) => self.fault(
                    "NATS_CREDENTIALS_FILE",
                    "a file of nsc, with a line -----BEGIN USER NKEY SEED-----",
                ),
                Err(error) => {
                    self.fault(
                        "NATS_CREDENTIALS_FILE",
                        format!("a file that can be read ({error})"),
                    );
                }
            }
        }
    }

    /// The first line of a file.
    fn read_secret(
        &mut self,
        file: &'static str,
        instead: &'static str,
        read: &io::Result<String>,
    ) -> Option<Secret> {
        if self.is_set(instead) {
            self.fault(file, format!("only without {instead}, which says the same"));
            return None;
        }
        match read.as_ref().map(|text| text.lines().next().unwrap_or_default()) {
            Ok("") => self.fault(file, "a file whose first line is the password"),
            Ok(secret) => return Some(Secret::new(secret)),
            Err(error) => self.fault(file, format!("a file that can be read ({error})")),
        }
        None
    }

    pub(super) fn check_engine(&mut self, config: &Config) {
        let engine = config.broker.engine;
        let asking = asking(self.raw);
        let is_said = self.is_set("BROKER");
        if let [(first, kind), .., (last, other)] = asking[..]
            && !is_said
        {
            let (kind, other) = (kind.name(), other.name());
            let accepted = format!(
                "{first} and {last} are both set, and there is one engine: BROKER has to say which, \
                 {kind} or {other}"
            );
            return self.missing("BROKER", &accepted);
        }
        let is_asked_for = asking.iter().any(|(_, kind)| *kind == engine);
        if !is_asked_for && self.may_miss("BROKER") {
            let accepted = format!("BROKER is {}, which needs it", engine.name());
            let (disk, nats) = (self.may_miss("DATA_DIR"), self.may_miss("NATS_URL"));
            match engine {
                EngineKind::Disk if disk => self.missing("DATA_DIR", &accepted),
                EngineKind::Nats if nats => self.missing("NATS_URL", &accepted),
                EngineKind::Redis if self.are_sound(&["REDIS_HOST", "REDIS_URL"]) => {
                    self.missing("REDIS_HOST", &format!("{accepted}, or REDIS_URL"));
                }
                EngineKind::Memory | EngineKind::Disk | EngineKind::Redis | EngineKind::Nats => {}
            }
        }
        self.check_redis(config);
        self.check_nats(config);
        let needs_nats = engine == EngineKind::Nats
            || !config.nats.bridges.is_empty()
            || matches!(config.upstream.target, UpstreamTarget::Nats { .. });
        self.warn_of_unused(Section::Redis, engine == EngineKind::Redis, engine);
        self.warn_of_unused(Section::Nats, needs_nats, engine);
        if self.is_set("DATA_DIR") && engine != EngineKind::Disk {
            let engine = engine.name();
            self.warnings.push(format!("DATA_DIR is not used: BROKER is {engine}"));
        }
    }

    fn check_redis(&mut self, config: &Config) {
        let redis = &config.redis;
        if self.is_set("REDIS_HOST") && self.is_set("REDIS_URL") {
            self.fault("REDIS_HOST", "only without REDIS_URL, which says where the server is");
        }
        if redis.cluster && redis.db != 0 && self.are_sound(&["REDIS_DB", "REDIS_URL"]) {
            self.fault("REDIS_CLUSTER", "only with database 0: a cluster has no other");
        }
        if redis.cluster && redis.sentinel.is_some() {
            self.fault("REDIS_SENTINEL", "only without REDIS_CLUSTER, which watches over itself");
        }
        if redis.servers.len() > 1 && !redis.cluster && redis.sentinel.is_none() {
            let accepted = "one server; several with REDIS_CLUSTER, or with REDIS_SENTINEL";
            self.fault("REDIS_URL", accepted);
        }
        if redis.user.is_some() && redis.password.is_none() && self.is_set("REDIS_USER") {
            self.fault("REDIS_USER", "only with REDIS_PASSWORD or REDIS_PASSWORD_FILE");
        }
        self.check_alike("REDIS_URL", &redis.servers);
        self.warn_of_open_password(
            "REDIS_PASSWORD",
            redis.password.is_some() && !redis.tls,
            &redis.servers,
        );
    }

    fn check_nats(&mut self, config: &Config) {
        let nats = &config.nats;
        let ways = [
            ("NATS_CREDENTIALS_FILE", nats.credentials_file.is_some()),
            ("NATS_TOKEN", nats.token.is_some()),
            ("NATS_USER", nats.user.is_some() || nats.password.is_some()),
        ];
        let ways: Vec<&'static str> =
            ways.into_iter().filter(|(_, is_used)| *is_used).map(|(env, _)| env).collect();
        if let [first, second, ..] = ways[..] {
            self.fault(second, format!("only without {first}: there is one way to sign in"));
        } else if nats.user.is_some() != nats.password.is_some()
            && self.are_sound(&["NATS_PASSWORD_FILE"])
        {
            match nats.user {
                Some(_) => self.missing("NATS_PASSWORD", "NATS_USER signs in with one"),
                None => self.missing("NATS_USER", "NATS_PASSWORD is somebody's"),
            }
        }
        if nats.replicas.is_multiple_of(2) && self.are_sound(&["NATS_REPLICAS"]) {
            self.fault("NATS_REPLICAS", "1, 3 or 5: of an even number there is no majority");
        }
        self.check_alike("NATS_URL", &nats.servers);
        let is_secret = nats.password.is_some() || nats.token.is_some();
        self.warn_of_open_password("NATS_PASSWORD", is_secret && !nats.tls, &nats.servers);
        if !nats.bridges.is_empty() && nats.servers.is_empty() && self.may_miss("NATS_URL") {
            self.missing("NATS_URL", "[[bridges]] are between channels and its subjects");
        }
    }

    /// All servers of one engine are spoken to in the same way.
    fn check_alike(&mut self, env: &'static str, servers: &[ServerAddress]) {
        if servers.windows(2).any(|pair| pair[0].tls != pair[1].tls) {
            self.fault(env, "addresses that all have the same scheme");
        }
    }

    fn warn_of_open_password(&mut self, env: &str, is_open: bool, servers: &[ServerAddress]) {
        let is_far = |server: &&ServerAddress| !crate::config::form::is_this_machine(&server.host);
        if let Some(server) = servers.iter().find(is_far).filter(|_| is_open) {
            let host = &server.host;
            self.warnings
                .push(format!("{env} goes to {host} without TLS: whoever is on the way reads it"));
        }
    }

    fn warn_of_unused(&mut self, section: Section, is_used: bool, engine: EngineKind) {
        let of_section = SETTINGS.iter().filter(|setting| setting.section == section);
        let written =
            |env: &str| self.raw.written.get(env).is_some_and(|it| it.origin.is_written());
        let unused: Vec<&str> =
            of_section.map(|setting| setting.env).filter(|env| written(env)).collect();
        // What Kubernetes sets beside a service of that name was not meant for anybody.
        if !unused.is_empty() && !is_used {
            let (names, verb) = (unused.join(", "), if unused.len() == 1 { "is" } else { "are" });
            let engine = engine.name();
            self.warnings.push(format!("{names} {verb} not used: BROKER is {engine}"));
        }
    }

    fn is_set(&self, env: &str) -> bool {
        self.raw.written.get(env).is_some_and(|it| it.origin.is_written() && !it.text.is_empty())
    }
}
