//! What must fit together among channels, hooks and the API for back-ends.

use ws_channels::{ChannelKind, ChannelName, ConnectionTypeSpec, RuleSpec};

use super::Checks;
use crate::config::form::is_this_machine;
use crate::config::resolved::{AuthMode, Config, HookFailure};

/// As many as an attacker over the network will not guess, were it but hexadecimal digits.
const API_KEY_BYTES_MIN: usize = 16;

impl Checks<'_> {
    pub(super) fn check_api(&mut self, config: &Config) {
        self.check_admin(config);
        let Some(key) = config.api.key.as_ref() else { return };
        let text = key.expose();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let accepted =
                "visible ASCII without spaces and line ends: it has to fit into a header";
            self.fault("API_KEY", accepted);
        } else if text.len() < API_KEY_BYTES_MIN && !config.dev {
            let length = text.len();
            self.fault(
                "API_KEY",
                format!(
                    "at least {API_KEY_BYTES_MIN} bytes outside --dev, and this has {length} \
                 (openssl rand -hex 32)"
                ),
            );
        }
        if config.admin.key.as_ref() == Some(key) {
            self.warnings.push(
                "API_KEY is ADMIN_KEY: whoever reads the figures can also publish, and send users \
                 away"
                    .to_owned(),
            );
        }
    }

    /// It was there before it opened the console, and so a short one is no fault.
    fn check_admin(&mut self, config: &Config) {
        let length = config.admin.key.as_ref().map(|key| key.expose().len());
        if let Some(length) = length.filter(|length| *length < API_KEY_BYTES_MIN && !config.dev) {
            self.warnings.push(format!(
                "ADMIN_KEY has {length} bytes: it opens the console, from which connections are \
                 closed, and one of less than {API_KEY_BYTES_MIN} may be guessed (openssl rand -hex 32)"
            ));
        }
    }

    pub(super) fn check_hooks(&mut self, config: &Config) {
        for (env, address) in config.hooks.addresses() {
            let host = address.host().unwrap_or_default();
            if address.scheme_str() == Some("http") && !is_this_machine(host) {
                self.warnings.push(format!(
                    "{env} is plain http to {host}: whoever is on the way reads it, and can answer \
                     in its place"
                ));
            }
        }
        let decides = |env: &&str| *env != "HOOK_DISCONNECTED";
        let hooks = config.hooks.addresses().map(|(env, _)| env).filter(decides);
        let hooks: Vec<&str> = hooks.collect();
        if config.hooks.failure == HookFailure::Allow && !hooks.is_empty() {
            let names = hooks.join(", ");
            self.warnings.push(format!(
                "HOOK_FAILURE=allow with {names}: while the back-end is down, nobody is refused"
            ));
        }
    }

    pub(super) fn check_channels(&mut self, config: &Config) {
        let rules = &config.channels.rules;
        if rules.is_empty() && !self.raw.is_incomplete {
            let who = match config.auth.mode {
                AuthMode::None => "anybody",
                AuthMode::Message | AuthMode::Upgrade => "whoever has authenticated",
            };
            self.warnings
                .push(format!("no [[channels]]: {who} may use any channel but the reserved ones"));
        } else if !rules.is_empty() && !rules.iter().any(|rule| rule.subscribe || rule.publish) {
            self.warnings.push(
                "[[channels]]: no rule allows to subscribe or to publish, so that no client can use \
                 a channel"
                    .to_owned(),
            );
        }
        for rule in rules.iter().filter(|rule| !rule.publish && rule.allowed_events.is_some()) {
            self.warnings.push(format!(
                "[[channels]] {}: allowed_events is about what clients publish, and they may not \
                 publish there",
                rule.pattern
            ));
        }
        // Whoever does not use the types of the default table is not to be told of them.
        let types = &config.channels.types;
        if *types == ConnectionTypeSpec::default_table() {
            return;
        }
        for kind in types {
            for channel in kind.channels.iter().filter(|channel| !may_be_open(channel, rules)) {
                self.warnings.push(format!(
                    "[[connection_types]]: no rule allows to subscribe to {channel}, so that every \
                     connection to {} is closed",
                    kind.path
                ));
            }
        }
    }
}

/// Whether there can be a rule for what is made of the template: of the two, one begins as the other
/// does.
fn may_be_open(template: &str, rules: &[RuleSpec]) -> bool {
    let wanted = literal_prefix(template);
    // What is reserved is opened by a rule that spells the prefix.
    let is_reserved = ChannelName::new(wanted).is_ok_and(|name| name.kind() == ChannelKind::User);
    let fits = |rule: &RuleSpec| {
        let opened = literal_prefix(&rule.pattern);
        rule.subscribe
            && (opened.starts_with(wanted) || wanted.starts_with(opened))
            && (!is_reserved || opened.contains(':'))
    };
    if rules.is_empty() { !is_reserved } else { rules.iter().any(fits) }
}

fn literal_prefix(pattern: &str) -> &str {
    pattern.split(['{', '*']).next().unwrap_or_default()
}
