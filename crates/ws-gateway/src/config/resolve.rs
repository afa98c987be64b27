//! The second of the two stages: what the written values mean, singly and together.

use std::io;
use std::path::Path;

use super::consistency::{Checks, asking};
use super::fault::{Fault, Faults};
use super::loaded::{Effective, Loaded};
use super::origin::{Origin, Written};
use super::quantity::show_size;
use super::resolved::{Config, ServerAddress};
use super::secret::Secret;
use super::setting::{Kind, Setting};
use super::settings::{COMPRESSION_PROFILES, DEV_DEFAULTS, SETTINGS, setting};
use super::shown::{hint, shown};
use super::sources::Raw;
use super::sources::command_line::Asked;

const PROFILE: &str = "COMPRESSION_PROFILE";
const REDIS_PORT: &str = "REDIS_PORT";

/// Checks everything and says all that is wrong at once.
pub(super) fn resolve(
    mut raw: Raw,
    asked: &Asked,
    dev: bool,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<Loaded, Faults> {
    derive_profile(&mut raw);
    if dev {
        for (env, value) in DEV_DEFAULTS {
            derive(&mut raw, env, value, Origin::DevDefault);
        }
    }
    derive_engine(&mut raw);
    let mut config = Config { dev, ..Config::default() };
    for setting in SETTINGS {
        if let Some(written) = raw.written.get(setting.env)
            && !setting.apply(&mut config, &written.text)
        {
            raw.faults.push(refusal(setting, written));
        }
    }
    config.limits.tiers = std::mem::take(&mut raw.tiers);
    config.limits.costs = std::mem::take(&mut raw.costs);
    let (rules, rule_origins) = std::mem::take(&mut raw.rules).into_iter().unzip();
    config.channels.rules = rules;
    let mut type_origins = Vec::new();
    if let Some(types) = raw.types.take() {
        (config.channels.types, type_origins) = types.into_iter().unzip();
    }
    let (bridges, bridge_origins) = std::mem::take(&mut raw.bridges).into_iter().unzip();
    config.nats.bridges = bridges;
    derive_warn_threshold(&mut raw, &mut config);
    finish(&mut config);
    finish_servers(&raw, &mut config);

    let mut checks = Checks::new(&raw, asked);
    checks.read_public_key(&mut config, &read_file);
    checks.read_files_of_servers(&mut config, &read_file);
    checks.read_certificates(&config, &read_file);
    checks.run(&config);
    let (faults, warnings) = checks.into_findings();
    raw.faults.extend(faults);
    raw.warnings.extend(warnings);
    if !raw.faults.is_empty() {
        return Err(Faults(raw.faults));
    }
    let provenance = SETTINGS.iter().copied().map(|setting| effective(setting, &raw)).collect();
    let Raw { warnings, .. } = raw;
    Ok(Loaded { config, warnings, provenance, rule_origins, type_origins, bridge_origins })
}

/// A default that follows from something else: it counts where nothing is written.
fn derive(raw: &mut Raw, env: &str, value: &str, origin: Origin) {
    if let Some(setting) = setting(env) {
        let written = Written { text: value.to_owned(), origin };
        raw.written.entry(setting.env).or_insert(written);
    }
}

fn derive_profile(raw: &mut Raw) {
    let Some(profile) = raw.written.get(PROFILE).map(|written| written.text.clone()) else {
        return;
    };
    let is_meant = |(name, _): &&(&str, _)| name.eq_ignore_ascii_case(&profile);
    let (_, changes) = COMPRESSION_PROFILES.iter().find(is_meant).unwrap_or(&("", &[]));
    for (env, value) in *changes {
        derive(raw, env, value, Origin::Derived(PROFILE));
    }
}

/// The engine is the one for which something is written, where that is one.
fn derive_engine(raw: &mut Raw) {
    // Kubernetes sets this in every pod beside a service named redis.
    let is_of_a_service =
        raw.written.get(REDIS_PORT).is_some_and(|written| written.text.starts_with("tcp://"));
    if is_of_a_service && !raw.written.contains_key("REDIS_HOST") {
        raw.written.remove(REDIS_PORT);
    }
    if let [(env, engine)] = asking(raw)[..] {
        derive(raw, "BROKER", engine.name(), Origin::Derived(env));
    }
}

/// Whoever lowers the limit alone did not mean to be told that the warning is above it.
fn derive_warn_threshold(raw: &mut Raw, config: &mut Config) {
    if raw.written.contains_key("MAX_FRAME_SIZE")
        && !raw.written.contains_key("FRAME_WARN_THRESHOLD")
    {
        config.frames.warn_bytes = config.frames.bytes_max / 2;
        let value = show_size(config.frames.warn_bytes);
        derive(raw, "FRAME_WARN_THRESHOLD", &value, Origin::Derived("MAX_FRAME_SIZE"));
    }
}

/// Gives values that came in pieces their final form.
fn finish(config: &mut Config) {
    let origins = &mut config.server.allowed_origins;
    if origins.as_ref().is_some_and(|origins| origins.iter().any(|origin| origin == "*")) {
        *origins = None;
    }
    if let Some(project) = &mut config.auth.supabase {
        if project.audience.is_empty() {
            "authenticated".clone_into(&mut project.audience);
        }
        if project.issuer.is_empty() {
            let domain = project.domain.trim_end_matches('/');
            let scheme = if domain.contains("://") { "" } else { "https://" };
            project.issuer = format!("{scheme}{domain}/auth/v1");
        }
    }
}

/// Where servers are is said in several ways, and means one thing.
fn finish_servers(raw: &Raw, config: &mut Config) {
    let redis = &mut config.redis;
    if let Some(host) = redis.host.clone().filter(|_| redis.servers.is_empty()) {
        let (port, tls, user, password, path) = (redis.port, false, None, None, String::new());
        redis.servers.push(ServerAddress { host, port, tls, user, password, path });
    }
    // What is written by itself wins over an address.
    redis.tls |= redis.servers.iter().any(|server| server.tls);
    if let Some(first) = redis.servers.first() {
        if !raw.written.contains_key("REDIS_DB")
            && let Ok(db) = first.path.parse()
        {
            redis.db = db;
        }
        redis.user = redis.user.take().or_else(|| first.user.clone());
        redis.password = redis.password.take().or_else(|| first.password.clone());
    }
    let nats = &mut config.nats;
    nats.tls |= nats.servers.iter().any(|server| server.tls);
    if let Some(first) = nats.servers.first() {
        match (&first.user, &first.password) {
            // An address with one word in front of the host says a token.
            (Some(token), None) => {
                let token = || Some(Secret::new(token.as_str()));
                nats.token = nats.token.take().or_else(token);
            }
            (user, password) => {
                nats.user = nats.user.take().or_else(|| user.clone());
                nats.password = nats.password.take().or_else(|| password.clone());
            }
        }
    }
}

fn refusal(setting: &Setting, written: &Written) -> Fault {
    let hint = hint(setting, &written.text);
    let accepted = match refused_item(setting, &written.text) {
        Some(item) => {
            format!("{:?} is not accepted; {}{hint}", shown(setting, item), setting.accepted())
        }
        None => format!("{}{hint}", setting.accepted()),
    };
    Fault {
        name: setting.env.to_owned(),
        value: Some(shown(setting, &written.text)),
        source: written.origin.clone(),
        accepted,
    }
}

/// The first item that makes a list of several unacceptable.
fn refused_item<'a>(setting: &Setting, text: &'a str) -> Option<&'a str> {
    let is_list = matches!(setting.kind, Kind::List(..)) && text.contains(',');
    let mut items = text.split(',').filter(|_| is_list).map(str::trim);
    items.find(|item| !setting.apply(&mut Config::default(), item))
}

fn effective(setting: &'static Setting, raw: &Raw) -> Effective {
    match raw.written.get(setting.env) {
        Some(Written { text, origin }) => {
            let value = if text.is_empty() { String::new() } else { shown(setting, text) };
            Effective { setting, value, origin: origin.clone(), text: Secret::new(text.as_str()) }
        }
        None => Effective {
            setting,
            value: setting.default.to_owned(),
            origin: Origin::Default,
            text: Secret::new(setting.default),
        },
    }
}
